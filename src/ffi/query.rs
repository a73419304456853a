//! Running SQL: query, execute, execute_many, execute_script, on any target.

use std::ffi::{c_char, c_void};

use super::call::Call;
use super::fill::{Filled, Space};
use super::guard::guard;
use super::rows::Reader;
use super::shortcut::{self, Asked};
use super::target::{on_target, On};
use super::text::{give, read, text, Lent, Out, Values};
use super::types::*;
use crate::driver::Changes;
use crate::error::{Error, Kind, Result};
use crate::exec::Matrix;
use crate::options::QueryOptions;
use crate::store::{Shortcut, Statement};
use crate::value::{Params, ValueRef};

/// One request, read from the arguments that all functions of this page share.
struct Request {
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    count: usize,
    options: *const kw_options,
    /// How many names there are, where the options have names.
    names: usize,
}

/// The parameters of a request.
#[derive(Clone, Copy)]
struct Given<'a> {
    values: &'a [ValueRef<'a>],
    names: Option<&'a [&'a str]>,
}

impl<'a> Given<'a> {
    /// As those of a single run.
    #[inline]
    fn once(self) -> Params<'a> {
        self.names.map_or(Params::positional(self.values), |names| Params::named(names, self.values))
    }
}

impl Request {
    /// # Safety
    /// The arguments keep the promises of the header.
    #[inline]
    unsafe fn run<R>(&self, work: impl FnOnce(On<'_>, &str, Given<'_>, &QueryOptions<'_>, &Call) -> Result<R>) -> Result<R> {
        // SAFETY: the caller's promises, for the time of the call.
        unsafe {
            let call = Call::new(self.options)?;
            let mut room = Values::EMPTY;
            let values = room.read(self.params, self.count)?;
            let statement = call.statement()?;
            let sql = sql_of(self.sql, self.sql_len, statement.as_deref())?;
            let names = call.names(self.names)?;
            let params = Given { values, names: names.as_deref() };
            on_target(self.target, &call, |on, call| work(on, sql, params, &call.options()?, call))
        }
    }
}

/// The SQL of a call: its text, or that of its prepared statement.
///
/// # Safety
/// As [`text`].
#[inline]
pub unsafe fn sql_of(sql: *const c_char, length: usize, statement: Option<&(Statement, Lent)>) -> Result<&str> {
    match statement {
        Some(statement) if sql.is_null() => Ok(statement.0.sql()),
        Some(_) => Err(Error::new(Kind::Misuse, "sql: has to be NULL when options.statement is given")),
        None if sql.is_null() => Err(super::text::null("sql")),
        // SAFETY: the caller's promise.
        None => unsafe { text(sql, length, "sql") },
    }
}

/// Runs one statement and returns its rows.
///
/// A read runs on a reader; a result that fits into the first batch has given its connection back when this returns, a longer one holds
/// it until the rows are closed or read to their end. A write (INSERT … RETURNING) runs to its end on the writer and is committed when this
/// returns. Blocks while no connection is free, another process holds the lock, or the statement runs, up to the timeout.
/// Errors: `KW_SQL`, `KW_PARAMETER`, `KW_TIMEOUT`, `KW_CANCELLED`, `KW_EXHAUSTED`, `KW_SELF_DEADLOCK`, …; see the table of statuses.
#[no_mangle]
pub unsafe extern "C" fn kw_query(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    param_count: usize,
    options: *const kw_options,
    rows: *mut kw_rows,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        if rows.is_null() {
            return Err(super::text::null("rows"));
        }
        let request = Request { target, sql, sql_len, params, count: param_count, options, names: param_count };
        // SAFETY: the caller keeps the promises of the header.
        let reader =
            unsafe { request.run(|on, sql, params, options, call| Reader::new(on.query(sql, params.once(), options)?, on.store(), call))? };
        let handle = reader.into_handle()?;
        // SAFETY: as above.
        unsafe { give(rows, handle, "rows")? };
        Ok(KW_OK)
    })
}

/// Runs one statement and copies its rows into the caller's memory: nothing to close when all of them fit.
///
/// The memory (8-byte aligned) gets `rows × columns` cells and behind them the bytes that they point to. When there are more rows than fit,
/// `out->more` is a rows handle with the rest. Otherwise like `kw_query`.
#[no_mangle]
pub unsafe extern "C" fn kw_query_into(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    param_count: usize,
    options: *const kw_options,
    buffer: *mut c_void,
    buffer_size: usize,
    out: *mut kw_fetch,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = Out::new(out, "out")?;
            let space = Space::new(buffer, buffer_size)?;
            let asked = Asked { target, sql, sql_len, params, count: param_count };
            let mut given;
            let mut options = options;
            match shortcut::hit(&asked, options, space)? {
                Shortcut::Hit(fetch) => {
                    out.write(fetch);
                    return Ok(KW_OK);
                }
                Shortcut::Miss => {
                    given = read(options, "options")?.unwrap_or_else(|| std::mem::zeroed::<kw_options>());
                    (given.struct_size, given.cache) = (size_of::<kw_options>() as u32, KW_CACHE_REFRESH);
                    options = &given;
                }
                Shortcut::Nothing => {}
            }
            let request = Request { target, sql, sql_len, params, count: param_count, options, names: param_count };
            let fetch = request.run(|on, sql, params, options, call| {
                let with_names = call.has(KW_OPTION_COLUMN_NAMES);
                let (filled, rest) =
                    on.query_first(sql, params.once(), options, |columns, first| Filled::first(space, columns, first, with_names))?;
                filled.finish(rest, on.store(), call)
            })?;
            out.write(fetch);
        }
        Ok(KW_OK)
    })
}

/// Runs one statement to its end on the writer and says what it changed; committed when this returns, unless the target is a transaction.
/// Rows that it returns are dropped. `out` may be NULL. Blocks and fails like `kw_query`.
#[no_mangle]
pub unsafe extern "C" fn kw_execute(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    param_count: usize,
    options: *const kw_options,
    out: *mut kw_result,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let request = Request { target, sql, sql_len, params, count: param_count, options, names: param_count };
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = optional(out)?;
            let changes = request.run(|on, sql, params, options, _| on.execute(sql, params.once(), options))?;
            write_result(out, changes);
        }
        Ok(KW_OK)
    })
}

/// Runs one statement for each of `row_count` rows of `column_count` parameters, row after row in `params`, in one transaction (a savepoint,
/// when the target is a transaction): all of them, or none. `rows_affected` is their sum. `out` may be NULL. `options.param_names`, where
/// given, names the columns.
#[no_mangle]
pub unsafe extern "C" fn kw_execute_many(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    column_count: usize,
    row_count: usize,
    options: *const kw_options,
    out: *mut kw_result,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let too_many = || Error::new(Kind::Parameter, format!("{row_count} rows of {column_count} parameters are too many for one call"));
        let count = column_count.checked_mul(row_count).ok_or_else(too_many)?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = optional(out)?;
            let request = Request { target, sql, sql_len, params, count, options, names: column_count };
            let changes = request.run(|on, sql, params, options, _| {
                let matrix = Matrix::new(params.values, column_count, row_count)?;
                let matrix = params.names.map_or(Ok(matrix), |names| matrix.with_names(names))?;
                on.execute_many(sql, matrix, options)
            })?;
            write_result(out, changes);
        }
        Ok(KW_OK)
    })
}

/// Runs the statements of a script one after another; the engine finds where each one ends, so triggers, strings and comments are safe.
///
/// On a store the script is one transaction and an error undoes all of it, unless it has BEGIN and COMMIT of its own, changes settings of the
/// connection by PRAGMA, or runs VACUUM: what came before is committed then. Inside a transaction it must not end that. Rows are dropped.
/// `rows_affected` is the sum; `out` may be NULL. An error's `sql_offset` counts from the start of the script.
#[no_mangle]
pub unsafe extern "C" fn kw_execute_script(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    options: *const kw_options,
    out: *mut kw_result,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = optional(out)?;
            let request = Request { target, sql, sql_len, params: std::ptr::null(), count: 0, options, names: 0 };
            let changes = request.run(|on, sql, _, options, _| on.execute_script(sql, options))?;
            write_result(out, changes);
        }
        Ok(KW_OK)
    })
}

/// # Safety
/// `out` is NULL or a valid struct.
pub unsafe fn optional(out: *mut kw_result) -> Result<Option<Out<kw_result>>> {
    if out.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { Out::new(out, "out").map(Some) }
}

pub fn write_result(out: Option<Out<kw_result>>, changes: Changes) {
    if let Some(out) = out {
        let Changes { last_insert_id, rows_affected } = changes;
        out.write(kw_result { struct_size: 0, reserved: 0, last_insert_id, rows_affected });
    }
}
