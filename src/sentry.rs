//! The watch over a store's being alone with its file: looks through the driver, and warns or shuts the store as it was told.
//!
//! ```text
//!            first call            a look
//!    quiet ────────────▶ used ───────────────▶ quiet        a look that sees something, told to refuse ──▶ shut
//! ```
//! A store that nobody uses is quiet, and nobody wakes up for it. The first call after that rings for the maintenance, which looks once a
//! second while the store is used. Calls pay for one load.

use std::sync::atomic::{fence, AtomicU8, Ordering};
use std::sync::Arc;

use once_cell::race::OnceBox;

use crate::bell::Bell;
use crate::config::SecondSqlite;
use crate::driver::Driver;
use crate::error::{Error, Kind, Result};
use crate::metrics::cell::Counter;
use crate::warnings::Warnings;

/// Nobody has used the store since the last look.
const QUIET: u8 = 0;
/// Somebody has; or nobody ever looks.
const USED: u8 = 1;
/// A second library was seen, and the store refuses to go on. For good.
const SHUT: u8 = 2;

/// Watches one store.
pub struct Sentry {
    driver: Arc<dyn Driver>,
    policy: SecondSqlite,
    warnings: Arc<Warnings>,
    bell: Arc<Bell>,
    state: AtomicU8,
    /// What was seen first.
    seen: OnceBox<String>,
    sightings: Counter,
}

impl Sentry {
    /// A watch that adds to `warnings` what it sees, and rings `bell` when the store is used again.
    pub fn new(driver: Arc<dyn Driver>, policy: SecondSqlite, warnings: Arc<Warnings>, bell: Arc<Bell>) -> Self {
        let state = AtomicU8::new(if policy == SecondSqlite::Off { USED } else { QUIET });
        Sentry { driver, policy, warnings, bell, state, seen: OnceBox::new(), sightings: Counter::default() }
    }

    /// Fails once a second library was seen by a store that was told to refuse; otherwise notes that the store is used.
    #[inline]
    pub fn check(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            USED => Ok(()),
            state => self.notice(state),
        }
    }

    #[cold]
    fn notice(&self, state: u8) -> Result<()> {
        if state == SHUT {
            return Err(refusal(self.seen().unwrap_or_default()));
        }
        if self.state.compare_exchange(QUIET, USED, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            // With the fence in `was_used`: either the maintenance sees the use, or this thread sees that the bell must be rung.
            fence(Ordering::SeqCst);
            self.bell.ring();
        }
        Ok(())
    }

    /// Whether a look is due: the store is watched, and somebody used it since the last look.
    pub fn was_used(&self) -> bool {
        fence(Ordering::SeqCst);
        self.policy != SecondSqlite::Off && self.state.load(Ordering::Acquire) == USED
    }

    /// Looks for a second library and does what the policy says.
    pub fn look(&self) {
        if self.policy == SecondSqlite::Off {
            return;
        }
        // Before the look: a use that comes during it may be of a second library that it did not see.
        let _ = self.state.compare_exchange(USED, QUIET, Ordering::AcqRel, Ordering::Relaxed);
        let Some(seen) = self.driver.second_library() else { return };
        let seen = sentence(&seen);
        self.sightings.one();
        if self.warnings.add(&seen) {
            log::warn!(target: "keepwell::store", store = self.driver.name(); "{seen}");
        }
        let _ = self.seen.set(Box::new(seen));
        if self.policy == SecondSqlite::Refuse {
            self.state.store(SHUT, Ordering::Release);
        }
    }

    /// How many looks have seen one.
    pub fn sightings(&self) -> u64 {
        self.sightings.get()
    }

    /// What was seen, if anything was: a sentence with the cure.
    pub fn seen(&self) -> Option<&str> {
        self.seen.get().map(String::as_str)
    }
}

/// Refuses to open a database beside a second library, by a `look` that does not open it, for a store that is told to refuse.
pub fn before_opening(policy: SecondSqlite, look: impl FnOnce() -> Option<String>) -> Result<()> {
    match policy {
        SecondSqlite::Refuse => look().map_or(Ok(()), |seen| Err(refusal(&sentence(&seen)))),
        SecondSqlite::Warn | SecondSqlite::Off => Ok(()),
    }
}

/// Misuse: no build of the engine could do it, and the cure is in the program.
fn refusal(sentence: &str) -> Error {
    Error::new(Kind::Misuse, sentence)
}

fn sentence(seen: &str) -> String {
    format!("options.second_sqlite: {seen}. Use keepwell for this file everywhere in the process; `off` runs the risk unwatched")
}
