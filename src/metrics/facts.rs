//! Everything that is exposed of a store, as plain numbers read at one moment.

use std::time::Duration;

use super::cell::Buckets;
use super::sheet::Sheet;

/// The numbers of a store.
#[derive(Debug)]
pub struct Facts {
    /// The value of the label `store`.
    pub store: String,
    pub engine: String,
    pub pool: PoolFacts,
    pub writer: WriterFacts,
    /// `None`: nobody measures statements.
    pub statements: Option<Sheet>,
    /// Obstacles by cause, and how long they were waited for.
    pub obstacles: Vec<(&'static str, u64)>,
    pub obstacle_nanos: u64,
    /// Operations that had to stop: stage, reason, how many.
    pub stops: Vec<(&'static str, &'static str, u64)>,
    /// Transactions by how they ended.
    pub transactions: Vec<(&'static str, u64)>,
    pub retries: u64,
    pub retries_exhausted: u64,
    pub cache: CacheFacts,
    pub log: LogFacts,
    pub database: DatabaseFacts,
    /// Errors by the name of their status; those that have happened.
    pub errors: Vec<(&'static str, u64)>,
    pub migrations_applied: u64,
    pub forks: u64,
    pub second_libraries: u64,
}

/// The connections of a store.
#[derive(Debug)]
pub struct PoolFacts {
    pub max_open: usize,
    pub open: usize,
    pub idle: usize,
    /// Callers in line for a reader, and for the writer.
    pub waiting_readers: usize,
    pub waiting_writers: usize,
    pub waits: u64,
    pub reader_waits: Buckets,
    pub writer_waits: Buckets,
    pub opened: u64,
    pub closed_max_idle: u64,
    pub closed_idle_time: u64,
    pub closed_lifetime: u64,
    pub closed_broken: u64,
    pub resets: [u64; 2],
    pub discards: [u64; 3],
    pub exhausted: u64,
    pub self_deadlocks: u64,
    pub leaks: u64,
    pub oldest_reader: Duration,
}

/// The writer of a store.
#[derive(Debug)]
pub struct WriterFacts {
    pub holds: Buckets,
    pub groups: Buckets,
    pub replayed: u64,
}

/// The cache of results.
#[derive(Debug, Default)]
pub struct CacheFacts {
    pub hits: u64,
    pub misses: u64,
    pub bypasses: Vec<(&'static str, u64)>,
    pub invalidated: u64,
    pub expired: u64,
    pub evicted: u64,
    pub entries: u64,
    pub bytes: u64,
    pub max_bytes: u64,
}

/// The write-ahead log.
#[derive(Debug)]
pub struct LogFacts {
    pub frames: u64,
    pub pending: u64,
    /// The size of its file; `None`: there is none.
    pub bytes: Option<u64>,
    pub checkpoints: Buckets,
}

/// The database, as it was when it was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    pub page_bytes: Option<u64>,
    pub pages: Option<u64>,
    pub free_pages: Option<u64>,
    /// SQLite's own count of schema changes.
    pub schema_version: Option<u64>,
    /// The newest migration that is applied; `None`: there is no history.
    pub migrations_version: Option<i64>,
}

impl DatabaseFacts {
    /// The size of the database.
    pub fn bytes(&self) -> Option<u64> {
        Some(self.pages? * self.page_bytes?)
    }
}
