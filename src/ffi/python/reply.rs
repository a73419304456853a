//! The block that a reply of the portable road goes to, and what can stand in it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::marshal::Writer;
use super::memo::Memo;
use super::page::{no_error, Page};
use super::state::text_of;
use crate::error::{Error, Kind};
use crate::ffi::guard::{copy_text, error_flags};
use crate::ffi::types::*;
use crate::rows::{Batch, Columns};
use crate::value::ValueRef;

/// Text of the result is no UTF-8; the reply is `(column, bytes)`.
const BAD_TEXT: kw_status = -2;
/// The reply did not fit into the block, which holds its size: the package makes a larger one and asks for it.
const LEFT_FOR_YOU: kw_status = -4;
/// Sets of column names that the package remembers per block.
const NAMES: usize = 16;
/// The number in the header that names the rows whose handle the package has not taken over yet.
const REST: usize = 1 + NAMES;
/// Numbers before the room.
const HEADER: usize = REST + 1;

/// The block of the package that a reply goes to.
pub struct Block {
    header: *mut u64,
}

impl Block {
    /// The block at an address that the package sent.
    pub fn at(address: u64) -> Self {
        Block { header: address as *mut u64 }
    }

    /// The room for the reply.
    pub fn room(&mut self) -> &mut [u8] {
        // SAFETY: the package keeps a block of this layout alive for the call and lends it to nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.header.add(HEADER).cast::<u8>(), *self.header as usize) }
    }

    /// The room without what comes after the rows.
    fn room_before_tail(&mut self) -> &mut [u8] {
        let room = self.room();
        let length = room.len().saturating_sub(TAIL);
        &mut room[..length]
    }

    /// The place in the table for a set of columns, and whether the package knows the names already.
    fn place(&self, number: u64) -> (usize, bool) {
        let place = number as usize % NAMES;
        // SAFETY: as in `room`.
        (place, unsafe { *self.header.add(1 + place) } == number)
    }

    /// Leaves the handle of a rest in the header: a signal may keep the package from reading the reply, and then the block closes it.
    pub fn leave_rest(&mut self, rows: kw_rows) {
        // SAFETY: as in `room`.
        unsafe { *self.header.add(REST) = rows }
    }

    /// Notes that the package has got the names of this set.
    pub fn remember(&mut self, number: u64) {
        // SAFETY: as in `room`.
        unsafe { *self.header.add(1 + number as usize % NAMES) = number }
    }
}

/// A number for a set of columns that means the same in the whole process; a new one where none is remembered.
pub fn number(columns: &Arc<Columns>) -> u64 {
    static NUMBERS: Memo<u64> = Memo::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NUMBERS.find(columns).unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBERS.keep(columns, number);
        number
    })
}

/// Why there is no plain reply.
pub enum Trouble {
    Error(Box<kw_error>, String),
    Text(usize, Vec<u8>),
}

impl Trouble {
    fn text(column: usize, value: ValueRef<'_>) -> Self {
        Trouble::Text(column, value.as_bytes().unwrap_or_default().to_vec())
    }
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
            ..no_error()
        });
        copy_text(error.sqlstate(), &mut fields.sqlstate);
        Trouble::Error(fields, error.message().to_owned())
    }
}

/// What comes after the rows of a reply.
const TAIL: usize = 16;

/// A first batch, written as a reply that lacks only its end: in the block, or in memory of its own when the block is too small.
pub struct First {
    number: u64,
    own: Option<Vec<u8>>,
    end: usize,
}

impl First {
    /// Writes `(place, names or None, from the cache, rows`.
    pub fn write(block: &mut Block, columns: &Arc<Columns>, batch: &Batch, from_cache: bool) -> Result<First, Trouble> {
        let number = number(columns);
        let (place, known) = block.place(number);
        let names = (!known).then_some(&**columns);
        if let Some(end) = rows(block.room_before_tail(), place, names, from_cache, batch)? {
            return Ok(First { number, own: None, end });
        }
        let names_size: usize = columns.names.iter().map(|name| name.len() + 5).sum();
        let cells_size = batch.rows() * (5 + 15 * batch.columns()) + batch.byte_len();
        let mut own = vec![0; 64 + names_size + cells_size + TAIL];
        match rows(&mut own, place, names, from_cache, batch)? {
            Some(end) => Ok(First { number, own: Some(own), end }),
            None => Err(Error::new(Kind::TooBig, "python: a batch was written larger than it can be").into()),
        }
    }

    /// Ends the reply with the handle of the rest. A reply in memory of its own is left for the package to fetch.
    pub fn finish(self, block: &mut Block, more: kw_rows) -> kw_status {
        block.remember(self.number);
        block.leave_rest(more);
        let Some(mut own) = self.own else {
            Writer::from(block.room(), self.end).integer(more as i64);
            return KW_OK;
        };
        Writer::from(&mut own, self.end).integer(more as i64);
        Writer::new(block.room()).integer(own.len() as i64);
        LEFT.set(own);
        LEFT_FOR_YOU
    }
}

thread_local! {
    /// A reply of this thread that did not fit into its block.
    static LEFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Puts the reply that was left into a block, which is large enough this time.
pub fn fetch_left(block: &mut Block) {
    let left = LEFT.take();
    let room = block.room();
    let length = left.len().min(room.len());
    room[..length].copy_from_slice(&left[..length]);
}

/// Writes the rows of a batch; `None` when they do not fit.
fn rows(room: &mut [u8], place: usize, columns: Option<&Columns>, from_cache: bool, batch: &Batch) -> Result<Option<usize>, Trouble> {
    let mut writer = Writer::new(room);
    begin(&mut writer, place, columns, usize::from(from_cache));
    let list = writer.begin_list();
    for row in 0..batch.rows() {
        if let Err(column) = writer.row(batch.columns(), batch.row(row)) {
            return Err(Trouble::text(column, batch.get(row, column)));
        }
        if !writer.fits() {
            return Ok(None);
        }
    }
    writer.end_list(list, batch.rows());
    Ok(writer.fits().then_some(writer.position()))
}

/// Writes the rows of a page: `(0, None, needed, rows, more)`. They always fit, because a page is half a block.
pub fn page(block: &mut Block, page: Page) -> Result<(), Trouble> {
    let mut writer = Writer::new(block.room());
    begin(&mut writer, 0, None, 2 * page.needed().next_multiple_of(8));
    let list = writer.begin_list();
    for row in 0..page.rows() {
        if let Err(column) = writer.row(page.columns(), page.row(row)) {
            return Err(Trouble::text(column, page.row(row).nth(column).unwrap_or_default()));
        }
    }
    writer.end_list(list, page.rows());
    writer.integer(page.more() as i64);
    page.close();
    Ok(())
}

/// The head of a reply with rows. The number is for a first batch whether it is from the cache, and for later ones the room that is missing.
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

/// Writes what went wrong; gives the status for it.
pub fn complain(block: &mut Block, trouble: &Trouble) -> kw_status {
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
            writer.text(text_of(&error.sqlstate).as_bytes());
            error.code
        }
    }
}
