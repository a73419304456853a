//! What a store tells of itself: its pool in numbers, the exposition of all metrics, what each statement has cost.

use super::Store;
use crate::cancel::Op;
use crate::driver::{Advice, Connection, Node, Permit};
use crate::error::Result;
use crate::holders::Purpose;
use crate::metrics::cell::Counter;
use crate::metrics::facts::Facts;
use crate::metrics::report::{Cost, Order};
use crate::metrics::text::Format;
use crate::options::QueryOptions;
use crate::slots::Load;

/// The state of a store in numbers.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    pub writer: Load,
    pub readers: Load,
    pub waits: u64,
    pub wait_nanos: u64,
    pub opened: u64,
    pub closed_max_idle: u64,
    pub closed_idle_time: u64,
    pub closed_lifetime: u64,
    pub closed_broken: u64,
    pub resets: u64,
    pub discards: u64,
    pub exhausted: u64,
    pub self_deadlocks: u64,
    pub checkpoints: u64,
    pub log_frames: u64,
    /// Transactions that single writes of several callers shared, and the writes in them.
    pub groups: u64,
    pub grouped: u64,
    /// Writes that were run again because another one ended the transaction that they shared.
    pub replayed: u64,
}

impl Store {
    /// The state of the pool in numbers.
    pub fn stats(&self) -> Stats {
        let (writer, readers) = self.inner.pool.load();
        let counters = &self.inner.pool.counters;
        Stats {
            writer,
            readers,
            waits: counters.waits.get(),
            wait_nanos: counters.writer_waits.read().sum + counters.reader_waits.read().sum,
            opened: counters.opened.get(),
            closed_max_idle: counters.closed_max_idle.get(),
            closed_idle_time: counters.closed_idle_time.get(),
            closed_lifetime: counters.closed_lifetime.get(),
            closed_broken: counters.closed_broken.get(),
            resets: counters.resets.iter().map(Counter::get).sum(),
            discards: counters.discards.iter().map(Counter::get).sum(),
            exhausted: counters.exhausted.get(),
            self_deadlocks: counters.self_deadlocks.get(),
            checkpoints: counters.checkpoints.read().count(),
            log_frames: self.inner.driver.backlog().frames.into(),
            groups: counters.groups.read().count(),
            grouped: counters.groups.read().sum,
            replayed: counters.replayed.get(),
        }
    }

    /// All metrics as text, for Prometheus and what reads its formats. The label `store` is `metrics.label`, or the path of the database.
    /// Blocks for a look at the database file where the last one is older than `metrics.collect_interval`.
    ///
    /// # Errors
    /// [`crate::Kind::Forked`].
    pub fn metrics_text(&self, format: Format) -> Result<String> {
        self.inner.insight.text(format)
    }

    /// All metrics as numbers.
    ///
    /// # Errors
    /// [`crate::Kind::Forked`].
    pub fn facts(&self) -> Result<Facts> {
        self.inner.pool.check_process()?;
        Ok(self.inner.insight.facts())
    }

    /// What each statement has cost, most of what `order` says first. Empty where `metrics.statements` is 0, and in a
    /// forked child.
    pub fn statement_report(&self, order: Order) -> Vec<Cost> {
        let meter = self.inner.insight.meter.as_ref().filter(|_| self.inner.pool.check_process().is_ok());
        meter.map(|meter| meter.statements.read(order)).unwrap_or_default()
    }

    /// Begins the report of statements anew.
    pub fn reset_statement_report(&self) {
        if self.inner.pool.check_process().is_ok() {
            self.inner.insight.meter.iter().for_each(|meter| meter.statements.reset());
        }
    }

    /// How the engine would run one statement, as a tree. It is not run; parameters count as NULL. <https://sqlite.org/eqp.html>
    ///
    /// # Errors
    /// [`crate::Kind::Sql`], and those of waiting for a reader.
    pub fn explain(&self, sql: &str, options: &QueryOptions<'_>) -> Result<Vec<Node>> {
        self.with_checked(sql, options, |connection, _| connection.explain(sql))
    }

    /// The indexes that would help one statement, most useful first, at most three. They are tried on a copy of the schema in memory, where
    /// the engine's own planner decides; nothing is changed here. Takes some milliseconds, and for a thousand tables or a join of many of
    /// them up to some hundred; the timeout of `options` ends it.
    ///
    /// # Errors
    /// As [`Store::explain`].
    pub fn advise(&self, sql: &str, options: &QueryOptions<'_>) -> Result<Vec<Advice>> {
        self.with_checked(sql, options, |connection, op| connection.advise(sql, op))
    }

    /// Lets `work` use a reader on which the statement has been found to be one, and right.
    fn with_checked<R>(
        &self,
        sql: &str,
        options: &QueryOptions<'_>,
        work: impl FnOnce(&mut dyn Connection, &Op<'_>) -> Result<R>,
    ) -> Result<R> {
        self.call(options, |op| {
            let mut lease = self.inner.pool.reader(op, sql, Purpose::Statement, !options.unbound)?;
            let connection = lease.connection();
            connection.enter()?;
            // A plan is made without a look at whether the schema is still the one that this connection knows; running a statement looks.
            connection.ask("SELECT 1 FROM sqlite_schema")?;
            let cursor = connection.prepare(sql, Permit::Shared, false)?;
            connection.finish(cursor);
            work(connection, op)
        })
    }
}
