//! How a store is: whether it works, whether it is alone with its file, and what it has to say.

use super::Store;
use crate::error::Result;
use crate::holders::Purpose;
use crate::options::QueryOptions;
use crate::value::Params;

/// Whether a store can work now, and why not.
#[derive(Debug, Default)]
pub struct Health {
    pub can_read: bool,
    pub can_write: bool,
    /// Empty when all is well. A second SQLite library on the file is named here although reading and writing may work.
    pub problem: String,
}

impl Store {
    /// Whether the store can read and write now, and whether it is alone with its file. Waits as long as the options allow.
    pub fn health(&self, options: &QueryOptions<'_>) -> Health {
        if self.inner.pool.check_process().is_ok() {
            self.inner.sentry.look();
        }
        let read = self.query("SELECT count(*) FROM sqlite_schema", Params::NONE, options);
        let write = self.op(options).and_then(|op| {
            let mut lease = self.inner.pool.writer(&op, Purpose::Statement, !options.unbound)?;
            lease.connection().probe_write(&op)
        });
        let errors = [read.as_ref().err(), write.as_ref().err()];
        let mut problems: Vec<String> = errors.into_iter().flatten().map(ToString::to_string).collect();
        problems.extend(self.inner.pool.log_problem());
        problems.extend(self.inner.sentry.seen().map(str::to_string));
        problems.dedup();
        Health { can_read: read.is_ok(), can_write: write.is_ok(), problem: problems.join("; ") }
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
