//! A step outside a transaction: every statement is durable by itself, and the history says how far it has come.

use std::time::{Duration, Instant};

use super::{heard, violated, Did, Effect, Event, Phase, Runner, Setting};
use crate::driver::Connection;
use crate::error::{Error, Kind, Result};
use crate::migrate::history::{self, Entry};
use crate::migrate::keys::Violations;
use crate::migrate::plan::Step;
use crate::migrate::policy::Interrupted;
use crate::migrate::report::{Line, Problem, State as Standing};
use crate::migrate::schema::Hash;
use crate::migrate::script::{self, Change, Done, Run};
use crate::migrate::{Migration, Script};
use crate::tables::Tables;

impl Runner<'_, '_> {
    /// Runs a step statement by statement. The write lock is held when it is called.
    pub(super) fn step_outside(&mut self, step: Step, migration: &Migration, script: &Script, mut line: Line) -> Result<Did> {
        line.transactional = false;
        if self.effect == Effect::Dry {
            return self.pass_over(step, migration, line);
        }
        if self.is_one_transaction() {
            let message = "it runs outside a transaction, and transactions = all asks for one around everything: apply it by itself";
            return Err(self.name(Error::new(Kind::Migration, message), &line));
        }
        if !self.has_lock() {
            self.take_lock()?;
            return Ok(Did::Nothing);
        }
        if script.enforces_foreign_keys {
            let message =
                "`-- keepwell: foreign keys on` and `-- keepwell: no transaction` exclude each other: nothing could be taken back";
            return Err(self.name(Error::new(Kind::Migration, message), &line));
        }
        let (id, from) = self.open_row(step, migration, &line)?;
        self.tell(Phase::Begin, &line, None)?;
        let began = Instant::now();
        let before = if self.setting.enforces { Some(violated(&mut *self.connection)?) } else { None };
        let done = self.run_outside(script, &line, id, from).map_err(|error| self.name(error, &line))?;
        let hash = Hash::of(&mut *self.connection)?;
        self.hash = Some(hash.clone());
        self.note(&mut line, &done, began.elapsed());
        self.close_row(id, migration, &line)?;
        if let Some(before) = before.filter(|_| !done.rows.is_empty()) {
            let after = Violations::find(&mut *self.connection, &Tables::All, hash.referring())?;
            let refused = after.refuse_new(&before, done.schema == Change::Anything);
            refused.map_err(|error| self.name(error, &line).followed_by("; it ran outside a transaction and stays"))?;
        }
        self.settle(step, migration, line, &done)?;
        Ok(Did::Step)
    }

    /// A dry run leaves it out: it could not be taken back.
    fn pass_over(&mut self, step: Step, migration: &Migration, mut line: Line) -> Result<Did> {
        let message = format!("migration {} runs outside a transaction and was not tried", line.version);
        self.report.problems.push(Problem { kind: "note".to_string(), version: Some(line.version), message });
        line.state = Standing::Skipped;
        self.state.take(step, migration);
        self.report.migrations.push(line);
        Ok(Did::Step)
    }

    /// Writes that it runs, and commits that; the row's id, how many statements have run before, and where the next one begins.
    fn open_row(&mut self, step: Step, migration: &Migration, line: &Line) -> Result<(i64, (u64, usize))> {
        let connection = &mut *self.connection;
        history::create(connection)?;
        let entry = Entry { migration, direction: step.direction, statements: 0, duration: Duration::ZERO, schema_hash: None };
        if let Some(running) = self.state.running.clone() {
            if self.setting.policy.interrupted == Interrupted::Resume {
                if running.checksum != migration.up.checksum() {
                    let message =
                        "its text is not the one that was interrupted, so nobody can tell where to go on: restore the text, or set \
                                   interrupted = restart";
                    return Err(self.name(Error::new(Kind::Migration, message), line));
                }
                connection.rollback()?;
                let position = usize::try_from(running.position).unwrap_or_default();
                return Ok((running.id, (running.statements.unsigned_abs(), position)));
            }
            history::settle(connection, running.id, &Entry { statements: running.statements.unsigned_abs(), ..entry }, "abandoned")?;
        }
        history::add(connection, &entry, "running", &self.author)?;
        let id = history::newest(connection)?;
        self.commit()?;
        Ok((id, (0, 0)))
    }

    fn run_outside(&mut self, script: &Script, line: &Line, id: i64, from: (u64, usize)) -> Result<Done> {
        let (index, total) = (self.report.migrations.len() as u64 + 1, self.total);
        let Setting { op, progress, .. } = &mut self.setting;
        let mut watch = |connection: &mut dyn Connection, at: &script::Progress<'_>| {
            history::count(connection, id, at.statement, at.offset)?;
            heard(progress(&Event::statement(line, index, total, at)))
        };
        let run = Run { connection: &mut *self.connection, op, inside: false, enforced: false, from, watch: &mut watch };
        let result = run.run(script);
        let left_open = self.connection.in_transaction();
        if left_open {
            self.connection.rollback()?;
        }
        self.under_way = false;
        match result {
            Ok(_) if left_open => {
                let message = "its text left a transaction open, which was rolled back: add COMMIT, then set interrupted = restart";
                Err(Error::new(Kind::Migration, message))
            }
            Ok(done) => Ok(done),
            Err(error) => Err(error.followed_by(
                "; it runs outside a transaction: the statements before this one are done and stay, and the history says how many",
            )),
        }
    }

    fn close_row(&mut self, id: i64, migration: &Migration, line: &Line) -> Result<()> {
        let hash = self.hash.as_ref().map(Hash::text);
        let duration = Duration::from_micros(line.duration_us);
        let entry = Entry { migration, direction: line.direction, statements: line.statements, duration, schema_hash: hash.as_deref() };
        history::settle(&mut *self.connection, id, &entry, "done")
    }
}
