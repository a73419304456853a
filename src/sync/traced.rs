//! The same locks for ThreadSanitizer, which does not see into std's: each use of a lock is told to it by an atomic of our own, so that what a
//! lock orders is ordered for it too, and nothing else is. Only under `--cfg keepwell_tsan`; see `tests/tsan.sh`.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, PoisonError, TryLockError};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Mutex<T> {
    turns: AtomicU64,
    inner: std::sync::Mutex<T>,
}

pub struct MutexGuard<'a, T> {
    turns: &'a AtomicU64,
    /// `None` only while waiting.
    inner: Option<std::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Mutex { turns: AtomicU64::new(0), inner: std::sync::Mutex::new(value) }
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.held(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.inner.try_lock() {
            Ok(inner) => Some(self.held(inner)),
            Err(TryLockError::Poisoned(left)) => Some(self.held(left.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn held<'a>(&'a self, inner: std::sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        turn(&self.turns);
        MutexGuard { turns: &self.turns, inner: Some(inner) }
    }
}

/// What came before in this thread comes before what comes after the next turn in any other.
fn turn(turns: &AtomicU64) {
    turns.fetch_add(1, Ordering::AcqRel);
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_deref().expect("held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_deref_mut().expect("held")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        turn(self.turns);
    }
}

pub fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>, longest: Duration) -> MutexGuard<'a, T> {
    turn(guard.turns);
    let inner = guard.inner.take().expect("held");
    guard.inner = Some(condvar.wait_timeout(inner, longest).unwrap_or_else(PoisonError::into_inner).0);
    turn(guard.turns);
    guard
}
