//! A page: some rows of a large result, copied into memory of this call's own, so that nobody can take them away while they are read.

use std::cell::RefCell;

use crate::ffi::rows::kw_rows_fetch_into;
use crate::ffi::types::*;
use crate::value::ValueRef;

/// Room for the rows of one fetch, in 64-bit words so that it is aligned.
const WORDS: usize = 16 * 1024;
/// The same in bytes.
pub const ROOM_BYTES: usize = WORDS * 8;

thread_local! {
    /// The room of this thread. A call takes it away while it works, so that a finalizer that fetches meanwhile finds another.
    static ROOM: RefCell<Vec<u64>> = RefCell::default();
}

/// Some rows: cells row by row, and the bytes they point to in the same memory.
pub struct Page {
    room: Vec<u64>,
    fetch: kw_fetch,
}

impl Page {
    /// A page without rows, in this thread's room.
    pub fn empty() -> Page {
        let mut room = ROOM.with(RefCell::take);
        if room.is_empty() {
            room = vec![0; WORDS];
        }
        Page { room, fetch: no_fetch() }
    }

    /// Copies the next rows of a result, at most `limit` bytes of cells and their contents.
    ///
    /// # Errors
    /// The error struct of the library.
    pub fn fetch(&mut self, rows: kw_rows, limit: usize) -> Result<(), Box<kw_error>> {
        let size = limit / 8 * 8;
        if size > self.room.len() * 8 {
            self.room = vec![0; size / 8];
        }
        let (mut fetch, mut error) = (no_fetch(), Box::new(no_error()));
        // SAFETY: the room is alive and of at least this size; both structs are complete and ours.
        let status = unsafe { kw_rows_fetch_into(rows, self.room.as_mut_ptr().cast(), size, &mut fetch, &mut *error) };
        if status != KW_OK {
            return Err(error);
        }
        self.fetch = fetch;
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.fetch.rows as usize
    }

    /// How many cells a row has.
    pub fn columns(&self) -> usize {
        self.fetch.columns as usize
    }

    /// The handle of the rows that follow; 0 at the end.
    pub fn more(&self) -> kw_rows {
        self.fetch.more
    }

    /// The bytes that the next row needs, when not even one fitted.
    pub fn needed(&self) -> usize {
        self.fetch.needed as usize
    }

    /// The values of one row.
    pub fn row(&self, row: usize) -> impl ExactSizeIterator<Item = ValueRef<'_>> {
        assert!(row < self.rows(), "a row of the page");
        // SAFETY: the library wrote `rows × columns` cells to the start of the room, which is borrowed as long as they are.
        let cells = unsafe { std::slice::from_raw_parts(self.room.as_ptr().cast::<kw_cell>().add(row * self.columns()), self.columns()) };
        cells.iter().map(value)
    }

    /// Gives the room back to the thread, unless one large row has blown it up.
    pub fn close(self) {
        if self.room.len() <= WORDS {
            ROOM.with(|room| drop(room.replace(self.room)));
        }
    }
}

fn value(cell: &kw_cell) -> ValueRef<'_> {
    // SAFETY: the type says which member of the union was written; text and blobs are in the same room as the cell.
    unsafe {
        match cell.r#type {
            KW_INTEGER => ValueRef::Integer(cell.value.integer),
            KW_REAL => ValueRef::Real(cell.value.real),
            KW_TEXT => ValueRef::Text(std::slice::from_raw_parts(cell.value.data.cast(), cell.length as usize)),
            KW_BLOB => ValueRef::Blob(std::slice::from_raw_parts(cell.value.data.cast(), cell.length as usize)),
            _ => ValueRef::Null,
        }
    }
}

fn no_fetch() -> kw_fetch {
    kw_fetch { struct_size: size_of::<kw_fetch>() as u32, columns: 0, rows: 0, flags: 0, columns_id: 0, needed: 0, more: 0 }
}

/// A struct for an error that has not happened.
pub fn no_error() -> kw_error {
    kw_error {
        struct_size: size_of::<kw_error>() as u32,
        code: 0,
        engine_code: 0,
        engine_extended_code: 0,
        sql_offset: -1,
        flags: 0,
        sqlstate: [0; 8],
        message: [0; KW_MESSAGE_SIZE],
    }
}
