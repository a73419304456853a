//! The locks of the files that are model-checked: `parking_lot` in the product, `loom` under `--cfg loom`.

#[cfg(not(loom))]
pub use parking_lot::{Condvar, Mutex, MutexGuard};

#[cfg(loom)]
pub use self::model::{Condvar, Mutex, MutexGuard};

use std::time::Duration;

/// Waits for a notification or, in the product, for `longest`. The model has no clock: there a wait ends by notification only.
#[cfg(not(loom))]
pub fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>, longest: Duration) -> MutexGuard<'a, T> {
    condvar.wait_for(&mut guard, longest);
    guard
}

#[cfg(loom)]
pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, _longest: Duration) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap()
}

#[cfg(loom)]
mod model {
    pub use loom::sync::{Condvar, MutexGuard};

    /// `loom`'s mutex with `parking_lot`'s face.
    pub struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}
