//! What SQLite needs around `fork()`, so that a child can open databases of its own.
//!
//! A child inherits SQLite's table of open files with the parent's lock counts, and SQLite's global mutexes, perhaps locked by a thread
//! that the child does not have. Two measures mend that: the global mutexes are held across the fork, so that the child finds them
//! free, and what they guard complete; and in the child SQLite sees device numbers that differ from the parent's, so that a newly opened
//! file never meets the inherited entry of the same file, whose lock counts are the parent's. Inherited connections are never touched
//! again: closing them would disturb the shared wal-index.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use lru::LruCache;
use rusqlite::ffi;

use crate::process;

/// Held while [`prepare`] works. One of SQLite's mutexes for applications, because those can be had before SQLite is initialized.
const PREPARING: c_int = ffi::SQLITE_MUTEX_STATIC_APP1;

/// The mutexes that no other thread holds at the moment of a fork, outermost first: the name of a temporary file is made of random bytes
/// under VFS1, and the generator of those, when it is seeded, looks for the VFS under MAIN. Memory may be allocated under any of them.
/// <https://sqlite.org/c3ref/c_mutex_fast.html>
const MUTEXES: [c_int; 10] = [
    PREPARING,
    ffi::SQLITE_MUTEX_STATIC_OPEN,
    ffi::SQLITE_MUTEX_STATIC_VFS1,
    ffi::SQLITE_MUTEX_STATIC_VFS2,
    ffi::SQLITE_MUTEX_STATIC_VFS3,
    ffi::SQLITE_MUTEX_STATIC_PRNG,
    ffi::SQLITE_MUTEX_STATIC_MAIN,
    ffi::SQLITE_MUTEX_STATIC_LRU,
    ffi::SQLITE_MUTEX_STATIC_PMEM,
    ffi::SQLITE_MUTEX_STATIC_MEM,
];

/// Installs the fork handlers as the library is loaded: a fork has to wait for [`prepare`] already, whose work a child would otherwise
/// inherit half-done, with nobody to finish it.
#[used]
#[cfg_attr(target_vendor = "apple", link_section = "__DATA,__mod_init_func")]
#[cfg_attr(not(target_vendor = "apple"), link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = install_handlers;

extern "C" fn install_handlers() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: the handlers are functions of this library, which is never unloaded (it is linked with -z nodelete).
    unsafe {
        // The last to install handlers is the first to be asked before a fork. An allocator that installs its own with its first use has
        // to come earlier: whoever holds a mutex that `before` waits for may need memory to go on.
        libc::free(std::hint::black_box(libc::malloc(1)));
        libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child));
    }
}

/// Does, where no fork can cut it in two, what happens once in the life of the process and of its children: SQLite's initialization,
/// the hook for device numbers, and the first use of what sets itself up then.
pub fn prepare() {
    static READY: AtomicBool = AtomicBool::new(false);
    install_handlers();
    enter(PREPARING);
    if !READY.load(Ordering::Relaxed) {
        // SAFETY: initialize may be called any number of times. No database is open yet.
        unsafe {
            ffi::sqlite3_initialize();
            install_stat();
        }
        // Whoever meets the first use of the hasher's seed waits for its end.
        drop(LruCache::<u8, u8>::new(NonZeroUsize::MIN));
        READY.store(true, Ordering::Relaxed);
    }
    leave(PREPARING);
}

unsafe extern "C" fn before() {
    MUTEXES.into_iter().for_each(enter);
}

/// For the parent; the child's thread is a copy of the one that entered the mutexes, and leaves them too.
unsafe extern "C" fn after_in_parent() {
    MUTEXES.into_iter().rev().for_each(leave);
    process::has_forked();
}

unsafe extern "C" fn after_in_child() {
    MUTEXES.into_iter().rev().for_each(leave);
    process::forked();
}

fn enter(mutex: c_int) {
    // SAFETY: static mutexes live for ever and are there before SQLite is initialized.
    unsafe { ffi::sqlite3_mutex_enter(ffi::sqlite3_mutex_alloc(mutex)) };
}

fn leave(mutex: c_int) {
    // SAFETY: as in `enter`; this thread, or the one that it is a copy of, has entered the mutex.
    unsafe { ffi::sqlite3_mutex_leave(ffi::sqlite3_mutex_alloc(mutex)) };
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
