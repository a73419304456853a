//! The block that a reply of the portable road goes to, and what can stand in it.

use super::marshal::Writer;
use super::page::{no_error, Page};
use super::state::text_of;
use crate::error::{Error, Kind};
use crate::ffi::guard::{copy_text, error_flags};
use crate::ffi::types::*;
use crate::rows::{Batch, Columns};
use crate::value::ValueRef;

/// Text of the result is no UTF-8; the reply is `(column, bytes)`.
const BAD_TEXT: kw_status = -2;
/// Sets of column names that the package remembers per block.
const NAMES: usize = 16;

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
        unsafe { std::slice::from_raw_parts_mut(self.header.add(1 + NAMES).cast::<u8>(), *self.header as usize) }
    }

    /// The room without what comes after the rows.
    fn room_before_tail(&mut self) -> &mut [u8] {
        let room = self.room();
        let length = room.len().saturating_sub(TAIL);
        &mut room[..length]
    }

    /// The place of an id in the table, and whether the package knows its names already.
    pub fn place(&self, id: u64) -> (usize, bool) {
        let place = id as usize % NAMES;
        // SAFETY: as in `room`.
        (place, unsafe { *self.header.add(1 + place) } == id)
    }

    /// Notes that the package has got the names behind this id.
    pub fn remember(&mut self, place: usize, id: u64) {
        // SAFETY: as in `room`.
        unsafe { *self.header.add(1 + place) = id }
    }
}

/// Why there is no plain reply.
pub enum Trouble {
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
            ..no_error()
        });
        copy_text(error.sqlstate(), &mut fields.sqlstate);
        Trouble::Error(fields, error.message().to_owned())
    }
}

/// What comes after the rows of a reply.
const TAIL: usize = 16;

/// Writes a whole batch as the rows of a reply; `None` when it does not fit.
pub fn whole(block: &mut Block, columns: &Columns, batch: &Batch) -> Option<Result<usize, Trouble>> {
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
pub fn paged(block: &mut Block, page: Page, columns: Option<&Columns>) -> Result<usize, Trouble> {
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
