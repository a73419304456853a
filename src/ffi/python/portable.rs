//! The portable road: one call with one pointer to a marshalled request; the reply goes into the block that the request names.

use std::ffi::c_char;

use super::marshal::{document, Writer};
use super::page::Page;
use super::reply::{complain, paged, whole, Block, Trouble};
use super::request::{operation, Request, Values};
use super::tick;
use crate::driver::Changes;
use crate::error::{Error, Kind, Result};
use crate::exec::Matrix;
use crate::ffi::call::Call;
use crate::ffi::guard::{from_panic, guard};
use crate::ffi::rows::{kw_rows_close, Filled, Reader};
use crate::ffi::target::{on_target, On};
use crate::ffi::types::*;
use crate::options::QueryOptions;
use crate::results::Rows;
use crate::rows::Batch;

/// The request holds something that is no parameter; the package finds out what.
const REFUSED: kw_status = -1;
/// The call succeeded although a signal handler raised meanwhile.
const INTERRUPTED: kw_status = -3;

/// Part of the Python package: runs the request that begins at `request` as `marshal.dumps(…, 2)` made it,
/// `(block, operation, handle, sql or (statement,), values[, names or None, options])`. `block` is the address of memory of the package's: its
/// size in a 64-bit number, sixteen ids of column names that need not be sent again, and room of that size for the reply.
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
    let work = std::panic::AssertUnwindSafe(|| match request.operation {
        operation::QUERY | operation::OPEN => query(request, &values, &mut block),
        operation::EXECUTE => changed(request, &mut block, |on, sql, options| on.execute(sql, values.as_params(), options)),
        operation::EXECUTE_MANY => changed(request, &mut block, |on, sql, options| {
            on.execute_many(sql, Matrix::new(&values.values, values.columns, values.rows)?, options)
        }),
        operation::NEXT => next(request, &mut block),
        _ => Err(Error::new(Kind::Misuse, "python: unknown operation").into()),
    });
    match std::panic::catch_unwind(work).unwrap_or_else(|panic| Err(from_panic(&*panic).into())) {
        Ok(()) if tick::has_raised() => INTERRUPTED,
        Ok(()) => KW_OK,
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
    let sql = statement.as_ref().map_or(request.sql, |statement| statement.sql());
    on_target(request.handle, &call, |on, call| work(on, sql, &call.options()?, call))
}

/// How the first batch was dealt with while it was at hand.
enum First {
    /// All of it is in the reply, which goes on at this position.
    Written(Result<usize, Trouble>),
    /// It did not fit into the reply; some of it is in the page.
    Copied(Result<Filled>),
}

/// `(place, names or None, needed, rows, more)`
fn query(request: &Request<'_>, values: &Values<'_>, block: &mut Block) -> Result<(), Trouble> {
    let mut page = None;
    let mut seen = None;
    let (first, more) = on(request, |on, sql, options, call| {
        let (first, rest) = on.query_first(sql, values.as_params(), options, |columns, batch| {
            seen = Some(columns.clone());
            match whole(block, columns, batch) {
                Some(written) => First::Written(written),
                None => {
                    let space = page.insert(Page::empty()).space(block.room().len() / 2);
                    First::Copied(space.map(|space| Filled::first(space, columns, batch, false)))
                }
            }
        })?;
        match (first, rest) {
            (First::Copied(filled), rest) => {
                let fetch = filled?.finish(rest, on.store(), call)?;
                page.iter_mut().for_each(|page| page.describe(fetch));
                Ok((None, fetch.more))
            }
            (First::Written(written), None) => Ok((Some(written), 0)),
            (First::Written(written), Some(rest)) => {
                let rows = Rows::partly_read(seen.clone().unwrap_or_default(), Batch::default(), Some(rest));
                Ok((Some(written), Reader::new(rows, on.store(), call)?.into_handle()?))
            }
        }
    })?;
    let end = match (first, page) {
        (Some(written), _) => written,
        (None, Some(page)) => paged(block, page, seen.as_deref()),
        (None, None) => Ok(0),
    };
    let end = end.inspect_err(|_| close(more))?;
    Writer::from(block.room(), end).integer(more as i64);
    if let Some(columns) = seen {
        let (place, _) = block.place(columns.id);
        block.remember(place, columns.id);
    }
    Ok(())
}

fn close(rows: kw_rows) {
    // SAFETY: closing takes any number.
    unsafe { kw_rows_close(rows) };
}

/// The next rows of a result.
fn next(request: &Request<'_>, block: &mut Block) -> Result<(), Trouble> {
    let mut page = Page::empty();
    let limit = block.room().len() / 2;
    page.fetch(request.handle, limit).map_err(|error| {
        let message = super::state::text_of(&error.message).to_owned();
        Trouble::Error(error, message)
    })?;
    let more = page.more();
    let end = paged(block, page, None).inspect_err(|_| close(more))?;
    Writer::from(block.room(), end).integer(more as i64);
    Ok(())
}

/// `(last_insert_id, rows_affected)`
fn changed(
    request: &Request<'_>,
    block: &mut Block,
    work: impl FnOnce(On<'_>, &str, &QueryOptions<'_>) -> Result<Changes>,
) -> Result<(), Trouble> {
    let changes = on(request, |on, sql, options, _| work(on, sql, options))?;
    let mut writer = Writer::new(block.room());
    writer.tuple(2);
    writer.integer(changes.last_insert_id);
    writer.integer(changes.rows_affected);
    Ok(())
}
