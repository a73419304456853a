//! The plan: from a source, a history and a goal to the next step. Pure: no SQL, no files, no clock.

use super::history::{Applied, State};
use super::policy::{Interrupted, Verdict};
use super::report::{Direction, Problem, State as Standing};
use super::{Migration, Policy, Source};
use crate::error::{Error, Kind, Result};

/// What a run is to reach. Steps that are done are taken off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Apply what is pending: up to a version, and no more than so many.
    Up {
        to: Option<i64>,
        steps: Option<usize>,
    },
    /// Undo what is applied above a version, and no more than so many.
    Down {
        to: Option<i64>,
        steps: Option<usize>,
    },
    /// Apply all pending ones up to a version, and undo all above it.
    To(i64),
    /// Undo the newest one and apply it again.
    Redo,
    /// Undo this one, wherever it stands.
    Undo(i64),
    /// The second half of redoing.
    RedoUp(i64),
    Nothing,
}

/// One migration to run next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub version: i64,
    pub direction: Direction,
}

impl Goal {
    /// Undoes what is above a version, or so many; without either the newest one.
    pub fn down(to: Option<i64>, steps: Option<usize>) -> Goal {
        Goal::Down { to, steps: if to.is_none() { steps.or(Some(1)) } else { steps } }
    }

    /// Everything that has to be done, in its order, if nobody else does anything meanwhile.
    ///
    /// # Errors
    /// [`Kind::Migration`] and [`Kind::SchemaNewer`] for what the policy refuses, and for goals that do not exist.
    pub fn plan(self, source: &Source, state: &State, policy: &Policy) -> Result<Vec<Step>> {
        check_interrupted(state, policy)?;
        match self {
            Goal::Up { to, steps } => {
                check(source, state, policy)?;
                to.map_or(Ok(()), |to| known(source, state, to))?;
                let mut all = up(source, state, policy, to)?;
                all.truncate(steps.unwrap_or(usize::MAX));
                Ok(all)
            }
            Goal::Down { to, steps } => {
                to.filter(|to| *to != 0).map_or(Ok(()), |to| known(source, state, to))?;
                Ok(down(state, to).take(steps.unwrap_or(usize::MAX)).collect())
            }
            Goal::To(0) => Ok(down(state, None).collect()),
            Goal::To(version) => {
                known(source, state, version)?;
                let mut all: Vec<Step> = down(state, Some(version)).collect();
                if all.is_empty() {
                    check(source, state, policy)?;
                }
                let mut below = state.clone();
                all.iter().for_each(|step| drop(below.applied.remove(&step.version)));
                all.extend(up(source, &below, policy, Some(version))?);
                Ok(all)
            }
            Goal::Redo => {
                let newest = state.newest();
                let none = || Error::new(Kind::Migration, "redo: no migration is applied; there is none to undo and apply again");
                let version = newest.ok_or_else(none)?;
                find(source, version)?;
                Ok(vec![Step { version, direction: Direction::Down }, Step { version, direction: Direction::Up }])
            }
            Goal::Undo(version) => {
                Ok(state.applied.keys().filter(|v| **v == version).map(|v| Step { version: *v, direction: Direction::Down }).collect())
            }
            Goal::RedoUp(version) => Ok(vec![Step { version, direction: Direction::Up }]),
            Goal::Nothing => Ok(Vec::new()),
        }
    }

    /// The goal once `step` is done.
    pub fn after(self, step: Step) -> Goal {
        let fewer = |steps: Option<usize>| steps.map(|steps| steps.saturating_sub(1));
        match self {
            Goal::Up { to, steps } => Goal::Up { to, steps: fewer(steps) },
            Goal::Down { to, steps } => Goal::Down { to, steps: fewer(steps) },
            Goal::Redo => Goal::RedoUp(step.version),
            Goal::RedoUp(_) | Goal::Undo(_) => Goal::Nothing,
            goal => goal,
        }
    }
}

impl Source {
    /// The migration with this version.
    pub fn find(&self, version: i64) -> Option<&Migration> {
        let at = self.migrations.binary_search_by_key(&version, |m| m.version).ok()?;
        Some(&self.migrations[at])
    }

    /// The newest version.
    pub fn newest(&self) -> Option<i64> {
        self.migrations.last().map(|m| m.version)
    }
}

/// The migration with this version, which has to be there.
pub fn find(source: &Source, version: i64) -> Result<&Migration> {
    source.find(version).ok_or_else(|| {
        let message = format!("migration {version}: the source does not have it{}; it has {}", near(source, version), span(source));
        Error::new(Kind::Migration, message)
    })
}

/// A version that a goal names has to be known to the source or the history.
fn known(source: &Source, state: &State, version: i64) -> Result<()> {
    if source.find(version).is_some() || state.applied.contains_key(&version) {
        return Ok(());
    }
    find(source, version).map(drop)
}

fn near(source: &Source, version: i64) -> String {
    let nearest = source.migrations.iter().min_by_key(|m| m.version.abs_diff(version));
    nearest.map_or(String::new(), |m| format!("; the nearest is {}", name(m)))
}

fn span(source: &Source) -> String {
    match (source.migrations.first(), source.migrations.last()) {
        (Some(first), Some(last)) => format!("{} migrations, {} to {}", source.migrations.len(), first.version, last.version),
        _ => "no migrations".to_string(),
    }
}

/// A migration for people: version, description, file.
pub fn name(migration: &Migration) -> String {
    match migration.up.file.as_str() {
        "" => format!("{} \"{}\"", migration.version, migration.description),
        file => format!("{} ({file})", migration.version),
    }
}

fn up(source: &Source, state: &State, policy: &Policy, to: Option<i64>) -> Result<Vec<Step>> {
    let newest = state.newest();
    let mut steps = Vec::new();
    for migration in source.migrations.iter().filter(|m| to.is_none_or(|to| m.version <= to)) {
        if state.applied.contains_key(&migration.version) {
            continue;
        }
        if newest.is_some_and(|newest| migration.version < newest) {
            match policy.out_of_order {
                Verdict::Accept => {}
                Verdict::Skip => continue,
                Verdict::Refuse => return Err(out_of_order(source, state, migration).into_error()),
            }
        }
        steps.push(Step { version: migration.version, direction: Direction::Up });
    }
    Ok(steps)
}

fn down(state: &State, to: Option<i64>) -> impl Iterator<Item = Step> + '_ {
    // To version 0 is to the beginning, also where a migration has that number.
    let above = state.applied.keys().rev().copied().take_while(move |version| to.is_none_or(|to| *version > to || to == 0));
    above.map(|version| Step { version, direction: Direction::Down })
}

/// Fails for the first thing that the policy refuses before anything is applied.
fn check(source: &Source, state: &State, policy: &Policy) -> Result<()> {
    let refused = |problem: &Problem| match problem.kind.as_str() {
        "changed" => policy.changed == Verdict::Refuse,
        "missing" => policy.missing == Verdict::Refuse,
        "newer" => policy.newer == Verdict::Refuse,
        "gap" => policy.gaps == Verdict::Refuse,
        _ => false,
    };
    let found = problems(source, state);
    let Some(first) = found.iter().find(|problem| refused(problem)) else { return Ok(()) };
    let others = found.iter().filter(|problem| refused(problem)).count() - 1;
    let error = first.clone().into_error();
    Err(if others == 0 { error } else { error.followed_by(format!("; and {others} more like this: see the status")) })
}

fn check_interrupted(state: &State, policy: &Policy) -> Result<()> {
    match &state.running {
        Some(running) if policy.interrupted == Interrupted::Refuse => Err(interrupted(running).into_error()),
        _ => Ok(()),
    }
}

impl Problem {
    fn new(kind: &str, version: i64, message: String) -> Problem {
        Problem { kind: kind.to_string(), version: Some(version), message }
    }

    /// The error that it is where the policy refuses it.
    pub fn into_error(self) -> Error {
        let kind = if self.kind == "newer" { Kind::SchemaNewer } else { Kind::Migration };
        Error::new(kind, self.message)
    }
}

/// What is doubtful about a history and a source, each thing with its cure, in the order of the versions.
pub fn problems(source: &Source, state: &State) -> Vec<Problem> {
    let mut found: Vec<Problem> = state.running.iter().map(interrupted).collect();
    found.extend(state.applied.values().filter_map(|applied| doubt(source, applied)));
    let newest = state.newest();
    let pending = source.migrations.iter().filter(|m| !state.applied.contains_key(&m.version));
    found.extend(pending.filter(|m| newest.is_some_and(|newest| m.version < newest)).map(|m| out_of_order(source, state, m)));
    found.extend(source.migrations.windows(2).filter_map(|pair| gap(&pair[0], &pair[1])));
    found
}

/// How many migrations are not applied.
pub fn pending(source: &Source, state: &State) -> usize {
    source.migrations.iter().filter(|m| !state.applied.contains_key(&m.version)).count()
}

/// What of that a report has: gaps are normal.
pub fn doubts(source: &Source, state: &State) -> Vec<Problem> {
    problems(source, state).into_iter().filter(|problem| problem.kind != "gap").collect()
}

/// How an applied migration stands to the source.
pub fn standing(source: &Source, applied: &Applied) -> Standing {
    match source.find(applied.version) {
        Some(migration) if migration.up.checksum() == applied.checksum => Standing::Applied,
        Some(_) => Standing::Changed,
        None if source.newest().is_none_or(|newest| applied.version > newest) => Standing::Newer,
        None => Standing::Missing,
    }
}

fn doubt(source: &Source, applied: &Applied) -> Option<Problem> {
    let Applied { version, description, started_at, .. } = applied;
    match standing(source, applied) {
        Standing::Changed => {
            let name = source.find(*version).map(name).unwrap_or_default();
            let message = format!(
                "migration {name} was changed after it was applied on {started_at}: restore its text and put the change into a new \
                 migration, or set changed = accept where the change does not matter"
            );
            Some(Problem::new("changed", *version, message))
        }
        Standing::Missing => {
            let message = format!(
                "migration {version} \"{description}\" is applied (on {started_at}) and the source does not have it: restore its file, or set \
                 missing = accept if it was removed on purpose"
            );
            Some(Problem::new("missing", *version, message))
        }
        Standing::Newer => {
            let message = format!(
                "the database is newer than this program: migration {version} \"{description}\" is applied (on {started_at}, by {}), and \
                 the program knows {}: run the newer program, or undo it with `down` (its text is in the history), or set newer = accept",
                applied.program,
                span(source)
            );
            Some(Problem::new("newer", *version, message))
        }
        _ => None,
    }
}

fn out_of_order(source: &Source, state: &State, migration: &Migration) -> Problem {
    let newest = state.newest().unwrap_or_default();
    let newer = source.find(newest).map_or_else(|| newest.to_string(), name);
    let message = format!(
        "migration {} is pending, but {newer} is applied already: give it a higher version, or set out_of_order = accept to apply it now, \
         or out_of_order = skip to leave it alone",
        name(migration)
    );
    Problem::new("out_of_order", migration.version, message)
}

fn gap(before: &Migration, after: &Migration) -> Option<Problem> {
    if after.version == before.version + 1 {
        return None;
    }
    let message = format!("there is a gap between migration {} and {}", name(before), name(after));
    Some(Problem::new("gap", after.version, message))
}

fn interrupted(running: &Applied) -> Problem {
    let Applied { version, description, statements, started_at, host, .. } = running;
    let way = if running.direction == Direction::Down { "down, " } else { "" };
    let message = format!(
        "migration {version} \"{description}\" ({way}outside a transaction, begun on {started_at} on {host}) stopped after {statements} \
         statements, which stay: look at what the next one did, then set interrupted = resume to go on with it, or interrupted = restart \
         to run all of them again"
    );
    Problem::new("interrupted", *version, message)
}
