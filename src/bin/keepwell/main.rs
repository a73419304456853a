//! The command line: `keepwell migrate …`.

mod arguments;
mod new;
mod print;
mod progress;

use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, Command, Common, Migrate, Reach, Top};
use clap::Parser;
use keepwell::cancel::CancelToken;
use keepwell::migrate::plan::Goal;
use keepwell::migrate::rebuild::Rebuild;
use keepwell::migrate::{Format, Policy, Report, Source};
use keepwell::options::Timeout;
use keepwell::store::Operation;
use keepwell::{Config, Error, Kind, QueryOptions, Result, Store};
use progress::Progress;

fn main() -> ExitCode {
    let Top::Migrate(migrate) = Arguments::parse().command;
    let json = migrate.common.json;
    match run(&migrate) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&error, json);
            ExitCode::from(code_of(error.kind()))
        }
    }
}

fn tell(error: &Error, json: bool) {
    if !json {
        return eprintln!("keepwell: {error}");
    }
    let found = serde_json::json!({"error": {"kind": error.kind().name(), "message": error.message()}});
    print::out(&format!("{found}\n"));
}

fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Migration => 5,
        Kind::SchemaNewer => 6,
        Kind::Timeout | Kind::Cancelled | Kind::Busy | Kind::Conflict | Kind::Exhausted => 7,
        _ => 1,
    }
}

fn run(migrate: &Migrate) -> Result<u8> {
    let common = &migrate.common;
    match &migrate.command {
        Command::New { name, sequential, timestamp } => {
            let number = match (sequential, timestamp) {
                (true, _) => new::Number::Sequential,
                (_, true) => new::Number::Timestamp,
                _ => new::Number::Habit,
            };
            let files = new::write(&common.dir, format(common)?, name, number)?;
            let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
            let text = if common.json {
                format!("{}\n", serde_json::json!({"operation": "new", "files": files}))
            } else {
                files.join("\n") + "\n"
            };
            print::out(&text);
            Ok(0)
        }
        Command::Dump { output } => with_store(common, false, |store, options| {
            let text = store.schema_dump(options)?;
            match output {
                None => print::out(&text),
                Some(path) => std::fs::write(path, text).map_err(|error| io(path, &error))?,
            }
            Ok(0)
        }),
        Command::Rebuild { table, definition, columns } => with_store(common, false, |store, options| {
            let text = read(definition)?;
            let columns = columns.iter().map(|column| pair(column)).collect::<Result<Vec<_>>>()?;
            let report = store.rebuild_table(&Rebuild { table, definition: &text, columns: &columns }, options)?;
            show(common, &report, print::done);
            Ok(0)
        }),
        command => operate(common, command),
    }
}

/// Everything that is one operation on a set of migrations.
fn operate(common: &Common, command: &Command) -> Result<u8> {
    let up = |reach: &Reach| Goal::Up { to: reach.to, steps: reach.steps };
    let operation = match command {
        Command::Up(reach) => Operation::Run(up(reach)),
        Command::Down { all: true, .. } => Operation::Run(Goal::Down { to: None, steps: None }),
        Command::Down { to, steps, .. } => Operation::Run(Goal::down(*to, *steps)),
        Command::To { version } => Operation::Run(Goal::To(*version)),
        Command::Redo => Operation::Run(Goal::Redo),
        Command::Status { .. } => Operation::Status,
        Command::Plan { reach, .. } => Operation::Plan(up(reach)),
        Command::DryRun(reach) => Operation::DryRun(up(reach)),
        Command::Rehearse(reach) => Operation::Rehearse(up(reach)),
        Command::Baseline { version } => Operation::Baseline(*version),
        Command::Mark { version } => Operation::Mark(*version),
        Command::Adopt => Operation::Adopt,
        Command::Verify | Command::New { .. } | Command::Dump { .. } | Command::Rebuild { .. } => Operation::Verify,
    };
    let mut policy = Policy::default();
    for setting in &common.set {
        let (key, value) = pair(setting)?;
        policy.set(key, value)?;
    }
    let source = Source::folder(&common.dir, format(common)?, &policy.ignore)?;
    let creates = matches!(operation, Operation::Run(_) | Operation::Baseline(_));
    let report = with_store(common, creates, |store, options| {
        let mut progress = Progress::new(common.quiet || common.json, common.verbose);
        let found = store.migrations(source).with_policy(policy).run(operation, options, &mut |event| {
            progress.hear(event);
            true
        });
        progress.end();
        found
    })?;
    let looks = matches!(operation, Operation::Status | Operation::Verify);
    show(common, &report, if looks { print::status } else { print::done });
    Ok(code_for(command, &report))
}

fn code_for(command: &Command, report: &Report) -> u8 {
    match command {
        Command::Status { check: true } | Command::Plan { check: true, .. } if report.pending > 0 => 3,
        Command::Verify | Command::Rehearse(_) if report.problems.iter().any(|problem| problem.kind != "note") => 4,
        _ => 0,
    }
}

fn show(common: &Common, report: &Report, form: fn(&Report) -> String) {
    if common.json {
        print::out(&format!("{}\n", report.to_json()));
    } else if !common.quiet {
        print::out(&form(report));
    }
}

/// Opens the store, runs `work` so that Ctrl-C ends it, and closes the store.
fn with_store<R>(common: &Common, creates: bool, work: impl FnOnce(&Store, &QueryOptions<'_>) -> Result<R>) -> Result<R> {
    let store = Store::open(&configuration(common, creates)?)?;
    let token = CancelToken::new()?;
    // Without the handler Ctrl-C ends the process, which is as good for the database.
    let _ = ctrlc::set_handler(move || token.cancel());
    let timeout = match &common.timeout {
        None => Timeout::None,
        Some(text) => {
            Timeout::After(keepwell::config::duration(text).ok_or_else(|| wrong(format!("--timeout {text}: it takes a time such as 30s")))?)
        }
    };
    let result = work(&store, &QueryOptions { timeout, cancel: Some(token), ..QueryOptions::default() });
    let closed = store.close(None);
    let found = result?;
    closed.map(|()| found)
}

fn configuration(common: &Common, creates: bool) -> Result<Config> {
    let mut config = Config::new();
    match (&common.database, &common.config) {
        (Some(database), _) => config.load_uri(database)?,
        (None, Some(path)) => config.load_file(path)?,
        (None, None) => return Err(wrong("name the database: --database PATH or --config FILE".to_string())),
    };
    let path = config.get("datasource").unwrap_or_default();
    let plain = path.strip_prefix("file:").unwrap_or(&path);
    let plain = plain.split('?').next().unwrap_or_default();
    if !creates && plain != ":memory:" && !Path::new(plain).exists() {
        return Err(Error::new(Kind::CantOpen, format!("{plain}: there is no such database; `up` makes one")));
    }
    Ok(config)
}

fn format(common: &Common) -> Result<Option<Format>> {
    common.format.as_deref().map(Format::named).transpose()
}

fn pair(text: &str) -> Result<(&str, &str)> {
    text.split_once('=').ok_or_else(|| wrong(format!("{text}: it has to be name=value")))
}

fn read(path: &Path) -> Result<String> {
    let text = if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    text.map_err(|error| io(path, &error))
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("{}: {error}", path.display()))
}

fn wrong(message: String) -> Error {
    Error::new(Kind::Config, message)
}
