//! Which process this is: an age that grows by one in every forked child, and things that each process has for itself.
//!
//! After `fork()` the child has copies of locks that another thread may have held, and of connections that belong to the parent. It
//! must touch neither. So everything global is kept per age, and everything that was handed out carries the age it was made in.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::error::{Error, Kind, Result};

/// 0 in the first process, one more in each child of a child. Written by the fork handler of the engine's driver alone.
static AGE: AtomicU32 = AtomicU32::new(0);

/// How often this process has forked.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// How many panics were stopped.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Nested forks that are told apart.
const AGES: usize = 256;

/// The age of this process.
#[inline]
pub fn age() -> u32 {
    AGE.load(Ordering::Relaxed)
}

/// How often this process has forked, as far as keepwell was there.
pub fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// To be called in the parent after a fork.
pub fn has_forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many panics of keepwell's own were stopped in this process.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// To be called where one is stopped.
pub fn has_panicked() {
    PANICS.fetch_add(1, Ordering::Relaxed);
}

/// To be called in a forked child before anything else of keepwell.
pub fn forked() {
    AGE.fetch_add(1, Ordering::Relaxed);
}

/// Fails where something made at `age` is used in another process.
#[inline]
pub fn check(made_at: u32, what: &str) -> Result<()> {
    if made_at == age() {
        return Ok(());
    }
    let message = format!("{what} was opened before fork() and belongs to the parent process; open a store of this process instead");
    Err(Error::new(Kind::Forked, message))
}

/// One `T` for each process in a line of forks; an inherited one is left alone.
pub struct PerProcess<T>([OnceBox<T>; AGES]);

impl<T: Default> PerProcess<T> {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        PerProcess([const { OnceBox::new() }; AGES])
    }

    /// This process's own.
    ///
    /// # Errors
    /// [`Kind::Forked`] after 255 nested forks without an `exec`.
    #[inline]
    pub fn get(&self) -> Result<&T> {
        let place = self.0.get(age() as usize).ok_or_else(|| Error::new(Kind::Forked, "more than 255 nested forks without an exec"))?;
        Ok(place.get_or_init(Default::default))
    }
}
