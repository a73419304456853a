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

/// What a call wants of the result cache. Accepted now; it takes effect when the cache lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// What the store's configuration says.
    #[default]
    Default,
    Use,
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
    /// The call is not tied to its operating-system thread, so a wait for a connection is never taken for a wait for oneself.
    pub unbound: bool,
    /// For what begins a transaction: timeout and token hold for all of its calls, not for its beginning alone.
    pub whole: bool,
    /// Rows in a batch; 0: the store's `query.batch_rows`.
    pub batch_rows: u32,
    pub cache: CacheUse,
    /// How long a cached result may serve; `None`: the store's.
    pub cache_ttl: Option<Duration>,
    /// Hears of a call that waits or runs long.
    pub caller: Option<&'a dyn Caller>,
}
