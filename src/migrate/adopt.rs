//! The histories of other tools: finding them by their columns, reading what was applied, checking it against the source.

mod checksum;
mod read;

use std::collections::BTreeMap;

use self::checksum::Checksum;
use super::ask;
use super::plan;
use super::policy::Verdict;
use super::{Format, Policy, Source};
use crate::driver::Connection;
use crate::error::{Error, Kind, Result};
use crate::tables::quoted;

/// A tool whose history can be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    GolangMigrate,
    Goose,
    /// dbmate and Rails: one text column.
    Versions,
    Sqlx,
    Refinery,
    Flyway,
    Diesel,
    RusqliteMigration,
}

/// The columns by which a history is known, whatever the table is called.
const LAYOUTS: &[(Tool, &str, &[&str])] = &[
    (Tool::GolangMigrate, "golang-migrate", &["version", "dirty"]),
    (Tool::Goose, "goose", &["id", "version_id", "is_applied", "tstamp"]),
    (Tool::Versions, "dbmate or Rails", &["version"]),
    (Tool::Sqlx, "sqlx", &["version", "description", "installed_on", "success", "checksum", "execution_time"]),
    (Tool::Refinery, "refinery", &["version", "name", "applied_on", "checksum"]),
    (
        Tool::Flyway,
        "Flyway",
        &[
            "installed_rank",
            "version",
            "description",
            "type",
            "script",
            "checksum",
            "installed_by",
            "installed_on",
            "execution_time",
            "success",
        ],
    ),
    (Tool::Diesel, "Diesel", &["version", "run_on"]),
];

/// Histories that are known and cannot be adopted, because their migrations have no numbers or are no SQL.
const OTHERS: &[(&str, &[&str])] = &[
    ("Alembic", &["version_num"]),
    ("Django", &["id", "app", "name", "applied"]),
    ("Prisma", &["id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at", "applied_steps_count"]),
    ("Knex", &["id", "name", "batch", "migration_time"]),
    ("Drizzle", &["id", "hash", "created_at"]),
    ("Entity Framework", &["migrationid", "productversion"]),
];

const COLUMNS: &str = "SELECT m.name, lower(c.name) FROM sqlite_schema AS m, pragma_table_info(m.name) AS c \
                       WHERE m.type = 'table' ORDER BY m.name, c.cid";

/// A history that was found.
#[derive(Debug, Clone)]
struct Found {
    /// `None`: it cannot be adopted.
    tool: Option<Tool>,
    name: &'static str,
    table: String,
}

impl Found {
    /// rusqlite_migration has no table.
    fn user_version() -> Found {
        Found { tool: Some(Tool::RusqliteMigration), name: "rusqlite_migration", table: "PRAGMA user_version".to_string() }
    }
}

/// What another tool says of one version.
#[derive(Debug, Clone)]
struct Taken {
    version: i64,
    /// The name in the history, where the checksum is over it too.
    name: String,
    checksum: Option<Checksum>,
}

/// Fails when another tool has a history in the database: applying everything from the start would be wrong.
///
/// # Errors
/// [`Kind::Migration`] naming the tool, its table and the cure.
pub fn refuse_other(connection: &mut dyn Connection, source: &Source) -> Result<()> {
    let mut all = find(connection)?;
    if source.format == Some(Format::RusqliteMigration) && ask::integer(connection, "PRAGMA user_version", &[])? > Some(0) {
        all.push(Found::user_version());
    }
    let Some(found) = all.into_iter().next() else { return Ok(()) };
    let cure = match found.tool {
        Some(_) => "adopt it (`adopt`), so that what it has applied is not applied again, or mark a baseline",
        None => "its migrations have no numbers that could be taken over: mark the version that the database is at as the baseline",
    };
    let message = format!("the database has a history of {} in its table {}, and none of keepwell: {cure}", found.name, found.table);
    Err(Error::new(Kind::Migration, message))
}

/// The versions that another tool has applied, checked against the source, and the name of its table.
///
/// # Errors
/// [`Kind::Migration`] when there is no such history, or several, or one that is in doubt; for versions that the source does not have
/// (unless `missing` is accepted) and texts that were changed (unless `changed` is).
pub fn taken(connection: &mut dyn Connection, source: &Source, policy: &Policy) -> Result<(Vec<i64>, String)> {
    let found = choose(connection, source)?;
    let tool = found.tool.ok_or_else(|| {
        let message = format!(
            "adopt: {} has its history in {}, but its migrations have no numbers that could be taken over: mark a baseline instead",
            found.name, found.table
        );
        Error::new(Kind::Migration, message)
    })?;
    let all = read::applied(connection, tool, &found.table, source).map_err(|error| error.context(format!("adopt: {}", found.table)))?;
    let mut versions = Vec::new();
    for taken in all {
        if check(&taken, source, policy, &found)? {
            versions.push(taken.version);
        }
    }
    versions.sort_unstable();
    versions.dedup();
    Ok((versions, format!("{} ({})", found.table, found.name)))
}

/// Whether the version is to be taken over.
fn check(taken: &Taken, source: &Source, policy: &Policy, found: &Found) -> Result<bool> {
    let Some(migration) = source.find(taken.version) else {
        if policy.missing == Verdict::Accept {
            return Ok(false);
        }
        let missing = plan::find(source, taken.version).map(drop).unwrap_err();
        let message = format!(
            "adopt: {} has applied a migration that is not there: {}; restore its file, or set missing = accept",
            found.name,
            missing.message()
        );
        return Err(Error::new(Kind::Migration, message));
    };
    match &taken.checksum {
        Some(checksum) if policy.changed != Verdict::Accept && !checksum.fits(taken, &migration.up) => {
            let message = format!(
                "adopt: migration {} was changed after {} applied it ({checksum} in {}): restore its text, or set changed = accept",
                plan::name(migration),
                found.name,
                found.table
            );
            Err(Error::new(Kind::Migration, message))
        }
        _ => Ok(true),
    }
}

/// The one history there is, or the one that fits the source's format.
fn choose(connection: &mut dyn Connection, source: &Source) -> Result<Found> {
    if source.format == Some(Format::RusqliteMigration) {
        return Ok(Found::user_version());
    }
    let mut all = find(connection)?;
    if all.len() > 1 {
        let fitting: Vec<Found> = all.iter().filter(|found| found.tool.is_some_and(|tool| fits(tool, source.format))).cloned().collect();
        if fitting.len() == 1 {
            all = fitting;
        }
    }
    match all.len() {
        1 => Ok(all.remove(0)),
        0 => {
            let message = "adopt: the database has no history of another tool that is known (golang-migrate, goose, dbmate, Rails, sqlx, \
                           refinery, Flyway, Diesel; of rusqlite_migration where the source has its format)";
            Err(Error::new(Kind::Migration, message))
        }
        _ => {
            let names: Vec<String> = all.iter().map(|found| format!("{} ({})", found.table, found.name)).collect();
            let message = format!("adopt: there are several histories, {}: name the format that is yours", names.join(" and "));
            Err(Error::new(Kind::Migration, message))
        }
    }
}

fn fits(tool: Tool, format: Option<Format>) -> bool {
    matches!(
        (tool, format),
        (Tool::GolangMigrate, Some(Format::GolangMigrate | Format::Keepwell))
            | (Tool::Goose, Some(Format::Goose))
            | (Tool::Versions, Some(Format::Dbmate))
            | (Tool::Sqlx, Some(Format::Sqlx))
            // A folder of plain `V1__name.sql` shows as Flyway's.
            | (Tool::Refinery, Some(Format::Refinery | Format::Flyway))
            | (Tool::Flyway, Some(Format::Flyway))
            | (Tool::Diesel, Some(Format::Diesel))
    )
}

/// Every history of another tool that has rows.
fn find(connection: &mut dyn Connection) -> Result<Vec<Found>> {
    let answer = ask::rows(connection, COLUMNS, &[])?;
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in 0..answer.rows() {
        tables.entry(ask::text(&answer, row, 0)).or_default().push(ask::text(&answer, row, 1));
    }
    let mut found = Vec::new();
    for (table, columns) in tables {
        let Some(history) = recognise(&table, &columns) else { continue };
        let rows = format!("SELECT 1 FROM {} LIMIT 1", quoted(&table));
        if ask::integer(connection, &rows, &[])?.is_some() && !(history.tool == Some(Tool::Goose) && is_fresh_goose(connection, &table)?) {
            found.push(history);
        }
    }
    Ok(found)
}

/// goose writes a row for version 0 when it makes its table.
fn is_fresh_goose(connection: &mut dyn Connection, table: &str) -> Result<bool> {
    let sql = format!("SELECT 1 FROM {} WHERE version_id > 0 LIMIT 1", quoted(table));
    Ok(ask::integer(connection, &sql, &[])?.is_none())
}

fn recognise(table: &str, columns: &[String]) -> Option<Found> {
    let same = |layout: &[&str]| {
        let mut sorted: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut layout = layout.to_vec();
        sorted.sort_unstable();
        layout.sort_unstable();
        sorted == layout
    };
    // One column called version is too little to know a history by, and `id, hash, created_at` may be anything.
    let named = table.to_ascii_lowercase().contains("migration") || table.eq_ignore_ascii_case("alembic_version");
    let known = LAYOUTS.iter().filter(|_| named || columns.len() > 1).find(|(_, _, layout)| same(layout));
    let known = known.map(|(tool, name, _)| (Some(*tool), *name));
    let other = || OTHERS.iter().filter(|_| named).find(|(_, layout)| same(layout)).map(|(name, _)| (None, *name));
    let (tool, name) = known.or_else(other)?;
    Some(Found { tool, name, table: table.to_string() })
}
