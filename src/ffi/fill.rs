//! Copying rows into the caller's memory.

use std::ffi::c_void;
use std::sync::Arc;

use super::call::Call;
use super::rows::Reader;
use super::text::null;
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::results::{Rest, Rows};
use crate::rows::{Batch, Cell, Columns, First, Held, Whole};
use crate::store::Store;

/// Memory of the caller's for cells and their bytes.
#[derive(Clone, Copy)]
pub struct Space {
    start: *mut u8,
    size: usize,
}

impl Space {
    /// # Safety
    /// `buffer` is NULL or valid for writes of `size` bytes for the time of the call.
    pub unsafe fn new(buffer: *mut c_void, size: usize) -> Result<Space> {
        if buffer.is_null() {
            return Err(null("buffer"));
        }
        if !buffer.cast::<kw_cell>().is_aligned() {
            return Err(Error::new(Kind::Misuse, "buffer: has to be aligned to 8 bytes"));
        }
        Ok(Space { start: buffer.cast(), size })
    }

    /// Copies cells to cell `cell_start` and their bytes, which are at the address `source` now, to byte `byte_start`.
    fn place(&self, cells: &[Cell], bytes: &[u8], source: u64, cell_start: usize, byte_start: usize) {
        let target = self.start as u64 + byte_start as u64;
        // SAFETY: the caller of this function has checked that cells and bytes fit; alignment was checked in `new`.
        unsafe {
            let place = self.start.cast::<Cell>().add(cell_start);
            for (index, cell) in cells.iter().enumerate() {
                let moved = if cell.has_bytes() { cell.moved_to(cell.payload() - source + target) } else { *cell };
                place.add(index).write(moved);
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(byte_start), bytes.len());
        }
    }
}

/// What a copy into the caller's memory came to.
pub struct Filled {
    columns: u32,
    columns_id: u64,
    /// Rows in the caller's memory.
    rows: usize,
    /// Bytes that the row needs that did not fit as the first.
    needed: usize,
    /// The batch, from this row on, when not all of it fitted.
    left: Option<Box<(Arc<Columns>, Held, usize)>>,
    from_cache: bool,
}

impl Filled {
    /// Copies as much of a first batch as fits, and takes the batch when something is left.
    pub fn first(space: Space, columns: &Arc<Columns>, first: First<'_>, with_names: bool) -> Filled {
        let names = with_names.then(|| names(columns));
        let from_cache = matches!(first, First::Kept(_));
        let batch = first.batch();
        let (rows, needed) = fill(space, names.as_ref(), batch, 0);
        let header = usize::from(with_names && rows > 0);
        let all = rows - header == batch.rows() && (rows > 0 || !with_names);
        let left = (!all).then(|| Box::new((columns.clone(), first.take(), rows.saturating_sub(header))));
        Filled { columns: columns.len() as u32, columns_id: columns.id, rows, needed, left, from_cache }
    }

    /// Describes the copy; what did not fit, or was not fetched yet, becomes a rows handle.
    pub fn finish(self, rest: Option<Rest>, store: &Store, call: &Call) -> Result<kw_fetch> {
        let Filled { columns, columns_id, rows, needed, left, from_cache } = self;
        let (following, batch, given) = match (left, &rest) {
            (None, None) => return Ok(describe(columns, columns_id, rows, needed, 0, from_cache)),
            (None, Some(rest)) => (rest.columns()?, Held::Own(Batch::default()), 0),
            (Some(left), _) => *left,
        };
        let mut reader = Reader::new(Rows::partly_read(following, batch, rest), store, call)?;
        reader.skip(given);
        Ok(describe(columns, columns_id, rows, needed, reader.into_handle()?, from_cache))
    }
}

/// Copies a whole kept result; `None` when it does not fit.
#[inline]
pub fn copy_whole(space: Space, whole: &Whole) -> Option<kw_fetch> {
    let (rows, _) = fill(space, None, &whole.batch, 0);
    (rows == whole.batch.rows()).then(|| describe(whole.columns.len() as u32, whole.columns.id, rows, 0, 0, true))
}

#[inline]
pub fn describe(columns: u32, columns_id: u64, rows: usize, needed: usize, more: u64, from_cache: bool) -> kw_fetch {
    kw_fetch {
        struct_size: 0,
        columns,
        rows: rows as u32,
        flags: if more == 0 { KW_BATCH_LAST } else { 0 } | cached(from_cache),
        columns_id,
        needed: if rows == 0 && more != 0 { needed as u64 } else { 0 },
        more,
    }
}

/// The flag of a kept result.
pub fn cached(from_cache: bool) -> u32 {
    if from_cache {
        KW_BATCH_CACHED
    } else {
        0
    }
}

/// The column names as a batch of one row.
fn names(columns: &Columns) -> Batch {
    let mut batch = Batch::new(columns.len());
    columns.names.iter().for_each(|name| batch.push_text(name.as_bytes()));
    batch.end_row();
    batch
}

/// Copies the header, if any, and as many rows of `batch` from `from` on as fit. Returns the rows in memory, the header included, and
/// what the first row that did not fit needs with what has to stand before it.
pub fn fill(space: Space, header: Option<&Batch>, batch: &Batch, from: usize) -> (usize, usize) {
    let width = batch.columns();
    let head = header.map_or(0, |h| h.byte_len());
    let head_rows = usize::from(header.is_some());
    let start = offset(batch, from);
    let row_cells = width * size_of::<Cell>();
    let whole = (head_rows + batch.rows() - from) * row_cells + head + batch.byte_len() - start;
    let mut end = batch.rows();
    if whole > space.size {
        let mut size = head_rows * row_cells + head;
        end = from;
        for row in from..batch.rows() {
            let cells = &batch.cells()[row * width..(row + 1) * width];
            let needed = size + row_cells + cells.iter().filter(|c| c.has_bytes()).map(|c| c.length() as usize + 1).sum::<usize>();
            if needed > space.size {
                if row == from {
                    return (0, needed);
                }
                break;
            }
            (size, end) = (needed, row + 1);
        }
        if end == from {
            return (0, whole);
        }
    }
    let rows = head_rows + end - from;
    let bytes_at = rows * width * size_of::<Cell>();
    if let Some(header) = header {
        space.place(header.cells(), header.bytes(), header.bytes().as_ptr() as u64, 0, bytes_at);
    }
    let bytes = &batch.bytes()[start..offset(batch, end)];
    let cells = &batch.cells()[from * width..end * width];
    space.place(cells, bytes, batch.bytes().as_ptr() as u64 + start as u64, head_rows * width, bytes_at + head);
    (rows, 0)
}

/// Where the bytes of row `row` begin.
fn offset(batch: &Batch, row: usize) -> usize {
    if batch.byte_len() == 0 {
        return 0;
    }
    let after = &batch.cells()[row * batch.columns()..];
    let first = after.iter().find(|cell| cell.has_bytes());
    first.map_or(batch.byte_len(), |cell| (cell.payload() - batch.bytes().as_ptr() as u64) as usize)
}
