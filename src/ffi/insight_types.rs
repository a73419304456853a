//! The types of what a store tells of itself: metrics, health, costs of statements, log.

use std::ffi::{c_char, c_void};

use super::types::*;

/// An open view of the log: a bounded line of events.
pub type kw_log = u64;

/// `kw_metrics_text`: the text of Prometheus, version 0.0.4.
pub const KW_METRICS_PROMETHEUS: u32 = 0;
/// `kw_metrics_text`: the text of OpenMetrics, version 1.0.0.
pub const KW_METRICS_OPENMETRICS: u32 = 1;

/// `kw_statement_report`: most time in all first.
pub const KW_BY_TOTAL: u32 = 0;
/// Most calls first.
pub const KW_BY_CALLS: u32 = 1;
/// Most time for each call first.
pub const KW_BY_MEAN: u32 = 2;
/// Longest call first.
pub const KW_BY_WORST: u32 = 3;
/// Most rows returned or changed first.
pub const KW_BY_ROWS: u32 = 4;
/// Most rows gone through in whole tables first.
pub const KW_BY_SCANNED: u32 = 5;

/// Connections that read.
pub const KW_ROLE_READER: u32 = 0;
/// The connection that writes.
pub const KW_ROLE_WRITER: u32 = 1;

/// No events.
pub const KW_LOG_OFF: u32 = 0;
/// What an operator has to look at: I/O errors, a full disk, a corrupt file.
pub const KW_LOG_ERROR: u32 = 1;
/// What may become a problem: slow calls, timeouts, forgotten transactions, a second SQLite library.
pub const KW_LOG_WARN: u32 = 2;
/// Stores opened and closed, migrations applied.
pub const KW_LOG_INFO: u32 = 3;
/// Errors that programs can expect, connections opened and closed, transactions run again.
pub const KW_LOG_DEBUG: u32 = 4;
/// Everything.
pub const KW_LOG_TRACE: u32 = 5;

/// One event of the log. Initialize with `KW_LOG_EVENT_INIT`. Its texts are NUL-terminated, and borrowed: in a callback until it returns,
/// from `kw_log_next` until the next call on the same handle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_log_event {
    /// `sizeof(kw_log_event)`.
    pub struct_size: u32,
    /// `KW_LOG_ERROR` to `KW_LOG_TRACE`.
    pub level: u32,
    /// When, in microseconds since 1970.
    pub time_us: i64,
    /// Events that this view has lost just before this one because it was full.
    pub dropped: u64,
    /// Which part of the library: `keepwell::slow`, `keepwell::error`, `keepwell::pool`, `keepwell::store`, …
    pub target: *const c_char,
    pub target_len: usize,
    /// A sentence for people.
    pub message: *const c_char,
    pub message_len: usize,
    /// The same for programs: a JSON object with `store` and what the event has besides.
    pub fields: *const c_char,
    pub fields_len: usize,
}

/// Called for each event, on the thread on which it happens, also on several at once: it must not take long, and no event of its own reaches
/// it.
pub type kw_log_callback = Option<unsafe extern "C" fn(event: *const kw_log_event, context: *mut c_void)>;

/// Whether a store can work now, and what an operator asks first. Initialize with `KW_HEALTH_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_health {
    /// `sizeof(kw_health)`.
    pub struct_size: u32,
    pub can_read: u32,
    pub can_write: u32,
    /// It does what it was opened for, and there is no problem.
    pub healthy: u32,
    /// Why not; empty when all is well. NUL-terminated.
    pub message: [c_char; 512],
    /// The pool: see `kw_stats`.
    pub max_open: u32,
    pub open: u32,
    pub in_use: u32,
    pub idle: u32,
    pub waiting: u32,
    /// Whether `schema_version` is known: the newest migration that is applied.
    pub has_schema_version: u32,
    pub schema_version: i64,
    /// Sizes of database and log in bytes; 0 where they are not known.
    pub database_bytes: u64,
    pub wal_bytes: u64,
    /// The error that a call ended with last, however long ago: its status (`KW_OK`: there was none), when, in milliseconds since 1970, and
    /// its message, cut where it is long. NUL-terminated.
    pub last_error_code: kw_status,
    pub last_error_reserved: u32,
    pub last_error_at_ms: u64,
    pub last_error: [c_char; 512],
}
