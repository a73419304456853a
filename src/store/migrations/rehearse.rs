//! A rehearsal: up, down and up again on a copy of the database, with the rows and the schema compared.

use std::path::{Path, PathBuf};

use super::{Migrations, Operation};
use crate::driver::Role;
use crate::error::Result;
use crate::holders::Purpose;
use crate::migrate::apply::Event;
use crate::migrate::plan::Goal;
use crate::migrate::report::{Problem, State as Standing};
use crate::migrate::schema::{self, Hash};
use crate::migrate::{Policy, Report};
use crate::options::QueryOptions;
use crate::store::Store;

/// What is compared.
#[derive(PartialEq, Eq)]
struct Sight {
    rows: Vec<(String, i64)>,
    schema: String,
}

/// A database file that goes when this does.
struct Copy {
    path: PathBuf,
}

pub(super) fn run(
    migrations: &Migrations,
    goal: Goal,
    options: &QueryOptions<'_>,
    progress: &mut dyn FnMut(&Event<'_>) -> bool,
) -> Result<Report> {
    let copy = Copy::of(&migrations.store, options)?;
    let store = copy.open(&migrations.store)?;
    let policy = Policy { snapshot: None, ..migrations.policy.clone() };
    let on_copy = store.migrations(migrations.source.clone()).with_policy(policy);
    let result = rehearse(&on_copy, goal, options, progress).map_err(|error| error.context("rehearsal on a copy"));
    let closed = store.close(None);
    let report = result?;
    closed.map(|()| report)
}

fn rehearse(on: &Migrations, goal: Goal, options: &QueryOptions<'_>, progress: &mut dyn FnMut(&Event<'_>) -> bool) -> Result<Report> {
    let before = look(&on.store, options)?;
    let mut report = on.run(Operation::Run(goal), options, progress)?;
    let after = look(&on.store, options)?;
    report.tables = schema::compare(&before.rows, &after.rows);
    let versions: Vec<i64> = report.migrations.iter().filter(|line| line.state == Standing::Applied).map(|line| line.version).collect();
    if let Some(line) = report.migrations.iter().find(|line| line.state == Standing::Applied && !line.reversible) {
        let message = format!("migration {} \"{}\" cannot be undone, so going down was not rehearsed", line.version, line.description);
        report.problems.push(problem("irreversible", Some(line.version), message));
        return Ok(report);
    }
    for version in versions.iter().rev() {
        on.run(Operation::Run(Goal::Undo(*version)), options, progress)?;
    }
    let again = look(&on.store, options)?;
    differences(&mut report, "after going up and down again", &before, &again);
    on.run(Operation::Run(goal), options, progress)?;
    differences(&mut report, "after going up, down and up", &after, &look(&on.store, options)?);
    Ok(report)
}

/// Reports what should be alike and is not.
fn differences(report: &mut Report, when: &str, expected: &Sight, found: &Sight) {
    let tables = schema::compare(&expected.rows, &found.rows);
    for table in tables.iter().filter(|table| table.before != table.after) {
        let said = |rows: Option<i64>| rows.map_or("is not there".to_string(), |rows| format!("has {rows} rows"));
        let message =
            format!("{when}, table {} {} where it {} before", table.table, said(table.after), said(table.before).replace("has", "had"));
        report.problems.push(problem("rows", None, message));
    }
    if expected.schema != found.schema {
        let message = format!("{when}, the schema is not what it was: a down text does not undo all that its up text does");
        report.problems.push(problem("schema", None, message));
    }
}

fn problem(kind: &str, version: Option<i64>, message: String) -> Problem {
    Problem { kind: kind.to_string(), version, message }
}

fn look(store: &Store, options: &QueryOptions<'_>) -> Result<Sight> {
    store.look(options, |connection| Ok(Sight { rows: schema::counts(connection)?, schema: Hash::of(connection)?.text() }))
}

impl Copy {
    /// A copy beside the database, or among the temporary files for one in memory.
    fn of(store: &Store, options: &QueryOptions<'_>) -> Result<Copy> {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("rehearsal-{}-{nanos}", std::process::id());
        let path = match store.database() {
            ":memory:" => std::env::temp_dir().join(format!("keepwell-{name}")),
            file => PathBuf::from(format!("{file}-{name}")),
        };
        let op = store.patient(options)?;
        let _lease = store.inner.pool.reader(&op, "", Purpose::Migration, !options.unbound)?;
        let mut connection = store.inner.driver.connect(Role::Reader, &op)?;
        connection.copy_to(&path, &op)?;
        Ok(Copy { path })
    }

    fn open(&self, like: &Store) -> Result<Store> {
        let mut config = like.config().clone();
        config.set("datasource", &self.path.to_string_lossy())?;
        Store::open(&config)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm", "-journal", "-migrating"] {
            let mut path = self.path.as_os_str().to_owned();
            path.push(ending);
            let _ = std::fs::remove_file(Path::new(&path));
        }
    }
}
