//! What the pool counts. Nothing here has a name that anybody else sees.

use std::time::Duration;

use super::Pool;
use crate::driver::Role;
use crate::metrics::cell::{Counter, Sizes, Times};

/// How often transactions ended in each way: committed, rolled back by the program, by the engine, or because the store took the connection
/// back.
pub type Endings = [u64; 4];

/// Why a connection that came back was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// It is not as it was opened.
    Changed,
    /// What had been left open could not be undone.
    Failed,
    /// Its thread panicked.
    Panicked,
}

/// The numbers of one pool.
#[derive(Debug, Default)]
pub struct Counters {
    pub waits: Counter,
    /// How long callers waited for the writer and for readers.
    pub writer_waits: Times,
    pub reader_waits: Times,
    /// Callers that wait outside of the library.
    pub writers_outside: Counter,
    pub readers_outside: Counter,
    /// How long the writer was held.
    pub holds: Times,
    pub opened: Counter,
    pub closed_max_idle: Counter,
    pub closed_idle_time: Counter,
    pub closed_lifetime: Counter,
    pub closed_broken: Counter,
    /// Connections that came back with something open, in the order of [`crate::driver::Left`].
    pub resets: [Counter; 2],
    /// Connections that were closed when they came back, in the order of [`Discard`].
    pub discards: [Counter; 3],
    /// Transactions by how they ended, in the order of [`Endings`].
    pub transactions: [Counter; 4],
    pub leaks: Counter,
    pub exhausted: Counter,
    pub self_deadlocks: Counter,
    /// How long it took to copy the log, or to have it begun anew.
    pub checkpoints: Times,
    /// How many writes were in each transaction that was shared, and how many had to be run again.
    pub groups: Sizes,
    pub replayed: Counter,
}

impl Counters {
    /// How many callers wait for this role outside of the library.
    pub fn waiting_outside(&self, role: Role) -> &Counter {
        match role {
            Role::Writer => &self.writers_outside,
            Role::Reader => &self.readers_outside,
        }
    }

    /// How long callers waited for a connection of this role.
    pub fn waited(&self, role: Role) -> &Times {
        match role {
            Role::Writer => &self.writer_waits,
            Role::Reader => &self.reader_waits,
        }
    }
}

impl Pool {
    /// Counts what is held for very long by what a program may have forgotten, and says what it is.
    pub fn find_leaks(&self) -> Vec<String> {
        let found = self.limits.leak_threshold.map(|threshold| self.holders.overdue(threshold)).unwrap_or_default();
        self.counters.leaks.add(found.len() as u64);
        found
    }

    /// The longest time that a reader is held by something that goes on.
    pub fn oldest_reader(&self) -> Option<Duration> {
        self.holders.oldest_reader()
    }
}
