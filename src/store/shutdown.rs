//! How a store ends: admission, grace, abort, farewell.

use std::sync::atomic::Ordering;
use std::sync::Weak;
use std::time::{Duration, Instant};

use super::{Inner, Store};
use crate::error::{Error, Kind, Result};
use crate::listener::Listener;

/// How long calls get to notice that they are to end. Those in the middle of something long do within microseconds; a tick or a callback
/// of the caller's own may take its time.
const NOTICE: Duration = Duration::from_secs(1);

impl Store {
    /// Closes the store: admits nobody any more, wakes those who wait for a connection (they get [`Kind::Closed`]), waits up to `drain`
    /// (`close_timeout` of the configuration where `None`) for what is under way, ends the rest and rolls it back. Then the engine is
    /// given the chance to look after its statistics, the log is cut, and the database closed. Closing twice is harmless; the second
    /// call does not wait for the first.
    ///
    /// # Errors
    /// [`Kind::Timeout`] when something had to be ended, with who held what; the store is closed all the same.
    pub fn close(&self, drain: Option<Duration>) -> Result<()> {
        self.inner.pool.check_process()?;
        if self.inner.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.inner.pool.close();
        if let Some(cache) = &self.inner.cache {
            cache.close();
        }
        self.inner.caretaker.stop();
        self.inner.listener.iter().for_each(Listener::stop);
        let patience = drain.unwrap_or(self.inner.defaults.close_timeout);
        let late = self.left_over(patience);
        let stubborn = late.is_some() && !self.abort();
        self.inner.pool.bid_farewell();
        self.inner.driver.close();
        let Some(late) = late else {
            self.say_closed(None);
            return Ok(());
        };
        let still = if stubborn { format!("; still under way: {}", self.inner.pool.report()) } else { String::new() };
        let error = Error::new(Kind::Timeout, format!("close: not everything ended within {patience:?} and was ended now: {late}{still}"));
        self.say_closed(Some(&error));
        Err(error)
    }

    /// Who still holds something when the grace is over.
    fn left_over(&self, patience: Duration) -> Option<String> {
        if self.drained(patience) {
            return None;
        }
        let report = self.inner.pool.report();
        // What is given back already is only to be closed.
        (report != "nobody" || !self.drained(NOTICE)).then_some(report)
    }

    /// Ends what is under way. Says whether everything has.
    fn abort(&self) -> bool {
        self.inner.abort.store(true, Ordering::Release);
        let end = Instant::now() + NOTICE;
        // A call under way ends by the abort; its session is given up once the call has returned.
        loop {
            self.inner.sessions.lock().iter().filter_map(Weak::upgrade).for_each(|session| session.abandon());
            if self.drained(Duration::from_millis(5)) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
        }
    }

    /// Waits until no connection is lent any more.
    fn drained(&self, patience: Duration) -> bool {
        let end = Instant::now().checked_add(patience);
        loop {
            let (writer, readers) = self.inner.pool.load();
            if writer.total + readers.total == 0 {
                return true;
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.pool.check_process().is_err() {
            // Everything belongs to the parent: keep it from being dropped with the fields.
            std::mem::forget((self.pool.clone(), self.driver.clone()));
            self.caretaker.forget();
            self.listener.iter_mut().for_each(Listener::forget);
            return;
        }
        self.pool.close();
        self.caretaker.stop();
        self.listener.iter().for_each(Listener::stop);
        self.pool.bid_farewell();
        if let Some(cache) = &self.cache {
            cache.close();
        }
        self.driver.close();
    }
}
