//! The types of migrations at the border to C.

#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};

use super::types::kw_options;

/// A set of migrations for one store.
pub type kw_migrations = u64;
/// What an operation on migrations found and did.
pub type kw_report = u64;

/// `kw_migrate`: apply what is pending, up to `version` and no more than `steps` of them where these are given.
pub const KW_MIGRATE_UP: i32 = 1;
/// Undo what is applied above `version` (0: all), or so many `steps`; without either the newest one.
pub const KW_MIGRATE_DOWN: i32 = 2;
/// Apply and undo until `version` is the newest one.
pub const KW_MIGRATE_TO: i32 = 3;
/// Undo the newest one and apply it again.
pub const KW_MIGRATE_REDO: i32 = 4;
/// Every migration that the source or the history knows. Writes nothing.
pub const KW_MIGRATE_STATUS: i32 = 5;
/// What `KW_MIGRATE_UP` would do. Writes nothing.
pub const KW_MIGRATE_PLAN: i32 = 6;
/// Does what `KW_MIGRATE_UP` would do, in one transaction, and rolls it back.
pub const KW_MIGRATE_DRY_RUN: i32 = 7;
/// Applies, undoes and applies again on a copy of the database, and says what differs.
pub const KW_MIGRATE_REHEARSE: i32 = 8;
/// Takes everything up to `version` for applied, without running it.
pub const KW_MIGRATE_BASELINE: i32 = 9;
/// Takes `version` for applied, without running it.
pub const KW_MIGRATE_MARK: i32 = 10;
/// Takes over the history of another tool, with its checksums verified.
pub const KW_MIGRATE_ADOPT: i32 = 11;
/// The status, and whether schema and rows are what the migrations left.
pub const KW_MIGRATE_VERIFY: i32 = 12;

/// `kw_migrate_options.flags`: `version` is given.
pub const KW_MIGRATE_HAS_VERSION: u32 = 1;
/// `kw_migrate_options.flags`: `steps` is given.
pub const KW_MIGRATE_HAS_STEPS: u32 = 2;

/// `kw_migrate_event.phase`: a migration begins; one of its statements has run; it is applied, or undone.
pub const KW_PHASE_BEGIN: u32 = 1;
pub const KW_PHASE_STATEMENT: u32 = 2;
pub const KW_PHASE_DONE: u32 = 3;

/// `direction`: applied by running it, undone, marked without running it, taken over from another tool.
pub const KW_DIRECTION_UP: u32 = 1;
pub const KW_DIRECTION_DOWN: u32 = 2;
pub const KW_DIRECTION_BASELINE: u32 = 3;
pub const KW_DIRECTION_ADOPT: u32 = 4;

/// `kw_report_migration.state`.
pub const KW_MIGRATION_PENDING: u32 = 1;
pub const KW_MIGRATION_APPLIED: u32 = 2;
/// Applied, and the source has another text.
pub const KW_MIGRATION_CHANGED: u32 = 3;
/// Applied, and the source does not have it.
pub const KW_MIGRATION_MISSING: u32 = 4;
/// Applied, and newer than all that the source has.
pub const KW_MIGRATION_NEWER: u32 = 5;
/// Pending below an applied one.
pub const KW_MIGRATION_OUT_OF_ORDER: u32 = 6;
/// Only a part of it has run.
pub const KW_MIGRATION_INTERRUPTED: u32 = 7;
/// Undone by this operation.
pub const KW_MIGRATION_REVERTED: u32 = 8;
/// Not run by a dry run, which cannot take it back.
pub const KW_MIGRATION_SKIPPED: u32 = 9;

/// `kw_report_migration.flags`: it can be undone; it runs inside a transaction.
pub const KW_MIGRATION_REVERSIBLE: u32 = 1;
pub const KW_MIGRATION_TRANSACTIONAL: u32 = 2;

/// One migration of the program's. Initialize with `KW_MIGRATION_INIT`. All is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_migration {
    /// `sizeof(kw_migration)`.
    pub struct_size: u32,
    pub reserved: u32,
    /// 0 or more, unique in the set.
    pub version: i64,
    /// NUL-terminated.
    pub description: *const c_char,
    /// The statements that apply it.
    pub up: *const c_char,
    /// In bytes, or `KW_NUL_TERMINATED`.
    pub up_len: usize,
    /// The statements that undo it; NULL: it cannot be undone.
    pub down: *const c_char,
    pub down_len: usize,
}

/// Hears of each migration and statement of a run, on the thread of `kw_migrate`; anything but 0 ends the run with `KW_CANCELLED`. What it
/// is told is valid during the call alone. It must not use the store.
pub type kw_migrate_progress = Option<unsafe extern "C" fn(event: *const kw_migrate_event, context: *mut c_void) -> i32>;

/// How an operation is done. Initialize with `KW_MIGRATE_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_migrate_options {
    /// `sizeof(kw_migrate_options)`.
    pub struct_size: u32,
    /// `KW_MIGRATE_HAS_…`.
    pub flags: u32,
    pub version: i64,
    pub steps: u64,
    pub progress: kw_migrate_progress,
    pub context: *mut c_void,
    /// Timeout (none by default: `query.timeout` does not hold), token, tick and flags; may be NULL.
    pub call: *const kw_options,
}

/// Something that a run does.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_migrate_event {
    /// `sizeof(kw_migrate_event)` of the library.
    pub struct_size: u32,
    /// `KW_PHASE_…`.
    pub phase: u32,
    pub version: i64,
    /// `KW_DIRECTION_UP` or `KW_DIRECTION_DOWN`.
    pub direction: u32,
    pub reserved: u32,
    /// Which migration of this run it is, from 1, and how many there will be as far as can be told.
    pub index: u64,
    pub total: u64,
    /// The number of the statement that has just run, from 1; 0 in other phases.
    pub statement: u64,
    /// How much of the migration's text is done, in bytes, and how long it is.
    pub offset: u64,
    pub length: u64,
    /// Rows changed by the statement, or by the migration.
    pub rows_changed: i64,
    /// UTF-8 with a length in bytes, not NUL-terminated.
    pub description: *const c_char,
    pub description_len: usize,
    pub file: *const c_char,
    pub file_len: usize,
    pub sql: *const c_char,
    pub sql_len: usize,
}

/// A report in numbers. Initialize with `KW_REPORT_SUMMARY_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_report_summary {
    /// `sizeof(kw_report_summary)`.
    pub struct_size: u32,
    /// Whether `before` and `version` are there: some migration was applied before, is applied now.
    pub has_before: u32,
    pub has_version: u32,
    pub reserved: u32,
    /// The newest version that was applied before, and that is applied now.
    pub before: i64,
    pub version: i64,
    /// Migrations that are pending now.
    pub pending: u64,
    /// How many `kw_report_migration_at`, `kw_report_problem_at` and `kw_report_table_at` have.
    pub migrations: u64,
    pub problems: u64,
    pub tables: u64,
    pub duration_us: u64,
}

/// One migration of a report. Initialize with `KW_REPORT_MIGRATION_INIT`. Texts are NUL-terminated, borrowed until the report is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_report_migration {
    /// `sizeof(kw_report_migration)`.
    pub struct_size: u32,
    /// `KW_MIGRATION_PENDING` and so on.
    pub state: u32,
    /// `KW_DIRECTION_…`.
    pub direction: u32,
    /// `KW_MIGRATION_REVERSIBLE`, `KW_MIGRATION_TRANSACTIONAL`.
    pub flags: u32,
    pub version: i64,
    /// Statements run, and rows that they changed.
    pub statements: u64,
    pub rows_changed: i64,
    pub duration_us: u64,
    pub description: *const c_char,
    /// Empty for a migration given by the program, or one that the source does not have.
    pub file: *const c_char,
    /// SHA-256 of the text with line ends made alike, in hexadecimal.
    pub checksum: *const c_char,
    /// UTC, as `2026-01-31T12:00:00.000Z`; empty when it is not applied.
    pub applied_at: *const c_char,
}

/// Something that is wrong or worth knowing. Initialize with `KW_REPORT_PROBLEM_INIT`. Texts as in `kw_report_migration`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_report_problem {
    /// `sizeof(kw_report_problem)`.
    pub struct_size: u32,
    pub has_version: u32,
    pub version: i64,
    /// `changed`, `missing`, `newer`, `out_of_order`, `gap`, `interrupted`, `drift`, `foreign_key`, `irreversible`, `rows`, `schema`, `note`.
    pub kind: *const c_char,
    pub message: *const c_char,
}

/// The rows of a table before and after; -1 where the table was or is not there. Initialize with `KW_REPORT_TABLE_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_report_table {
    /// `sizeof(kw_report_table)`.
    pub struct_size: u32,
    pub reserved: u32,
    pub before: i64,
    pub after: i64,
    /// NUL-terminated, borrowed until the report is freed.
    pub table: *const c_char,
}

/// A column of a rebuilt table with the expression over the old table that fills it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kw_rebuild_column {
    /// NUL-terminated.
    pub name: *const c_char,
    /// An SQL expression, NUL-terminated.
    pub expression: *const c_char,
}
