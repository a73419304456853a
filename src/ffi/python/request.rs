//! A request of the portable road, read from its bytes.

use super::marshal::{Item, Reader, Refused};
use super::tick::tick_of_this_thread;
use crate::ffi::call::NO_OPTIONS;
use crate::ffi::types::*;
use crate::value::{Params, ValueRef};

/// In the flags of a request: byte strings in it are `bytes` for certain.
const CONFIRMED: i64 = 1 << 16;
/// Parts of a request: `(block, operation, handle, sql or (statement,), values)`, or with `names or None, options` behind them.
const SHORT: usize = 5;
const LONG: usize = 7;

/// Operations, in the order of the package's own list.
pub mod operation {
    pub const QUERY: i64 = 0;
    pub const EXECUTE: i64 = 1;
    pub const EXECUTE_MANY: i64 = 2;
    pub const OPEN: i64 = 3;
    pub const NEXT: i64 = 4;
    /// The reply of this thread's last request, which did not fit into its block.
    pub const LEFT: i64 = 5;
}

/// A request without its values.
pub struct Request<'a> {
    /// The address of the block for the reply.
    pub block: u64,
    pub operation: i64,
    pub handle: u64,
    pub sql: &'a str,
    pub options: kw_options,
}

/// The values of a request: of one run, or of many.
pub struct Values<'a> {
    pub values: Vec<ValueRef<'a>>,
    names: Option<Vec<&'a str>>,
    pub columns: usize,
    pub rows: usize,
}

impl<'a> Request<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Refused`] when it holds anything that no request has.
    pub fn read(document: &'a [u8]) -> Result<(Request<'a>, Values<'a>), Refused> {
        let mut reader = Reader::new(document);
        let parts = reader.sequence()?;
        if parts != SHORT && parts != LONG {
            return Err(Refused);
        }
        let (block, operation, handle) = (reader.integer()? as u64, reader.integer()?, reader.integer()? as u64);
        let (sql, statement) = if reader.is_text() { (reader.text()?, 0) } else { ("", reader.sole_integer()? as u64) };
        let (mut values, has_bytes) = Values::read(&mut reader, operation == operation::EXECUTE_MANY)?;
        let mut given = [0_i64; 6];
        let count = if parts == LONG {
            values.read_names(&mut reader)?;
            reader.sequence()?
        } else {
            0
        };
        for place in given.iter_mut().take(count) {
            *place = reader.integer()?;
        }
        let [timeout_us, flags, cancel, cache, cache_ttl_ms, batch_rows] = given;
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
            cache_ttl_ms,
            batch_rows: batch_rows as u32,
            ..NO_OPTIONS
        };
        Ok((Request { block, operation, handle, sql, options }, values))
    }
}

impl<'a> Values<'a> {
    fn read(reader: &mut Reader<'a>, many: bool) -> Result<(Self, bool), Refused> {
        let mut values = Values { values: Vec::new(), names: None, columns: 0, rows: 1 };
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

    /// The values of one run as the core wants them.
    pub fn as_params(&self) -> Params<'_> {
        match &self.names {
            Some(names) => Params::named(names, &self.values),
            None => Params::positional(&self.values),
        }
    }
}
