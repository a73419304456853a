//! Operations that only look: status, plan, verify.

use std::collections::BTreeMap;

use super::apply::line_of;
use super::history::{Applied, State};
use super::keys::Violations;
use super::plan::{self, Goal};
use super::report::{Direction, Line, Problem, State as Standing};
use super::schema::Hash;
use super::{Migration, Policy, Report, Source};
use crate::driver::Connection;
use crate::error::Result;
use crate::tables::Tables;

/// Every migration that the source or the history knows, and what is doubtful about them.
pub fn status(connection: &mut dyn Connection, source: &Source) -> Result<Report> {
    let state = State::read(connection)?;
    Ok(report(source, &state))
}

/// What would be done, in its order. Writes nothing and runs nothing.
pub fn plan(connection: &mut dyn Connection, source: &Source, policy: &Policy, goal: Goal) -> Result<Report> {
    let state = State::read(connection)?;
    if !state.begun {
        super::adopt::refuse_other(connection, source)?;
    }
    let steps = goal.plan(source, &state, policy)?;
    let mut report = report(source, &state);
    let known: BTreeMap<i64, Line> = std::mem::take(&mut report.migrations).into_iter().map(|line| (line.version, line)).collect();
    for step in steps {
        let line = known.get(&step.version).cloned().unwrap_or_default();
        report.migrations.push(Line { direction: step.direction, ..line });
    }
    Ok(report)
}

/// The status, and whether the schema and the rows are what they should be: changes by hand since the last migration, and foreign keys.
pub fn verify(connection: &mut dyn Connection, source: &Source) -> Result<Report> {
    let state = State::read(connection)?;
    let mut report = report(source, &state);
    let schema = Hash::of(connection)?;
    let hash = schema.text();
    if state.schema_hash.as_ref().is_some_and(|then| *then != hash) {
        let message =
            "the schema is not what the newest migration left: somebody has changed it by other means; compare the schema dump of \
                       this database with that of a new one";
        report.problems.push(Problem { kind: "drift".to_string(), version: state.newest(), message: message.to_string() });
    }
    if let Err(error) = Violations::find(connection, &Tables::All, schema.referring())?.refuse_new(&Violations::default(), false) {
        let message =
            error.message().split(';').next().unwrap_or_default().replace("would be violated that were not before", "are violated");
        report.problems.push(Problem { kind: "foreign_key".to_string(), version: None, message });
    }
    report.schema_hash = Some(hash);
    Ok(report)
}

fn report(source: &Source, state: &State) -> Report {
    let newest = state.newest();
    let mut lines: BTreeMap<i64, Line> = source.migrations.iter().map(|m| (m.version, pending(m, newest))).collect();
    for applied in state.applied.values() {
        let line = lines.entry(applied.version).or_default();
        history(line, applied);
        line.state = plan::standing(source, applied);
    }
    if let Some(running) = &state.running {
        let line = lines.entry(running.version).or_default();
        history(line, running);
        line.state = Standing::Interrupted;
    }
    Report {
        before: newest,
        version: newest,
        pending: plan::pending(source, state),
        migrations: lines.into_values().collect(),
        problems: plan::doubts(source, state),
        ignored: source.ignored.clone(),
        schema_hash: state.schema_hash.clone(),
        ..Report::default()
    }
}

fn pending(migration: &Migration, newest: Option<i64>) -> Line {
    let late = newest.is_some_and(|newest| migration.version < newest);
    let state = if late { Standing::OutOfOrder } else { Standing::Pending };
    Line { state, ..line_of(migration, &migration.up, Direction::Up) }
}

/// Adds what the history says about a migration.
fn history(line: &mut Line, applied: &Applied) {
    let Applied { version, description, direction, .. } = applied;
    line.version = *version;
    if line.description.is_empty() {
        line.description.clone_from(description);
    }
    line.direction = *direction;
    line.reversible |= applied.has_down;
    line.statements = applied.statements.unsigned_abs();
    line.duration_us = applied.duration_us.unsigned_abs();
    line.checksum.clone_from(&applied.checksum);
    line.applied_at.clone_from(&applied.started_at);
    line.who.clone_from(&applied.who);
    line.host.clone_from(&applied.host);
    line.program.clone_from(&applied.program);
    line.engine.clone_from(&applied.engine);
}
