//! Prepared statements: checked once, valid on every connection of their store.

use std::ffi::c_char;
use std::sync::Arc;

use super::call::Call;
use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::target::on_target;
use super::text::{give, text, Lent, Out};
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::store::Statement;

/// The statement behind a handle, with the texts lent from it.
pub fn find(statement: kw_statement) -> Result<Arc<(Statement, Lent)>> {
    handle::get(statement, Kinds::Statement, |object| match object {
        Object::Statement(statement) => Some(statement.clone()),
        _ => None,
    })
}

/// Checks a statement against the target's store. Run it by `options.statement` of the query functions. Every connection prepares it for
/// itself the first time. Blocks like `kw_query`. Errors: `KW_SQL`, `KW_ENCODING`, ….
#[no_mangle]
pub unsafe extern "C" fn kw_prepare(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    options: *const kw_options,
    out: *mut kw_statement,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(super::text::null("out"));
        }
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let call = Call::new(options)?;
            if sql.is_null() {
                return Err(super::text::null("sql"));
            }
            let sql = text(sql, sql_len, "sql")?;
            let statement = on_target(target, &call, |on, call| on.prepare(sql, &call.options()?))?;
            give(out, handle::insert(Object::Statement(Arc::new((statement, Lent::default()))))?, "out")?;
        }
        Ok(KW_OK)
    })
}

/// What is known of a statement.
#[no_mangle]
pub unsafe extern "C" fn kw_statement_describe(statement: kw_statement, out: *mut kw_statement_info, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        let statement = find(statement)?;
        let plan = statement.0.plan();
        out.write(kw_statement_info {
            struct_size: 0,
            parameter_count: plan.parameters.len() as u32,
            column_count: plan.columns.len() as u32,
            read_only: plan.footprint.read_only.into(),
        });
        Ok(KW_OK)
    })
}

/// The name of a parameter with its `:`, `@`, `$` or `?`, counted from 0, followed by a NUL; NULL and 0 for a plain `?`. Borrowed until the statement is closed.
#[no_mangle]
pub unsafe extern "C" fn kw_statement_parameter_name(
    statement: kw_statement,
    index: u32,
    name: *mut *const c_char,
    len: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        let statement = find(statement)?;
        let parameter = statement.0.plan().parameters.get(index as usize).ok_or_else(|| none("parameter", index))?;
        lend(&statement.1, (0, index as usize), parameter.as_deref(), name, len)
    })
}

/// The name of a column, counted from 0, followed by a NUL. Borrowed until the statement is closed.
#[no_mangle]
pub unsafe extern "C" fn kw_statement_column_name(
    statement: kw_statement,
    index: u32,
    name: *mut *const c_char,
    len: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        let statement = find(statement)?;
        let column = statement.0.plan().columns.names.get(index as usize).ok_or_else(|| none("column", index))?;
        lend(&statement.1, (1, index as usize), Some(column), name, len)
    })
}

/// # Safety
/// `name` and `len` are NULL or valid for a write.
unsafe fn lend(lent: &Lent, place: (u8, usize), text: Option<&str>, name: *mut *const c_char, len: *mut usize) -> Result<kw_status> {
    let (pointer, length) = lent.lend(place, text);
    // SAFETY: the caller's promise.
    unsafe {
        give(name, pointer, "name")?;
        give(len, length, "len")?;
    }
    Ok(KW_OK)
}

fn none(what: &str, index: u32) -> Error {
    Error::new(Kind::Misuse, format!("statement: there is no {what} {index}, counted from 0"))
}

/// Closes a statement. Harmless for one that is closed already.
#[no_mangle]
pub unsafe extern "C" fn kw_statement_close(statement: kw_statement) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::take(statement, Kinds::Statement)?;
        Ok(KW_OK)
    })
}
