//! What a store measures with: handed to whatever runs statements.

use std::sync::Arc;
use std::time::Duration;

use super::cell::nanos;
use super::report::Table;
use super::sheet::Sheets;

/// Where measuring is on, one for each store; everything that runs statements holds it.
#[derive(Debug)]
pub struct Meter {
    pub sheets: Sheets,
    pub statements: Table,
    /// A call that takes as long, in nanoseconds, is slow.
    pub slow_nanos: u64,
    /// Whether the log of slow calls shows the values of parameters.
    pub show_params: bool,
    /// What the store is called in logs.
    pub store: Arc<str>,
}

/// What a run of a statement has spent, in one call or, where its rows are fetched in several, in all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// From the call to now, the two waits included.
    pub nanos: u64,
    /// Waiting for a connection, and for locks of other processes.
    pub queue_nanos: u64,
    pub busy_nanos: u64,
    pub returned: u64,
    pub changed: u64,
    pub failed: bool,
}

impl Meter {
    /// A meter for up to `statements` statements, where calls of `slow` or longer are slow.
    pub fn new(store: &str, statements: usize, slow: Option<Duration>, show_params: bool) -> Self {
        let slow_nanos = slow.map_or(u64::MAX, nanos);
        Meter { sheets: Sheets::default(), statements: Table::new(statements), slow_nanos, show_params, store: store.into() }
    }
}
