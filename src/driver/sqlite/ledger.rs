//! What one connection is about to commit: announced to the clock before anybody can see it, settled before anybody hears of it.
//!
//! SQLite's commit hook is called with the write lock held and before anything is visible, but also for transactions that wrote nothing and
//! for commits that then fail; it is not called for VACUUM. The log's hook is called after a commit, with the length that the log had right
//! after it, but only when the statement ran to its end; after an error that commits (`INSERT OR FAIL`) it comes with the next statement. So
//! a commit is known to be this connection's when both hooks were called and the header shows one commit more than at the first, and the
//! length of the second. Everything else is judged by the header alone: if it has moved, anything may have changed.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::raw::{commits_and_frames, Header};
use super::sentinel::Sentinel;
use super::watch::Recorder;
use crate::clock::{Clock, Effects, Known, Mark, Receipt};

/// How a step or reset ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The statement ran to its end: the log's hook was called if there was a commit.
    Done,
    /// It failed, or was reset.
    Early,
}

/// The ledger of one connection. A connection that can not write, or whose commits nobody asks for, keeps none.
#[derive(Default)]
pub struct Ledger {
    account: Option<Account>,
}

struct Account {
    clock: Arc<Clock>,
    sentinel: Arc<Sentinel>,
    recorder: Arc<Recorder>,
    /// What the open transaction has changed so far.
    pending: RefCell<Effects>,
    /// Whether `pending` may hold something.
    is_pending: Cell<bool>,
    /// The commit hook was called: the header then, where there is one.
    announced: Cell<Option<Option<Header>>>,
    /// The log's hook was called: the frames.
    logged: Cell<Option<u32>>,
    /// The next call of the log's hook may be about an earlier commit.
    stray: Cell<bool>,
}

impl Ledger {
    pub fn new(clock: Arc<Clock>, sentinel: Arc<Sentinel>, recorder: Arc<Recorder>) -> Self {
        Ledger {
            account: Some(Account {
                clock,
                sentinel,
                recorder,
                pending: RefCell::default(),
                is_pending: Cell::new(false),
                announced: Cell::new(None),
                logged: Cell::new(None),
                stray: Cell::new(false),
            }),
        }
    }

    /// To be called before a statement that writes is stepped. `None`: it may change anything.
    #[inline]
    pub fn write(&self, effects: Option<&Effects>) {
        if let Some(account) = &self.account {
            account.is_pending.set(true);
            account.pending.borrow_mut().add(effects.unwrap_or(&Effects::All));
        }
    }

    /// The commit hook, with the write lock of the main database held.
    pub fn announce(&self) {
        let Some(account) = &self.account else { return };
        // A statement that SQLite has prepared anew in this very step may change more than is known of it; so may one that nothing is known of.
        if account.recorder.heard() || !account.is_pending.get() || account.pending.borrow().is_empty() {
            self.write(None);
        }
        let header = account.sentinel.header();
        account.clock.announce(header);
        account.announced.set(Some(header));
    }

    /// The log's hook.
    pub fn logged(&self, frames: u32) {
        if let Some(account) = &self.account {
            account.logged.set(Some(frames));
        }
    }

    /// To be called after whatever may have ended a transaction.
    #[inline]
    pub fn settle(&self, end: End, is_over: impl Fn() -> bool) -> Receipt {
        match &self.account {
            None => Receipt::of_a_reader(),
            Some(account) if account.announced.get().is_none() && !account.is_pending.get() && end == End::Early => account.clock.nothing(),
            Some(account) => account.settle(end, is_over),
        }
    }
}

impl Account {
    fn settle(&self, end: End, is_over: impl Fn() -> bool) -> Receipt {
        let logged = self.logged.take().filter(|_| end == End::Done && !self.stray.get());
        let announced = self.announced.take();
        // What fails or is reset has its call of the log's hook still before it, if it has committed: with the next end outside a transaction.
        self.stray.set(match end {
            End::Early => announced.is_some() || self.stray.get(),
            End::Done => self.stray.get() && !is_over(),
        });
        if announced.is_none() && !self.is_pending.get() {
            return self.clock.nothing();
        }
        let mut pending = self.pending.borrow_mut();
        let is_over = is_over();
        let receipt = match announced {
            Some(before) => {
                let known = |now: &Mark| match (before, logged) {
                    (Some(before), Some(frames)) if is_next(&before, now, frames) => Known::Exactly,
                    _ => Known::ByTheMark,
                };
                self.clock.confirm(|| self.sentinel.header(), &pending, known)
            }
            None => {
                // VACUUM, where no header shows it.
                if is_over && matches!(*pending, Effects::All) && self.sentinel.header().is_none() {
                    self.clock.expire_everything();
                }
                self.clock.nothing()
            }
        };
        if is_over {
            pending.clear();
            self.is_pending.set(false);
        }
        receipt
    }
}

/// Whether `now` is the header right after one commit on top of `before` that left the log with `frames`.
fn is_next(before: &Header, now: &Header, frames: u32) -> bool {
    let (commits_before, _) = commits_and_frames(before);
    commits_and_frames(now) == (commits_before.wrapping_add(1), frames)
}
