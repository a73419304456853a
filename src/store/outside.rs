//! Waits for connections that happen outside of the library: a binding whose callers wait in a line of its own (goroutines, so that none
//! of them keeps a thread in C) tells of them here, so that they are in the metrics wherever those go.

use std::time::Duration;

use super::Store;
use crate::cancel::Stop;
use crate::driver::{Role, Stage};
use crate::error::{Error, Kind, Result};

impl Store {
    /// Tells that so many callers more (or, negative, less) wait outside for a connection of this role.
    pub(crate) fn waiting_outside(&self, role: Role, change: i64) -> Result<()> {
        self.inner.pool.check_process()?;
        self.inner.pool.counters.waiting_outside(role).add_signed(change);
        Ok(())
    }

    /// Tells of a wait outside that is over: how long it was, and for a caller that got no connection, with which kind of error it ended.
    ///
    /// # Errors
    /// [`Kind::Misuse`] for a kind that no wait ends with; [`Kind::Forked`].
    pub(crate) fn waited_outside(&self, role: Role, time: Duration, ended: Option<Kind>) -> Result<()> {
        self.inner.pool.check_process()?;
        let (counters, obstacles) = (&self.inner.pool.counters, self.inner.driver.obstacles());
        match ended {
            None => {}
            Some(Kind::Exhausted) => counters.exhausted.one(),
            Some(Kind::SelfDeadlock) => counters.self_deadlocks.one(),
            Some(Kind::Timeout) => obstacles.stopped(Stage::Queue, Stop::TimedOut),
            Some(Kind::Cancelled) => obstacles.stopped(Stage::Queue, Stop::Cancelled),
            Some(Kind::Closed) => {}
            Some(other) => return Err(Error::new(Kind::Misuse, format!("ended: no wait for a connection ends with {}", other.name()))),
        }
        if ended != Some(Kind::SelfDeadlock) {
            counters.waits.one();
            counters.waited(role).time(time);
        }
        if let Some(kind) = ended {
            self.inner.insight.errors.count(&Error::new(kind, format!("a caller outside of the library waited {time:?} for a connection")));
        }
        Ok(())
    }
}
