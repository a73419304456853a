//! The types that cross the border: numbers, cells, and structs that begin with their size.

use std::ffi::{c_char, c_void};

/// The answer of nearly every function: `KW_OK`, `KW_ROW`, `KW_DONE`, or the number of an error.
/// Numbers are never reused. `kw_status_name` gives a number's name.
pub type kw_status = i32;

/// Success.
pub const KW_OK: kw_status = 0;
/// An engine error that has no class of its own.
pub const KW_ERROR: kw_status = 1;
/// Wrong use: a NULL argument, a second thread on one handle, calls in the wrong order, a second SQLite library beside keepwell on one file
/// where `options.second_sqlite` is `refuse`.
pub const KW_MISUSE: kw_status = 2;
/// A handle that is 0, stale, of another kind, or closed.
pub const KW_INVALID_HANDLE: kw_status = 3;
/// A handle that this process inherited through fork(). Open a store of this process instead.
pub const KW_FORKED: kw_status = 4;
/// A panic inside keepwell, stopped at the border. The connection concerned is discarded; everything else goes on.
pub const KW_PANIC: kw_status = 5;
/// A configuration key or value that is wrong; the message names the right one.
pub const KW_CONFIG: kw_status = 6;
/// SQL that the engine does not accept; `sql_offset` says where.
pub const KW_SQL: kw_status = 7;
/// Too few, too many or misnamed parameters.
pub const KW_PARAMETER: kw_status = 8;
/// A constraint was violated; `engine_extended_code` says which.
pub const KW_CONSTRAINT: kw_status = 9;
/// Another process holds the database's lock.
pub const KW_BUSY: kw_status = 10;
/// The call's deadline passed.
pub const KW_TIMEOUT: kw_status = 11;
/// The call was cancelled by its token or tick.
pub const KW_CANCELLED: kw_status = 12;
/// No connection became free in time; the message names who holds them.
pub const KW_EXHAUSTED: kw_status = 13;
/// The calling thread would have waited for a connection that it holds itself.
pub const KW_SELF_DEADLOCK: kw_status = 14;
/// The store is closing or closed.
pub const KW_CLOSED: kw_status = 15;
/// A write through something that may only read.
pub const KW_READ_ONLY: kw_status = 16;
/// The operating system reported an I/O error.
pub const KW_IO: kw_status = 17;
/// The disk or the database is full.
pub const KW_FULL: kw_status = 18;
/// The file is corrupt, or no database.
pub const KW_CORRUPT: kw_status = 19;
/// The file could not be opened.
pub const KW_CANT_OPEN: kw_status = 20;
/// Memory ran out.
pub const KW_NO_MEMORY: kw_status = 21;
/// A value, row or statement is over a limit.
pub const KW_TOO_BIG: kw_status = 22;
/// Another process committed first: run the transaction again from its start.
pub const KW_CONFLICT: kw_status = 23;
/// The transaction has already ended.
pub const KW_TX_ENDED: kw_status = 24;
/// Text that is not UTF-8, or a NUL inside SQL.
pub const KW_ENCODING: kw_status = 25;
/// The operating system does not permit it.
pub const KW_PERMISSION: kw_status = 26;
/// With `KW_OPTION_NO_WRITER`: the statement writes. Call again without the flag.
pub const KW_NEEDS_WRITER: kw_status = 27;
/// The engine or this build cannot do it.
pub const KW_UNSUPPORTED: kw_status = 28;
/// The process-wide store was not initialized.
pub const KW_NOT_INITIALIZED: kw_status = 29;
/// The process-wide store was initialized already.
pub const KW_ALREADY_INITIALIZED: kw_status = 30;
/// A `struct_size` that this library does not know, or an unknown field that is not zero.
pub const KW_ABI: kw_status = 31;
/// A cell is not of the type that was asked for, or does not fit.
pub const KW_TYPE: kw_status = 32;
/// A migration that cannot be applied as things are: its set, its history or its text; the message names files, versions and the cure.
pub const KW_MIGRATION: kw_status = 33;
/// The database has migrations that this program does not know: it was migrated by a newer program.
pub const KW_SCHEMA_NEWER: kw_status = 34;
/// `kw_rows_step`: there is a row.
pub const KW_ROW: kw_status = 100;
/// `kw_rows_step`: there is no further row.
pub const KW_DONE: kw_status = 101;

/// A store: a database that is open.
pub type kw_store = u64;
/// Where SQL runs: a `kw_store`, `kw_tx`, `kw_conn`, or one of these with default options attached (`kw_target_derive`).
pub type kw_target = u64;
/// The rows of a query. Used by one thread at a time.
pub type kw_rows = u64;
/// A transaction, or a savepoint inside one. Used by one thread at a time.
pub type kw_tx = u64;
/// A pinned connection. Used by one thread at a time.
pub type kw_conn = u64;
/// A prepared statement, valid on every connection of its store, from any thread.
pub type kw_statement = u64;
/// A switch that ends calls.
pub type kw_cancel = u64;
/// A configuration that is being built.
pub type kw_config = u64;

/// The process-wide store (`kw_initialize`), accepted wherever a store or target is.
pub const KW_INSTANCE: kw_store = 1;
/// As a length: the text ends at its NUL. In the header it is a macro of its own, as cbindgen does not know the largest `size_t`.
/// cbindgen:ignore
pub const KW_NUL_TERMINATED: usize = usize::MAX;

/// SQL NULL. A zeroed cell is NULL.
pub const KW_NULL: u32 = 0;
/// A 64-bit signed integer in `value.integer`.
pub const KW_INTEGER: u32 = 1;
/// A double in `value.real`.
pub const KW_REAL: u32 = 2;
/// UTF-8 text at `value.data`, `length` bytes. As a parameter, a length of `UINT32_MAX` means NUL-terminated.
pub const KW_TEXT: u32 = 3;
/// Bytes at `value.data`, `length` of them.
pub const KW_BLOB: u32 = 4;
/// Parameters only: text, `value.integer` bytes after the start of the *first* cell of the array. A block of parameters without pointers.
pub const KW_TEXT_AT: u32 = 5;
/// Parameters only: bytes, addressed as with `KW_TEXT_AT`.
pub const KW_BLOB_AT: u32 = 6;

/// What a cell holds, by its type.
#[repr(C)]
#[derive(Clone, Copy)]
pub union kw_value {
    pub integer: i64,
    pub real: f64,
    pub data: *const c_void,
}

/// One value in 16 bytes: a parameter, or a cell of a result. Text of a result is followed by a NUL byte that `length` does not count.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_cell {
    pub value: kw_value,
    /// Bytes of text or blob; 0 otherwise.
    pub length: u32,
    /// `KW_NULL` … `KW_BLOB_AT`.
    pub r#type: u32,
}

/// The room for an error's message, its NUL included.
pub const KW_MESSAGE_SIZE: usize = 512;

/// What went wrong. The caller owns it; initialize it with `KW_ERROR_INIT`. Written only when a call fails; nothing to free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_error {
    /// `sizeof(kw_error)`.
    pub struct_size: u32,
    /// The status that the call returned.
    pub code: kw_status,
    /// The engine's primary code (SQLite: 19 for SQLITE_CONSTRAINT), 0 where the engine was not asked.
    pub engine_code: i32,
    /// The engine's extended code (SQLite: 2067 for SQLITE_CONSTRAINT_UNIQUE).
    pub engine_extended_code: i32,
    /// The byte in the SQL that the error is about, -1 where unknown.
    pub sql_offset: i32,
    /// `KW_ERROR_…` flags.
    pub flags: u32,
    /// The five-character SQLSTATE class, NUL-terminated.
    pub sqlstate: [c_char; 8],
    /// Operation, object, numbers and cure: UTF-8, NUL-terminated, cut at a character's edge.
    pub message: [c_char; 512],
}

/// The same statement may succeed when run again.
pub const KW_ERROR_RETRY_STATEMENT: u32 = 1;
/// The whole transaction may succeed when run again from its start.
pub const KW_ERROR_RETRY_TRANSACTION: u32 = 2;
/// A new connection is needed; the pool has dropped the broken one.
pub const KW_ERROR_RECONNECT: u32 = 4;
/// The deadline passed.
pub const KW_ERROR_TIMED_OUT: u32 = 8;
/// The caller cancelled.
pub const KW_ERROR_CANCELLED: u32 = 16;
/// The commit is durable although an error is reported.
pub const KW_ERROR_COMMITTED: u32 = 32;
/// The engine rolled the whole transaction back.
pub const KW_ERROR_ROLLED_BACK: u32 = 64;

/// Called on the calling thread about every 20 ms while a call waits or runs long; non-zero cancels the call.
/// It must not use the transaction, connection or rows of that call, nor write to its store, and must not unwind.
pub type kw_tick = Option<unsafe extern "C" fn(context: *mut c_void) -> i32>;

/// The body of a transaction (`kw_tx_run`), called on the calling thread. `KW_OK` commits; every other value rolls back and comes out of
/// `kw_tx_run`: the status of a call that failed, or a negative number of the program's own. It hands `err`, which the library owns, on to
/// the calls it makes: there the library reads whether to run the body again. It must not unwind (C++ exceptions, longjmp).
pub type kw_tx_body = Option<unsafe extern "C" fn(tx: kw_tx, context: *mut c_void, err: *mut kw_error) -> i32>;

/// Options of one call; NULL or all zero is right for most. Initialize with `KW_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_options {
    /// `sizeof(kw_options)`.
    pub struct_size: u32,
    /// `KW_OPTION_…` flags.
    pub flags: u32,
    /// Microseconds for queue, locks, execution and retries together; 0: the store's `query.timeout`; negative: none.
    /// For rows that are still being fetched it counts anew for each fetch.
    pub timeout_us: i64,
    /// A token that ends the call; 0: none.
    pub cancel: kw_cancel,
    /// Run this prepared statement; `sql` must be NULL then. 0: none.
    pub statement: kw_statement,
    /// NULL: parameters in order. Else one NUL-terminated name per parameter, with or without its `:`, `@` or `$`.
    pub param_names: *const *const c_char,
    /// Hears of a call that takes long; NULL: nobody. Must stay valid until rows that it was given for are closed.
    pub tick: kw_tick,
    /// Passed to `tick`.
    pub tick_context: *mut c_void,
    /// `KW_CACHE_…`: what a query wants of the cache of results. Inside transactions and on pinned connections it is neither read nor filled.
    pub cache: i32,
    /// Rows in a batch; 0: the store's `query.batch_rows` (256). A result from the cache is one batch.
    pub batch_rows: u32,
    /// Milliseconds: how old a result from the cache may be, and how long what is kept may serve; 0: `query.cache_ttl`, else `cache.ttl`.
    pub cache_ttl_ms: i64,
}

/// The engine refuses every write of the call (`KW_READ_ONLY`). For `kw_conn_acquire`: a reader instead of the writer.
pub const KW_OPTION_READ_ONLY: u32 = 1;
/// Do not keep the statement prepared.
pub const KW_OPTION_UNPREPARED: u32 = 2;
/// Queries only: answer `KW_NEEDS_WRITER` instead of waiting for the writer.
pub const KW_OPTION_NO_WRITER: u32 = 4;
/// The call is not tied to its operating-system thread (goroutines): no look for waits of a thread for itself.
pub const KW_OPTION_UNBOUND: u32 = 8;
/// `kw_query_into` only: the first row holds the column names as text.
pub const KW_OPTION_COLUMN_NAMES: u32 = 16;

/// `kw_tx_begin` only: timeout and token hold for all calls of the transaction, fetches included, and not for its beginning alone. Nothing
/// ends a commit or rollback.
pub const KW_OPTION_WHOLE: u32 = 32;
/// Queries of a store only: answer `KW_EXHAUSTED` instead of running the statement when the cache has no result. Needs no connection.
pub const KW_OPTION_CACHED: u32 = 64;

/// As the store is configured: `cache.enabled` and `query.use_cache`.
pub const KW_CACHE_DEFAULT: i32 = 0;
/// Take the result from the cache if it holds, else run the query and keep what it gives. No effect where `cache.enabled` is false.
pub const KW_CACHE_USE: i32 = 1;
/// Neither look nor keep.
pub const KW_CACHE_SKIP: i32 = 2;
/// Run the query and replace what is cached.
pub const KW_CACHE_REFRESH: i32 = 3;

/// What a write changed. Initialize with `KW_RESULT_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_result {
    /// `sizeof(kw_result)`.
    pub struct_size: u32,
    pub reserved: u32,
    /// The key of the row inserted last, 0 if the statement inserted none.
    pub last_insert_id: i64,
    /// Rows that the statement itself inserted, updated or deleted, without those of triggers and cascades.
    pub rows_affected: i64,
}

/// One write of a `kw_execute_group`. Initialize with `KW_WRITE_INIT`. The first fields say what to run, as the arguments of `kw_execute` and
/// `kw_query_into` do; the last ones get what became of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_write {
    /// `sizeof(kw_write)`, the same in each element of an array.
    pub struct_size: u32,
    /// Out: what the call would have returned for this write alone.
    pub status: kw_status,
    /// NULL when `options->statement` is given.
    pub sql: *const c_char,
    pub sql_len: usize,
    pub params: *const kw_cell,
    pub param_count: usize,
    /// The options of this write alone, or NULL.
    pub options: *const kw_options,
    /// Memory for rows (RETURNING), 8-byte aligned; used when `fetch` is not NULL.
    pub buffer: *mut c_void,
    pub buffer_size: usize,
    /// Out: what was put into the buffer. NULL: rows are dropped.
    pub fetch: *mut kw_fetch,
    /// Out: what was changed, when `fetch` is NULL. May be NULL.
    pub result: *mut kw_result,
    /// Out, on failure. May be NULL.
    pub error: *mut kw_error,
}

/// Some rows, row by row, in the library's memory: valid until the next call on the rows. Initialize with `KW_BATCH_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_batch {
    /// `sizeof(kw_batch)`.
    pub struct_size: u32,
    pub columns: u32,
    /// 0 at the end.
    pub rows: u32,
    /// `KW_BATCH_…`.
    pub flags: u32,
    /// `rows × columns` cells.
    pub cells: *const kw_cell,
}

/// Nothing follows this batch.
pub const KW_BATCH_LAST: u32 = 1;
/// No statement was run for this result: it was kept from an earlier query and still holds.
pub const KW_BATCH_CACHED: u32 = 2;

/// What a fetch put into the caller's memory: `rows × columns` cells from its start, then the bytes they point to.
/// Initialize with `KW_FETCH_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_fetch {
    /// `sizeof(kw_fetch)`.
    pub struct_size: u32,
    pub columns: u32,
    /// Rows in the memory, the one with the column names included.
    pub rows: u32,
    /// `KW_BATCH_…`.
    pub flags: u32,
    /// Equal numbers from one store mean equal column names.
    pub columns_id: u64,
    /// When not even the next row fitted (`rows` is 0 and `more` is not): the bytes that it needs.
    pub needed: u64,
    /// 0 when the result is complete, else the rows that follow: fetch on, or close them.
    pub more: kw_rows,
}

/// What is known of a prepared statement. Initialize with `KW_STATEMENT_INFO_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_statement_info {
    /// `sizeof(kw_statement_info)`.
    pub struct_size: u32,
    pub parameter_count: u32,
    pub column_count: u32,
    /// 1 when the engine says that it changes nothing in the database.
    pub read_only: u32,
}

/// The state of a store's pool. Initialize with `KW_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_stats {
    /// `sizeof(kw_stats)`.
    pub struct_size: u32,
    /// Connections that there may be.
    pub max_open: u32,
    /// Connections that are open.
    pub open: u32,
    pub in_use: u32,
    pub idle: u32,
    /// Callers waiting for a connection now.
    pub waiting: u32,
    /// Waits for a connection so far, and their nanoseconds.
    pub waits: u64,
    pub wait_ns: u64,
    /// Connections opened so far, and closed, by reason.
    pub opened: u64,
    pub closed_max_idle: u64,
    pub closed_idle_time: u64,
    pub closed_lifetime: u64,
    pub closed_broken: u64,
    /// Leases that came back with something open, which was undone.
    pub resets: u64,
    /// Connections that came back changed and were discarded.
    pub discards: u64,
    /// Waits that ended without a connection.
    pub exhausted: u64,
    pub self_deadlocks: u64,
    /// Times the log was copied into the database.
    pub checkpoints: u64,
    /// Frames (pages) in the log now.
    pub log_frames: u64,
    /// Transactions that single writes of several callers shared (`writer.group_commit`), and the writes in them.
    pub groups: u64,
    pub grouped_writes: u64,
    /// Writes that were run again because another one had ended the transaction that they shared.
    pub replayed_writes: u64,
}

/// The cache of results in numbers. Initialize with `KW_CACHE_STATS_INIT`. Each query that asked for the cache and succeeded is one of hits,
/// misses and bypasses.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_cache_stats {
    /// `sizeof(kw_cache_stats)`.
    pub struct_size: u32,
    /// 0 where `cache.enabled` is false.
    pub enabled: u32,
    pub hits: u64,
    /// Queries that were run and whose results could be kept.
    pub misses: u64,
    /// Queries that were run and whose results could not be kept, by reason: `cache.enabled` is false;
    pub bypass_disabled: u64,
    /// inside a transaction or on a pinned connection;
    pub bypass_transaction: u64,
    /// no single SELECT;
    pub bypass_statement: u64,
    /// a function whose result may depend on more than its arguments;
    pub bypass_function: u64,
    /// a table-valued function whose changes nobody can follow;
    pub bypass_table: u64,
    /// a commit of this store was becoming visible at that moment;
    pub bypass_under_way: u64,
    /// the schema could not be read, or was changing;
    pub bypass_schema: u64,
    /// larger than a sixteenth of `cache.max_bytes`, or read only in part.
    pub bypass_size: u64,
    /// Results that left because something that they rest on had changed, because of their age, and for want of room.
    pub invalidated: u64,
    pub expired: u64,
    pub evicted: u64,
    /// Results kept now, and their bytes with what goes with them.
    pub entries: u64,
    pub bytes: u64,
    /// `cache.size` and `cache.max_bytes`.
    pub max_entries: u64,
    pub max_bytes: u64,
}

/// `kw_tx_begin`: immediate.
pub const KW_TX_DEFAULT: i32 = 0;
/// Takes the database's write lock at its first write; that write may be a `KW_CONFLICT`.
pub const KW_TX_DEFERRED: i32 = 1;
/// Takes the database's write lock at once.
pub const KW_TX_IMMEDIATE: i32 = 2;
/// Like immediate; outside WAL mode it keeps readers of other processes out too.
pub const KW_TX_EXCLUSIVE: i32 = 3;
/// On a reader: one snapshot for all its queries, no writes.
pub const KW_TX_READ_ONLY: i32 = 4;
