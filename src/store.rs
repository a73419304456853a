//! The store: where pool, transactions and results meet. Each method reads as the product's behaviour.

mod cached;
mod diary;
mod expose;
mod health;
mod insight;
mod migrations;
mod outside;
mod run;
mod scope;
mod shutdown;
mod stats;
mod together;
mod write;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::sync::Mutex;

use crate::cache::Cache;
use crate::cancel::{Op, Stop};
use crate::caretaker::Caretaker;
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::sqlite::SqliteDriver;
use crate::driver::{Changes, Driver, Fetch, Limit, Mode, Permit, Plan, Role, Stage};
use crate::error::{Error, Kind, Result};
use crate::exec::{self, Matrix, Setting};
use crate::group::Rules;
use crate::holders::Purpose;
use crate::listener::Listener;
use crate::options::{QueryOptions, Timeout};
use crate::pool::{Lease, Pool};
use crate::results::{Rest, Rows};
use crate::rows::{Columns, First};
use crate::sentry::{self, Sentry};
use crate::session::Session;
use crate::settings;
use crate::ticks;
use crate::value::Params;
use crate::warnings::Warnings;

pub use self::cached::Caching;
pub(crate) use self::cached::Shortcut;
use self::cached::Wish;
use self::insight::{Insight, Parts};
use self::write::Written;

pub use self::health::Health;
pub use self::migrations::{Migrations, Operation, EVERYTHING};
pub(crate) use self::run::Failure;
pub use self::scope::Scope;
pub use self::stats::Stats;
pub use self::together::Write;
pub(crate) use crate::cache::Key;
pub use crate::cache::{Bypass, CacheStats};
pub use crate::member::{Done, Wants};

/// One open database. Cheap to clone; every clone is the same store. All methods may be called from any thread.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    driver: Arc<dyn Driver>,
    pool: Arc<Pool>,
    config: Config,
    defaults: Defaults,
    /// Transactions, pinned connections and streams that may be open still.
    sessions: Mutex<Vec<Weak<Session>>>,
    abort: Arc<AtomicBool>,
    closed: AtomicBool,
    caretaker: Caretaker,
    sentry: Arc<Sentry>,
    warnings: Arc<Warnings>,
    /// `None`: `cache.enabled` is false.
    cache: Option<Arc<Cache>>,
    insight: Arc<Insight>,
    listener: Option<Listener>,
}

/// What holds where a call says nothing.
#[derive(Debug, Clone)]
pub struct Defaults {
    pub timeout: Option<Duration>,
    pub batch_rows: usize,
    pub read_only: bool,
    pub keep_statements: bool,
    pub close_timeout: Duration,
    /// `None`: each write has a transaction of its own.
    pub group: Option<Rules>,
    pub caching: Caching,
}

/// A batch ends after this many bytes of text and blobs, whatever its rows.
const BATCH_BYTES: usize = 256 * 1024;

/// How a transaction is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxMode {
    /// On the writer. [`Mode::Immediate`] unless there is a reason.
    Write(Mode),
    /// On a reader: one snapshot for all its queries, no writes.
    ReadOnly,
}

/// A statement that has been checked, with what is known of it. Valid on every connection of the store.
#[derive(Debug, Clone)]
pub struct Statement {
    plan: Arc<Plan>,
}

impl Statement {
    fn new(plan: Arc<Plan>) -> Self {
        Statement { plan }
    }

    pub fn sql(&self) -> &str {
        &self.plan.sql
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Store {
    /// Opens the database that `config` describes and sets it up. Waits for other processes up to `pool.wait_timeout`.
    ///
    /// # Errors
    /// [`Kind::Config`] for a configuration that is wrong; what opening the file gives: [`Kind::CantOpen`], [`Kind::Corrupt`],
    /// [`Kind::ReadOnly`], [`Kind::Io`], [`Kind::Timeout`]; [`Kind::Misuse`] for a second SQLite library on the file, where
    /// `options.second_sqlite` is `refuse`.
    ///
    /// # Example
    /// ```
    /// # fn main() -> keepwell::error::Result<()> {
    /// let mut config = keepwell::config::Config::new();
    /// config.load_uri(":memory:")?;
    /// let store = keepwell::store::Store::open(&config)?;
    /// let rows = store.query("SELECT 6 * 7", keepwell::value::Params::NONE, &Default::default())?;
    /// assert_eq!(rows.collect()?[0][0], keepwell::value::Value::Integer(42));
    /// store.close(None)
    /// # }
    /// ```
    pub fn open(config: &Config) -> Result<Store> {
        config.validate()?;
        let limits = settings::limits(config);
        let abort = Arc::new(AtomicBool::new(false));
        let op = Op::new(limits.wait_timeout, None, None);
        let clock = settings::cache(config).map(|limits| (Arc::new(Clock::default()), limits));
        ticks::tune();
        let label = settings::label(config)?;
        let meter = settings::meter(config, &label).map(Arc::new);
        let sqlite = settings::sqlite(config, clock.as_ref().map(|(clock, _)| clock.clone()), meter.clone())?;
        let policy = config.options.second_sqlite;
        sentry::before_opening(policy, || SqliteDriver::second_library_on(&sqlite.place))?;
        let driver: Arc<dyn Driver> = Arc::new(SqliteDriver::open(sqlite, abort.clone(), &op)?);
        let pool = Arc::new(Pool::new(driver.clone(), limits));
        let warnings = Arc::new(Warnings::new(config.warnings()));
        let sentry = Arc::new(Sentry::new(driver.clone(), policy, warnings.clone(), pool.bell().clone()));
        sentry.look();
        sentry.check()?;
        pool.warm_up();
        let cache = clock.map(|(clock, limits)| Arc::new(Cache::new(clock, driver.marks(), limits)));
        let parts = Parts { label, pool: pool.clone(), sentry: sentry.clone(), warnings: warnings.clone(), meter, cache: cache.clone() };
        let insight = Arc::new(Insight::new(config, parts)?);
        insight.write_file()?;
        let listener = expose::listen(config, &insight)?;
        let caretaker = Caretaker::start(&pool, &sentry, &insight, settings::rhythm(config));
        let inner = Inner {
            driver,
            pool,
            config: config.clone(),
            defaults: settings::defaults(config),
            sessions: Mutex::new(Vec::new()),
            abort,
            closed: AtomicBool::new(false),
            caretaker,
            sentry,
            warnings,
            cache,
            insight,
            listener,
        };
        let store = Store { inner: Arc::new(inner) };
        store.say_opened();
        Ok(store)
    }

    /// Opens the database file at `path` with everything else as it is by default.
    pub fn open_path(path: impl AsRef<Path>) -> Result<Store> {
        let mut config = Config::new();
        config.set("datasource", &path.as_ref().to_string_lossy())?;
        Store::open(&config)
    }

    /// Whether the store has been closed.
    pub fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    /// The engine's name of the database: its path, or `:memory:`.
    pub fn database(&self) -> &str {
        self.inner.driver.name()
    }

    /// What the store was opened with, defaults included.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Runs one statement and returns its rows. A read runs on a reader; a write (`INSERT … RETURNING`) on the writer, to its end and
    /// committed before the call returns.
    pub fn query<'a>(&self, sql: &str, params: impl Into<Params<'a>>, options: &QueryOptions<'_>) -> Result<Rows> {
        let taken = |columns: &Arc<Columns>, first: First<'_>| (columns.clone(), first.take());
        let ((columns, batch), rest) = self.query_first(sql, params.into(), options, taken)?;
        Ok(Rows::new(columns, batch, rest))
    }

    /// Like [`Store::query`], but shows the first batch to `receive`, which may look or take it.
    ///
    /// Where the call asks for the cache of results, and a result is kept that still holds, no statement is run and no connection is waited
    /// for.
    #[inline]
    pub fn query_first<R>(
        &self,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        let result = self.with_op(options, |op| match self.wanted(options) {
            None => self.run_query(sql, params, options, op, None, receive),
            Some(wanted) => self.query_cached(sql, params, options, op, wanted, receive),
        });
        match result {
            // The call has asked whether a way is open; that it is not is no failure.
            Err(error) if error.kind() == Kind::NeedsWriter || (options.only_cached && error.kind() == Kind::Exhausted) => Err(error),
            result => self.counted(result),
        }
    }

    /// Makes the operation of a call with these options, and lets `work` do it.
    #[inline]
    fn with_op<R>(&self, options: &QueryOptions<'_>, work: impl FnOnce(&Op<'_>) -> Result<R>) -> Result<R> {
        match self.op(options) {
            Ok(op) => work(&op),
            Err(error) => Err(error),
        }
    }

    /// The same; the error that the call ends with is counted.
    #[inline]
    fn call<R>(&self, options: &QueryOptions<'_>, work: impl FnOnce(&Op<'_>) -> Result<R>) -> Result<R> {
        self.counted(self.with_op(options, work))
    }

    /// Counts the error that a call ends with.
    #[inline]
    pub(crate) fn counted<R>(&self, result: Result<R>) -> Result<R> {
        result.inspect_err(|error| self.inner.insight.errors.count(error))
    }

    /// Runs one statement; what it gives is kept where `wish` says so.
    #[inline]
    fn run_query<R>(
        &self,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        op: &Op<'_>,
        wish: Option<Wish<'_>>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        if options.only_cached {
            return Err(Error::new(Kind::Exhausted, "the cache has no result; call again without asking for a cached one only"));
        }
        let mut lease = self.inner.pool.reader(op, sql, Purpose::Statement, !options.unbound)?;
        if lease.role() == Role::Reader {
            lease.connection().enter()?;
            let cursor = lease.connection().prepare(sql, Permit::Shared, self.keeps(options))?;
            if lease.connection().plan(cursor)?.footprint.read_only || self.read_only(options) {
                return self.run_first(lease, cursor, params, options, op, wish, receive);
            }
            lease.connection().finish(cursor);
            drop(lease);
            if options.no_writer {
                return Err(Error::new(Kind::NeedsWriter, "the statement writes; call again without asking for a reader only"));
            }
            return self.run_on_the_writer(sql, params, options, op, receive).inspect(|_| self.count_write(&wish));
        }
        self.run_on_the_only_one(lease, sql, params, options, op, wish, receive)
    }

    /// Runs one statement that writes.
    fn run_on_the_writer<R>(
        &self,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        op: &Op<'_>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        let mut lease = match self.write(sql, params, Wants::Rows, options, op)? {
            Written::Alone(lease) => lease,
            Written::Done(Done::Rows(columns, mut batch)) => return Ok((receive(&columns, First::Fresh(&mut batch)), None)),
            Written::Done(Done::Changes(_)) => unreachable!("rows were asked for"),
        };
        let cursor = lease.connection().prepare(sql, Permit::Shared, self.keeps(options))?;
        self.run_first(lease, cursor, params, options, op, None, receive)
    }

    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn run_first<R>(
        &self,
        mut lease: Lease<&Pool>,
        cursor: crate::driver::Cursor,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        op: &Op<'_>,
        wish: Option<Wish<'_>>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        lease.note(cursor)?;
        let limit = self.limit(options);
        let (connection, batch) = lease.parts();
        let fetch = match wish {
            None => exec::first_batch(connection, cursor, params, limit, op, batch)?,
            Some(wish) => self.run_to_keep(wish, connection, cursor, params, limit, options, op, batch)?,
        };
        let received = receive(&connection.plan(cursor)?.columns, First::Fresh(batch));
        if fetch == Fetch::Done {
            connection.finish(cursor);
            return Ok((received, None));
        }
        lease.now_a_stream();
        let session = self.remember(Session::stream(lease.into_owned(&self.inner.pool)));
        Ok((received, Some(Rest::new(session, cursor, limit, self.inner.insight.errors.clone()))))
    }

    /// Runs one statement for each row of parameters in one transaction: all of them, or none.
    pub fn execute_many(&self, sql: &str, matrix: Matrix<'_>, options: &QueryOptions<'_>) -> Result<Changes> {
        let tx = self.begin(TxMode::Write(Mode::Immediate), options)?;
        let changes = tx.each(sql, matrix, options)?;
        tx.commit()?;
        Ok(changes)
    }

    /// Runs the statements of a script as one transaction, unless the script begins its own. See [`exec::script`].
    pub fn execute_script(&self, sql: &str, options: &QueryOptions<'_>) -> Result<Changes> {
        self.call(options, |op| {
            let mut lease = self.writer(options, op, Purpose::Script)?;
            let (connection, batch) = lease.parts();
            exec::script(connection, sql, Setting::Alone, op, batch)
        })
    }

    /// Checks a statement and says what is known of it.
    pub fn prepare(&self, sql: &str, options: &QueryOptions<'_>) -> Result<Statement> {
        self.call(options, |op| {
            let mut lease = self.inner.pool.reader(op, sql, Purpose::Statement, !options.unbound)?;
            let connection = lease.connection();
            connection.enter()?;
            let cursor = connection.prepare(sql, Permit::Shared, true)?;
            let plan = connection.plan(cursor)?.clone();
            connection.finish(cursor);
            Ok(Statement::new(plan))
        })
    }

    /// Begins a transaction. It holds its connection until it is committed, rolled back or dropped (which rolls back).
    pub fn begin(&self, mode: TxMode, options: &QueryOptions<'_>) -> Result<Scope> {
        self.call(options, |op| self.begin_tx(mode, options, op))
    }

    fn begin_tx(&self, mode: TxMode, options: &QueryOptions<'_>, op: &Op<'_>) -> Result<Scope> {
        let bound = !options.unbound;
        let mode = if self.read_only(options) { TxMode::ReadOnly } else { mode };
        let read_only = mode == TxMode::ReadOnly;
        let (lease, mode) = match mode {
            TxMode::Write(mode) => (self.inner.pool.writer(op, Purpose::Transaction, bound)?, mode),
            TxMode::ReadOnly => {
                let mut lease = self.inner.pool.reader(op, "", Purpose::Transaction, bound)?;
                lease.connection().set_read_only(true)?;
                lease.connection().enter()?;
                (lease, Mode::Deferred)
            }
        };
        let (session, level) = Session::transaction(lease.into_owned(&self.inner.pool), mode, read_only, op)?;
        Ok(Scope::new(self.clone(), self.remember(session), Some(level)).bounded(options, op))
    }

    /// Lends one connection (the writer, or with `read_only` a reader) until it is released or dropped: for settings, attached
    /// databases and temporary tables.
    pub fn pin(&self, options: &QueryOptions<'_>) -> Result<Scope> {
        self.call(options, |op| self.pin_one(options, op))
    }

    fn pin_one(&self, options: &QueryOptions<'_>, op: &Op<'_>) -> Result<Scope> {
        let bound = !options.unbound;
        let lease = if self.read_only(options) {
            let mut lease = self.inner.pool.reader(op, "", Purpose::Pinned, bound)?;
            lease.connection().set_read_only(true)?;
            lease
        } else {
            self.inner.pool.writer(op, Purpose::Pinned, bound)?
        };
        let session = Session::pinned(lease.into_owned(&self.inner.pool), self.read_only(options));
        Ok(Scope::new(self.clone(), self.remember(session), None))
    }

    fn writer(&self, options: &QueryOptions<'_>, op: &Op<'_>, purpose: Purpose) -> Result<Lease<&Pool>> {
        let mut lease = self.inner.pool.writer(op, purpose, !options.unbound)?;
        if self.read_only(options) {
            lease.connection().set_read_only(true)?;
        }
        Ok(lease)
    }

    /// The operation of one call with these options.
    #[inline]
    fn op<'a>(&self, options: &QueryOptions<'a>) -> Result<Op<'a>> {
        self.inner.pool.check_process()?;
        self.check_alone()?;
        let op = Op::new(self.timeout(options), options.cancel, options.caller);
        if self.inner.insight.meter.is_some() {
            op.begins_now();
        }
        if let Err(error) = op.check("call") {
            self.inner.driver.obstacles().stopped(Stage::Queue, op.stopped().unwrap_or(Stop::Cancelled));
            return Err(error);
        }
        Ok(op)
    }

    /// How long a call with these options may take.
    #[inline]
    pub fn timeout(&self, options: &QueryOptions<'_>) -> Option<Duration> {
        match options.timeout {
            Timeout::Default => self.inner.defaults.timeout,
            Timeout::None => None,
            Timeout::After(time) => Some(time),
        }
    }

    fn read_only(&self, options: &QueryOptions<'_>) -> bool {
        options.read_only || self.inner.defaults.read_only
    }

    fn keeps(&self, options: &QueryOptions<'_>) -> bool {
        self.inner.defaults.keep_statements && !options.unprepared
    }

    fn limit(&self, options: &QueryOptions<'_>) -> Limit {
        let rows = match options.batch_rows {
            0 => self.inner.defaults.batch_rows,
            rows => rows as usize,
        };
        Limit { rows, bytes: BATCH_BYTES }
    }

    fn remember(&self, session: Arc<Session>) -> Arc<Session> {
        let mut sessions = self.inner.sessions.lock();
        if sessions.len() == sessions.capacity() {
            sessions.retain(|weak| weak.strong_count() > 0);
        }
        sessions.push(Arc::downgrade(&session));
        session
    }
}
