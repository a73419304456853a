//! The portable road: one call with one pointer to a marshalled request; the reply goes into the block that the request names.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use smallvec::SmallVec;

use super::marshal::{document, Item, Reader, Refused, Writer};
use super::page::Page;
use super::state::{main_thread, portable_tick};
use crate::driver::Changes;
use crate::error::{Error, Kind, Result};
use crate::exec::Matrix;
use crate::ffi::guard::{error_flags, guard};
use crate::ffi::call::Call;
use crate::ffi::target::{on_target, On};
use crate::ffi::rows::{Filled, Reader as RowsReader};
use crate::ffi::types::*;
use crate::options::QueryOptions;
use crate::results::Rows;
use crate::rows::{Batch, Columns};
use crate::value::{Params, ValueRef};

/// The request holds something that is no parameter; the package finds out what.
const REFUSED: kw_status = -1;
/// Text of the result is no UTF-8; the reply is `(column, bytes)`.
const BAD_TEXT: kw_status = -2;
/// The call succeeded although a signal handler raised meanwhile.
const INTERRUPTED: kw_status = -3;
/// In the flags of a request: byte strings in it are `bytes` for certain.
const CONFIRMED: i64 = 1 << 16;
/// Parts of a request: `(block, operation, handle, sql or (statement,), values)`, or with `names or None, options` behind them.
const SHORT: usize = 5;
const LONG: usize = 7;
/// Sets of column names that the package remembers per block.
const NAMES: usize = 16;

/// Operations, in the order of the package's own list.
mod operation {
    pub const QUERY: i64 = 0;
    pub const EXECUTE: i64 = 1;
    pub const EXECUTE_MANY: i64 = 2;
    pub const OPEN: i64 = 3;
    pub const NEXT: i64 = 4;
}

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

/// A request without its values.
struct Request<'a> {
    block: u64,
    operation: i64,
    handle: u64,
    sql: &'a str,
    options: kw_options,
}

/// The values of a request: of one run, or of many.
struct Values<'a> {
    values: SmallVec<[ValueRef<'a>; 8]>,
    names: Option<Vec<&'a str>>,
    columns: usize,
    rows: usize,
}

impl<'a> Request<'a> {
    fn read(document: &'a [u8]) -> Result<(Request<'a>, Values<'a>), Refused> {
        let mut reader = Reader::new(document);
        let parts = reader.sequence()?;
        if parts != SHORT && parts != LONG {
            return Err(Refused);
        }
        let (block, operation, handle) = (reader.integer()? as u64, reader.integer()?, reader.integer()? as u64);
        let (sql, statement) = if reader.is_text() { (reader.text()?, 0) } else { ("", reader.sole_integer()? as u64) };
        let (mut values, has_bytes) = Values::read(&mut reader, operation == operation::EXECUTE_MANY)?;
        let mut given = [0_i64; 5];
        let count = if parts == LONG {
            values.read_names(&mut reader)?;
            reader.sequence()?
        } else {
            0
        };
        for place in given.iter_mut().take(count) {
            *place = reader.integer()?;
        }
        let [timeout_us, flags, cancel, cache, batch_rows] = given;
        if has_bytes && flags & CONFIRMED == 0 {
            return Err(Refused);
        }
        let options = kw_options {
            flags: (flags & !CONFIRMED) as u32,
            timeout_us,
            cancel: cancel as u64,
            statement,
            tick: tick_of_this_thread(),
            cache: cache as i32,
            batch_rows: batch_rows as u32,
            ..super::arguments::no_options()
        };
        Ok((Request { block, operation, handle, sql, options }, values))
    }
}

impl<'a> Values<'a> {
    fn read(reader: &mut Reader<'a>, many: bool) -> Result<(Self, bool), Refused> {
        let mut values = Values { values: SmallVec::new(), names: None, columns: 0, rows: 1 };
        let mut has_bytes = false;
        let outer = reader.sequence()?;
        if many {
            values.rows = outer;
            for row in 0..outer {
                let columns = reader.sequence()?;
                if row == 0 {
                    values.columns = columns;
                    values.values.reserve(columns.saturating_mul(outer).min(1 << 20));
                } else if columns != values.columns {
                    return Err(Refused);
                }
                has_bytes |= values.push(reader, columns)?;
            }
        } else {
            values.columns = outer;
            values.values.reserve(outer.min(1 << 16));
            has_bytes = values.push(reader, outer)?;
        }
        Ok((values, has_bytes))
    }

    fn read_names(&mut self, reader: &mut Reader<'a>) -> Result<(), Refused> {
        if reader.is_none() {
            return Ok(());
        }
        let count = reader.sequence()?;
        if count != self.columns {
            return Err(Refused);
        }
        self.names = Some((0..count).map(|_| reader.text()).collect::<Result<_, _>>()?);
        Ok(())
    }

    fn push(&mut self, reader: &mut Reader<'a>, count: usize) -> Result<bool, Refused> {
        let mut has_bytes = false;
        for _ in 0..count {
            self.values.push(match reader.item()? {
                Item::Plain(value) => value,
                Item::Bytes(bytes) => {
                    has_bytes = true;
                    ValueRef::Blob(bytes)
                }
            });
        }
        Ok(has_bytes)
    }

    fn as_params(&self) -> Params<'_> {
        match &self.names {
            Some(names) => Params::named(names, &self.values),
            None => Params::positional(&self.values),
        }
    }
}

/// The block of the package that a reply goes to.
struct Block {
    header: *mut u64,
}

impl Block {
    /// The room for the reply.
    fn room(&mut self) -> &mut [u8] {
        // SAFETY: the package keeps a block of this layout alive for the call and lends it to nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.header.add(1 + NAMES).cast::<u8>(), *self.header as usize) }
    }

    /// The room without what comes after the rows.
    fn room_before_tail(&mut self) -> &mut [u8] {
        let room = self.room();
        let length = room.len().saturating_sub(TAIL);
        &mut room[..length]
    }

    /// The place of an id in the table, and whether the package knows its names already.
    fn place(&self, id: u64) -> (usize, bool) {
        let place = id as usize % NAMES;
        // SAFETY: as in `room`.
        (place, unsafe { *self.header.add(1 + place) } == id)
    }

    fn remember(&mut self, place: usize, id: u64) {
        // SAFETY: as in `room`.
        unsafe { *self.header.add(1 + place) = id }
    }
}

/// Why there is no plain reply.
enum Trouble {
    Error(Box<kw_error>, String),
    Text(usize, Vec<u8>),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let engine = error.engine();
        let mut fields = Box::new(kw_error {
            code: error.kind().number(),
            engine_code: engine.map_or(0, |e| e.primary),
            engine_extended_code: engine.map_or(0, |e| e.extended),
            sql_offset: error.offset().and_then(|offset| i32::try_from(offset).ok()).unwrap_or(-1),
            flags: error_flags(&error),
            ..super::page::no_error()
        });
        crate::ffi::guard::copy_text(error.sqlstate(), &mut fields.sqlstate);
        Trouble::Error(fields, error.message().to_owned())
    }
}

/// Does what the request asks for and writes the reply; panics inside come back as errors.
fn answer(request: &Request<'_>, values: Values<'_>) -> kw_status {
    let mut block = Block { header: request.block as *mut u64 };
    RAISED.set(false);
    let work = std::panic::AssertUnwindSafe(|| match request.operation {
        operation::QUERY | operation::OPEN => query(request, &values, &mut block),
        operation::EXECUTE => changed(request, &mut block, |on, sql, options| on.execute(sql, values.as_params(), options)),
        operation::EXECUTE_MANY => changed(request, &mut block, |on, sql, options| {
            on.execute_many(sql, Matrix::new(&values.values, values.columns, values.rows)?, options)
        }),
        operation::NEXT => next(request, &mut block),
        _ => Err(Error::new(Kind::Misuse, "python: unknown operation").into()),
    });
    match std::panic::catch_unwind(work).unwrap_or_else(|panic| Err(crate::ffi::guard::from_panic(&*panic).into())) {
        Ok(()) if RAISED.take() => INTERRUPTED,
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
                Ok((Some(written), RowsReader::new(rows, on.store(), call)?.into_handle()?))
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
    unsafe { crate::ffi::rows::kw_rows_close(rows) };
}

/// What comes after the rows of a reply.
const TAIL: usize = 16;

/// Writes a whole batch as the rows of a reply; `None` when it does not fit.
fn whole(block: &mut Block, columns: &Columns, batch: &Batch) -> Option<Result<usize, Trouble>> {
    let (place, known) = block.place(columns.id);
    let mut writer = Writer::new(block.room_before_tail());
    begin(&mut writer, place, (!known).then_some(columns), 0);
    let list = writer.begin_list();
    for row in 0..batch.rows() {
        if let Err(column) = writer.row(batch.columns(), batch.row(row)) {
            let bytes = batch.get(row, column).as_bytes().unwrap_or_default().to_vec();
            return Some(Err(Trouble::Text(column, bytes)));
        }
    }
    writer.end_list(list, batch.rows());
    writer.fits().then_some(Ok(writer.position()))
}

/// Writes the rows of a page, and the names when there are `columns` that the package does not know.
fn paged(block: &mut Block, page: Page, columns: Option<&Columns>) -> Result<usize, Trouble> {
    let (place, known) = columns.map_or((0, true), |columns| block.place(columns.id));
    let mut writer = Writer::new(block.room_before_tail());
    begin(&mut writer, place, columns.filter(|_| !known), 2 * page.needed());
    let list = writer.begin_list();
    for row in 0..page.rows() {
        if let Err(column) = writer.row(page.columns(), page.row(row)) {
            let bytes = page.row(row).nth(column).and_then(|value| value.as_bytes()).unwrap_or_default().to_vec();
            return Err(Trouble::Text(column, bytes));
        }
    }
    writer.end_list(list, page.rows());
    let (fits, end) = (writer.fits(), writer.position());
    page.close();
    if !fits {
        return Err(Error::new(Kind::TooBig, "python: the column names do not fit into the reply").into());
    }
    Ok(end)
}

/// The head of a reply with rows.
fn begin(writer: &mut Writer<'_>, place: usize, columns: Option<&Columns>, needed: usize) {
    writer.tuple(5);
    writer.integer(place as i64);
    names(writer, columns);
    writer.integer(needed as i64);
}

fn names(writer: &mut Writer<'_>, columns: Option<&Columns>) {
    match columns {
        None => writer.none(),
        Some(columns) => {
            writer.tuple(columns.len());
            columns.names.iter().for_each(|name| writer.text(name.as_bytes()));
        }
    }
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

fn complain(block: &mut Block, trouble: &Trouble) -> kw_status {
    let mut writer = Writer::new(block.room());
    match trouble {
        Trouble::Text(column, bytes) => {
            writer.tuple(2);
            writer.integer(*column as i64);
            writer.value(ValueRef::Blob(&bytes[..bytes.len().min(64)]));
            BAD_TEXT
        }
        Trouble::Error(error, message) => {
            writer.tuple(7);
            writer.integer(error.code.into());
            writer.text(message.chars().take(8192).collect::<String>().as_bytes());
            for number in [error.engine_code, error.engine_extended_code, error.sql_offset, error.flags as i32] {
                writer.integer(number.into());
            }
            writer.text(super::state::text_of(&error.sqlstate).as_bytes());
            error.code
        }
    }
}

/// The tick for a call of this thread: only the main thread of a Python runs signal handlers.
fn tick_of_this_thread() -> kw_tick {
    #[cfg(unix)]
    // SAFETY: asks for a number.
    let here = unsafe { libc::pthread_self() } as u64;
    #[cfg(not(unix))]
    let here = 0;
    (here == main_thread()).then_some(tick as unsafe extern "C" fn(*mut c_void) -> i32)
}

thread_local! {
    /// A tick of this thread is under way.
    static TICKING: Cell<bool> = const { Cell::new(false) };
    /// A tick of the call under way has ended it.
    static RAISED: Cell<bool> = const { Cell::new(false) };
}

/// Calls the package's tick, unless a signal handler that it runs has come here again.
unsafe extern "C" fn tick(context: *mut c_void) -> i32 {
    let Some(function) = portable_tick() else { return 0 };
    if TICKING.replace(true) {
        return 0;
    }
    // SAFETY: the package keeps its tick alive as long as the process.
    let answer = unsafe { function(context) };
    TICKING.set(false);
    RAISED.set(answer != 0);
    answer
}
