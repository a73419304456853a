//! The runner: under the database's write lock it reads the history again, takes the next step of the plan, and commits it together with
//! its row in the history.
//!
//! ```text
//!   begin immediate ─▶ (history moved? read and plan anew) ─▶ next step ─▶ run ─▶ foreign keys ─▶ history row ─▶ commit ─┐
//!         ▲                                                      │ none: done                                            │
//!         └──────────────────────────────────────────────────────┴───────────────────────────────────────────────────────┘
//! ```
//! Whoever comes second finds the step done and takes the next one. An error leaves nothing of the step that it happened in.

mod event;
mod outside;
mod patience;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

pub use self::event::{Event, Phase};
pub(super) use self::patience::{late, patience};
use super::adopt;
use super::ask;
use super::history::{self, Author, Entry, State};
use super::keys::Violations;
use super::lock::Lock;
use super::plan::{self, Goal, Step};
use super::policy::Transactions;
use super::report::{Direction, Line, Problem, State as Standing};
use super::schema::Hash;
use super::script::{self, Change, Done, Run};
use super::{Migration, Policy, Report, Script, Source};
use crate::cancel::Op;
use crate::clock::Mark;
use crate::driver::{Connection, Mode};
use crate::error::{Error, Kind, Outcome, Result};
use crate::tables::Tables;

/// What a runner works with.
pub struct Setting<'a, 'o> {
    pub source: &'a Source,
    pub policy: &'a Policy,
    pub op: &'a Op<'o>,
    /// Opens a connection that may write, for the runner alone.
    pub connect: &'a dyn Fn() -> Result<Box<dyn Connection>>,
    /// The database's file; `None` in memory.
    pub file: Option<&'a Path>,
    /// Whether the store enforces foreign keys.
    pub enforces: bool,
    /// Hears what happens; `false` ends the run as if it had been cancelled.
    pub progress: &'a mut dyn FnMut(&Event<'_>) -> bool,
}

/// Whether what is done stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Real,
    /// Everything runs in one transaction that is rolled back.
    Dry,
}

/// Runs until `goal` is reached.
///
/// # Errors
/// [`Kind::Migration`], [`Kind::SchemaNewer`] for what the policy refuses; those of the migrations' statements, with migration, file, line
/// and column; [`Kind::Constraint`] for foreign keys that would be violated; [`Kind::Timeout`], [`Kind::Cancelled`].
pub fn run(setting: Setting<'_, '_>, goal: Goal, effect: Effect) -> Result<Report> {
    let began = Instant::now();
    let mut connection = (setting.connect)()?;
    script::enforce(&mut *connection, false)?;
    let author = Author::new(setting.policy);
    let mut runner = Runner {
        setting,
        connection,
        author,
        effect,
        state: State::default(),
        mark: None,
        hash: None,
        careful: false,
        enforced: false,
        under_way: false,
        lock: None,
        saved: false,
        created: false,
        report: Report::default(),
        first: None,
        total: 0,
    };
    if !runner.is_reached(goal)? {
        runner.go(goal).map_err(|error| runner.explain(error))?;
    }
    let mut report = std::mem::take(&mut runner.report);
    report.before = runner.first.flatten();
    report.version = runner.state.newest();
    report.pending = plan::pending(runner.setting.source, &runner.state);
    report.schema_hash = runner.hash.as_ref().map(Hash::text).or(runner.state.schema_hash.take());
    report.duration_us = began.elapsed().as_micros() as u64;
    Ok(report)
}

struct Runner<'a, 'o> {
    setting: Setting<'a, 'o>,
    connection: Box<dyn Connection>,
    author: Author,
    effect: Effect,
    /// The history as it was read, with the steps done since.
    state: State,
    /// The database's mark when that was read.
    mark: Option<Mark>,
    /// The schema's hash as it is now; `None`: unknown.
    hash: Option<Hash>,
    /// Foreign keys are checked before a step too, because some are violated after it.
    careful: bool,
    /// Foreign keys are enforced on the connection.
    enforced: bool,
    /// A step has begun, so that an error is one of it.
    under_way: bool,
    lock: Option<Lock>,
    /// The copy of the database has been written.
    saved: bool,
    /// The history's table is there.
    created: bool,
    report: Report,
    /// The newest version when the run began.
    first: Option<Option<i64>>,
    total: u64,
}

/// What became of a step.
enum Did {
    Step,
    /// Nothing, and it has to be planned anew.
    Nothing,
}

impl Runner<'_, '_> {
    /// Whether there is nothing to do, found out without the write lock: the usual case of a program that starts.
    fn is_reached(&mut self, goal: Goal) -> Result<bool> {
        let state = ask::snapshot(&mut *self.connection, |connection| State::read(connection))?;
        let reached = state.begun && state.running.is_none();
        let reached = reached && goal.plan(self.setting.source, &state, self.setting.policy).is_ok_and(|steps| steps.is_empty());
        self.first = Some(state.newest()).filter(|_| reached);
        self.state = state;
        if reached {
            self.note_doubts();
        }
        Ok(reached)
    }

    fn go(&mut self, mut goal: Goal) -> Result<()> {
        let (mut steps, mut undone) = (VecDeque::new(), (goal, 0));
        let mut known = false;
        loop {
            if !self.connection.in_transaction() {
                undone = (goal, self.report.migrations.len());
                self.begin()?;
            }
            if !known || self.has_moved() {
                if !self.read()? {
                    known = false;
                    continue;
                }
                steps = VecDeque::from(goal.plan(self.setting.source, &self.state, self.setting.policy)?);
                self.note_doubts();
                self.total = (self.report.migrations.len() + steps.len()) as u64;
                known = true;
            }
            if let Some(running) = &self.state.running {
                steps.push_front(Step { version: running.version, direction: running.direction });
            }
            let Some(step) = steps.pop_front() else { return self.finish() };
            match self.step(step)? {
                Did::Step => {
                    self.under_way = false;
                    goal = goal.after(step);
                    known &= self.state.running.take().is_none();
                }
                Did::Nothing => {
                    goal = undone.0;
                    self.report.migrations.truncate(undone.1);
                    self.hash = None;
                    known = false;
                }
            }
        }
    }

    /// Takes the database's write lock. Another process that holds it is waited for, however often that takes.
    fn begin(&mut self) -> Result<()> {
        let patience = patience(&self.setting);
        loop {
            match self.connection.begin(Mode::Immediate, &patience) {
                Err(error) if error.kind() == Kind::Busy && patience.poll().is_none() => {
                    patience.before_wait();
                    std::thread::sleep(patience.slice(Duration::from_millis(2)));
                }
                Err(error) => return Err(late(error, self.setting.policy)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Whether somebody else has committed since the history was read.
    fn has_moved(&mut self) -> bool {
        let now = self.connection.mark();
        now.is_none() || now != self.mark
    }

    /// Reads the history. Not so, and without the write lock, when it had to wait for another runner.
    fn read(&mut self) -> Result<bool> {
        self.state = State::read(&mut *self.connection)?;
        self.mark = self.connection.mark();
        self.hash = None;
        if self.state.running.is_some() && !self.has_lock() {
            self.take_lock()?;
            return Ok(false);
        }
        self.first.get_or_insert(self.state.newest());
        if !self.state.begun {
            adopt::refuse_other(&mut *self.connection, self.setting.source)?;
        }
        Ok(true)
    }

    /// What is doubtful and was not refused, for the report.
    fn note_doubts(&mut self) {
        if self.report.migrations.is_empty() {
            self.report.problems = plan::doubts(self.setting.source, &self.state);
        }
    }

    /// Whether it is certain that no other process is inside a migration outside a transaction.
    fn has_lock(&self) -> bool {
        self.lock.is_some() || self.setting.file.is_none()
    }

    /// Lets the write lock go and waits for the other one.
    fn take_lock(&mut self) -> Result<()> {
        self.connection.rollback()?;
        if let Some(file) = self.setting.file {
            self.lock = Some(Lock::take(file, &patience(&self.setting))?);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        match self.effect {
            Effect::Dry => self.connection.rollback(),
            Effect::Real if self.setting.policy.transactions == Transactions::All => self.commit(),
            Effect::Real => self.connection.rollback(),
        }
    }

    fn commit(&mut self) -> Result<()> {
        ask::commit(&mut *self.connection, &patience(&self.setting))
    }

    fn step(&mut self, step: Step) -> Result<Did> {
        let (migration, script) = self.resolve(step)?;
        let mut line = line_of(&migration, &script, step.direction);
        self.under_way = true;
        if !self.save()? {
            return Ok(Did::Nothing);
        }
        let outside = script.outside_transaction || self.setting.policy.transactions == Transactions::None;
        if !self.switch_enforcement(self.setting.enforces && script.enforces_foreign_keys && !outside)? {
            return Ok(Did::Nothing);
        }
        if outside {
            return self.step_outside(step, &migration, &script, line);
        }
        let began = Instant::now();
        self.tell(Phase::Begin, &line, None)?;
        let before = if self.careful { Some(violated(&mut *self.connection)?) } else { None };
        let done = self.run_inside(&script, &line)?;
        self.look_at_schema(&done)?;
        if !self.keys_hold(&script, &done, before.as_ref()).map_err(|error| self.name(error, &line))? {
            self.careful = true;
            self.connection.rollback()?;
            return Ok(Did::Nothing);
        }
        self.note(&mut line, &done, began.elapsed());
        if self.effect == Effect::Real {
            self.write_history(&migration, &line)?;
            if self.setting.policy.transactions == Transactions::Each {
                self.commit().map_err(|error| self.name(error, &line))?;
            }
        }
        self.settle(step, &migration, line, &done)?;
        Ok(Did::Step)
    }

    /// Runs the text inside the open transaction.
    fn run_inside(&mut self, script: &Script, line: &Line) -> Result<Done> {
        let (index, total, enforced) = (self.report.migrations.len() as u64 + 1, self.total, self.enforced);
        let Setting { op, progress, .. } = &mut self.setting;
        let mut watch = |_: &mut dyn Connection, at: &script::Progress<'_>| heard(progress(&Event::statement(line, index, total, at)));
        let run = Run { connection: &mut *self.connection, op, inside: true, enforced, from: (0, 0), watch: &mut watch };
        run.run(script).map_err(|error| self.name(error, line))
    }

    /// Foreign keys can only be switched while no transaction is open. Not ready, and without the write lock, when it had to do that.
    fn switch_enforcement(&mut self, wanted: bool) -> Result<bool> {
        if wanted == self.enforced {
            return Ok(true);
        }
        if self.is_one_transaction() {
            let message =
                "`-- keepwell: foreign keys on` cannot be honoured where all migrations are one transaction (transactions = all, \
                           dry run): foreign keys are switched between transactions";
            return Err(Error::new(Kind::Migration, message));
        }
        self.connection.rollback()?;
        script::enforce(&mut *self.connection, wanted)?;
        self.enforced = wanted;
        Ok(false)
    }

    /// Whether several steps share a transaction.
    fn is_one_transaction(&self) -> bool {
        self.effect == Effect::Dry || self.setting.policy.transactions == Transactions::All
    }

    /// Whether no foreign key is violated that was not before; `false` when that can not be told without looking before.
    fn keys_hold(&mut self, script: &Script, done: &Done, before: Option<&Violations>) -> Result<bool> {
        if !self.setting.enforces || script.enforces_foreign_keys || done.rows.is_empty() {
            return Ok(true);
        }
        let Some(hash) = &self.hash else { return Ok(false) };
        let after = Violations::find(&mut *self.connection, &done.rows, hash.referring())?;
        match before {
            _ if after.is_empty() => Ok(true),
            None => Ok(false),
            Some(before) => after.refuse_new(before, done.schema == Change::Anything).map(|()| true),
        }
    }

    /// Brings the schema's hash up to date.
    fn look_at_schema(&mut self, done: &Done) -> Result<()> {
        match (&mut self.hash, &done.schema) {
            (Some(_), Change::None) => {}
            (Some(hash), Change::Added) => hash.add_new(&mut *self.connection)?,
            (Some(hash), Change::Table(table)) => hash.look_again(&mut *self.connection, table)?,
            (hash, _) => *hash = Some(Hash::of(&mut *self.connection)?),
        }
        Ok(())
    }

    fn note(&mut self, line: &mut Line, done: &Done, duration: Duration) {
        line.statements = done.statements;
        line.rows_changed = done.rows_changed;
        line.duration_us = duration.as_micros() as u64;
        let version = Some(line.version);
        let notes = done.notes.iter().map(|note| Problem { kind: "note".to_string(), version, message: note.to_string() });
        self.report.problems.extend(notes);
    }

    fn write_history(&mut self, migration: &Migration, line: &Line) -> Result<()> {
        let hash = self.hash.as_ref().map(Hash::text);
        let connection = &mut *self.connection;
        if !std::mem::replace(&mut self.created, self.setting.policy.transactions == Transactions::Each) {
            history::create(connection)?;
        }
        let duration = Duration::from_micros(line.duration_us);
        let entry = Entry { migration, direction: line.direction, statements: line.statements, duration, schema_hash: hash.as_deref() };
        history::add(connection, &entry, "done", &self.author)
    }

    /// Takes a step that is done into the state and the report.
    fn settle(&mut self, step: Step, migration: &Migration, mut line: Line, done: &Done) -> Result<()> {
        self.state.take(step, migration);
        line.state = if step.direction == Direction::Down { Standing::Reverted } else { Standing::Applied };
        let heard = self.tell(Phase::Done, &line, Some(done));
        self.report.migrations.push(line);
        heard?;
        if done.spoilt && !self.connection.in_transaction() {
            self.connection = (self.setting.connect)()?;
            script::enforce(&mut *self.connection, self.enforced)?;
            self.mark = None;
        }
        Ok(())
    }

    /// The migration of a step and the text to run for it.
    fn resolve(&mut self, step: Step) -> Result<(Migration, Script)> {
        let source = self.setting.source.find(step.version);
        if step.direction != Direction::Down {
            let migration = plan::find(self.setting.source, step.version)?;
            return Ok((migration.clone(), migration.up.clone()));
        }
        let applied = self.state.applied.get(&step.version).or(self.state.running.as_ref()).cloned().unwrap_or_default();
        let down = match source.and_then(|migration| migration.down.clone()) {
            Some(down) => Some(down),
            None => history::down_of(&mut *self.connection, &applied)?,
        };
        let up = Script { checksum: applied.checksum.clone(), ..source.map(|m| m.up.clone()).unwrap_or_default() };
        let migration = Migration { version: step.version, description: applied.description.clone(), up, down: down.clone() };
        match down {
            Some(down) => Ok((migration, down)),
            None => Err(irreversible(source, &migration)),
        }
    }

    /// Writes the copy that the policy asks for, before the first step. Not done, and without the write lock, for a database in memory:
    /// nobody can read it while it is held, and nobody else can write to it when it is not.
    fn save(&mut self) -> Result<bool> {
        let Some(path) = self.setting.policy.snapshot.as_ref().filter(|_| self.effect == Effect::Real && !self.saved) else {
            return Ok(true);
        };
        let in_memory = self.setting.file.is_none();
        if in_memory {
            self.connection.rollback()?;
        }
        let mut reader = (self.setting.connect)()?;
        reader.copy_to(path, self.setting.op).map_err(|error| error.context("migrations: snapshot"))?;
        self.report.snapshot = Some(path.display().to_string());
        self.saved = true;
        Ok(!in_memory)
    }

    fn tell(&mut self, phase: Phase, line: &Line, done: Option<&Done>) -> Result<()> {
        let (index, total) = (self.report.migrations.len() as u64 + 1, self.total);
        let event = Event::new(phase, line, index, total);
        let event = Event { statement: 0, rows_changed: done.map_or(0, |done| done.rows_changed), ..event };
        heard((self.setting.progress)(&event))
    }

    /// Adds which migration an error is of, and what became of it.
    fn name(&self, error: Error, line: &Line) -> Error {
        let way = if line.direction == Direction::Down { "undoing migration" } else { "migration" };
        error.context(format!("{way} {} \"{}\"", line.version, line.description))
    }

    /// Rolls back what is open and adds what stays.
    fn explain(&mut self, error: Error) -> Error {
        let error = match (self.connection.in_transaction(), self.under_way) {
            (false, _) => error,
            (true, false) => ask::undone(&mut *self.connection, error),
            (true, true) => {
                let error = error.with_outcome(Outcome::RolledBack).followed_by("; nothing of it was kept");
                ask::undone(&mut *self.connection, error)
            }
        };
        match self.report.migrations.as_slice() {
            _ if self.is_one_transaction() => error,
            [] => error,
            [one] => error.followed_by(format!("; migration {} before it is done and stays", one.version)),
            [first, .., last] => {
                let count = self.report.migrations.len();
                error.followed_by(format!("; the {count} migrations before it, {} to {}, are done and stay", first.version, last.version))
            }
        }
    }
}

/// All violations of foreign keys.
fn violated(connection: &mut dyn Connection) -> Result<Violations> {
    let hash = Hash::of(connection)?;
    Violations::find(connection, &Tables::All, hash.referring())
}

/// The error of a progress function that says no.
fn heard(goes_on: bool) -> Result<()> {
    if goes_on {
        return Ok(());
    }
    Err(Error::new(Kind::Cancelled, "migrations: cancelled by the progress function"))
}

fn irreversible(source: Option<&Migration>, migration: &Migration) -> Error {
    let name = source.map_or_else(|| migration.version.to_string(), plan::name);
    let message = format!(
        "migration {name} cannot be undone: neither the source nor the history has a text for it; write one, or put the change that is \
         wanted into a new migration"
    );
    Error::new(Kind::Migration, message)
}

/// What is known of a step before it is run.
pub(super) fn line_of(migration: &Migration, script: &Script, direction: Direction) -> Line {
    Line {
        version: migration.version,
        description: migration.description.clone(),
        file: script.file.clone(),
        direction,
        reversible: migration.down.is_some(),
        transactional: !script.outside_transaction,
        checksum: migration.up.checksum(),
        ..Line::default()
    }
}
