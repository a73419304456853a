//! Writing migrations into the history without running them: baseline, mark, adopt.

use std::time::{Duration, Instant};

use super::apply::{line_of, Setting};
use super::ask;
use super::history::{self, Author, Entry, State};
use super::plan;
use super::report::{Direction, State as Standing};
use super::schema::Hash;
use super::{adopt, Migration, Report};
use crate::driver::{Connection, Mode};
use crate::error::{Error, Kind, Result};

/// Takes every migration up to `version` for applied: the database has what they would have made.
pub fn baseline(setting: &Setting<'_, '_>, version: i64) -> Result<Report> {
    write(setting, Direction::Baseline, |_, state| {
        if !state.applied.is_empty() {
            let newest = state.newest().unwrap_or_default();
            let message = format!(
                "baseline: {} migrations are in the history already, up to {newest}; a baseline is the beginning of a history. To take a \
                 single one for applied, mark it",
                state.applied.len()
            );
            return Err(Error::new(Kind::Migration, message));
        }
        plan::find(setting.source, version)?;
        Ok((setting.source.migrations.iter().filter(|m| m.version <= version).collect(), None))
    })
}

/// Takes one migration for applied.
pub fn mark(setting: &Setting<'_, '_>, version: i64) -> Result<Report> {
    write(setting, Direction::Baseline, |_, state| {
        let migration = plan::find(setting.source, version)?;
        if state.applied.contains_key(&version) {
            return Err(Error::new(Kind::Migration, format!("mark: migration {} is applied already", plan::name(migration))));
        }
        Ok((vec![migration], None))
    })
}

/// Takes over the history of another tool, after checking what can be checked. Once that is done, doing it again changes nothing.
pub fn adopt(setting: &Setting<'_, '_>) -> Result<Report> {
    write(setting, Direction::Adopt, |connection, state| {
        if state.applied.values().any(|applied| applied.direction == Direction::Adopt) {
            return Ok((Vec::new(), None));
        }
        if !state.applied.is_empty() {
            let message =
                "adopt: the history has migrations already that were not adopted; another tool's history is adopted before the first one";
            return Err(Error::new(Kind::Migration, message));
        }
        let (versions, from) = adopt::taken(connection, setting.source, setting.policy)?;
        let migrations = versions.iter().map(|version| plan::find(setting.source, *version)).collect::<Result<_>>()?;
        Ok((migrations, Some(from)))
    })
}

/// Chosen migrations, and the table that they are from.
type Choice<'a> = (Vec<&'a Migration>, Option<String>);

/// Writes the chosen migrations down, under the write lock.
fn write<'a>(
    setting: &Setting<'a, '_>,
    direction: Direction,
    choose: impl FnOnce(&mut dyn Connection, &State) -> Result<Choice<'a>>,
) -> Result<Report> {
    let began = Instant::now();
    let mut connection = (setting.connect)()?;
    let connection = &mut *connection;
    let patience = super::apply::patience(setting);
    connection.begin(Mode::Immediate, &patience).map_err(|error| super::apply::late(error, setting.policy))?;
    let result = inside(setting, direction, choose, connection);
    let mut report = result.map_err(|error| ask::undone(connection, error))?;
    ask::commit(connection, &patience)?;
    report.duration_us = began.elapsed().as_micros() as u64;
    Ok(report)
}

fn inside<'a>(
    setting: &Setting<'a, '_>,
    direction: Direction,
    choose: impl FnOnce(&mut dyn Connection, &State) -> Result<Choice<'a>>,
    connection: &mut dyn Connection,
) -> Result<Report> {
    let mut state = State::read(connection)?;
    let before = state.newest();
    let (migrations, adopted_from) = choose(connection, &state)?;
    let author = Author::new(setting.policy);
    let hash = Hash::of(connection)?.text();
    let mut lines = Vec::new();
    if !migrations.is_empty() {
        history::create(connection)?;
    }
    for migration in migrations {
        let entry = Entry { migration, direction, statements: 0, duration: Duration::ZERO, schema_hash: Some(&hash) };
        if let Some(running) = state.running.take_if(|running| running.version == migration.version) {
            history::settle(connection, running.id, &Entry { statements: running.statements.unsigned_abs(), ..entry }, "abandoned")?;
        }
        history::add(connection, &entry, "done", &author)?;
        state.take(plan::Step { version: migration.version, direction }, migration);
        let mut line = line_of(migration, &migration.up, direction);
        line.state = Standing::Applied;
        lines.push(line);
    }
    Ok(Report {
        before,
        version: state.newest(),
        pending: plan::pending(setting.source, &state),
        migrations: lines,
        adopted_from,
        schema_hash: Some(hash),
        ..Report::default()
    })
}
