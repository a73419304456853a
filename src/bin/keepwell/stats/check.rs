//! A check of a database, and what it found.

use keepwell::{Kind, Result};
use serde::Serialize;

use super::super::arguments::Stats;
use super::super::output::Output;
use super::super::quantity::counted;
use super::ask::{Ask, Row};

/// One check that was made.
#[derive(Debug, Serialize)]
pub struct Check {
    /// That of its PRAGMA.
    pub name: &'static str,
    /// Empty when all is as it should be. SQLite names a hundred damages at most.
    pub problems: Vec<String>,
}

/// Every foreign key with rows that it leads nowhere from.
const BROKEN: &str = "SELECT \"table\", parent, count(*), min(rowid), \
                      (SELECT group_concat(\"from\", ', ') FROM pragma_foreign_key_list(broken.\"table\") WHERE id = broken.fkid) \
                      FROM pragma_foreign_key_check AS broken GROUP BY \"table\", fkid, parent ORDER BY 1, fkid";

/// Makes the checks that were asked for, and says on standard error that one begins: it may take long.
///
/// # Errors
/// Those that say nothing of the database: [`Kind::Cancelled`], [`Kind::Timeout`], [`Kind::Io`] and others.
pub fn run(stats: &Stats, ask: &Ask<'_>, output: &Output) -> Result<Vec<Check>> {
    let name = match (stats.integrity_check, stats.quick) {
        (_, true) => Some("quick_check"),
        (true, false) => Some("integrity_check"),
        (false, false) => None,
    };
    let mut checks = Vec::new();
    if let Some(name) = name {
        output.aside(&format!("{name}: every page and row is read; Ctrl-C ends it"));
        checks.push(check(name, |problems| pages(ask, name, problems))?);
    }
    if stats.foreign_key_check {
        output.aside("foreign_key_check: every row with a foreign key is read; Ctrl-C ends it");
        checks.push(check("foreign_key_check", |problems| foreign_keys(ask, problems))?);
    }
    Ok(checks)
}

/// Whether the pages are to be checked.
pub fn of_pages(stats: &Stats) -> bool {
    stats.integrity_check || stats.quick
}

/// What ends a check because of the state of the database is what it found.
fn check(name: &'static str, work: impl FnOnce(&mut Vec<String>) -> Result<()>) -> Result<Check> {
    let mut problems = Vec::new();
    match work(&mut problems) {
        Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Sql | Kind::Engine) => problems.push(error.message().to_string()),
        done => done?,
    }
    Ok(Check { name, problems })
}

/// <https://sqlite.org/pragma.html#pragma_integrity_check>
fn pages(ask: &Ask<'_>, name: &str, problems: &mut Vec<String>) -> Result<()> {
    ask.each(&format!("PRAGMA {name}"), |row| problems.extend(Some(row.text(0)).filter(|line| line != "ok")))
}

/// <https://sqlite.org/pragma.html#pragma_foreign_key_check>
fn foreign_keys(ask: &Ask<'_>, problems: &mut Vec<String>) -> Result<()> {
    ask.each(BROKEN, |row| problems.push(broken(&row)))
}

fn broken(row: &Row) -> String {
    let first = row.maybe(3).map_or(String::new(), |rowid| format!(", the first with rowid {rowid}"));
    format!("{}: {} whose {} leads to no row of {}{first}", row.text(0), counted(row.count(2), "row"), row.text(4), row.text(1))
}
