//! Packed rows: a batch of 16-byte cells over one block of bytes, and the columns they belong to.

use std::any::Any;
use std::sync::Arc;

use once_cell::race::OnceBox;

use crate::value::ValueRef;

/// The type tags of cells; the C constants `KW_NULL` … `KW_BLOB`.
pub mod tag {
    pub const NULL: u32 = 0;
    pub const INTEGER: u32 = 1;
    pub const REAL: u32 = 2;
    pub const TEXT: u32 = 3;
    pub const BLOB: u32 = 4;
}

/// One value in 16 bytes. The layout is that of the C struct `kw_cell`: eight bytes of payload (an integer, the bits of a double,
/// or the address of text or blob bytes inside the batch), the length of those bytes, and the type tag.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    payload: u64,
    length: u32,
    tag: u32,
}

impl Cell {
    /// The integer, the bits of the double, or the address of the bytes.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// How many bytes the text or blob has.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// One of the numbers in [`tag`].
    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// Whether the payload is an address.
    pub fn has_bytes(&self) -> bool {
        self.tag >= tag::TEXT
    }

    /// The same cell with its bytes at `address`.
    pub fn moved_to(self, address: u64) -> Cell {
        Cell { payload: address, ..self }
    }
}

/// Some rows of a result: `rows × columns` cells in row order, and the bytes that text and blob cells point into.
///
/// Invariant: the payload of every text or blob cell is an address inside `bytes`, so `bytes` may grow only through
/// [`Batch::make_room`], which moves the addresses along. Each text or blob is followed by one NUL byte.
#[derive(Debug, Default)]
pub struct Batch {
    columns: usize,
    rows: usize,
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

impl Batch {
    /// An empty batch for rows of `columns` cells.
    pub fn new(columns: usize) -> Self {
        Batch { columns, ..Batch::default() }
    }

    /// Empties the batch for rows of `columns` cells and keeps its memory.
    pub fn reset(&mut self, columns: usize) {
        self.columns = columns;
        self.rows = 0;
        self.cells.clear();
        self.bytes.clear();
    }

    /// Gives back memory beyond `cells` cells and `bytes` bytes, so that one large result does not stay for ever.
    pub fn shrink(&mut self, cells: usize, bytes: usize) {
        if self.cells.capacity() > cells {
            self.cells = Vec::new();
        }
        if self.bytes.capacity() > bytes {
            self.bytes = Vec::new();
        }
        self.reset(self.columns);
    }

    /// A copy with no more memory than it needs.
    fn exact_copy(&self) -> Batch {
        let bytes = self.bytes.clone();
        let (before, after) = (self.bytes.as_ptr() as u64, bytes.as_ptr() as u64);
        let moved = |cell: &Cell| if cell.has_bytes() { cell.moved_to(cell.payload - before + after) } else { *cell };
        Batch { columns: self.columns, rows: self.rows, cells: self.cells.iter().map(moved).collect(), bytes }
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many whole rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes of text and blobs there are, with their closing NUL bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// All cells in row order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The bytes that text and blob cells point into.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Declares the cells pushed since the last call a row.
    pub fn end_row(&mut self) {
        self.rows += 1;
        debug_assert_eq!(self.cells.len(), self.rows * self.columns);
    }

    /// Removes the cells of a row that was not ended.
    pub fn abandon_row(&mut self) {
        self.cells.truncate(self.rows * self.columns);
    }

    #[inline]
    pub fn push_null(&mut self) {
        self.cells.push(Cell { payload: 0, length: 0, tag: tag::NULL });
    }

    #[inline]
    pub fn push_integer(&mut self, value: i64) {
        self.cells.push(Cell { payload: value as u64, length: 0, tag: tag::INTEGER });
    }

    #[inline]
    pub fn push_real(&mut self, value: f64) {
        self.cells.push(Cell { payload: value.to_bits(), length: 0, tag: tag::REAL });
    }

    #[inline]
    pub fn push_text(&mut self, text: &[u8]) {
        self.push_bytes(text, tag::TEXT);
    }

    #[inline]
    pub fn push_blob(&mut self, blob: &[u8]) {
        self.push_bytes(blob, tag::BLOB);
    }

    /// Appends any value as the next cell of the row.
    pub fn push(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.push_null(),
            ValueRef::Integer(i) => self.push_integer(i),
            ValueRef::Real(f) => self.push_real(f),
            ValueRef::Text(b) => self.push_text(b),
            ValueRef::Blob(b) => self.push_blob(b),
        }
    }

    #[inline]
    fn push_bytes(&mut self, bytes: &[u8], tag: u32) {
        if self.bytes.capacity() - self.bytes.len() <= bytes.len() {
            self.make_room(bytes.len() + 1);
        }
        let address = self.bytes.as_ptr() as u64 + self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        self.bytes.push(0);
        self.cells.push(Cell { payload: address, length: bytes.len() as u32, tag });
    }

    /// Makes room for `more` bytes and moves the addresses in the cells along with them.
    #[cold]
    fn make_room(&mut self, more: usize) {
        let before = self.bytes.as_ptr() as u64;
        self.bytes.reserve(more.max(1024));
        let after = self.bytes.as_ptr() as u64;
        if before != after {
            for cell in self.cells.iter_mut().filter(|c| c.has_bytes()) {
                cell.payload = cell.payload - before + after;
            }
        }
    }

    /// The value at `row`, `column`; NULL outside the batch.
    pub fn get(&self, row: usize, column: usize) -> ValueRef<'_> {
        if row >= self.rows || column >= self.columns {
            return ValueRef::Null;
        }
        self.value(&self.cells[row * self.columns + column])
    }

    /// The cells of one row as values.
    pub fn row(&self, row: usize) -> impl ExactSizeIterator<Item = ValueRef<'_>> {
        let start = row * self.columns;
        self.cells[start..start + self.columns].iter().map(|cell| self.value(cell))
    }

    /// Reads a cell of this batch.
    #[inline]
    pub fn value(&self, cell: &Cell) -> ValueRef<'_> {
        match cell.tag {
            tag::INTEGER => ValueRef::Integer(cell.payload as i64),
            tag::REAL => ValueRef::Real(f64::from_bits(cell.payload)),
            tag::TEXT => ValueRef::Text(self.slice(cell)),
            tag::BLOB => ValueRef::Blob(self.slice(cell)),
            _ => ValueRef::Null,
        }
    }

    #[inline]
    fn slice(&self, cell: &Cell) -> &[u8] {
        let start = (cell.payload - self.bytes.as_ptr() as u64) as usize;
        &self.bytes[start..start + cell.length as usize]
    }
}

/// A whole result that several may hold at once. It never changes.
#[derive(Debug)]
pub struct Whole {
    pub columns: Arc<Columns>,
    pub batch: Batch,
    /// The same in the form of a binding that wants to make it once only; see [`Whole::form`].
    form: OnceBox<Box<dyn Any + Send + Sync>>,
}

impl Whole {
    /// A copy of a batch that is the whole result, with no more memory than it needs.
    pub fn copy(columns: &Arc<Columns>, batch: &Batch) -> Self {
        Whole { columns: columns.clone(), batch: batch.exact_copy(), form: OnceBox::new() }
    }

    /// The bytes that it takes, its columns' names left out: those are the statement's.
    pub fn size(&self) -> usize {
        self.batch.cells.len() * size_of::<Cell>() + self.batch.bytes.len()
    }

    /// The form that somebody has given it before.
    pub fn form(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.form.get().map(|form| &**form)
    }

    /// Gives it a form, unless it has one.
    pub fn give_form(&self, form: Box<dyn Any + Send + Sync>) -> Result<(), Box<dyn Any + Send + Sync>> {
        self.form.set(Box::new(form)).map_err(|form| *form)
    }
}

/// The first batch of a result as it is shown to who asked for it.
pub enum First<'a> {
    /// Read just now; it may be taken.
    Fresh(&'a mut Batch),
    /// The whole result, kept from an earlier run.
    Kept(&'a Arc<Whole>),
}

impl First<'_> {
    pub fn batch(&self) -> &Batch {
        match self {
            First::Fresh(batch) => batch,
            First::Kept(whole) => &whole.batch,
        }
    }

    /// The batch for later, with its memory or a share in the kept one.
    pub fn take(self) -> Held {
        match self {
            First::Fresh(batch) => Held::Own(std::mem::take(batch)),
            First::Kept(whole) => Held::Kept(whole.clone()),
        }
    }
}

/// A batch of one's own, or a share in a kept one.
pub enum Held {
    Own(Batch),
    Kept(Arc<Whole>),
}

impl Held {
    #[inline]
    pub fn batch(&self) -> &Batch {
        match self {
            Held::Own(batch) => batch,
            Held::Kept(whole) => &whole.batch,
        }
    }

    /// A batch of one's own to fill: the one at hand, or a new one.
    pub fn own(&mut self) -> &mut Batch {
        if let Held::Kept(whole) = self {
            *self = Held::Own(Batch::new(whole.batch.columns()));
        }
        match self {
            Held::Own(batch) => batch,
            Held::Kept(_) => unreachable!("it has just been replaced"),
        }
    }

    pub fn is_kept(&self) -> bool {
        matches!(self, Held::Kept(_))
    }
}

/// The columns of a result: names, declared types, and a number that changes when they do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Equal numbers mean equal columns, within one store.
    pub id: u64,
    pub names: Vec<String>,
    /// The declared type of a column that is a plain table column ([`sqlite3_column_decltype`](https://sqlite.org/c3ref/column_decltype.html)).
    pub decltypes: Vec<Option<String>>,
}

impl Columns {
    /// How many columns there are; 0 for a statement that returns no rows.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the statement returns no rows at all.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The index of the column called `name`, first match, ASCII case ignored.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_back_what_was_pushed_while_its_bytes_grow() {
        let mut batch = Batch::new(2);
        for i in 0..5_000_i64 {
            batch.push_integer(i);
            batch.push_text(format!("row {i}").as_bytes());
            batch.end_row();
        }
        for i in 0..5_000_usize {
            assert_eq!(batch.get(i, 0), ValueRef::Integer(i as i64));
            assert_eq!(batch.get(i, 1), ValueRef::Text(format!("row {i}").as_bytes()));
        }
        assert!(batch.get(5_000, 0).is_null());
    }

    #[test]
    fn text_is_followed_by_a_nul_that_its_length_does_not_count() {
        let mut batch = Batch::new(1);
        batch.push_text(b"a\0b");
        batch.end_row();
        assert_eq!(batch.get(0, 0), ValueRef::Text(b"a\0b"));
        assert_eq!(batch.bytes(), b"a\0b\0");
    }

    #[test]
    fn an_abandoned_row_leaves_no_cells() {
        let mut batch = Batch::new(2);
        batch.push_null();
        batch.abandon_row();
        assert_eq!(batch.cells().len(), 0);
    }
}
