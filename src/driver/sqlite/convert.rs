//! SQLite's failures as keepwell's errors: class, numbers, what to retry, and the cure. <https://sqlite.org/rescode.html>

use rusqlite::ffi;

use super::raw::Failure;
use crate::error::{Error, Kind, Retry};

/// The error for `failure`, met while doing `what`.
pub fn error(failure: Failure, what: &str) -> Error {
    let (kind, retry) = class(failure.primary, failure.extended);
    let name = code_name(failure.extended);
    let cure = cure(kind, failure.extended);
    let message = format!("{what}: {} ({name} {}){cure}", failure.message, failure.extended);
    Error::new(kind, message).with_engine(failure.primary, failure.extended).at(failure.offset).with_retry(retry)
}

/// The error for something that rusqlite reported, met while doing `what`.
pub fn from_rusqlite(error: rusqlite::Error, what: &str) -> Error {
    match &error {
        rusqlite::Error::SqliteFailure(code, message) => {
            let extended = code.extended_code;
            let message = message.clone().unwrap_or_else(|| code.to_string());
            self::error(Failure { primary: extended & 0xFF, extended, message, offset: None }, what)
        }
        other => Error::new(Kind::Engine, format!("{what}: {other}")),
    }
    .with_source(error)
}

fn class(primary: i32, extended: i32) -> (Kind, Retry) {
    match (primary, extended) {
        (ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_SNAPSHOT) => (Kind::Conflict, Retry::Transaction),
        (ffi::SQLITE_BUSY, _) => (Kind::Busy, Retry::Statement),
        (ffi::SQLITE_LOCKED, _) => (Kind::Busy, Retry::Transaction),
        (ffi::SQLITE_ERROR, ffi::SQLITE_ERROR_SNAPSHOT) => (Kind::Conflict, Retry::Transaction),
        (ffi::SQLITE_ERROR, _) => (Kind::Sql, Retry::No),
        (ffi::SQLITE_CONSTRAINT, _) => (Kind::Constraint, Retry::No),
        (ffi::SQLITE_READONLY, _) => (Kind::ReadOnly, Retry::No),
        (ffi::SQLITE_INTERRUPT, _) => (Kind::Cancelled, Retry::No),
        (ffi::SQLITE_IOERR, ffi::SQLITE_IOERR_NOMEM) | (ffi::SQLITE_NOMEM, _) => (Kind::NoMemory, Retry::No),
        (ffi::SQLITE_IOERR, _) => (Kind::Io, Retry::Connection),
        (ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB, _) => (Kind::Corrupt, Retry::No),
        (ffi::SQLITE_FULL, _) => (Kind::Full, Retry::No),
        (ffi::SQLITE_CANTOPEN, _) => (Kind::CantOpen, Retry::No),
        (ffi::SQLITE_SCHEMA, _) => (Kind::Conflict, Retry::Statement),
        (ffi::SQLITE_TOOBIG, _) => (Kind::TooBig, Retry::No),
        (ffi::SQLITE_MISMATCH, _) => (Kind::Constraint, Retry::No),
        (ffi::SQLITE_RANGE, _) => (Kind::Parameter, Retry::No),
        (ffi::SQLITE_PERM | ffi::SQLITE_AUTH, _) => (Kind::Permission, Retry::No),
        (ffi::SQLITE_MISUSE, _) => (Kind::Misuse, Retry::No),
        (ffi::SQLITE_NOLFS, _) => (Kind::Unsupported, Retry::No),
        _ => (Kind::Engine, Retry::No),
    }
}

fn cure(kind: Kind, extended: i32) -> &'static str {
    match (kind, extended) {
        (Kind::Busy, code) if code & 0xFF == ffi::SQLITE_LOCKED => {
            "; a result of this connection is still open on that table: read or close it first"
        }
        (Kind::Busy, _) => "; another process holds the lock: give the call a longer timeout or retry",
        (Kind::Conflict, _) => "; another process committed first: run the transaction again from its start, or begin it immediate",
        (Kind::Full, _) => "; free some space: nothing was changed, and the store goes on working",
        (Kind::Corrupt, ffi::SQLITE_NOTADB) => "; the file is no SQLite database (or is encrypted)",
        (Kind::Corrupt, _) => "; restore it from a backup, or see https://sqlite.org/recovery.html",
        (Kind::CantOpen, _) => "; check the path, the folder's permissions, and that it is no directory",
        _ => "",
    }
}

/// SQLite's own name of a result code, for the ones that people look up.
fn code_name(extended: i32) -> &'static str {
    const NAMES: &[(i32, &str)] = &[
        (ffi::SQLITE_ERROR, "SQLITE_ERROR"),
        (ffi::SQLITE_PERM, "SQLITE_PERM"),
        (ffi::SQLITE_BUSY, "SQLITE_BUSY"),
        (ffi::SQLITE_BUSY_RECOVERY, "SQLITE_BUSY_RECOVERY"),
        (ffi::SQLITE_BUSY_SNAPSHOT, "SQLITE_BUSY_SNAPSHOT"),
        (ffi::SQLITE_LOCKED, "SQLITE_LOCKED"),
        (ffi::SQLITE_NOMEM, "SQLITE_NOMEM"),
        (ffi::SQLITE_READONLY, "SQLITE_READONLY"),
        (ffi::SQLITE_READONLY_DBMOVED, "SQLITE_READONLY_DBMOVED"),
        (ffi::SQLITE_READONLY_DIRECTORY, "SQLITE_READONLY_DIRECTORY"),
        (ffi::SQLITE_READONLY_CANTINIT, "SQLITE_READONLY_CANTINIT"),
        (ffi::SQLITE_INTERRUPT, "SQLITE_INTERRUPT"),
        (ffi::SQLITE_IOERR, "SQLITE_IOERR"),
        (ffi::SQLITE_IOERR_READ, "SQLITE_IOERR_READ"),
        (ffi::SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ"),
        (ffi::SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE"),
        (ffi::SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"),
        (ffi::SQLITE_IOERR_SHMOPEN, "SQLITE_IOERR_SHMOPEN"),
        (ffi::SQLITE_IOERR_SHMSIZE, "SQLITE_IOERR_SHMSIZE"),
        (ffi::SQLITE_IOERR_SHMMAP, "SQLITE_IOERR_SHMMAP"),
        (ffi::SQLITE_CORRUPT, "SQLITE_CORRUPT"),
        (ffi::SQLITE_FULL, "SQLITE_FULL"),
        (ffi::SQLITE_CANTOPEN, "SQLITE_CANTOPEN"),
        (ffi::SQLITE_CANTOPEN_ISDIR, "SQLITE_CANTOPEN_ISDIR"),
        (ffi::SQLITE_SCHEMA, "SQLITE_SCHEMA"),
        (ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG"),
        (ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT"),
        (ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK"),
        (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"),
        (ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"),
        (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"),
        (ffi::SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID"),
        (ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER"),
        (ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"),
        (ffi::SQLITE_CONSTRAINT_VTAB, "SQLITE_CONSTRAINT_VTAB"),
        (ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE"),
        (ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH"),
        (ffi::SQLITE_MISUSE, "SQLITE_MISUSE"),
        (ffi::SQLITE_AUTH, "SQLITE_AUTH"),
        (ffi::SQLITE_RANGE, "SQLITE_RANGE"),
        (ffi::SQLITE_NOTADB, "SQLITE_NOTADB"),
    ];
    let named = |code: i32| NAMES.iter().find(|(c, _)| *c == code).map(|(_, name)| *name);
    named(extended).or_else(|| named(extended & 0xFF)).unwrap_or("SQLite code")
}
