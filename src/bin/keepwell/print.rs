//! What people read: tables, lines, problems.

use std::io::{self, Write};

use keepwell::migrate::report::{Direction, Line, State};
use keepwell::migrate::Report;

/// Writes to the standard output; a reader that has gone away is no error.
pub fn out(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A report of something that was done.
pub fn done(report: &Report) -> String {
    let mut text = String::new();
    for line in &report.migrations {
        text.push_str(&format!("{}\n", one(line)));
    }
    for table in &report.tables {
        let rows = |rows: Option<i64>| rows.map_or("-".to_string(), |rows| rows.to_string());
        text.push_str(&format!("table {}: {} rows before, {} after\n", table.table, rows(table.before), rows(table.after)));
    }
    if let Some(table) = &report.adopted_from {
        text.push_str(&format!("adopted from {table}\n"));
    }
    if let Some(path) = &report.snapshot {
        text.push_str(&format!("the database as it was: {path}\n"));
    }
    text + &problems(report) + &summary(report)
}

/// One migration that was run.
pub fn one(line: &Line) -> String {
    let what = match (line.state, line.direction) {
        (State::Reverted, _) => "undone",
        (State::Skipped, _) => "passed over",
        (State::Pending, Direction::Down) => "to undo",
        (State::Pending | State::OutOfOrder, _) => "pending",
        (State::Applied, Direction::Baseline) => "marked",
        (State::Applied, Direction::Adopt) => "adopted",
        (State::Applied, _) => "applied",
        (state, _) => name(state),
    };
    let time = if line.duration_us > 0 { format!("  {:.1} ms", line.duration_us as f64 / 1000.0) } else { String::new() };
    format!("{what:<12} {} {}{time}", line.version, line.description)
}

/// A report of how things are.
pub fn status(report: &Report) -> String {
    let mut rows = vec![["VERSION".to_string(), "STATE".to_string(), "APPLIED AT".to_string(), "DESCRIPTION".to_string()]];
    for line in &report.migrations {
        rows.push([line.version.to_string(), name(line.state).to_string(), line.applied_at.clone(), line.description.clone()]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [version, state, at, description] in &rows {
        let row = format!("{version:>0$}  {state:<1$}  {at:<2$}  {description}", widths[0], widths[1], widths[2]);
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text + &problems(report) + &summary(report)
}

fn problems(report: &Report) -> String {
    let mut text: String = report.problems.iter().map(|problem| format!("{}: {}\n", problem.kind, problem.message)).collect();
    text.extend(report.ignored.iter().map(|file| format!("ignored: {file}\n")));
    text
}

fn summary(report: &Report) -> String {
    if report.operation == "rebuild" {
        return String::new();
    }
    let version = report.version.map_or("none".to_string(), |version| version.to_string());
    format!("version {version}, {} pending\n", report.pending)
}

fn name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Applied => "applied",
        State::Changed => "changed",
        State::Missing => "missing",
        State::Newer => "newer",
        State::OutOfOrder => "out of order",
        State::Interrupted => "interrupted",
        State::Reverted => "undone",
        State::Skipped => "passed over",
    }
}
