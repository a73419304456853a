//! What SQLite calls while it works: the handlers that end operations, and the hooks that a ledger is kept by.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void, CStr};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::ffi;

use super::{transaction, Watch, BUSY_POLL};
use crate::driver::Obstacle;

/// SQLite calls this while another connection holds a lock it needs; 0 gives up.
pub unsafe extern "C" fn on_busy(context: *mut c_void, tries: c_int) -> c_int {
    // SAFETY: `context` is the `Watch` given at installation; `op` is null or points to the operation of the call under way.
    let (watch, op) = unsafe {
        let watch = &*context.cast::<Watch>();
        (watch, watch.op.get().as_ref())
    };
    let Some(op) = op else { return 0 };
    let gives_up = watch.must_stop(op) || watch.abort.load(Ordering::Relaxed) || watch.patience_is_over(op, tries);
    match (tries, watch.checkpointing.get()) {
        (0, false) => watch.obstacles.met(Obstacle::Lock),
        (0, true) if !gives_up => watch.obstacles.met(Obstacle::Checkpoint),
        _ => {}
    }
    if gives_up {
        return 0;
    }
    let began = Instant::now();
    std::thread::sleep(op.slice(BUSY_POLL));
    op.blocked(began.elapsed());
    watch.obstacles.waited(began.elapsed());
    1
}

/// SQLite calls this every [`PROGRESS_STEPS`]; non-zero interrupts the statement.
pub unsafe extern "C" fn on_progress(context: *mut c_void) -> c_int {
    // SAFETY: as in `on_busy`.
    let (watch, op) = unsafe {
        let watch = &*context.cast::<Watch>();
        (watch, watch.op.get().as_ref())
    };
    let Some(op) = op else { return 0 };
    let stops = watch.abort.load(Ordering::Relaxed) || (op.is_watched() && watch.must_stop(op));
    (stops && !watch.is_over()) as c_int
}

/// SQLite calls this before a commit becomes visible, also before one that then fails or has nothing to write; 0 lets it go on.
pub unsafe extern "C" fn on_commit(context: *mut c_void) -> c_int {
    // SAFETY: as in `on_busy`.
    let watch = unsafe { &*context.cast::<Watch>() };
    if transaction(watch.db) == ffi::SQLITE_TXN_WRITE {
        watch.ledger.announce();
    }
    0
}

/// SQLite calls this after a commit, with the frames that the log had right after it.
pub unsafe extern "C" fn on_wal(context: *mut c_void, _: *mut ffi::sqlite3, database: *const c_char, frames: c_int) -> c_int {
    // SAFETY: as in `on_busy`; SQLite passes the NUL-terminated name of the database.
    let (watch, database) = unsafe { (&*context.cast::<Watch>(), CStr::from_ptr(database)) };
    if database == c"main" {
        watch.ledger.logged(frames as u32);
    }
    ffi::SQLITE_OK
}
