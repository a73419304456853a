//! The portable road: one call with one pointer to a marshalled request; the reply goes into the block that the request names.

use std::ffi::c_char;

use super::marshal::{document, Writer};
use super::page::Page;
use super::reply::{self, complain, Block, First, Trouble};
use super::request::{operation, Request, Values};
use super::state::text_of;
use super::tick;
use crate::driver::Changes;
use crate::error::{Error, Kind, Result};
use crate::exec::Matrix;
use crate::ffi::call::Call;
use crate::ffi::guard::{from_panic, guard};
use crate::ffi::rows::{kw_rows_close, Reader};
use crate::ffi::target::{on_target, On};
use crate::ffi::types::*;
use crate::options::QueryOptions;
use crate::results::Rows;
use crate::rows::{self, Batch, Held};

/// The request holds something that is no parameter; the package finds out what.
const REFUSED: kw_status = -1;
/// The call succeeded although a signal handler raised meanwhile.
const INTERRUPTED: kw_status = -3;

/// Part of the Python package: runs the request that begins at `request` as `marshal.dumps(…, 2)` made it,
/// `(block, operation, handle, sql or (statement,), values[, names or None, options])`. `block` is the address of memory of the package's: its
/// size in a 64-bit number, sixteen ids of column names that need not be sent again, the handle of rows that nobody owns yet, and room of
/// that size for the reply.
#[no_mangle]
pub unsafe extern "C" fn kw_python_call(request: *const c_char) -> kw_status {
    guard(std::ptr::null_mut(), || {
        if request.is_null() {
            return Err(crate::ffi::text::null("request"));
        }
        // SAFETY: the package passes what `marshal.dumps` made, which stays as it is during the call.
        let Some(document) = (unsafe { document(request.cast()) }) else { return Ok(REFUSED) };
        Ok(Request::read(document).map_or(REFUSED, |(request, values)| answer(&request, values)))
    })
}

/// Does what the request asks for and writes the reply; panics inside come back as errors.
fn answer(request: &Request<'_>, values: Values<'_>) -> kw_status {
    let mut block = Block::at(request.block);
    tick::forget();
    block.leave_rest(0);
    let work = std::panic::AssertUnwindSafe(|| match request.operation {
        operation::QUERY | operation::OPEN => query(request, &values, &mut block),
        operation::EXECUTE => changed(request, &mut block, |on, sql, options| on.execute(sql, values.as_params(), options)),
        operation::EXECUTE_MANY => changed(request, &mut block, |on, sql, options| {
            on.execute_many(sql, Matrix::new(&values.values, values.columns, values.rows)?, options)
        }),
        operation::NEXT => next(request, &mut block),
        operation::LEFT => {
            reply::fetch_left(&mut block);
            Ok(KW_OK)
        }
        _ => Err(Error::new(Kind::Misuse, "python: unknown operation").into()),
    });
    match std::panic::catch_unwind(work).unwrap_or_else(|panic| Err(from_panic(&*panic).into())) {
        Ok(KW_OK) if tick::has_raised() => INTERRUPTED,
        Ok(status) => status,
        Err(trouble) => complain(&mut block, &trouble),
    }
}

/// Runs `work` on the request's target.
fn on<R>(request: &Request<'_>, work: impl FnOnce(On<'_>, &str, &QueryOptions<'_>, &Call) -> Result<R>) -> Result<R> {
    // SAFETY: the options are complete; their only pointer is the tick, which lives for ever.
    let call = unsafe { Call::new(&request.options)? };
    let statement = match request.options.statement {
        0 => None,
        handle => Some(crate::ffi::statement::find(handle)?),
    };
    let sql = statement.as_ref().map_or(request.sql, |statement| statement.0.sql());
    on_target(request.handle, &call, |on, call| work(on, sql, &call.options()?, call))
}

/// `(place, names or None, whether it is from the cache, rows, more)`
fn query(request: &Request<'_>, values: &Values<'_>, block: &mut Block) -> Result<kw_status, Trouble> {
    let mut first = None;
    let more = on(request, |on, sql, options, call| {
        let (columns, rest) = on.query_first(sql, values.as_params(), options, |columns, shown| {
            let from_cache = matches!(shown, rows::First::Kept(_));
            first = Some(First::write(block, columns, shown.batch(), from_cache));
            columns.clone()
        })?;
        match rest {
            None => Ok(0),
            Some(rest) => Reader::new(Rows::partly_read(columns, Held::Own(Batch::default()), Some(rest)), on.store(), call)?.into_handle(),
        }
    })?;
    match first {
        Some(Ok(first)) => Ok(first.finish(block, more)),
        Some(Err(trouble)) => {
            close(more);
            Err(trouble)
        }
        None => Err(Error::new(Kind::Misuse, "python: the store showed no rows").into()),
    }
}

fn close(rows: kw_rows) {
    // SAFETY: closing takes any number.
    unsafe { kw_rows_close(rows) };
}

/// The next rows of a result.
fn next(request: &Request<'_>, block: &mut Block) -> Result<kw_status, Trouble> {
    let mut page = Page::empty();
    let limit = block.room().len() / 2;
    page.fetch(request.handle, limit).map_err(|error| {
        let message = text_of(&error.message).to_owned();
        Trouble::Error(error, message)
    })?;
    let more = page.more();
    reply::page(block, page).inspect_err(|_| close(more))?;
    Ok(KW_OK)
}

/// `(last_insert_id, rows_affected)`
fn changed(
    request: &Request<'_>,
    block: &mut Block,
    work: impl FnOnce(On<'_>, &str, &QueryOptions<'_>) -> Result<Changes>,
) -> Result<kw_status, Trouble> {
    let changes = on(request, |on, sql, options, _| work(on, sql, options))?;
    let mut writer = Writer::new(block.room());
    writer.tuple(2);
    writer.integer(changes.last_insert_id);
    writer.integer(changes.rows_affected);
    Ok(KW_OK)
}
