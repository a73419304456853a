//! What gets in the way of operations on one database, and where they had to stop. Counted where it happens, which is never often.

use std::time::Duration;

use crate::cancel::Stop;
use crate::metrics::cell::Counter;

/// What an operation met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// A lock that another process, or another store of this one, holds.
    Lock,
    /// Another process committed after the transaction's snapshot was taken.
    Snapshot,
    /// Another process was recovering the log after a crash.
    Recovery,
    /// Reads that a checkpoint waits for.
    Checkpoint,
}

/// What an operation was doing when it had to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for a connection.
    Queue,
    /// Waiting for a lock of another process.
    Busy,
    Execution,
}

/// How often each was met.
#[derive(Debug, Default)]
pub struct Obstacles {
    met: [Counter; 4],
    waited: Counter,
    timed_out: [Counter; 3],
    cancelled: [Counter; 3],
}

impl Obstacles {
    /// Counts an obstacle.
    pub fn met(&self, obstacle: Obstacle) {
        self.met[obstacle as usize].one();
    }

    /// Counts a time that was waited for a lock.
    pub fn waited(&self, time: Duration) {
        self.waited.time(time);
    }

    /// Counts an operation that had to stop.
    pub fn stopped(&self, stage: Stage, stop: Stop) {
        self.stops(stop)[stage as usize].one();
    }

    fn stops(&self, stop: Stop) -> &[Counter; 3] {
        match stop {
            Stop::TimedOut => &self.timed_out,
            Stop::Cancelled => &self.cancelled,
        }
    }

    /// How often an obstacle was met.
    pub fn count(&self, obstacle: Obstacle) -> u64 {
        self.met[obstacle as usize].get()
    }

    /// The nanoseconds that were waited for locks.
    pub fn wait_nanos(&self) -> u64 {
        self.waited.get()
    }

    /// How many operations had to stop.
    pub fn stop_count(&self, stage: Stage, stop: Stop) -> u64 {
        self.stops(stop)[stage as usize].get()
    }
}
