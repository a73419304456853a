//! What callers pass in: text, structs that say their size, parameters; and structs that are handed back.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_void, CStr, CString};

use crate::sync::Mutex;

use super::guard::copy_text;
use super::insight_types::*;
use super::migration_types::*;
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::value::ValueRef;

/// Borrows text of `length` bytes, or up to its NUL for [`KW_NUL_TERMINATED`].
///
/// # Safety
/// `text` is NULL or valid for that many bytes as long as the result is used.
#[inline]
pub unsafe fn text<'a>(text: *const c_char, length: usize, what: &str) -> Result<&'a str> {
    if text.is_null() {
        return if length == 0 { Ok("") } else { Err(null(what)) };
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe {
        match length {
            KW_NUL_TERMINATED => CStr::from_ptr(text).to_bytes(),
            _ => std::slice::from_raw_parts(text.cast::<u8>(), length),
        }
    };
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8. Looking at that alone costs half of the full check, and SQL is nearly always ASCII.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        Error::new(Kind::Encoding, format!("{what}: byte {at} is not UTF-8")).at(u32::try_from(at).ok())
    })
}

/// The error for a NULL where something has to be.
pub fn null(what: &str) -> Error {
    Error::new(Kind::Misuse, format!("{what}: NULL was passed"))
}

/// Structs that begin with `uint32_t struct_size`. Zeroed they are valid.
///
/// # Safety
/// `repr(C)`, first field `struct_size: u32`, every bit pattern of zeros valid.
pub unsafe trait Sized32: Copy {}

macro_rules! sized {
    ($($name:ident),* $(,)?) => { $(
        // SAFETY: declared in types.rs with repr(C) and struct_size first; numbers, pointers and optional functions may be zero.
        unsafe impl Sized32 for $name {}
    )* };
}
sized!(
    kw_migration,
    kw_migrate_options,
    kw_report_summary,
    kw_report_migration,
    kw_report_problem,
    kw_report_table,
    kw_options,
    kw_result,
    kw_batch,
    kw_fetch,
    kw_statement_info,
    kw_stats,
    kw_cache_stats,
    kw_health,
    kw_log_event,
    kw_write
);

/// Reads a struct of the caller: what an older caller lacks is zero, what a newer one adds has to be.
///
/// # Safety
/// `pointer` is NULL or points to a struct of the size that its first field says.
#[inline]
pub unsafe fn read<T: Sized32>(pointer: *const T, what: &str) -> Result<Option<T>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise; the first field is a u32.
    let size = unsafe { pointer.cast::<u32>().read() } as usize;
    if size == size_of::<T>() {
        // SAFETY: as above.
        return Ok(Some(unsafe { pointer.read() }));
    }
    check_size::<T>(size, what)?;
    // SAFETY: `size` bytes are readable; zeros are valid where the caller's struct ends early.
    unsafe {
        let mut full = std::mem::zeroed::<T>();
        let bytes = std::slice::from_raw_parts(pointer.cast::<u8>(), size);
        if bytes.iter().skip(size_of::<T>()).any(|byte| *byte != 0) {
            return Err(newer::<T>(size, what));
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut full).cast::<u8>(), size.min(size_of::<T>()));
        Ok(Some(full))
    }
}

/// A struct that is to be written for the caller.
pub struct Out<T> {
    pointer: *mut T,
    size: usize,
}

impl<T: Sized32> Out<T> {
    /// Checks the caller's struct before the work is done.
    ///
    /// # Safety
    /// `pointer` is NULL or points to a struct of the size that its first field says.
    #[inline]
    pub unsafe fn new(pointer: *mut T, what: &str) -> Result<Self> {
        if pointer.is_null() {
            return Err(null(what));
        }
        // SAFETY: the caller's promise.
        let size = unsafe { pointer.cast::<u32>().read() } as usize;
        if size != size_of::<T>() {
            check_size::<T>(size, what)?;
        }
        Ok(Out { pointer, size })
    }

    /// Writes as much of `value` as the caller's struct has; the size stays the caller's.
    #[inline]
    pub fn write(self, mut value: T) {
        let length = self.size.min(size_of::<T>());
        // SAFETY: checked in `new`; both begin with the u32 that says the size.
        unsafe {
            (&raw mut value).cast::<u32>().write(self.size as u32);
            std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), self.pointer.cast::<u8>(), length);
        }
    }
}

/// A struct has at least its size and one field; none is larger than a page.
fn check_size<T>(size: usize, what: &str) -> Result<()> {
    if (8..=4096).contains(&size) {
        return Ok(());
    }
    Err(newer::<T>(size, what))
}

fn newer<T>(size: usize, what: &str) -> Error {
    let message = format!(
        "{what}: struct_size is {size}, this library ({}) knows {}; initialize it with its KW_…_INIT macro and link the library that \
         the header belongs to",
        env!("CARGO_PKG_VERSION"),
        size_of::<T>()
    );
    Error::new(Kind::Abi, message)
}

/// Texts that are lent to C programs: each with a NUL behind it, made when it is first asked for, alive as long as this.
#[derive(Default)]
pub struct Lent(Mutex<BTreeMap<(u8, usize), CString>>);

impl Lent {
    /// Where `text` is, and its length; NULL and 0 for none. `place` tells the texts of one owner apart.
    pub fn lend(&self, place: (u8, usize), text: Option<&str>) -> (*const c_char, usize) {
        let Some(text) = text else { return (std::ptr::null(), 0) };
        let mut texts = self.0.lock();
        let lent = texts.entry(place).or_insert_with(|| CString::new(text).unwrap_or_default());
        (lent.as_ptr(), text.len())
    }
}

/// Writes a plain output.
///
/// # Safety
/// `pointer` is NULL or valid for a write.
#[inline]
pub unsafe fn give<T>(pointer: *mut T, value: T, what: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise.
    unsafe { pointer.write(value) };
    Ok(())
}

/// Copies text with a NUL into a buffer of the caller's, as much of it as fits, and says how long all of it is.
///
/// # Safety
/// `buffer` is NULL, or valid for writes of `size` bytes; `length` is NULL or valid for a write.
pub unsafe fn copy_out(text: &str, buffer: *mut c_char, size: usize, length: *mut usize) -> Result<()> {
    if buffer.is_null() && size > 0 {
        return Err(null("buffer"));
    }
    // SAFETY: the caller's promise.
    unsafe {
        give(length, text.len(), "length")?;
        if size > 0 {
            copy_text(text, std::slice::from_raw_parts_mut(buffer, size));
        }
    }
    Ok(())
}

/// Room for parameters as the core wants them: a few in place, more on the heap.
pub struct Values<'a> {
    few: [ValueRef<'a>; FEW],
    many: Vec<ValueRef<'a>>,
}

const FEW: usize = 8;

impl<'a> Values<'a> {
    pub const EMPTY: Values<'static> = Values { few: [ValueRef::Null; FEW], many: Vec::new() };

    /// Borrows `count` parameters.
    ///
    /// # Safety
    /// `cells` is NULL or valid for `count` cells, and the bytes that they name are valid, as long as the result is used.
    #[inline]
    pub unsafe fn read(&mut self, cells: *const kw_cell, count: usize) -> Result<&[ValueRef<'a>]> {
        if count == 0 {
            return Ok(&[]);
        }
        if cells.is_null() {
            return Err(null("params"));
        }
        if count > MOST_PARAMETERS {
            return Err(Error::new(Kind::Parameter, format!("{count} parameters given; at most {MOST_PARAMETERS} are taken in one call")));
        }
        // SAFETY: the caller's promise.
        let slice = unsafe { std::slice::from_raw_parts(cells, count) };
        let Some(few) = self.few.get_mut(..count) else {
            // SAFETY: as above.
            self.many = slice.iter().enumerate().map(|(index, cell)| unsafe { value(cell, cells, index) }).collect::<Result<_>>()?;
            return Ok(&self.many);
        };
        for (index, (place, cell)) in few.iter_mut().zip(slice).enumerate() {
            // SAFETY: as above.
            *place = unsafe { value(cell, cells, index)? };
        }
        Ok(few)
    }
}

/// A matrix of this many cells is 4 GiB.
const MOST_PARAMETERS: usize = 1 << 28;

/// # Safety
/// As [`Values::read`].
#[inline]
pub unsafe fn value<'a>(cell: &kw_cell, first: *const kw_cell, index: usize) -> Result<ValueRef<'a>> {
    // SAFETY: the type says which member of the union was written; the caller promises the bytes.
    unsafe {
        Ok(match cell.r#type {
            KW_NULL => ValueRef::Null,
            KW_INTEGER => ValueRef::Integer(cell.value.integer),
            KW_REAL => ValueRef::Real(cell.value.real),
            KW_TEXT => ValueRef::Text(bytes(cell.value.data, cell.length, true).ok_or_else(|| missing(index))?),
            KW_BLOB => ValueRef::Blob(bytes(cell.value.data, cell.length, false).ok_or_else(|| missing(index))?),
            KW_TEXT_AT | KW_BLOB_AT => {
                let at = usize::try_from(cell.value.integer).map_err(|_| bad_type(index, "a negative offset"))?;
                let data = std::slice::from_raw_parts(first.cast::<u8>().add(at), cell.length as usize);
                if cell.r#type == KW_TEXT_AT {
                    ValueRef::Text(data)
                } else {
                    ValueRef::Blob(data)
                }
            }
            other => return Err(bad_type(index, &format!("the unknown type {other}"))),
        })
    }
}

/// # Safety
/// As [`Values::read`].
#[inline]
unsafe fn bytes<'a>(data: *const c_void, length: u32, text: bool) -> Option<&'a [u8]> {
    if data.is_null() {
        return (length == 0).then_some(&[]);
    }
    // SAFETY: the caller's promise.
    Some(unsafe {
        match length {
            u32::MAX if text => CStr::from_ptr(data.cast()).to_bytes(),
            _ => std::slice::from_raw_parts(data.cast(), length as usize),
        }
    })
}

fn missing(index: usize) -> Error {
    Error::new(Kind::Parameter, format!("parameter {}: its data is NULL but its length is not 0", index + 1))
}

fn bad_type(index: usize, what: &str) -> Error {
    Error::new(Kind::Parameter, format!("parameter {}: {what}", index + 1))
}
