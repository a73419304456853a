//! Migrations of a store: each operation on a connection of its own, under the store's lease, so that writers of this process queue fairly.

mod rehearse;

use std::path::Path;

use super::Store;
use crate::cancel::Op;
use crate::driver::{Connection, Role};
use crate::error::{Error, Kind, Result};
use crate::holders::Purpose;
use crate::migrate::apply::{self, Effect, Event, Setting};
use crate::migrate::plan::Goal;
use crate::migrate::rebuild::{self, Rebuild};
use crate::migrate::report::{Direction, State};
use crate::migrate::{ask, look, mark, schema, Policy, Report, Source};
use crate::options::{QueryOptions, Timeout};

/// A set of migrations for a store: what is applied, what is pending, and everything that can be done about it.
///
/// # Example
/// ```
/// # fn main() -> keepwell::Result<()> {
/// # let mut config = keepwell::Config::new();
/// # config.load_uri(":memory:")?;
/// # let store = keepwell::Store::open(&config)?;
/// use keepwell::migrate::{Migration, Source};
/// let source = Source::list(vec![
///     Migration::new(1, "people", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)", Some("DROP TABLE person".into())),
///     Migration::new(2, "age", "ALTER TABLE person ADD COLUMN age INTEGER", Some("ALTER TABLE person DROP COLUMN age".into())),
/// ])?;
/// let migrations = store.migrations(source);
/// assert_eq!(migrations.up(None, None)?.migrations.len(), 2);
/// assert_eq!(migrations.status()?.version, Some(2));
/// # store.close(None)
/// # }
/// ```
#[derive(Clone)]
pub struct Migrations {
    store: Store,
    source: Source,
    policy: Policy,
}

/// One operation on migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Apply, undo, or both.
    Run(Goal),
    /// What that would do.
    Plan(Goal),
    /// Do it in one transaction and roll that back.
    DryRun(Goal),
    /// Do it, undo it and do it again on a copy of the database.
    Rehearse(Goal),
    Status,
    Verify,
    /// Take everything up to this version for applied.
    Baseline(i64),
    /// Take this version for applied.
    Mark(i64),
    /// Take another tool's history over.
    Adopt,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Run(Goal::Up { .. }) => "up",
            Operation::Run(Goal::Down { .. } | Goal::Undo(_)) => "down",
            Operation::Run(Goal::To(_)) => "to",
            Operation::Run(_) => "redo",
            Operation::Plan(_) => "plan",
            Operation::DryRun(_) => "dry_run",
            Operation::Rehearse(_) => "rehearse",
            Operation::Status => "status",
            Operation::Verify => "verify",
            Operation::Baseline(_) => "baseline",
            Operation::Mark(_) => "mark",
            Operation::Adopt => "adopt",
        }
    }
}

/// Applies all that is pending.
pub const EVERYTHING: Goal = Goal::Up { to: None, steps: None };

impl Store {
    /// A set of migrations for this store, with safe policies.
    pub fn migrations(&self, source: Source) -> Migrations {
        Migrations { store: self.clone(), source, policy: Policy::default() }
    }

    /// The schema as SQL that makes it anew, without the history: the same schema gives the same text.
    pub fn schema_dump(&self, options: &QueryOptions<'_>) -> Result<String> {
        self.counted(self.look(options, schema::dump))
    }

    /// Makes a table anew with another definition, in SQLite's own twelve steps, and says how many rows it had before and has after.
    /// <https://sqlite.org/lang_altertable.html#otheralter>
    ///
    /// Rows, indexes, triggers, views, references of other tables and the AUTOINCREMENT mark are kept. Blocks like a transaction, and
    /// while the rows are copied. See [`Rebuild`].
    ///
    /// # Errors
    /// [`Kind::Migration`] for what cannot be rebuilt as asked, with the cure; [`Kind::Constraint`] for rows that do not fit the new
    /// definition, and for foreign keys. Nothing is changed then.
    pub fn rebuild_table(&self, rebuild: &Rebuild<'_>, options: &QueryOptions<'_>) -> Result<Report> {
        self.counted(self.change(options, |connect, op| rebuild::run(connect, rebuild, self.enforces_foreign_keys(), op)))
    }

    fn enforces_foreign_keys(&self) -> bool {
        self.inner.config.options.foreign_keys
    }

    /// Runs `work` with the writer leased, on connections that it opens itself.
    fn change<R>(
        &self,
        options: &QueryOptions<'_>,
        work: impl FnOnce(&dyn Fn() -> Result<Box<dyn Connection>>, &Op<'_>) -> Result<R>,
    ) -> Result<R> {
        if self.read_only(options) {
            return Err(Error::new(Kind::ReadOnly, "migrations: the store or the call is read-only"));
        }
        let op = self.patient(options)?;
        let mut lease = self.inner.pool.writer(&op, Purpose::Migration, !options.unbound)?;
        lease.connection().rest(true);
        work(&|| self.inner.driver.connect_apart(&op), &op)
    }

    /// Runs `work` on one state of the database, on a connection that only reads.
    fn look<R>(&self, options: &QueryOptions<'_>, work: impl FnOnce(&mut dyn Connection) -> Result<R>) -> Result<R> {
        let op = self.patient(options)?;
        let _lease = self.inner.pool.reader(&op, "", Purpose::Migration, !options.unbound)?;
        let mut connection = self.inner.driver.connect(Role::Reader, &op)?;
        ask::snapshot(&mut *connection, work)
    }

    /// The operation of a call that may take long: `query.timeout` does not hold for it.
    fn patient<'a>(&self, options: &QueryOptions<'a>) -> Result<Op<'a>> {
        let timeout = if options.timeout == Timeout::Default { Timeout::None } else { options.timeout };
        self.op(&QueryOptions { timeout, ..*options })
    }
}

impl Migrations {
    /// The migrations.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// How doubtful cases are decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Another policy.
    pub fn with_policy(self, policy: Policy) -> Self {
        Migrations { policy, ..self }
    }

    /// Sets one policy by its name, see [`crate::migrate::policy::KEYS`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.policy.set(key, value)
    }

    /// Applies what is pending, up to a version, and no more than so many.
    pub fn up(&self, to: Option<i64>, steps: Option<usize>) -> Result<Report> {
        self.plain(Operation::Run(Goal::Up { to, steps }))
    }

    /// Undoes what is applied above a version (`0`: all), or so many; without either the newest one.
    pub fn down(&self, to: Option<i64>, steps: Option<usize>) -> Result<Report> {
        self.plain(Operation::Run(Goal::down(to, steps)))
    }

    /// Applies or undoes until `version` is the newest one applied.
    pub fn to(&self, version: i64) -> Result<Report> {
        self.plain(Operation::Run(Goal::To(version)))
    }

    /// Undoes the newest one and applies it again.
    pub fn redo(&self) -> Result<Report> {
        self.plain(Operation::Run(Goal::Redo))
    }

    /// Every migration that the source or the history knows, with what is doubtful.
    pub fn status(&self) -> Result<Report> {
        self.plain(Operation::Status)
    }

    /// What [`Migrations::up`] would do. Writes nothing.
    pub fn plan(&self) -> Result<Report> {
        self.plain(Operation::Plan(EVERYTHING))
    }

    /// Does what [`Migrations::up`] would do, in one transaction, and rolls that back.
    pub fn dry_run(&self) -> Result<Report> {
        self.plain(Operation::DryRun(EVERYTHING))
    }

    /// Applies what is pending on a copy of the database, undoes it and applies it again; says what differs.
    pub fn rehearse(&self) -> Result<Report> {
        self.plain(Operation::Rehearse(EVERYTHING))
    }

    /// Takes every migration up to `version` for applied, without running any.
    pub fn baseline(&self, version: i64) -> Result<Report> {
        self.plain(Operation::Baseline(version))
    }

    /// Takes one migration for applied, without running it.
    pub fn mark(&self, version: i64) -> Result<Report> {
        self.plain(Operation::Mark(version))
    }

    /// Takes over the history of another tool, with its checksums verified.
    pub fn adopt(&self) -> Result<Report> {
        self.plain(Operation::Adopt)
    }

    /// The status, and whether schema and rows are what the migrations left.
    pub fn verify(&self) -> Result<Report> {
        self.plain(Operation::Verify)
    }

    fn plain(&self, operation: Operation) -> Result<Report> {
        self.run(operation, &QueryOptions::default(), &mut |_| true)
    }

    /// One operation. `progress` hears of each migration and statement; with `false` it ends the run.
    ///
    /// Blocks while others write: in this process in the line for the writer, as long as the timeout of `options` allows; other processes
    /// no longer than the policy's `lock_timeout`. The timeout (`query.timeout` does not hold here) and the token of `options` end what
    /// runs; the migration that they end leaves nothing.
    ///
    /// # Errors
    /// [`Kind::Migration`] and [`Kind::SchemaNewer`] for what the policy refuses; what the statements fail with, with file, line and
    /// column; [`Kind::Constraint`] for foreign keys; [`Kind::ReadOnly`], [`Kind::Timeout`], [`Kind::Cancelled`].
    pub fn run(&self, operation: Operation, options: &QueryOptions<'_>, progress: &mut dyn FnMut(&Event<'_>) -> bool) -> Result<Report> {
        let result = self.store.counted(self.operate(operation, options, progress))?;
        if let Operation::Run(_) = operation {
            let applied = result.migrations.iter().filter(|line| line.direction == Direction::Up && line.state == State::Applied).count();
            self.store.inner.insight.migrations_applied.add(applied as u64);
            self.store.say_migrated(&result);
        }
        Ok(result)
    }

    fn operate(&self, operation: Operation, options: &QueryOptions<'_>, progress: &mut dyn FnMut(&Event<'_>) -> bool) -> Result<Report> {
        let source = &self.source;
        let mut report = match operation {
            Operation::Status => self.store.look(options, |connection| look::status(connection, source)),
            Operation::Verify => self.store.look(options, |connection| look::verify(connection, source)),
            Operation::Plan(goal) => self.store.look(options, |connection| look::plan(connection, source, &self.policy, goal)),
            Operation::Rehearse(goal) => rehearse::run(self, goal, options, progress),
            Operation::Run(goal) => self.changing(options, progress, |setting| apply::run(setting, goal, Effect::Real)),
            Operation::DryRun(goal) => self.changing(options, progress, |setting| apply::run(setting, goal, Effect::Dry)),
            Operation::Baseline(version) => self.changing(options, progress, |setting| mark::baseline(&setting, version)),
            Operation::Mark(version) => self.changing(options, progress, |setting| mark::mark(&setting, version)),
            Operation::Adopt => self.changing(options, progress, |setting| mark::adopt(&setting)),
        }?;
        report.operation = operation.name().to_string();
        report.ignored.clone_from(&source.ignored);
        Ok(report)
    }

    fn changing(
        &self,
        options: &QueryOptions<'_>,
        progress: &mut dyn FnMut(&Event<'_>) -> bool,
        work: impl FnOnce(Setting<'_, '_>) -> Result<Report>,
    ) -> Result<Report> {
        let store = &self.store;
        store.change(options, |connect, op| {
            let file = Some(store.database()).filter(|name| *name != ":memory:").map(Path::new);
            let (source, policy, enforces) = (&self.source, &self.policy, store.enforces_foreign_keys());
            work(Setting { source, policy, op, connect, file, enforces, progress })
        })
    }
}
