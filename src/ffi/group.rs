//! Several independent writes in one crossing.

use std::sync::Arc;

use super::call::Call;
use super::fill::{Filled, Space};
use super::guard::{guard, report};
use super::handle;
use super::query::{optional, sql_of, write_result};
use super::text::{null, read, Lent, Out, Values};
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::rows::First;
use crate::store::{Done, Statement, Store, Wants, Write};
use crate::value::Params;

/// One write of the caller's, and what has been read of it.
struct Request<'a> {
    element: *mut kw_write,
    raw: kw_write,
    call: Call,
    statement: Option<Arc<(Statement, Lent)>>,
    room: Values<'a>,
    names: Option<Vec<&'a str>>,
    output: Output,
}

/// Where the outcome goes.
enum Output {
    Changes(Option<Out<kw_result>>),
    Rows(Space, Out<kw_fetch>),
}

/// Runs independent writes in this order as if as many threads had called `kw_execute` (`kw_query_into`, where `fetch` is given) at once:
/// one wait for the writer, and shared transactions of up to `writer.group_max` writes, each with one wait for the disk. For callers that
/// have a line of their own for many writers, such as the runtime of a language with light threads.
///
/// Each write has its own options, result and error. One that fails is undone alone and leaves the others as they are; none is answered
/// before it is durable. Its `status` is `KW_OK` or the number of its error. A write whose timeout passes or that is cancelled while the
/// call waits gets that error, and the call goes on waiting for the others. With `KW_OPTION_READ_ONLY` a write is `KW_READ_ONLY`.
///
/// Blocks until every write is answered. Returns `KW_OK` whatever became of the writes; on an error (`KW_MISUSE`, `KW_INVALID_HANDLE`,
/// `KW_ABI`) none has been run. `KW_PANIC` leaves open which have.
#[no_mangle]
pub unsafe extern "C" fn kw_execute_group(store: kw_store, writes: *mut kw_write, count: usize, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let mut requests =
            unsafe { elements(writes, count)?.into_iter().map(|element| Request::new(element)).collect::<Result<Vec<_>>>()? };
        handle::with_store(store, |store| {
            let mut writes = Vec::with_capacity(requests.len());
            // SAFETY: as above.
            let ready: Vec<Result<()>> =
                requests.iter_mut().map(|request| unsafe { request.read().map(|write| writes.push(write)) }).collect();
            let mut outcomes = store.execute_together(&writes).into_iter();
            for (request, ready) in requests.into_iter().zip(ready) {
                let outcome = ready.and_then(|()| outcomes.next().expect("each write has an outcome"));
                // SAFETY: as above.
                unsafe { request.answer(store, outcome) };
            }
            Ok(KW_OK)
        })
    })
}

/// Where the elements of the caller's array are: as far apart as the first one is large.
///
/// # Safety
/// `writes` is NULL or points at `count` structs of the size that the first one says.
unsafe fn elements(writes: *mut kw_write, count: usize) -> Result<Vec<*mut kw_write>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the caller's promise.
    let first = unsafe { read(writes, "writes")?.ok_or_else(|| null("writes"))? };
    let stride = first.struct_size as usize;
    if !stride.is_multiple_of(align_of::<kw_write>()) {
        return Err(Error::new(Kind::Abi, format!("writes: struct_size is {stride}, which no array of them can have")));
    }
    // SAFETY: as above.
    Ok((0..count).map(|index| unsafe { writes.byte_add(index * stride) }).collect())
}

impl<'a> Request<'a> {
    /// # Safety
    /// `element` and its options are NULL or valid structs.
    unsafe fn new(element: *mut kw_write) -> Result<Request<'a>> {
        // SAFETY: the caller's promise.
        let (raw, call) = unsafe {
            let raw = read(element, "writes")?.ok_or_else(|| null("writes"))?;
            (raw, Call::new(raw.options)?)
        };
        Ok(Request { element, raw, call, statement: None, room: Values::EMPTY, names: None, output: Output::Changes(None) })
    }

    /// Reads what the write points at, and checks where its outcome is to go.
    ///
    /// # Safety
    /// All of it is valid as long as `self`.
    unsafe fn read(&mut self) -> Result<Write<'_>> {
        let raw = &self.raw;
        // SAFETY: the caller's promise.
        unsafe {
            self.output = output(raw)?;
            self.statement = self.call.statement()?;
            self.names = self.call.names(raw.param_count)?;
            let values = self.room.read(raw.params, raw.param_count)?;
            Ok(Write {
                sql: sql_of(raw.sql, raw.sql_len, self.statement.as_deref())?,
                params: self.names.as_deref().map_or(Params::positional(values), |names| Params::named(names, values)),
                wants: if raw.fetch.is_null() { Wants::Changes } else { Wants::Rows },
                options: self.call.options()?,
            })
        }
    }

    /// Tells the caller.
    ///
    /// # Safety
    /// The element and its error are valid.
    unsafe fn answer(self, store: &Store, outcome: Result<Done>) {
        let (element, error) = (self.element, self.raw.error);
        let status = match outcome.and_then(|done| self.deliver(store, done)) {
            Ok(()) => KW_OK,
            Err(reason) => {
                report(error, &reason);
                reason.kind().number()
            }
        };
        // SAFETY: the caller's promise; the status is inside the smallest struct there is.
        unsafe { (&raw mut (*element).status).write(status) };
    }

    fn deliver(self, store: &Store, done: Done) -> Result<()> {
        match (self.output, done) {
            (Output::Changes(out), Done::Changes(changes)) => write_result(out, changes),
            (Output::Rows(space, out), Done::Rows(columns, mut batch)) => {
                let filled = Filled::first(space, &columns, First::Fresh(&mut batch), self.call.has(KW_OPTION_COLUMN_NAMES));
                out.write(filled.finish(None, store, &self.call)?);
            }
            _ => unreachable!("a write gives what it was asked for"),
        }
        Ok(())
    }
}

/// # Safety
/// The outputs are NULL or valid.
unsafe fn output(raw: &kw_write) -> Result<Output> {
    // SAFETY: the caller's promise.
    unsafe {
        if raw.fetch.is_null() {
            return optional(raw.result).map(Output::Changes);
        }
        Ok(Output::Rows(Space::new(raw.buffer, raw.buffer_size)?, Out::new(raw.fetch, "fetch")?))
    }
}
