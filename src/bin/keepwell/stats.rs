//! The command `stats`: what is in a database file, and whether it is sound.

mod ask;
mod check;
mod report;
mod settings;
mod show;
mod space;

use std::fs;

use keepwell::config::Source;
use keepwell::migrate::Source as Migrations;
use keepwell::store::{Operation, TxMode};
use keepwell::{Kind, QueryOptions, Result, Store};

use self::ask::Ask;
use self::report::Report;
use super::arguments::Stats;
use super::database::{self, Need};
use super::exit;
use super::output::{complain, Output};

/// Looks at the file and says what there is.
///
/// # Errors
/// What the library says; nothing has been said of it yet.
pub fn act(stats: &Stats, output: &Output) -> Result<u8> {
    let report = database::with(stats, Need::Examine, output, |store, options| examine(store, stats, options, output))?;
    if output.quiet && !output.json {
        report.problems().iter().for_each(|problem| complain(problem));
    }
    output.say(|| report.to_json(), || show::text(&report))?;
    Ok(exit::of_problems(&report.problems()))
}

/// Everything but the files' sizes and the history is of one state of the database.
fn examine(store: &Store, stats: &Stats, options: &QueryOptions<'_>, output: &Output) -> Result<Report> {
    let mut report = Report::of(store.database());
    files(store, &mut report);
    history(store, options, &mut report)?;
    let scope = store.begin(TxMode::ReadOnly, &QueryOptions { whole: true, ..*options })?;
    let ask = Ask::new(&scope);
    report.settings = settings::read(&ask)?;
    match space::read(&ask) {
        // The check will say more.
        Err(error) if error.kind() == Kind::Corrupt && check::of_pages(stats) => report.notes.push(format!("sizes: {error}")),
        Err(error) if error.kind() == Kind::Corrupt => return Err(error.followed_by("; --integrity-check says more")),
        objects => report.take(objects?),
    }
    report.checks = check::run(stats, &ask, output)?;
    Ok(report)
}

/// Sizes as the file system has them: a log that is not there has none.
fn files(store: &Store, report: &mut Report) {
    let Ok(Source::File { path, .. }) = store.config().source() else { return };
    let size = |path| fs::metadata(path).map_or(0, |file| file.len());
    report.file_bytes = size(path.clone());
    report.wal_bytes = size(database::beside(path, "-wal"));
}

/// The history of migrations, whatever migrations there are; one that cannot be read leaves the rest worth saying.
fn history(store: &Store, options: &QueryOptions<'_>, report: &mut Report) -> Result<()> {
    let migrations = store.migrations(Migrations::list(Vec::new())?);
    match migrations.run(Operation::Status, options, &mut |_| true) {
        Ok(status) => report.migration_version = status.version,
        Err(error) if matches!(error.kind(), Kind::Migration | Kind::Sql | Kind::Corrupt) => report.notes.push(format!("history: {error}")),
        Err(error) => return Err(error),
    }
    Ok(())
}
