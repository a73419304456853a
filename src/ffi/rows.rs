//! Reading rows: batches in place, copies into the caller's memory, or step by step.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use crate::sync::Mutex;

use super::call::{Call, Tick};
use super::fill::{cached, describe, fill, Space};
use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::text::{give, Lent, Out};
use super::types::*;
use crate::cancel::{Caller, CancelToken, Op};
use crate::error::{Error, Kind, Result};
use crate::results::Rows;
use crate::rows::{Cell, Columns};
use crate::store::Store;
use crate::value::ValueRef;

const _: () = assert!(size_of::<kw_cell>() == 16 && size_of::<Cell>() == 16 && align_of::<kw_cell>() == align_of::<Cell>());

/// Rows with a place in their batch, and what bounds the fetches to come.
pub struct Reader {
    rows: Rows,
    /// Rows of the current batch that were handed out.
    given: usize,
    /// Whether `kw_rows_step` stands on row `given - 1`.
    stepping: bool,
    ended: bool,
    timeout: Option<Duration>,
    cancel: Option<CancelToken>,
    tick: Option<Tick>,
    lent: Lent,
}

impl Reader {
    pub fn new(rows: Rows, store: &Store, call: &Call) -> Result<Reader> {
        let options = call.options()?;
        let timeout = store.timeout(&options);
        Ok(Reader {
            rows,
            given: 0,
            stepping: false,
            ended: false,
            timeout,
            cancel: options.cancel,
            tick: call.tick(),
            lent: Lent::default(),
        })
    }

    /// Leaves out rows that were handed out already.
    pub fn skip(&mut self, rows: usize) {
        self.given = rows;
    }

    /// Puts the reader into the table of handles.
    pub fn into_handle(self) -> Result<u64> {
        handle::insert(Object::Rows(Arc::new(Mutex::new(self))))
    }

    /// Makes sure that the current batch has a row that was not handed out; `false` at the end.
    fn refill(&mut self) -> Result<bool> {
        if self.given < self.rows.batch().rows() && !self.rows.is_unread() {
            return Ok(true);
        }
        if self.ended {
            return Ok(false);
        }
        self.given = 0;
        let op = Op::new(self.timeout, self.cancel, self.tick.as_ref().map(|tick| tick as &dyn Caller));
        let more = self.rows.next_batch(&op);
        self.ended = !matches!(more, Ok(Some(_)));
        Ok(more?.is_some())
    }

    fn cell(&self, column: u32) -> Result<ValueRef<'_>> {
        if !self.stepping {
            return Err(Error::new(Kind::Misuse, "rows: there is no current row; call kw_rows_step first"));
        }
        let count = self.rows.columns().len();
        if column as usize >= count {
            return Err(no_column(column, count));
        }
        Ok(self.rows.batch().get(self.given - 1, column as usize))
    }
}

fn no_column(column: u32, count: usize) -> Error {
    Error::new(Kind::Misuse, format!("rows: there is no column {column}; the result has {count}, counted from 0"))
}

/// Runs `work` with the reader behind a handle, as its only user.
#[inline]
fn with_reader<R>(rows: kw_rows, work: impl FnOnce(&mut Reader) -> Result<R>) -> Result<R> {
    let reader = handle::get(rows, Kinds::Rows, |object| match object {
        Object::Rows(reader) => Some(reader.clone()),
        _ => None,
    })?;
    let mut reader = reader.try_lock().ok_or_else(|| Error::new(Kind::Misuse, "rows: another thread is using them at this moment"))?;
    work(&mut reader)
}

/// How many columns the rows have; 0 for a statement that returns none.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_column_count(rows: kw_rows, out: *mut u32, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let count = with_reader(rows, |reader| Ok(reader.rows.columns().len() as u32))?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, count, "out")? };
        Ok(KW_OK)
    })
}

/// The name of a column, counted from 0, followed by a NUL. Borrowed until the rows are closed.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_column_name(
    rows: kw_rows,
    index: u32,
    name: *mut *const c_char,
    len: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe { column_text(rows, index, 0, name, len, |columns, i| columns.names.get(i).map(|n| Some(n.as_str()))) })
}

/// The declared type of a column that is a plain table column, followed by a NUL, else NULL and 0. Borrowed until the rows are closed.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_column_decltype(
    rows: kw_rows,
    index: u32,
    name: *mut *const c_char,
    len: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe { column_text(rows, index, 1, name, len, |columns, i| columns.decltypes.get(i).map(Option::as_deref)) })
}

/// # Safety
/// `name` and `len` are NULL or valid for a write.
unsafe fn column_text(
    rows: kw_rows,
    index: u32,
    which: u8,
    name: *mut *const c_char,
    len: *mut usize,
    pick: impl FnOnce(&Columns, usize) -> Option<Option<&str>>,
) -> Result<kw_status> {
    let (pointer, length) = with_reader(rows, |reader| {
        let columns = reader.rows.columns();
        let text = pick(columns, index as usize).ok_or_else(|| no_column(index, columns.len()))?;
        Ok(reader.lent.lend((which, index as usize), text))
    })?;
    // SAFETY: the caller's promise.
    unsafe {
        give(name, pointer, "name")?;
        give(len, length, "len")?;
    }
    Ok(KW_OK)
}

/// The next rows, in the library's memory: valid until the next call on these rows. `out->rows` is 0 at the end.
/// The first batch is there already; later ones block like `kw_query`, each with the timeout of the query anew.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_next_batch(rows: kw_rows, out: *mut kw_batch, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        let batch = with_reader(rows, |reader| {
            let more = reader.refill()?;
            reader.stepping = false;
            let batch = reader.rows.batch();
            let from = reader.given;
            let count = if more { batch.rows() - from } else { 0 };
            let cells = batch.cells()[from * batch.columns()..].as_ptr().cast();
            let columns = reader.rows.columns().len() as u32;
            let flags = if reader.rows.is_complete() { KW_BATCH_LAST } else { 0 } | cached(reader.rows.is_from_cache());
            reader.given += count;
            Ok(kw_batch { struct_size: 0, columns, rows: count as u32, flags, cells })
        })?;
        out.write(batch);
        Ok(KW_OK)
    })
}

/// Copies the next rows into the caller's memory, as `kw_query_into` does. `out->more` is `rows` again until the end; then it is 0 and the
/// handle is closed.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_fetch_into(
    rows: kw_rows,
    buffer: *mut c_void,
    buffer_size: usize,
    out: *mut kw_fetch,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let (out, space) = unsafe { (Out::new(out, "out")?, Space::new(buffer, buffer_size)?) };
        let fetch = with_reader(rows, |reader| {
            let more = reader.refill()?;
            reader.stepping = false;
            let (width, id) = (reader.rows.columns().len() as u32, reader.rows.columns().id);
            let from_cache = reader.rows.is_from_cache();
            if !more {
                return Ok(describe(width, id, 0, 0, 0, from_cache));
            }
            let (count, needed) = fill(space, None, reader.rows.batch(), reader.given);
            reader.given += count;
            let ended = reader.given == reader.rows.batch().rows() && reader.rows.is_complete();
            Ok(describe(width, id, count, needed, if ended { 0 } else { rows }, from_cache))
        })?;
        if fetch.more == 0 {
            handle::take(rows, Kinds::Rows)?;
        }
        out.write(fetch);
        Ok(KW_OK)
    })
}

/// Moves to the next row: `KW_ROW`, or `KW_DONE` at the end. Blocks like `kw_rows_next_batch`.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_step(rows: kw_rows, err: *mut kw_error) -> kw_status {
    guard(err, || {
        with_reader(rows, |reader| {
            reader.stepping = false;
            if !reader.refill()? {
                return Ok(KW_DONE);
            }
            reader.given += 1;
            reader.stepping = true;
            Ok(KW_ROW)
        })
    })
}

/// The type of a cell of the current row: `KW_NULL` … `KW_BLOB`.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_type(rows: kw_rows, column: u32, out: *mut u32, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let kind = with_reader(rows, |reader| {
            Ok(match reader.cell(column)? {
                ValueRef::Null => KW_NULL,
                ValueRef::Integer(_) => KW_INTEGER,
                ValueRef::Real(_) => KW_REAL,
                ValueRef::Text(_) => KW_TEXT,
                ValueRef::Blob(_) => KW_BLOB,
            })
        })?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, kind, "out")? };
        Ok(KW_OK)
    })
}

/// An integer cell of the current row. `KW_TYPE` for any other cell, NULL included.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_int64(rows: kw_rows, column: u32, out: *mut i64, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let value = with_reader(rows, |reader| {
            let cell = reader.cell(column)?;
            cell.as_i64().ok_or_else(|| not_a(reader, column, cell, "an integer"))
        })?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, value, "out")? };
        Ok(KW_OK)
    })
}

/// A real cell of the current row, or an integer one as a double. `KW_TYPE` for any other cell, NULL included.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_double(rows: kw_rows, column: u32, out: *mut f64, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let value = with_reader(rows, |reader| {
            let cell = reader.cell(column)?;
            cell.as_f64().ok_or_else(|| not_a(reader, column, cell, "a number"))
        })?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, value, "out")? };
        Ok(KW_OK)
    })
}

/// A text cell of the current row, followed by a NUL; NULL and 0 for a NULL cell. `KW_TYPE` for any other cell.
/// Borrowed until the next call on the rows.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_text(
    rows: kw_rows,
    column: u32,
    text: *mut *const c_char,
    len: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe { bytes_of(rows, column, text.cast(), len, "text", |cell| matches!(cell, ValueRef::Text(_))) })
}

/// A blob cell of the current row, or the bytes of a text one; NULL and 0 for a NULL cell. `KW_TYPE` for any other cell.
/// Borrowed until the next call on the rows.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_blob(
    rows: kw_rows,
    column: u32,
    data: *mut *const c_void,
    len: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe { bytes_of(rows, column, data, len, "a blob", |_| true) })
}

/// # Safety
/// `data` and `len` are NULL or valid for a write.
unsafe fn bytes_of(
    rows: kw_rows,
    column: u32,
    data: *mut *const c_void,
    len: *mut usize,
    what: &str,
    fits: impl FnOnce(&ValueRef<'_>) -> bool,
) -> Result<kw_status> {
    let (pointer, length) = with_reader(rows, |reader| {
        let cell = reader.cell(column)?;
        match cell.as_bytes() {
            Some(bytes) if fits(&cell) => Ok((bytes.as_ptr().cast::<c_void>(), bytes.len())),
            _ if cell.is_null() => Ok((std::ptr::null(), 0)),
            _ => Err(not_a(reader, column, cell, what)),
        }
    })?;
    // SAFETY: the caller's promise.
    unsafe {
        give(data, pointer, "data")?;
        give(len, length, "len")?;
    }
    Ok(KW_OK)
}

fn not_a(reader: &Reader, column: u32, cell: ValueRef<'_>, what: &str) -> Error {
    let name = &reader.rows.columns().names[column as usize];
    Error::new(Kind::Type, format!("column {column} ({name}) holds {}, not {what}", cell.type_name()))
}

/// Closes rows at any point and gives their connection back. Harmless for rows that are closed already.
#[no_mangle]
pub unsafe extern "C" fn kw_rows_close(rows: kw_rows) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::take(rows, Kinds::Rows)?;
        Ok(KW_OK)
    })
}
