//! A report as people read it.

use std::time::Duration;

use keepwell::migrate::report::{Direction, Line, State, TableCount};
use keepwell::migrate::Report;

use super::quantity::{counted, took};
use super::table::{table, Side};

/// The columns of a list of migrations: a number, then words.
const COLUMNS: [Side; 4] = [Side::Right, Side::Left, Side::Left, Side::Left];

/// The report of any operation.
pub fn text(report: &Report, verbose: bool) -> String {
    let mut lines = match report.operation.as_str() {
        "status" | "verify" => standing(report),
        "plan" => planned(report),
        _ => done(report),
    };
    lines.extend(report.adopted_from.iter().map(|table| format!("another tool's history: {table}")));
    lines.extend(report.snapshot.iter().map(|path| format!("copy of the database as it was before: {path}")));
    let shown = |table: &&TableCount| verbose || table.before != table.after || report.operation == "rebuild";
    lines.extend(report.tables.iter().filter(shown).map(rows));
    lines.extend(problems(report));
    if verbose && !report.ignored.is_empty() {
        lines.push(format!("no migrations: {}", report.ignored.join(", ")));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What is wrong, a line each.
pub fn problems(report: &Report) -> Vec<String> {
    report.problems.iter().map(|problem| format!("{}: {}", problem.kind.replace('_', " "), problem.message)).collect()
}

fn rows(table: &TableCount) -> String {
    let said = |count: Option<i64>| count.map_or("not there".to_string(), |count| counted(count.unsigned_abs(), "row"));
    format!("table {}: {} before, {} after", table.table, said(table.before), said(table.after))
}

fn standing(report: &Report) -> Vec<String> {
    let head = ["VERSION", "STATE", "APPLIED AT", "DESCRIPTION"];
    let cells = report.migrations.iter().map(|line| {
        let at = if line.applied_at.is_empty() { "-" } else { &line.applied_at };
        [line.version.to_string(), state(line.state).to_string(), at.to_string(), line.description.clone()]
    });
    let mut lines = table(COLUMNS, head, cells);
    let newest = report.version.map_or("no migration is applied".to_string(), |version| format!("at version {version}"));
    lines.push(format!("{newest}; {} pending", report.pending));
    lines
}

fn planned(report: &Report) -> Vec<String> {
    if report.migrations.is_empty() {
        return vec!["nothing to do".to_string()];
    }
    let head = ["VERSION", "WHAT", "FILE", "DESCRIPTION"];
    let cells = report.migrations.iter().map(|line| {
        let file = if line.file.is_empty() { "-" } else { &line.file };
        [line.version.to_string(), what(line).to_string(), file.to_string(), line.description.clone()]
    });
    table(COLUMNS, head, cells)
}

fn what(line: &Line) -> &'static str {
    match (line.direction, line.transactional, line.reversible) {
        (Direction::Down, _, _) => "undo",
        (_, true, true) => "apply",
        (_, true, false) => "apply (cannot be undone)",
        (_, false, true) => "apply (outside a transaction)",
        (_, false, false) => "apply (outside a transaction, cannot be undone)",
    }
}

fn done(report: &Report) -> Vec<String> {
    let newest = report.version.map_or("no migration is applied".to_string(), |version| format!("at version {version}"));
    let took = took(Duration::from_micros(report.duration_us));
    let count = |state: State| report.migrations.iter().filter(|line| line.state == state).count();
    let (applied, reverted, skipped) = (count(State::Applied), count(State::Reverted), count(State::Skipped));
    let parts = [(applied, "applied"), (reverted, "undone"), (skipped, "left out")];
    let parts: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let parts = if parts.is_empty() { "nothing to do".to_string() } else { parts.join(", ") };
    vec![match report.operation.as_str() {
        "rebuild" => format!("rebuilt in {took}"),
        "dry_run" => format!("dry run: {parts} in {took}, and rolled back"),
        "rehearse" => format!("rehearsal on a copy: {parts} in {took}"),
        "baseline" | "mark" | "adopt" => format!("{} taken for applied; {newest}, {} pending", report.migrations.len(), report.pending),
        _ => format!("{parts} in {took}; {newest}, {} pending", report.pending),
    }]
}

fn state(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Applied => "applied",
        State::Changed => "changed",
        State::Missing => "missing",
        State::Newer => "newer",
        State::OutOfOrder => "out of order",
        State::Interrupted => "interrupted",
        State::Reverted => "undone",
        State::Skipped => "left out",
    }
}
