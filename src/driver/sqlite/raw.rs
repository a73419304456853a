//! SQLite's C interface, made safe: statements, columns, handlers, the wal-index header. The only unsafe file of the driver.
//!
//! Every connection is opened with `SQLITE_OPEN_NOMUTEX` and is used by one thread at a time (see [`crate::driver::Connection`]).

#![allow(unsafe_code)]

mod hooks;
mod status;
mod wal_index;

use std::any::Any;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::ffi;

use self::hooks::{on_busy, on_commit, on_progress, on_wal};
pub use self::wal_index::{commits_and_frames, Header, WalIndex};
use super::ledger::{End, Ledger};
use crate::cancel::Op;
use crate::clock::Receipt;
use crate::driver::Obstacles;
use crate::rows::Batch;
use crate::value::ValueRef;

/// The virtual-machine steps between two looks at deadline and token: about 20 µs.
const PROGRESS_STEPS: c_int = 2_000;
/// How often a lock of another process is tried again. Even polling is fair; SQLite's own back-off starves who waits longest.
const BUSY_POLL: Duration = Duration::from_millis(1);

/// What SQLite said when a call failed.
#[derive(Debug)]
pub struct Failure {
    pub primary: i32,
    pub extended: i32,
    pub message: String,
    /// The byte in the SQL that the message is about, where SQLite knows it.
    pub offset: Option<u32>,
}

/// How much a checkpoint asks of others.
#[derive(Debug, Clone, Copy)]
pub enum Checkpoint {
    /// Nothing: it copies as far as nobody is in the way.
    Passive = ffi::SQLITE_CHECKPOINT_PASSIVE as isize,
    /// That nobody writes, and that the reads which use the log end: the next write begins it anew.
    Restart = ffi::SQLITE_CHECKPOINT_RESTART as isize,
    /// The same, and the log's file is cut to nothing.
    Truncate = ffi::SQLITE_CHECKPOINT_TRUNCATE as isize,
}

/// One open connection, with the handlers that its operations need.
pub struct Raw {
    db: NonNull<ffi::sqlite3>,
    watch: Box<Watch>,
    /// Owns the handle; `None` only while dropping.
    connection: rusqlite::Connection,
}

/// What the handlers look at while SQLite runs. At a stable address because SQLite keeps a pointer to it.
struct Watch {
    /// The operation under way, or null.
    op: Cell<*const Op<'static>>,
    /// Set when the store closes: ends whatever runs.
    abort: Arc<AtomicBool>,
    /// How long an operation without a deadline waits for a lock of another process, and since when one does.
    busy_timeout: Duration,
    busy_since: Cell<Option<Instant>>,
    /// The statement whose end nothing may deny, or null. Live as long as `op` is set.
    statement: Cell<*mut ffi::sqlite3_stmt>,
    /// It is a checkpoint that waits, not a statement.
    checkpointing: Cell<bool>,
    obstacles: Arc<Obstacles>,
    /// A panic of the caller's, which must not unwind through SQLite.
    panic: Cell<Option<Box<dyn Any + Send>>>,
    /// What this connection is about to commit, and the connection itself.
    ledger: Ledger,
    db: *mut ffi::sqlite3,
}

// SAFETY: SQLite built with SQLITE_THREADSAFE=1 allows a NOMUTEX connection to move between threads as long as only one uses it at a
// time, which `&mut` ensures. `Watch` is reached only through the connection; `op` is null whenever no call is under way.
unsafe impl Send for Raw {}

impl Raw {
    /// Takes over an open connection and installs the busy and progress handlers. `abort` ends whatever runs when it is set.
    pub fn new(connection: rusqlite::Connection, abort: Arc<AtomicBool>, busy_timeout: Duration, obstacles: Arc<Obstacles>) -> Raw {
        // SAFETY: the handle stays valid as long as `connection` lives, which this struct owns.
        let db = NonNull::new(unsafe { connection.handle() }).expect("an open connection has a handle");
        let watch = Box::new(Watch {
            op: Cell::new(ptr::null()),
            abort,
            busy_timeout,
            busy_since: Cell::new(None),
            statement: Cell::new(ptr::null_mut()),
            checkpointing: Cell::new(false),
            obstacles,
            panic: Cell::new(None),
            ledger: Ledger::default(),
            db: db.as_ptr(),
        });
        let context = (&*watch as *const Watch).cast_mut().cast::<c_void>();
        // SAFETY: `context` points to the box, which lives as long as the connection; the callbacks only read through it.
        unsafe {
            ffi::sqlite3_busy_handler(db.as_ptr(), Some(on_busy), context);
            ffi::sqlite3_progress_handler(db.as_ptr(), PROGRESS_STEPS, Some(on_progress), context);
        }
        Raw { db, watch, connection }
    }

    /// From here on the connection's commits are written into `ledger`. Nothing may replace the two hooks afterwards, as
    /// `PRAGMA wal_autocheckpoint` would. <https://sqlite.org/c3ref/commit_hook.html>, <https://sqlite.org/c3ref/wal_hook.html>
    pub fn keep_ledger(&mut self, ledger: Ledger) {
        self.watch.ledger = ledger;
        let context = (&*self.watch as *const Watch).cast_mut().cast::<c_void>();
        // SAFETY: as in `new`; a connection has one of each hook.
        unsafe {
            ffi::sqlite3_commit_hook(self.db.as_ptr(), Some(on_commit), context);
            ffi::sqlite3_wal_hook(self.db.as_ptr(), Some(on_wal), context);
        }
    }

    /// What this connection is about to commit.
    #[inline]
    pub fn ledger(&self) -> &Ledger {
        &self.watch.ledger
    }

    /// The connection for the parts of SQLite's interface that rusqlite covers.
    pub fn connection(&self) -> &rusqlite::Connection {
        &self.connection
    }

    pub fn connection_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.connection
    }

    /// The next [`Raw::watched`] steps `statement` and keeps it alive.
    #[inline]
    pub fn will_step(&mut self, statement: &Statement) {
        self.watch.statement.set(statement.0.as_ptr());
    }

    /// Runs `work` with the handlers looking at `op`. A panic of the operation's caller goes on from here.
    pub fn watched<T>(&mut self, op: &Op<'_>, work: impl FnOnce(&mut Raw) -> T) -> T {
        struct Unwatch(*const Watch);
        impl Drop for Unwatch {
            fn drop(&mut self) {
                // SAFETY: the box outlives the call that made this guard.
                let watch = unsafe { &*self.0 };
                watch.op.set(ptr::null());
                watch.statement.set(ptr::null_mut());
            }
        }
        self.watch.op.set((op as *const Op<'_>).cast());
        let unwatch = Unwatch(&*self.watch);
        let result = work(self);
        drop(unwatch);
        match self.watch.panic.take() {
            None => result,
            Some(panic) => resume_unwind(panic),
        }
    }

    /// Prepares the first statement of `sql`. Returns it (`None` for blanks and comments) and where the rest begins.
    pub fn prepare(&mut self, sql: &str, persistent: bool) -> Result<(Option<Statement>, usize), Failure> {
        let length = c_int::try_from(sql.len()).map_err(|_| too_big("SQL text of 2 GiB or more"))?;
        let flags = if persistent { ffi::SQLITE_PREPARE_PERSISTENT } else { 0 };
        let mut statement = ptr::null_mut();
        let mut tail: *const c_char = ptr::null();
        // SAFETY: `sql` is valid for `length` bytes during the call; SQLite copies what it keeps. `tail` points into `sql` afterwards.
        let code = unsafe { ffi::sqlite3_prepare_v3(self.db.as_ptr(), sql.as_ptr().cast(), length, flags as _, &mut statement, &mut tail) };
        if code != ffi::SQLITE_OK {
            return Err(self.failure(code));
        }
        let consumed = if tail.is_null() { sql.len() } else { tail as usize - sql.as_ptr() as usize };
        Ok((NonNull::new(statement).map(Statement), consumed))
    }

    /// What SQLite says about the call that just returned `code`.
    pub fn failure(&self, code: c_int) -> Failure {
        // SAFETY: the handle is valid; the message is copied before any other call can change it.
        unsafe {
            let db = self.db.as_ptr();
            let current = ffi::sqlite3_extended_errcode(db);
            let extended = if current & 0xFF == code & 0xFF { current } else { code };
            let text = if current & 0xFF == code & 0xFF { ffi::sqlite3_errmsg(db) } else { ffi::sqlite3_errstr(code) };
            let offset = ffi::sqlite3_error_offset(db);
            Failure {
                primary: code & 0xFF,
                extended,
                message: CStr::from_ptr(text).to_string_lossy().into_owned(),
                offset: u32::try_from(offset).ok(),
            }
        }
    }

    /// Whether no explicit transaction is open.
    #[inline]
    pub fn autocommit(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_get_autocommit(self.db.as_ptr()) != 0 }
    }

    /// Whether a transaction is open that holds the write lock of the main database.
    pub fn is_writing(&self) -> bool {
        transaction(self.db.as_ptr()) == ffi::SQLITE_TXN_WRITE
    }

    /// Whether the main database is being read or written.
    pub fn has_snapshot(&self) -> bool {
        transaction(self.db.as_ptr()) != ffi::SQLITE_TXN_NONE
    }

    /// Tells the clock of what has just ended.
    #[inline]
    fn settle(&self, end: End) -> Receipt {
        self.watch.ledger.settle(end, || self.autocommit())
    }

    /// The rowid inserted last.
    pub fn last_insert(&self) -> i64 {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_last_insert_rowid(self.db.as_ptr()) }
    }

    /// The rows changed by the last statement that counts them.
    #[inline]
    pub fn changed_rows(&self) -> i64 {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_changes64(self.db.as_ptr()) }
    }

    /// Sets what SQLite says of the rowid inserted last, so that an earlier one cannot pass for that of the next statement.
    pub fn set_last_insert(&mut self, rowid: i64) {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_set_last_insert_rowid(self.db.as_ptr(), rowid) }
    }

    /// Rows changed since the connection was opened.
    pub fn total_changes(&self) -> i64 {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_total_changes64(self.db.as_ptr()) }
    }

    /// Copies committed frames from the log to the database.
    /// <https://sqlite.org/c3ref/wal_checkpoint_v2.html>
    pub fn checkpoint(&mut self, how: Checkpoint) -> Result<(), Failure> {
        self.watch.checkpointing.set(true);
        // SAFETY: the handle is valid; a null name means all databases; the counts are not asked for.
        let code = unsafe { ffi::sqlite3_wal_checkpoint_v2(self.db.as_ptr(), ptr::null(), how as c_int, ptr::null_mut(), ptr::null_mut()) };
        self.watch.checkpointing.set(false);
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        Err(self.failure(code))
    }

    /// Finds the wal-index header that SQLite itself has mapped, on a connection that has read from a WAL database.
    /// It stays valid as long as any connection of this process to the database is open; see [`WalIndex`].
    pub fn wal_index(&self) -> Option<WalIndex> {
        let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
        let mut region: *mut c_void = ptr::null_mut();
        // SAFETY: FILE_POINTER writes one pointer to the main database's file object, which lives as long as the connection.
        // xShmMap(region 0, 32 KiB, no extend) yields the address of the mapping that the VFS holds for this inode.
        unsafe {
            let arg = (&mut file as *mut *mut ffi::sqlite3_file).cast();
            let code = ffi::sqlite3_file_control(self.db.as_ptr(), c"main".as_ptr(), ffi::SQLITE_FCNTL_FILE_POINTER, arg);
            let methods = file.as_ref().and_then(|f| f.pMethods.as_ref())?;
            if code != ffi::SQLITE_OK || methods.iVersion < 2 {
                return None;
            }
            let code = methods.xShmMap?(file, 0, 32 * 1024, 0, &mut region);
            if code != ffi::SQLITE_OK {
                return None;
            }
        }
        NonNull::new(region.cast::<AtomicU64>()).map(WalIndex)
    }
}

fn too_big(what: &str) -> Failure {
    Failure { primary: ffi::SQLITE_TOOBIG, extended: ffi::SQLITE_TOOBIG, message: what.to_string(), offset: None }
}

impl Watch {
    /// Whether an operation without a deadline of its own has waited for a lock long enough.
    fn patience_is_over(&self, op: &Op<'_>, tries: c_int) -> bool {
        let since = match self.busy_since.get() {
            Some(since) if tries > 0 => since,
            _ => Instant::now(),
        };
        self.busy_since.set(Some(since));
        op.deadline().is_none() && since.elapsed() >= self.busy_timeout
    }

    /// Tells the operation's caller, and asks whether the operation has to stop. A panic of the caller's is kept, and stops it.
    fn must_stop(&self, op: &Op<'_>) -> bool {
        let asked = catch_unwind(AssertUnwindSafe(|| {
            op.before_wait();
            op.poll().is_some()
        }));
        asked.unwrap_or_else(|panic| {
            self.panic.set(Some(panic));
            true
        })
    }

    /// Whether the statement under way has run to its end and, if it was by itself, is committed. SQLite calls the progress handler once
    /// more then, and would report an interruption for what is done.
    fn is_over(&self) -> bool {
        // SAFETY: null, or the statement that is being stepped; see `Raw::will_step`.
        !self.statement.get().is_null() && unsafe { ffi::sqlite3_stmt_busy(self.statement.get()) } == 0
    }
}

/// The state of the main database's transaction. `db` is the handle of a [`Raw`] that lives.
fn transaction(db: *mut ffi::sqlite3) -> c_int {
    // SAFETY: the caller's promise; the name ends with a NUL.
    unsafe { ffi::sqlite3_txn_state(db, c"main".as_ptr()) }
}

/// A prepared statement. Must not outlive its connection: [`super::statements`] holds it beside the connection and drops it first.
pub struct Statement(NonNull<ffi::sqlite3_stmt>);

// SAFETY: moves between threads with its connection only; see `Raw`.
unsafe impl Send for Statement {}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: the pointer came from prepare and is finalized once.
        unsafe { ffi::sqlite3_finalize(self.0.as_ptr()) };
    }
}

/// What one step gave. Where a transaction may have ended, the clock has heard of it.
#[derive(Debug)]
pub enum Step {
    Row,
    Done(Receipt),
    Failed(c_int, Receipt),
}

impl Statement {
    /// Runs to the next row or the end. `raw` is the statement's connection.
    #[inline]
    pub fn step(&mut self, raw: &Raw) -> Step {
        // SAFETY: the pointer is a live statement.
        match unsafe { ffi::sqlite3_step(self.0.as_ptr()) } {
            ffi::SQLITE_ROW => Step::Row,
            ffi::SQLITE_DONE => Step::Done(raw.settle(End::Done)),
            code => Step::Failed(code, raw.settle(End::Early)),
        }
    }

    /// Back to the start; the bindings stay. A write that was not stepped to its end commits here. The code repeats that of the last step
    /// and is of no new interest.
    #[inline]
    pub fn reset(&mut self, raw: &Raw) -> Receipt {
        // SAFETY: the pointer is a live statement.
        unsafe { ffi::sqlite3_reset(self.0.as_ptr()) };
        raw.settle(End::Early)
    }

    /// Whether it is an EXPLAIN of any kind. <https://sqlite.org/c3ref/stmt_isexplain.html>
    pub fn is_explain(&self) -> bool {
        // SAFETY: the pointer is a live statement.
        unsafe { ffi::sqlite3_stmt_isexplain(self.0.as_ptr()) != 0 }
    }

    /// Sets all parameters to NULL, so that no borrowed bytes stay bound.
    pub fn clear_bindings(&mut self) {
        // SAFETY: the pointer is a live statement.
        unsafe { ffi::sqlite3_clear_bindings(self.0.as_ptr()) };
    }

    /// Binds one parameter (counted from 1). With `borrow` the bytes must stay alive until the statement is bound anew or cleared.
    #[inline]
    pub fn bind(&mut self, index: usize, value: ValueRef<'_>, borrow: bool) -> c_int {
        let (statement, index) = (self.0.as_ptr(), index as c_int);
        let keep = if borrow { ffi::SQLITE_STATIC() } else { ffi::SQLITE_TRANSIENT() };
        // SAFETY: the pointer is a live statement; bytes are valid for their length during the call, and longer where `borrow` says so.
        // An empty slice's pointer is dangling but not null, as SQLite needs to tell an empty value from NULL.
        unsafe {
            match value {
                ValueRef::Null => ffi::sqlite3_bind_null(statement, index),
                ValueRef::Integer(i) => ffi::sqlite3_bind_int64(statement, index, i),
                ValueRef::Real(f) => ffi::sqlite3_bind_double(statement, index, f),
                ValueRef::Text(b) => {
                    ffi::sqlite3_bind_text64(statement, index, b.as_ptr().cast(), b.len() as u64, keep, ffi::SQLITE_UTF8 as _)
                }
                ValueRef::Blob(b) => ffi::sqlite3_bind_blob64(statement, index, b.as_ptr().cast(), b.len() as u64, keep),
            }
        }
    }

    /// Appends the current row to `batch`. `None` when memory ran out.
    ///
    /// The values of `sqlite3_column_value` are "unprotected": safe to read as nobody else can use the connection meanwhile.
    #[inline]
    pub fn read_row(&self, batch: &mut Batch, columns: usize) -> Option<()> {
        for column in 0..columns as c_int {
            // SAFETY: called right after a step that gave a row, with the `columns` of its plan; the bytes behind a value
            // stay valid until the next call on this column, and are copied here.
            unsafe {
                let value = ffi::sqlite3_column_value(self.0.as_ptr(), column);
                match ffi::sqlite3_value_type(value) {
                    ffi::SQLITE_INTEGER => batch.push_integer(ffi::sqlite3_value_int64(value)),
                    ffi::SQLITE_FLOAT => batch.push_real(ffi::sqlite3_value_double(value)),
                    ffi::SQLITE_TEXT => {
                        let text = NonNull::new(ffi::sqlite3_value_text(value).cast_mut())?;
                        let length = ffi::sqlite3_value_bytes(value) as usize;
                        batch.push_text(std::slice::from_raw_parts(text.as_ptr(), length));
                    }
                    ffi::SQLITE_BLOB => {
                        let data = ffi::sqlite3_value_blob(value);
                        let length = ffi::sqlite3_value_bytes(value) as usize;
                        let blob = if length == 0 { &[] } else { std::slice::from_raw_parts(data.cast::<u8>(), length) };
                        batch.push_blob(blob);
                    }
                    _ => batch.push_null(),
                }
            }
        }
        Some(())
    }

    pub fn column_count(&self) -> usize {
        // SAFETY: the pointer is a live statement.
        unsafe { ffi::sqlite3_column_count(self.0.as_ptr()) as usize }
    }

    pub fn column_name(&self, index: usize) -> String {
        // SAFETY: the pointer is a live statement; SQLite returns NUL-terminated text or null.
        unsafe { text(ffi::sqlite3_column_name(self.0.as_ptr(), index as c_int)) }.unwrap_or_default()
    }

    pub fn column_decltype(&self, index: usize) -> Option<String> {
        // SAFETY: as above.
        unsafe { text(ffi::sqlite3_column_decltype(self.0.as_ptr(), index as c_int)) }
    }

    pub fn parameter_count(&self) -> usize {
        // SAFETY: the pointer is a live statement.
        unsafe { ffi::sqlite3_bind_parameter_count(self.0.as_ptr()) as usize }
    }

    pub fn parameter_name(&self, index: usize) -> Option<String> {
        // SAFETY: as above.
        unsafe { text(ffi::sqlite3_bind_parameter_name(self.0.as_ptr(), index as c_int)) }
    }

    /// Whether SQLite says that the statement changes nothing in the database file. <https://sqlite.org/c3ref/stmt_readonly.html>
    pub fn is_read_only(&self) -> bool {
        // SAFETY: the pointer is a live statement.
        unsafe { ffi::sqlite3_stmt_readonly(self.0.as_ptr()) != 0 }
    }
}

/// # Safety
/// `pointer` is null or NUL-terminated text that stays valid during the call.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
