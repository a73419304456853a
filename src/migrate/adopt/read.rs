//! Reading another tool's table: which versions it says are applied.

use super::checksum::Checksum;
use super::{Taken, Tool};
use crate::driver::Connection;
use crate::error::{Error, Kind, Result};
use crate::migrate::ask::{self, Answer};
use crate::migrate::Source;
use crate::tables::quoted;
use crate::value::ValueRef;

/// What `tool` has applied, in no particular order.
pub(super) fn applied(connection: &mut dyn Connection, tool: Tool, table: &str, source: &Source) -> Result<Vec<Taken>> {
    let from = quoted(table);
    match tool {
        Tool::GolangMigrate => golang_migrate(connection, &from, source),
        Tool::Goose => goose(connection, &from),
        Tool::Versions | Tool::Diesel => versions(connection, &from),
        Tool::Sqlx => sqlx(connection, &from),
        Tool::Refinery => refinery(connection, &from),
        Tool::Flyway => flyway(connection, &from, source),
        Tool::RusqliteMigration => user_version(connection, source),
    }
}

/// One row: the version that the database is at. Everything up to it is applied.
fn golang_migrate(connection: &mut dyn Connection, from: &str, source: &Source) -> Result<Vec<Taken>> {
    let answer = ask::rows(connection, &format!("SELECT version, dirty FROM {from}"), &[])?;
    if answer.rows() != 1 {
        return Err(doubt(format!("it has {} rows; golang-migrate has one", answer.rows())));
    }
    if is_true(answer.get(0, 1)) {
        // It is -1 when undoing the first migration failed.
        let version = answer.get(0, 0).as_i64().unwrap_or_default();
        return Err(doubt(format!(
            "its dirty flag is set at version {version}: golang-migrate stopped inside that migration. Look at what it left, mend it by \
             hand, and then have golang-migrate `force` the version that the database is at"
        )));
    }
    Ok(up_to(source, number(&answer, 0, 0)?))
}

/// Every version up to one; the last one itself even if the source does not have it, so that this is noticed.
fn up_to(source: &Source, version: i64) -> Vec<Taken> {
    let mut all: Vec<Taken> = source.migrations.iter().filter(|m| m.version < version).map(|m| Taken::plain(m.version)).collect();
    all.push(Taken::plain(version));
    all
}

/// The newest row of a version decides. Version 0 is goose's own.
fn goose(connection: &mut dyn Connection, from: &str) -> Result<Vec<Taken>> {
    let sql = format!("SELECT version_id, is_applied FROM {from} WHERE id IN (SELECT max(id) FROM {from} GROUP BY version_id)");
    let answer = ask::rows(connection, &sql, &[])?;
    let rows = (0..answer.rows()).filter(|row| is_true(answer.get(*row, 1)));
    let all: Vec<Taken> = rows.map(|row| number(&answer, row, 0).map(Taken::plain)).collect::<Result<_>>()?;
    Ok(all.into_iter().filter(|taken| taken.version != 0).collect())
}

fn versions(connection: &mut dyn Connection, from: &str) -> Result<Vec<Taken>> {
    let answer = ask::rows(connection, &format!("SELECT version FROM {from}"), &[])?;
    (0..answer.rows()).map(|row| number(&answer, row, 0).map(Taken::plain)).collect()
}

fn sqlx(connection: &mut dyn Connection, from: &str) -> Result<Vec<Taken>> {
    let answer = ask::rows(connection, &format!("SELECT version, success, checksum FROM {from}"), &[])?;
    let one = |row| {
        let version = number(&answer, row, 0)?;
        if !is_true(answer.get(row, 1)) {
            return Err(doubt(format!("migration {version} has success = 0: sqlx stopped inside it; mend that and remove the row")));
        }
        let checksum = match answer.get(row, 2) {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Some(Checksum::Sha384(bytes.to_vec())),
            _ => None,
        };
        Ok(Taken { checksum, ..Taken::plain(version) })
    };
    (0..answer.rows()).map(one).collect()
}

fn refinery(connection: &mut dyn Connection, from: &str) -> Result<Vec<Taken>> {
    let answer = ask::rows(connection, &format!("SELECT version, name, CAST(checksum AS TEXT) FROM {from}"), &[])?;
    let one = |row| {
        let checksum = Some(Checksum::Sip(ask::text(&answer, row, 2)));
        Ok(Taken { version: number(&answer, row, 0)?, name: ask::text(&answer, row, 1), checksum })
    };
    (0..answer.rows()).map(one).collect()
}

/// The newest row of a version decides. A baseline stands for everything up to it.
fn flyway(connection: &mut dyn Connection, from: &str, source: &Source) -> Result<Vec<Taken>> {
    let sql = format!("SELECT version, type, success, checksum FROM {from} WHERE version IS NOT NULL ORDER BY installed_rank");
    let answer = ask::rows(connection, &sql, &[])?;
    let mut all: Vec<Taken> = Vec::new();
    for row in 0..answer.rows() {
        let version = number(&answer, row, 0)?;
        let kind = ask::text(&answer, row, 1).to_ascii_uppercase();
        if !is_true(answer.get(row, 2)) {
            return Err(doubt(format!(
                "migration {version} has success = 0: Flyway stopped inside it; mend that and have Flyway `repair`"
            )));
        }
        all.retain(|taken| taken.version != version);
        match kind.as_str() {
            "BASELINE" => all.extend(source.migrations.iter().filter(|m| m.version <= version).map(|m| Taken::plain(m.version))),
            kind if kind.starts_with("UNDO") || kind == "DELETE" => {}
            _ => {
                let checksum = answer.get(row, 3).as_i64().and_then(|sum| i32::try_from(sum).ok()).map(Checksum::Lines);
                all.push(Taken { checksum, ..Taken::plain(version) });
            }
        }
    }
    Ok(all)
}

/// The number of migrations that are applied, whatever their versions are.
fn user_version(connection: &mut dyn Connection, source: &Source) -> Result<Vec<Taken>> {
    let count = ask::integer(connection, "PRAGMA user_version", &[])?.unwrap_or_default();
    let known = source.migrations.len();
    let count = usize::try_from(count).ok().filter(|count| *count <= known).ok_or_else(|| {
        doubt(format!("it says that {count} migrations are applied, and the source has {known}: the database is of a newer program"))
    })?;
    if count == 0 {
        return Err(doubt("it is 0: no migration is applied, so there is nothing to adopt".to_string()));
    }
    Ok(source.migrations[..count].iter().map(|m| Taken::plain(m.version)).collect())
}

impl Taken {
    fn plain(version: i64) -> Taken {
        Taken { version, name: String::new(), checksum: None }
    }
}

/// A version, which some tools keep as text with leading zeros.
fn number(answer: &Answer, row: usize, column: usize) -> Result<i64> {
    let value = answer.get(row, column);
    let number = match value {
        ValueRef::Integer(number) => Some(number),
        other => other.as_str().and_then(|text| text.trim().parse().ok()),
    };
    number.filter(|number| *number >= 0).ok_or_else(|| {
        let text = value.as_str().map_or_else(|| format!("{value:?}"), |text| format!("{text:?}"));
        doubt(format!("its version {text} is not a whole number that fits 64 bits, as versions are here: mark a baseline instead"))
    })
}

/// What tools write for true: a number, or a word.
fn is_true(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Integer(number) => number != 0,
        other => other.as_str().is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "1" | "true" | "t")),
    }
}

fn doubt(message: String) -> Error {
    Error::new(Kind::Migration, message)
}
