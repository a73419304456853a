//! What SQLite needs around `fork()`, so that a child can open databases of its own.
//!
//! A child inherits SQLite's table of open files with the parent's lock counts, and SQLite's global mutexes, perhaps locked by a thread
//! that the child does not have. Two measures mend that: the global mutexes are held across the fork, so that the child finds them
//! free; and in the child SQLite sees device numbers that differ from the parent's, so that a newly opened file never meets the
//! inherited entry of the same file, whose lock counts are the parent's. Inherited connections are never touched again: closing them
//! would disturb the shared wal-index.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::sync::Once;

use rusqlite::ffi;

use crate::process;

/// SQLite's global mutexes, outermost first. <https://sqlite.org/c3ref/c_mutex_fast.html>
const MUTEXES: [c_int; 9] = [
    ffi::SQLITE_MUTEX_STATIC_MAIN,
    ffi::SQLITE_MUTEX_STATIC_VFS1,
    ffi::SQLITE_MUTEX_STATIC_VFS2,
    ffi::SQLITE_MUTEX_STATIC_VFS3,
    ffi::SQLITE_MUTEX_STATIC_LRU,
    ffi::SQLITE_MUTEX_STATIC_PMEM,
    ffi::SQLITE_MUTEX_STATIC_OPEN,
    ffi::SQLITE_MUTEX_STATIC_PRNG,
    ffi::SQLITE_MUTEX_STATIC_MEM,
];

/// Installs the fork handlers and the device-number hook, once in the life of the process and of its children.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: initialize may be called any number of times; the static mutexes exist afterwards. The handlers are functions of this
        // library, which is never unloaded (it is linked with -z nodelete).
        unsafe {
            ffi::sqlite3_initialize();
            // The first use of the generator of random numbers takes two of the mutexes in another order than `before`.
            let mut byte = 0_u8;
            ffi::sqlite3_randomness(1, (&raw mut byte).cast());
            libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child));
            install_stat();
        }
    });
}

unsafe extern "C" fn before() {
    for mutex in MUTEXES {
        // SAFETY: static mutexes live for ever.
        unsafe { ffi::sqlite3_mutex_enter(ffi::sqlite3_mutex_alloc(mutex)) };
    }
}

unsafe extern "C" fn after_in_parent() {
    leave();
}

unsafe extern "C" fn after_in_child() {
    leave();
    process::forked();
}

fn leave() {
    for mutex in MUTEXES.into_iter().rev() {
        // SAFETY: entered by this thread in `before`; the thread that forked is the one that goes on in the child.
        unsafe { ffi::sqlite3_mutex_leave(ffi::sqlite3_mutex_alloc(mutex)) };
    }
}

/// Puts `stat` and `fstat` in the place of the operating system's, in SQLite's own table of system calls.
///
/// # Safety
/// SQLite is initialized, and no database is open yet.
unsafe fn install_stat() {
    type Any = unsafe extern "C" fn();
    type Stat = unsafe extern "C" fn(*const c_char, *mut libc::stat) -> c_int;
    type Fstat = unsafe extern "C" fn(c_int, *mut libc::stat) -> c_int;
    // SAFETY: the default VFS is a unix VFS here and lives for ever; its table takes functions of these signatures under these names.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        if let Some(set) = vfs.as_ref().and_then(|v| v.xSetSystemCall) {
            set(vfs, c"stat".as_ptr(), Some(std::mem::transmute::<Stat, Any>(stat)));
            set(vfs, c"fstat".as_ptr(), Some(std::mem::transmute::<Fstat, Any>(fstat)));
        }
    }
}

/// `stat` with a device number of this process's age. SQLite uses the number only to tell files apart: with the real one it would find
/// the inherited entry of a file, whose mutex may be locked for ever.
unsafe extern "C" fn stat(path: *const c_char, into: *mut libc::stat) -> c_int {
    // SAFETY: SQLite passes NUL-terminated text and memory for the answer.
    unsafe { of_this_age(libc::stat(path, into), into) }
}

/// `fstat`, in the same way.
unsafe extern "C" fn fstat(file: c_int, into: *mut libc::stat) -> c_int {
    // SAFETY: SQLite passes an open descriptor and memory for the answer.
    unsafe { of_this_age(libc::fstat(file, into), into) }
}

/// # Safety
/// `into` holds an answer when `code` is 0.
unsafe fn of_this_age(code: c_int, into: *mut libc::stat) -> c_int {
    if code == 0 {
        // SAFETY: the caller's promise.
        unsafe { (*into).st_dev ^= libc::dev_t::from(process::age()) << 48 };
    }
    code
}
