//! The options of one call.

use std::time::Duration;

use crate::cancel::{Caller, CancelToken};

/// How long a call may take: queue, locks of other processes, execution and retries together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timeout {
    /// What the store's configuration says (`query.timeout`, none unless set).
    #[default]
    Default,
    /// As long as it takes.
    None,
    /// No longer than this.
    After(Duration),
}

/// What a query wants of the cache of results, unless `cache.enabled` is false. Inside transactions and on pinned connections it is neither
/// read nor filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// What the store's configuration says.
    #[default]
    Default,
    /// Take the result from the cache if it holds, else run the query and keep what it gives.
    Use,
    /// Neither look nor keep.
    Skip,
    /// Run the query and replace what is cached.
    Refresh,
}

/// Options of one call. The default is right for most calls.
#[derive(Clone, Copy, Default)]
pub struct QueryOptions<'a> {
    pub timeout: Timeout,
    pub cancel: Option<CancelToken>,
    /// Let the engine refuse every write.
    pub read_only: bool,
    /// Do not keep the statement prepared.
    pub unprepared: bool,
    /// Fail with [`crate::error::Kind::NeedsWriter`] instead of waiting for the writer.
    pub no_writer: bool,
    /// Queries of a store only: fail with [`crate::error::Kind::Exhausted`] instead of running the statement when the cache has no result.
    pub only_cached: bool,
    /// The call is not tied to its operating-system thread, so a wait for a connection is never taken for a wait for oneself.
    pub unbound: bool,
    /// For what begins a transaction: timeout and token hold for all of its calls, not for its beginning alone.
    pub whole: bool,
    /// Rows in a batch; 0: the store's `query.batch_rows`. A result from the cache is one batch.
    pub batch_rows: u32,
    pub cache: CacheUse,
    /// How old a result from the cache may be, and how long what is kept may serve; `None`: `query.cache_ttl`, else `cache.ttl`.
    pub cache_ttl: Option<Duration>,
    /// Hears of a call that waits or runs long.
    pub caller: Option<&'a dyn Caller>,
}
