//! Sets of migrations and what is done with them.

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::Arc;

use super::call::Call;
use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::migration_types::*;
use super::report::{direction_number, hand_out};
use super::text::{copy_out, give, null, read, text};
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::migrate::apply::{Event, Phase};
use crate::migrate::file::File;
use crate::migrate::plan::Goal;
use crate::migrate::rebuild::Rebuild;
use crate::migrate::{Format, Migration, Policy, Source};
use crate::store::{Migrations, Operation, Store};
use crate::sync::Mutex;

/// A set that is being put together. Its source is made when it is first needed, and again after a change.
pub struct Draft {
    store: Store,
    policy: Policy,
    format: Option<Format>,
    from: From,
    made: Option<Migrations>,
}

/// Where the migrations are from.
enum From {
    Nothing,
    List(Vec<Migration>),
    Files(Vec<File>),
    Folder(PathBuf),
}

impl Draft {
    /// The set, ready to be used.
    fn make(&mut self) -> Result<Migrations> {
        if self.made.is_none() {
            let ignore = &self.policy.ignore;
            let source = match &self.from {
                From::Nothing => Source::list(Vec::new())?,
                From::List(list) => Source::list(list.clone())?,
                From::Files(files) => Source::files(files.clone(), self.format, ignore)?,
                From::Folder(path) => Source::folder(path, self.format, ignore)?,
            };
            self.made = Some(self.store.migrations(source).with_policy(self.policy.clone()));
        }
        Ok(self.made.clone().expect("made above"))
    }
}

fn find(migrations: kw_migrations) -> Result<Arc<Mutex<Draft>>> {
    handle::get(migrations, Kinds::Migrations, |object| match object {
        Object::Migrations(draft) => Some(draft.clone()),
        _ => None,
    })
}

fn change(migrations: kw_migrations, work: impl FnOnce(&mut Draft) -> Result<()>) -> Result<kw_status> {
    let draft = find(migrations)?;
    let mut draft = draft.lock();
    draft.made = None;
    work(&mut draft)?;
    Ok(KW_OK)
}

fn mixed() -> Error {
    Error::new(Kind::Misuse, "migrations: a set is from structs, from files or from one folder; these are not mixed")
}

/// Makes an empty set of migrations for a store. Free it with `kw_migrations_free`; that leaves the store alone.
#[no_mangle]
pub unsafe extern "C" fn kw_migrations_new(store: kw_store, out: *mut kw_migrations, err: *mut kw_error) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(null("out"));
        }
        let store = handle::with_store(store, |store| Ok(store.clone()))?;
        let draft = Draft { store, policy: Policy::default(), format: None, from: From::Nothing, made: None };
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, handle::insert(Object::Migrations(Arc::new(Mutex::new(draft))))?, "out")? };
        Ok(KW_OK)
    })
}

/// Adds a migration of the program's own. Everything is copied. Errors: `KW_ENCODING`; a version that is there twice is an error of the
/// first operation.
#[no_mangle]
pub unsafe extern "C" fn kw_migrations_add(migrations: kw_migrations, migration: *const kw_migration, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let migration = unsafe {
            let raw = read(migration, "migration")?.ok_or_else(|| null("migration"))?;
            let description = if raw.description.is_null() { "" } else { text(raw.description, KW_NUL_TERMINATED, "description")? };
            if raw.up.is_null() {
                return Err(null("up"));
            }
            let down = if raw.down.is_null() { None } else { Some(text(raw.down, raw.down_len, "down")?.to_string()) };
            Migration::new(raw.version, description, text(raw.up, raw.up_len, "up")?, down)
        };
        change(migrations, |draft| {
            match &mut draft.from {
                From::Nothing => draft.from = From::List(vec![migration]),
                From::List(list) => list.push(migration),
                _ => return Err(mixed()),
            }
            Ok(())
        })
    })
}

/// Adds a file that the program has in memory (an embedded folder): its path below the folder, with `/`, and its bytes, which are copied.
#[no_mangle]
pub unsafe extern "C" fn kw_migrations_add_file(
    migrations: kw_migrations,
    name: *const c_char,
    name_len: usize,
    bytes: *const c_void,
    length: usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let file = unsafe {
            if bytes.is_null() && length > 0 {
                return Err(null("bytes"));
            }
            let bytes: &[u8] = if length == 0 { &[] } else { std::slice::from_raw_parts(bytes.cast(), length) };
            File { name: text(name, name_len, "name")?.to_string(), bytes: bytes.into() }
        };
        change(migrations, |draft| {
            match &mut draft.from {
                From::Nothing => draft.from = From::Files(vec![file]),
                From::Files(files) => files.push(file),
                _ => return Err(mixed()),
            }
            Ok(())
        })
    })
}

/// Takes the migrations of a folder, which is read at the first operation.
#[no_mangle]
pub unsafe extern "C" fn kw_migrations_add_folder(
    migrations: kw_migrations,
    path: *const c_char,
    path_len: usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        if path.is_null() {
            return Err(null("path"));
        }
        // SAFETY: the caller keeps the promises of the header.
        let path = unsafe { text(path, path_len, "path")? };
        change(migrations, |draft| match &draft.from {
            From::Nothing => {
                draft.from = From::Folder(PathBuf::from(path));
                Ok(())
            }
            _ => Err(mixed()),
        })
    })
}

/// Sets a policy: `out_of_order` (refuse, accept, skip), `changed`, `missing`, `newer` (refuse, accept), `gaps` (accept, refuse),
/// `interrupted` (refuse, resume, restart), `transactions` (each, all, none), `lock_timeout` (60s; none), `snapshot` (a path),
/// `ignore` (file names), `who`, `program`; or the `format` of the files (keepwell, golang-migrate, goose, dbmate, sqlx, refinery,
/// flyway, diesel, rusqlite_migration; by default it shows). Errors: `KW_CONFIG`.
#[no_mangle]
pub unsafe extern "C" fn kw_migrations_set(
    migrations: kw_migrations,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let (key, value) = unsafe { (text(key, key_len, "key")?, text(value, value_len, "value")?) };
        change(migrations, |draft| {
            if key != "format" {
                return draft.policy.set(key, value);
            }
            draft.format = if value.is_empty() { None } else { Some(Format::named(value)?) };
            Ok(())
        })
    })
}

/// How many migrations the set has. Reads the folder, so that its errors show here: `KW_MIGRATION`, `KW_ENCODING`, `KW_CANT_OPEN`, `KW_IO`.
#[no_mangle]
pub unsafe extern "C" fn kw_migrations_count(migrations: kw_migrations, count: *mut usize, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let made = find(migrations)?.lock().make()?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(count, made.source().migrations.len(), "count")? };
        Ok(KW_OK)
    })
}

/// Frees a set. Harmless for one that is freed already.
#[no_mangle]
pub unsafe extern "C" fn kw_migrations_free(migrations: kw_migrations) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::take(migrations, Kinds::Migrations)?;
        Ok(KW_OK)
    })
}

/// Does `operation` (`KW_MIGRATE_UP`, …). The report is the caller's to free; `report` may be NULL.
///
/// Each migration is a transaction of its own together with its row in the table `keepwell_migrations`; whoever starts at the same time, in
/// any process and language, finds it done. Foreign keys are off while it runs and are checked before it is committed. An error leaves
/// nothing of the migration that it is in, and says which ones before it stay.
///
/// Blocks while others write: in this process in the line for the writer, other processes no longer than `lock_timeout`. Errors:
/// `KW_MIGRATION` and `KW_SCHEMA_NEWER` for what the policies refuse, with the cure; what statements fail with, with file, line and
/// column; `KW_CONSTRAINT` for foreign keys; `KW_READ_ONLY`, `KW_TIMEOUT`, `KW_CANCELLED`, `KW_SELF_DEADLOCK`.
#[no_mangle]
pub unsafe extern "C" fn kw_migrate(
    migrations: kw_migrations,
    operation: i32,
    options: *const kw_migrate_options,
    report: *mut kw_report,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let (raw, call) = unsafe {
            let raw = read(options, "options")?.unwrap_or(NO_OPTIONS);
            (raw, Call::new(raw.call)?)
        };
        let operation = operation_of(operation, &raw)?;
        let made = find(migrations)?.lock().make()?;
        let mut progress = |event: &Event<'_>| raw.progress.is_none_or(|function| tell(function, raw.context, event));
        let found = made.run(operation, &call.options()?, &mut progress)?;
        // SAFETY: as above.
        unsafe { hand_out(found, report) }
    })
}

const NO_OPTIONS: kw_migrate_options = kw_migrate_options {
    struct_size: size_of::<kw_migrate_options>() as u32,
    flags: 0,
    version: 0,
    steps: 0,
    progress: None,
    context: std::ptr::null_mut(),
    call: std::ptr::null(),
};

fn operation_of(number: i32, options: &kw_migrate_options) -> Result<Operation> {
    if options.flags & !(KW_MIGRATE_HAS_VERSION | KW_MIGRATE_HAS_STEPS) != 0 {
        return Err(Error::new(Kind::Abi, format!("kw_migrate: unknown flags {:#x}", options.flags)));
    }
    let to = (options.flags & KW_MIGRATE_HAS_VERSION != 0).then_some(options.version);
    let steps = (options.flags & KW_MIGRATE_HAS_STEPS != 0).then_some(options.steps as usize);
    let version = || to.ok_or_else(|| Error::new(Kind::Misuse, "kw_migrate: the operation needs a version (KW_MIGRATE_HAS_VERSION)"));
    let up = Goal::Up { to, steps };
    Ok(match number {
        KW_MIGRATE_UP => Operation::Run(up),
        KW_MIGRATE_DOWN => Operation::Run(Goal::down(to, steps)),
        KW_MIGRATE_TO => Operation::Run(Goal::To(version()?)),
        KW_MIGRATE_REDO => Operation::Run(Goal::Redo),
        KW_MIGRATE_STATUS => Operation::Status,
        KW_MIGRATE_PLAN => Operation::Plan(up),
        KW_MIGRATE_DRY_RUN => Operation::DryRun(up),
        KW_MIGRATE_REHEARSE => Operation::Rehearse(up),
        KW_MIGRATE_BASELINE => Operation::Baseline(version()?),
        KW_MIGRATE_MARK => Operation::Mark(version()?),
        KW_MIGRATE_ADOPT => Operation::Adopt,
        KW_MIGRATE_VERIFY => Operation::Verify,
        other => return Err(Error::new(Kind::Misuse, format!("kw_migrate: there is no operation {other}"))),
    })
}

fn tell(function: unsafe extern "C" fn(*const kw_migrate_event, *mut c_void) -> i32, context: *mut c_void, event: &Event<'_>) -> bool {
    let raw = kw_migrate_event {
        struct_size: size_of::<kw_migrate_event>() as u32,
        phase: match event.phase {
            Phase::Begin => KW_PHASE_BEGIN,
            Phase::Statement => KW_PHASE_STATEMENT,
            Phase::Done => KW_PHASE_DONE,
        },
        version: event.version,
        direction: direction_number(event.direction),
        reserved: 0,
        index: event.index,
        total: event.total,
        statement: event.statement,
        offset: event.offset,
        length: event.length,
        rows_changed: event.rows_changed,
        description: event.description.as_ptr().cast(),
        description_len: event.description.len(),
        file: event.file.as_ptr().cast(),
        file_len: event.file.len(),
        sql: event.sql.as_ptr().cast(),
        sql_len: event.sql.len(),
    };
    // SAFETY: the caller promises a function that may be called with its context while `kw_migrate` lasts.
    unsafe { function(&raw, context) == 0 }
}

/// The schema of the store's database as SQL that makes it anew, without the history; the same schema gives the same text. `length` is
/// that of all of it, without the NUL; what does not fit is cut.
#[no_mangle]
pub unsafe extern "C" fn kw_schema_dump(
    store: kw_store,
    options: *const kw_options,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let call = Call::new(options)?;
            let dump = handle::with_store(store, |store| store.schema_dump(&call.options()?))?;
            copy_out(&dump, buffer, size, length)?;
        }
        Ok(KW_OK)
    })
}

/// Makes a table anew with another definition, one `CREATE TABLE` statement for the same name, in SQLite's own twelve steps
/// (<https://sqlite.org/lang_altertable.html#otheralter>), in one transaction. Rows with their rowids, indexes, triggers, views, references
/// of other tables and the AUTOINCREMENT mark are kept. Columns are filled from the old ones of the same name, or by `columns`. The
/// report's table has the rows before and after. Blocks like `kw_tx_begin`, and while rows are copied. Errors: `KW_MIGRATION` for what
/// cannot be rebuilt as asked, with the cure; `KW_CONSTRAINT` for rows that do not fit and for foreign keys. Nothing is changed then.
#[no_mangle]
pub unsafe extern "C" fn kw_rebuild_table(
    store: kw_store,
    table: *const c_char,
    table_len: usize,
    definition: *const c_char,
    definition_len: usize,
    columns: *const kw_rebuild_column,
    column_count: usize,
    options: *const kw_options,
    report: *mut kw_report,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            if columns.is_null() && column_count > 0 {
                return Err(null("columns"));
            }
            let raw: &[kw_rebuild_column] = if column_count == 0 { &[] } else { std::slice::from_raw_parts(columns, column_count) };
            let columns: Vec<(&str, &str)> = raw
                .iter()
                .map(|c| Ok((text(c.name, KW_NUL_TERMINATED, "column name")?, text(c.expression, KW_NUL_TERMINATED, "expression")?)))
                .collect::<Result<_>>()?;
            let call = Call::new(options)?;
            let rebuild = Rebuild {
                table: text(table, table_len, "table")?,
                definition: text(definition, definition_len, "definition")?,
                columns: &columns,
            };
            let found = handle::with_store(store, |store| store.rebuild_table(&rebuild, &call.options()?))?;
            hand_out(found, report)
        }
    })
}
