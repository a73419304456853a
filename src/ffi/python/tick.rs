//! Python's signal handlers during a call on the portable road.

use std::cell::Cell;
use std::ffi::c_void;

use super::state::{main_thread, portable_tick};
use crate::ffi::types::kw_tick;

thread_local! {
    /// A tick of this thread is under way.
    static TICKING: Cell<bool> = const { Cell::new(false) };
    /// A tick of the call under way has ended it.
    static RAISED: Cell<bool> = const { Cell::new(false) };
}

/// The tick for a call of this thread: only the main thread of a Python runs signal handlers.
pub fn tick_of_this_thread() -> kw_tick {
    #[cfg(unix)]
    // SAFETY: asks for a number.
    let here = unsafe { libc::pthread_self() } as u64;
    #[cfg(not(unix))]
    let here = 0;
    (here == main_thread()).then_some(tick as unsafe extern "C" fn(*mut c_void) -> i32)
}

/// Calls the package's tick, unless a signal handler that it runs has come here again.
unsafe extern "C" fn tick(context: *mut c_void) -> i32 {
    let Some(function) = portable_tick() else { return 0 };
    if TICKING.replace(true) {
        return 0;
    }
    // SAFETY: the package keeps its tick alive as long as the process.
    let answer = unsafe { function(context) };
    TICKING.set(false);
    RAISED.set(answer != 0);
    answer
}

/// To be said when a call begins.
pub fn forget() {
    RAISED.set(false);
}

/// Whether a signal handler raised since [`forget`].
pub fn has_raised() -> bool {
    RAISED.take()
}
