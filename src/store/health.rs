//! How a store is: whether it works, whether it is alone with its file, and what it has to say.

use super::insight::Insight;
use super::Store;
use crate::cancel::Op;
use crate::error::Result;
use crate::errors::LastError;
use crate::holders::Purpose;
use crate::options::QueryOptions;
use crate::slots::Load;

/// Whether a store can work now, and why not, with what an operator asks first.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Health {
    /// It does what it was opened for: it reads, and writes unless it was opened to read only, and there is no problem.
    pub healthy: bool,
    pub can_read: bool,
    pub can_write: bool,
    /// Empty when all is well. A second SQLite library on the file is named here although reading and writing may work.
    pub problem: String,
    pub pool: PoolHealth,
    /// The newest migration that is applied; `None`: there is no history, or nobody looks (`metrics.collect_interval` is 0).
    pub schema_version: Option<i64>,
    /// Sizes of the database and of its log, in bytes; `None`: there is none, or nobody looks.
    pub database_bytes: Option<u64>,
    pub wal_bytes: Option<u64>,
    /// The error that a call ended with last, however long ago.
    pub last_error: Option<LastError>,
}

/// How full the pool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PoolHealth {
    pub max_open: usize,
    pub open: usize,
    pub in_use: usize,
    pub idle: usize,
    /// Callers in line for a connection.
    pub waiting: usize,
}

impl Health {
    /// As a JSON object with the names of the fields.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Insight {
    /// Whether the store can read and write now. Waits as long as `op` allows.
    pub fn health(&self, op: &Op<'_>, bound: bool) -> Health {
        if self.pool.check_process().is_ok() {
            self.sentry.look();
        }
        let (writer, readers) = self.pool.load();
        let (read, write) = (self.try_read(op, bound), self.try_write(op, bound));
        let errors = [read.as_ref().err(), write.as_ref().err().filter(|_| !self.reads_only)];
        let mut problems: Vec<String> = errors.into_iter().flatten().map(ToString::to_string).collect();
        problems.extend(self.pool.log_problem());
        problems.extend(self.sentry.seen().map(str::to_string));
        problems.dedup();
        let database = self.database();
        Health {
            healthy: problems.is_empty(),
            can_read: read.is_ok(),
            can_write: write.is_ok(),
            problem: problems.join("; "),
            pool: pool_health(writer.plus(readers)),
            schema_version: database.migrations_version,
            database_bytes: database.bytes(),
            wal_bytes: self.log_bytes(),
            last_error: self.errors.last(),
        }
    }

    fn try_read(&self, op: &Op<'_>, bound: bool) -> Result<()> {
        self.sentry.check()?;
        let mut lease = self.pool.reader(op, "", Purpose::Statement, bound)?;
        lease.connection().ping()
    }

    fn try_write(&self, op: &Op<'_>, bound: bool) -> Result<()> {
        self.sentry.check()?;
        let mut lease = self.pool.writer(op, Purpose::Statement, bound)?;
        lease.connection().probe_write(op)
    }
}

fn pool_health(load: Load) -> PoolHealth {
    PoolHealth { max_open: load.capacity, open: load.total, in_use: load.in_use(), idle: load.idle, waiting: load.waiting }
}

impl Store {
    /// Whether the store can read and write now, and whether it is alone with its file. Waits as long as the options allow. The two tries
    /// are no queries and no errors; what they wait for connections is counted like anybody's wait.
    pub fn health(&self, options: &QueryOptions<'_>) -> Health {
        match self.op(options) {
            Ok(op) => self.inner.insight.health(&op, !options.unbound),
            Err(error) => Health { problem: error.to_string(), ..Health::default() },
        }
    }

    /// What in the configuration was accepted but has no effect or is risky, and what was noticed since the store was opened, such as
    /// a second SQLite library on its file. Each begins with the key that it is about. The list only grows.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.inner.warnings.iter()
    }

    /// The warning at `index` of [`Store::warnings`].
    pub fn warning(&self, index: usize) -> Option<&str> {
        self.inner.warnings.get(index)
    }

    /// Fails once a second library was seen on the file of a store that refuses to work beside one. Reads fail too: without its locks a
    /// reader can be given pages of a log that another process has begun anew. Results that are being read go on.
    #[inline]
    pub(super) fn check_alone(&self) -> Result<()> {
        self.inner.sentry.check()
    }
}
