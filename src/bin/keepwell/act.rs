//! One command: from its arguments to its exit code.

use keepwell::migrate::plan::Goal;
use keepwell::migrate::{Policy, Report, Source};
use keepwell::store::Operation;
use keepwell::Result;

use super::arguments::{Action, Common, Migrate, Reach};
use super::database::{self, Need};
use super::new::{self, Numbering};
use super::output::{complain, Output};
use super::progress::Progress;
use super::{exit, print, schema};

/// Does it and says what came of it.
///
/// # Errors
/// What the library says; nothing has been said of it yet.
pub fn act(migrate: &Migrate, output: &Output) -> Result<u8> {
    let common = &migrate.common;
    let policy = policy(common)?;
    match &migrate.action {
        Action::New { name, sequential, timestamp } => {
            let paths = new::write(&common.dir, common.format, &policy.ignore, name, Numbering::of(*sequential, *timestamp))?;
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let json = || serde_json::json!({ "operation": "new", "files": names }).to_string();
            output.say(json, || names.iter().map(|name| format!("{name}\n")).collect())?;
            Ok(exit::DONE)
        }
        Action::Dump { output: file } => schema::dump(common, file.as_deref(), output).map(|()| exit::DONE),
        Action::Rebuild { table, definition, columns } => {
            let report = schema::rebuild(common, table, definition, columns, output)?;
            say(&report, output).map(|()| exit::DONE)
        }
        action => {
            let report = run(action, common, policy, output)?;
            say(&report, output)?;
            Ok(code(action, &report))
        }
    }
}

/// Runs an operation on the folder's migrations.
fn run(action: &Action, common: &Common, policy: Policy, output: &Output) -> Result<Report> {
    let (operation, need) = operation(action);
    // Before the database is opened, so that none is made for a folder that is not there.
    let source = Source::folder(&common.dir, common.format, &policy.ignore)?;
    database::with(common, need, output, |store, options| {
        let mut progress = Progress::new(output);
        store.migrations(source).with_policy(policy).run(operation, options, &mut |event| {
            progress.hear(event);
            true
        })
    })
}

fn code(action: &Action, report: &Report) -> u8 {
    match action {
        Action::Status { check } => exit::of_pending(*check, report.pending),
        Action::Plan { check, .. } => exit::of_pending(*check, report.migrations.len()),
        Action::Verify | Action::Rehearse(_) => exit::of_findings(report),
        _ => exit::DONE,
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

fn policy(common: &Common) -> Result<Policy> {
    let mut policy = Policy::default();
    common.policies.iter().try_for_each(|(key, value)| policy.set(key, value))?;
    Ok(policy)
}

fn say(report: &Report, output: &Output) -> Result<()> {
    if output.quiet && !output.json {
        print::problems(report).iter().filter(|line| !line.starts_with("note: ")).for_each(|line| complain(line));
    }
    output.say(|| report.to_json(), || print::text(report, output.verbose))
}
