//! Why something failed on a connection: the error with its reason, and the obstacle counted.

use rusqlite::ffi;

use super::SqliteConnection;
use crate::cancel::{Op, Stop};
use crate::driver::sqlite::plan::heard_in_step;
use crate::driver::sqlite::raw::Failure;
use crate::driver::sqlite::{brief, convert};
use crate::driver::{Cursor, Obstacle, Stage};
use crate::error::{Error, Kind, Retry};
use std::sync::atomic::Ordering;

impl SqliteConnection {
    #[cold]
    pub(super) fn step_error(&mut self, cursor: Cursor, code: i32, op: &Op<'_>) -> Error {
        let failure = self.raw.failure(code);
        let sql = self.statements.peek(cursor).map_or_else(|_| "statement".to_string(), |entry| brief(&entry.plan.sql));
        let error = self.failure_error(failure, &sql, op);
        if let Ok(entry) = self.statements.get(cursor) {
            if self.recorder.heard() {
                heard_in_step(entry, &self.raw, &self.recorder, &self.shared);
            }
            entry.statement.reset(&self.raw);
            entry.running = false;
        }
        error
    }

    /// The error for a failure during `op`: a lock that was not waited for to the end, or an interruption, has its reason there.
    pub(super) fn failure_error(&self, failure: Failure, what: &str, op: &Op<'_>) -> Error {
        let busy = failure.primary == ffi::SQLITE_BUSY;
        let ended_early = busy || failure.primary == ffi::SQLITE_INTERRUPT;
        self.note_obstacle(&failure, op);
        if ended_early && self.shared.abort.load(Ordering::Relaxed) {
            return Error::new(Kind::Closed, format!("{what}: ended because the store is closing"));
        }
        match op.stopped().filter(|_| ended_early) {
            Some(Stop::TimedOut) if busy => op
                .stop_error(Stop::TimedOut, &format!("{what}: waiting for another process to release the database's lock"))
                .with_engine(failure.primary, failure.extended)
                .with_retry(Retry::Statement),
            Some(stop) => op.stop_error(stop, what).with_engine(failure.primary, failure.extended),
            None => convert::error(failure, what),
        }
    }

    /// Counts a failure that is an obstacle, or the end of an operation that had to stop.
    fn note_obstacle(&self, failure: &Failure, op: &Op<'_>) {
        let obstacles = &self.shared.obstacles;
        match failure.extended {
            ffi::SQLITE_BUSY_SNAPSHOT => obstacles.met(Obstacle::Snapshot),
            ffi::SQLITE_BUSY_RECOVERY => obstacles.met(Obstacle::Recovery),
            _ => {}
        }
        let stage = if failure.primary == ffi::SQLITE_BUSY { Stage::Busy } else { Stage::Execution };
        if let (ffi::SQLITE_BUSY | ffi::SQLITE_INTERRUPT, Some(stop), false) = (failure.primary, op.stopped(), op.is_own()) {
            obstacles.stopped(stage, stop);
        }
    }
}
