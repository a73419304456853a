//! Locks that survive a fork: std's, which keep all of their state inside themselves, with a plainer face.
//!
//! `parking_lot` keeps the queues of all its locks in one table of the process, with pointers into the memory of parked threads. A forked
//! child inherits that table without the threads, and crashes or hangs in locks of its own. A lock that a panic left behind is taken
//! as it is: a panic condemns its connection, and what else our locks hold is changed in single steps.

#[cfg(keepwell_tsan)]
mod traced;

pub use std::sync::Condvar;

#[cfg(not(keepwell_tsan))]
pub use self::plain::{wait, Mutex, MutexGuard};
#[cfg(keepwell_tsan)]
pub use self::traced::{wait, Mutex, MutexGuard};

#[cfg(not(keepwell_tsan))]
mod plain {
    pub use std::sync::MutexGuard;
    use std::sync::{Condvar, PoisonError, TryLockError};
    use std::time::Duration;

    /// A mutual exclusion that nobody has to ask twice.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub const fn new(value: T) -> Self {
            Mutex(std::sync::Mutex::new(value))
        }

        /// Waits until the lock is free.
        #[inline]
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Takes the lock if it is free.
        #[inline]
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(left)) => Some(left.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }

    /// Waits for a notification, but no longer than `longest`.
    pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, longest: Duration) -> MutexGuard<'a, T> {
        condvar.wait_timeout(guard, longest).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The locks and atomics of the files that are model-checked: the ones above and std's in the product, `loom`'s under `--cfg loom`.
pub mod checked {
    pub use std::sync::atomic::Ordering;

    #[cfg(loom)]
    pub use loom::sync::atomic::AtomicU64;
    #[cfg(not(loom))]
    pub use std::sync::atomic::AtomicU64;

    #[cfg(not(loom))]
    pub use super::{wait, Condvar, Mutex, MutexGuard};

    #[cfg(loom)]
    pub use self::model::{wait, Condvar, Mutex, MutexGuard};

    #[cfg(loom)]
    mod model {
        pub use loom::sync::{Condvar, MutexGuard};
        use std::time::Duration;

        pub struct Mutex<T>(loom::sync::Mutex<T>);

        impl<T> Mutex<T> {
            pub fn new(value: T) -> Self {
                Mutex(loom::sync::Mutex::new(value))
            }

            pub fn lock(&self) -> MutexGuard<'_, T> {
                self.0.lock().unwrap()
            }
        }

        /// The model has no clock: a wait ends by notification only.
        pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, _longest: Duration) -> MutexGuard<'a, T> {
            condvar.wait(guard).unwrap()
        }
    }
}
