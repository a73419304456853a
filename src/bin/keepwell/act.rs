//! One command: from its arguments to its exit code.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use keepwell::cancel::CancelToken;
use keepwell::migrate::plan::Goal;
use keepwell::migrate::rebuild::Rebuild;
use keepwell::migrate::{Policy, Report, Source};
use keepwell::options::Timeout;
use keepwell::store::Operation;
use keepwell::{Error, Kind, QueryOptions, Result, Store};

use super::arguments::{Action, Common, Migrate, Reach};
use super::database::{self, Need};
use super::new::{self, Numbering};
use super::output::{complain, Output};
use super::progress::Progress;
use super::{exit, interrupt, print};

/// Does it and says what came of it.
///
/// # Errors
/// What the library says; nothing has been said of it yet.
pub fn act(migrate: &Migrate, output: &Output) -> Result<u8> {
    let common = &migrate.common;
    let policy = policy(common)?;
    match &migrate.action {
        Action::New { name, sequential, timestamp } => {
            let numbering = match (sequential, timestamp) {
                (true, _) => Numbering::Sequential,
                (_, true) => Numbering::Timestamp,
                _ => Numbering::Habit,
            };
            let paths = new::write(&common.dir, common.format, &policy.ignore, name, numbering)?;
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let json = || serde_json::json!({ "operation": "new", "files": names }).to_string();
            output.say(json, || names.iter().map(|name| format!("{name}\n")).collect())?;
            Ok(exit::DONE)
        }
        Action::Dump { output: file } => dump(common, file.as_deref(), output),
        Action::Rebuild { table, definition, columns } => {
            let definition = read(definition)?;
            let columns: Vec<(&str, &str)> = columns.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let rebuild = Rebuild { table, definition: &definition, columns: &columns };
            let report = on_database(common, Need::Change, output, |store, options| store.rebuild_table(&rebuild, options))?;
            say(&report, output)?;
            Ok(exit::DONE)
        }
        action => {
            let (operation, need) = operation(action);
            // Before the database is opened, so that none is made for a folder that is not there.
            let source = Source::folder(&common.dir, common.format, &policy.ignore)?;
            let report = on_database(common, need, output, |store, options| {
                let mut progress = Progress::new(output);
                store.migrations(source).with_policy(policy).run(operation, options, &mut |event| {
                    progress.hear(event);
                    true
                })
            })?;
            say(&report, output)?;
            Ok(match action {
                Action::Status { check } => exit::of_pending(*check, report.pending),
                Action::Plan { check, .. } => exit::of_pending(*check, report.migrations.len()),
                Action::Verify | Action::Rehearse(_) => exit::of_findings(&report),
                _ => exit::DONE,
            })
        }
    }
}

/// The operation of a command that is one, and what it wants with the database.
fn operation(action: &Action) -> (Operation, Need) {
    let up = |reach: &Reach| Goal::Up { to: reach.to, steps: reach.steps };
    match action {
        Action::Up(reach) => (Operation::Run(up(reach)), Need::Create),
        Action::Down { all: true, .. } => (Operation::Run(Goal::down(Some(0), None)), Need::Change),
        Action::Down { reach, .. } => (Operation::Run(Goal::down(reach.to, reach.steps)), Need::Change),
        Action::To(to) => (Operation::Run(Goal::To(to.version)), Need::Create),
        Action::Redo => (Operation::Run(Goal::Redo), Need::Change),
        Action::Plan { reach, .. } => (Operation::Plan(up(reach)), Need::Foresee),
        Action::DryRun(reach) => (Operation::DryRun(up(reach)), Need::Change),
        Action::Rehearse(reach) => (Operation::Rehearse(up(reach)), Need::Change),
        Action::Baseline(at) => (Operation::Baseline(at.version), Need::Create),
        Action::Mark(at) => (Operation::Mark(at.version), Need::Change),
        Action::Adopt => (Operation::Adopt, Need::Change),
        Action::Verify => (Operation::Verify, Need::Look),
        Action::Status { .. } | Action::New { .. } | Action::Dump { .. } | Action::Rebuild { .. } => (Operation::Status, Need::Foresee),
    }
}

/// Runs `work` on the database, with the call's options, and closes it.
fn on_database<R>(
    common: &Common,
    need: Need,
    output: &Output,
    work: impl FnOnce(&Store, &QueryOptions<'_>) -> Result<R>,
) -> Result<R> {
    let cancel: CancelToken = interrupt::token()?;
    let store = database::open(common, need, output)?;
    let timeout = common.timeout.map_or(Timeout::None, Timeout::After);
    let result = work(&store, &QueryOptions { timeout, cancel: Some(cancel), ..QueryOptions::default() });
    let closed = store.close(None);
    let result = result?;
    closed.map(|()| result)
}

fn policy(common: &Common) -> Result<Policy> {
    let mut policy = Policy::default();
    common.policies.iter().try_for_each(|(key, value)| policy.set(key, value))?;
    Ok(policy)
}

fn dump(common: &Common, file: Option<&Path>, output: &Output) -> Result<u8> {
    let schema = on_database(common, Need::Look, output, |store, options| store.schema_dump(options))?;
    match file {
        None if output.json => output.write(&(serde_json::json!({ "operation": "dump", "schema": schema }).to_string() + "\n"))?,
        None => output.write(&schema)?,
        Some(file) => {
            fs::write(file, schema).map_err(|error| failed("dump", file, error))?;
            let name = file.display().to_string();
            let json = || serde_json::json!({ "operation": "dump", "file": name }).to_string();
            output.say(json, || format!("{name}\n"))?;
        }
    }
    Ok(exit::DONE)
}

/// A file's text; `-` is standard input.
fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    let done = if file == Path::new("-") { io::stdin().read_to_string(&mut text).map(drop) } else { fs::read_to_string(file).map(|read| text = read) };
    done.map_err(|error| failed("rebuild", file, error))?;
    Ok(text)
}

fn failed(what: &str, file: &Path, error: io::Error) -> Error {
    Error::new(Kind::Io, format!("{what}: {}: {error}", file.display())).with_source(error)
}

fn say(report: &Report, output: &Output) -> Result<()> {
    if output.quiet && !output.json {
        print::problems(report).iter().filter(|line| !line.starts_with("note: ")).for_each(|line| complain(line));
    }
    output.say(|| report.to_json(), || print::text(report, output.verbose))
}
