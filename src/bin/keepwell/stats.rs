//! The command `stats`: what is in a database file, and whether it is sound.

mod ask;
mod check;
mod report;
mod settings;
mod show;
mod space;

use std::fs::{self, File};
use std::io::Read;

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
    if has_unseen_log(store) {
        report.settings.journal_mode = "wal".to_string();
    }
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

/// Whether the file is read as one that does not change, of which SQLite does not say that it has a write-ahead log otherwise. Such a file
/// has no locks that opening it once more could lose. <https://sqlite.org/fileformat2.html#file_format_version_numbers>
fn has_unseen_log(store: &Store) -> bool {
    const WRITE_VERSION: usize = 18;
    const WAL: u8 = 2;
    let Ok(Source::File { path, immutable: true, .. }) = store.config().source() else { return false };
    let mut head = [0; WRITE_VERSION + 1];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head[WRITE_VERSION] == WAL
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
