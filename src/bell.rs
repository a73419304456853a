//! A way to wake one thread that sleeps, next to free while it is awake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{wait, Condvar, Mutex};

/// Rung by many, slept at by one.
#[derive(Debug, Default)]
pub struct Bell {
    /// The sleeper will look again soon by itself: ringing is not needed.
    attentive: AtomicBool,
    stopped: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    /// Makes the sleeper look soon.
    #[inline]
    pub fn ring(&self) {
        if !self.attentive.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if !self.attentive.swap(true, Ordering::AcqRel) {
            let _stopped = self.stopped.lock();
            self.rung.notify_one();
        }
    }

    /// Says whether the sleeper has something to look after. To be said *before* it looks, as "no": what comes up while it looks
    /// rings then.
    pub fn set_attentive(&self, attentive: bool) {
        self.attentive.store(attentive, Ordering::Release);
    }

    /// Ends the sleep for good.
    pub fn stop(&self) {
        *self.stopped.lock() = true;
        self.rung.notify_one();
    }

    /// Sleeps: `short` while there is something to look after, else `long`; when rung in the meantime, `short` from then on, because
    /// what rang needs no look yet. Says whether the sleep has ended for good.
    pub fn sleep(&self, short: Duration, long: Duration) -> bool {
        let end = Instant::now() + long;
        let mut stopped = self.stopped.lock();
        while !*stopped && !self.attentive.load(Ordering::Acquire) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            stopped = wait(&self.rung, stopped, left);
        }
        if !*stopped {
            stopped = wait(&self.rung, stopped, short.min(long));
        }
        *stopped
    }
}
