//! The two hooks that a ledger is kept by.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void, CStr};

use rusqlite::ffi;

use super::{transaction, Watch};

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
