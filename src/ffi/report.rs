//! Reports of operations on migrations, read piece by piece or as JSON.

use std::ffi::c_char;
use std::sync::Arc;

use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::migration_types::*;
use super::text::{copy_out, Lent, Out};
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::migrate::report::{Direction, State};
use crate::migrate::Report;

/// A report with the texts lent from it.
pub struct Lender {
    report: Report,
    texts: Lent,
}

fn find(report: kw_report) -> Result<Arc<Lender>> {
    handle::get(report, Kinds::Report, |object| match object {
        Object::Report(report) => Some(report.clone()),
        _ => None,
    })
}

/// Gives a report to the caller, who may not want it.
///
/// # Safety
/// `out` is NULL or valid for a write.
pub(super) unsafe fn hand_out(report: Report, out: *mut kw_report) -> Result<kw_status> {
    if !out.is_null() {
        let handle = handle::insert(Object::Report(Arc::new(Lender { report, texts: Lent::default() })))?;
        // SAFETY: the caller's promise.
        unsafe { out.write(handle) };
    }
    Ok(KW_OK)
}

pub(super) fn direction_number(direction: Direction) -> u32 {
    match direction {
        Direction::Up => KW_DIRECTION_UP,
        Direction::Down => KW_DIRECTION_DOWN,
        Direction::Baseline => KW_DIRECTION_BASELINE,
        Direction::Adopt => KW_DIRECTION_ADOPT,
    }
}

fn state_number(state: State) -> u32 {
    match state {
        State::Pending => KW_MIGRATION_PENDING,
        State::Applied => KW_MIGRATION_APPLIED,
        State::Changed => KW_MIGRATION_CHANGED,
        State::Missing => KW_MIGRATION_MISSING,
        State::Newer => KW_MIGRATION_NEWER,
        State::OutOfOrder => KW_MIGRATION_OUT_OF_ORDER,
        State::Interrupted => KW_MIGRATION_INTERRUPTED,
        State::Reverted => KW_MIGRATION_REVERTED,
        State::Skipped => KW_MIGRATION_SKIPPED,
    }
}

/// The report in numbers.
#[no_mangle]
pub unsafe extern "C" fn kw_report_describe(report: kw_report, out: *mut kw_report_summary, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        let found = find(report)?;
        let report = &found.report;
        out.write(kw_report_summary {
            struct_size: 0,
            has_before: report.before.is_some().into(),
            has_version: report.version.is_some().into(),
            reserved: 0,
            before: report.before.unwrap_or_default(),
            version: report.version.unwrap_or_default(),
            pending: report.pending as u64,
            migrations: report.migrations.len() as u64,
            problems: report.problems.len() as u64,
            tables: report.tables.len() as u64,
            duration_us: report.duration_us,
        });
        Ok(KW_OK)
    })
}

/// One migration of the report, counted from 0. Its texts are borrowed until the report is freed.
#[no_mangle]
pub unsafe extern "C" fn kw_report_migration_at(
    report: kw_report,
    index: usize,
    out: *mut kw_report_migration,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        let found = find(report)?;
        let line = found.report.migrations.get(index).ok_or_else(|| none("migration", index))?;
        let lend = |place, text: &str| found.texts.lend((place, index), Some(text)).0;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        out.write(kw_report_migration {
            struct_size: 0,
            state: state_number(line.state),
            direction: direction_number(line.direction),
            flags: flag(line.reversible, KW_MIGRATION_REVERSIBLE) | flag(line.transactional, KW_MIGRATION_TRANSACTIONAL),
            version: line.version,
            statements: line.statements,
            rows_changed: line.rows_changed,
            duration_us: line.duration_us,
            description: lend(0, &line.description),
            file: lend(1, &line.file),
            checksum: lend(2, &line.checksum),
            applied_at: lend(3, &line.applied_at),
        });
        Ok(KW_OK)
    })
}

/// One problem or note of the report, counted from 0. Its texts are borrowed until the report is freed.
#[no_mangle]
pub unsafe extern "C" fn kw_report_problem_at(
    report: kw_report,
    index: usize,
    out: *mut kw_report_problem,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        let found = find(report)?;
        let problem = found.report.problems.get(index).ok_or_else(|| none("problem", index))?;
        let lend = |place, text: &str| found.texts.lend((place, index), Some(text)).0;
        out.write(kw_report_problem {
            struct_size: 0,
            has_version: problem.version.is_some().into(),
            version: problem.version.unwrap_or_default(),
            kind: lend(4, &problem.kind),
            message: lend(5, &problem.message),
        });
        Ok(KW_OK)
    })
}

/// One table of the report, counted from 0. Its name is borrowed until the report is freed.
#[no_mangle]
pub unsafe extern "C" fn kw_report_table_at(report: kw_report, index: usize, out: *mut kw_report_table, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        let found = find(report)?;
        let table = found.report.tables.get(index).ok_or_else(|| none("table", index))?;
        out.write(kw_report_table {
            struct_size: 0,
            reserved: 0,
            before: table.before.unwrap_or(-1),
            after: table.after.unwrap_or(-1),
            table: found.texts.lend((6, index), Some(&table.table)).0,
        });
        Ok(KW_OK)
    })
}

fn none(what: &str, index: usize) -> Error {
    Error::new(Kind::Misuse, format!("report: there is no {what} {index}, counted from 0"))
}

/// All of the report as a JSON object: operation, before, version, pending, migrations, problems, tables, adopted_from, ignored,
/// schema_hash, snapshot, duration_us. `length` is that of all of it, without the NUL; what does not fit is cut.
#[no_mangle]
pub unsafe extern "C" fn kw_report_json(
    report: kw_report,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let found = find(report)?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { copy_out(&found.report.to_json(), buffer, size, length)? };
        Ok(KW_OK)
    })
}

/// Frees a report and the texts lent from it. Harmless for one that is freed already.
#[no_mangle]
pub unsafe extern "C" fn kw_report_free(report: kw_report) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::take(report, Kinds::Report)?;
        Ok(KW_OK)
    })
}
