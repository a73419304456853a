//! Python's [`marshal`](https://docs.python.org/3/library/marshal.html) format, version 2: the bytes in which the portable road
//! carries requests and results. Reading accepts what every Python writes; writing uses what every Python 3 reads.

use crate::value::ValueRef;

/// A request that holds something that is no parameter: a type without a counterpart, an integer beyond 64 bits, lone surrogates. The
/// package then looks at the Python objects themselves and words the complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// A position in a request.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// A parameter; byte strings are marked, because `marshal` writes everything with a buffer as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    Plain(ValueRef<'a>),
    Bytes(&'a [u8]),
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of a document.
    pub fn new(document: &'a [u8]) -> Self {
        Reader { rest: document }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Refused)?;
        self.rest = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<i32, Refused> {
        let bytes = self.take(4)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn sized(&mut self) -> Result<&'a [u8], Refused> {
        let length = usize::try_from(self.number()?).map_err(|_| Refused)?;
        self.take(length)
    }

    fn short(&mut self) -> Result<&'a [u8], Refused> {
        let length = self.byte()?;
        self.take(length.into())
    }

    /// The number of items of the tuple or list that begins here.
    pub fn sequence(&mut self) -> Result<usize, Refused> {
        match self.byte()? & 0x7F {
            b'(' | b'[' => usize::try_from(self.number()?).map_err(|_| Refused),
            b')' => self.byte().map(Into::into),
            _ => Err(Refused),
        }
    }

    /// Takes `None`, when it is here.
    pub fn is_none(&mut self) -> bool {
        let none = self.rest.first().is_some_and(|tag| tag & 0x7F == b'N');
        if none {
            self.rest = &self.rest[1..];
        }
        none
    }

    /// Whether text comes next.
    pub fn is_text(&self) -> bool {
        self.rest.first().is_some_and(|tag| matches!(tag & 0x7F, b'u' | b't' | b'a' | b'A' | b'z' | b'Z'))
    }

    /// An integer.
    pub fn integer(&mut self) -> Result<i64, Refused> {
        match self.item()? {
            Item::Plain(ValueRef::Integer(integer)) => Ok(integer),
            _ => Err(Refused),
        }
    }

    /// An integer in a tuple of its own.
    pub fn sole_integer(&mut self) -> Result<i64, Refused> {
        match self.sequence()? {
            1 => self.integer(),
            _ => Err(Refused),
        }
    }

    /// Text.
    pub fn text(&mut self) -> Result<&'a str, Refused> {
        match self.item()? {
            // `item` has looked at it already.
            Item::Plain(ValueRef::Text(text)) => std::str::from_utf8(text).map_err(|_| Refused),
            _ => Err(Refused),
        }
    }

    /// Something that may be a parameter.
    #[inline]
    pub fn item(&mut self) -> Result<Item<'a>, Refused> {
        let value = match self.byte()? & 0x7F {
            b'N' => ValueRef::Null,
            b'T' => ValueRef::Integer(1),
            b'F' => ValueRef::Integer(0),
            b'i' => ValueRef::Integer(self.number()?.into()),
            b'l' => ValueRef::Integer(self.long()?),
            b'g' => ValueRef::Real(f64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Refused)?)),
            b'u' | b't' | b'a' | b'A' => utf8(self.sized()?)?,
            b'z' | b'Z' => utf8(self.short()?)?,
            b's' => return Ok(Item::Bytes(self.sized()?)),
            _ => return Err(Refused),
        };
        Ok(Item::Plain(value))
    }

    /// An `int` beyond 32 bits: digits of 15 bits, lowest first, their number carrying the sign.
    fn long(&mut self) -> Result<i64, Refused> {
        let count = self.number()?;
        let digits = self.take(count.unsigned_abs() as usize * 2)?;
        if digits.len() > 10 {
            return Err(Refused);
        }
        let digit = |pair: &[u8]| i128::from(u16::from_le_bytes([pair[0], pair[1]]));
        let magnitude = digits.chunks_exact(2).rev().fold(0_i128, |value, pair| value << 15 | digit(pair));
        i64::try_from(if count < 0 { -magnitude } else { magnitude }).map_err(|_| Refused)
    }
}

fn utf8(bytes: &[u8]) -> Result<ValueRef<'_>, Refused> {
    std::str::from_utf8(bytes).map(|_| ValueRef::Text(bytes)).map_err(|_| Refused)
}

/// Writes objects into a block of fixed size. Once something did not fit, nothing more is written.
pub struct Writer<'a> {
    block: &'a mut [u8],
    length: usize,
    overflowed: bool,
}

impl<'a> Writer<'a> {
    /// An empty document.
    pub fn new(block: &'a mut [u8]) -> Self {
        Writer::from(block, 0)
    }

    /// Goes on with a document at `length`.
    pub fn from(block: &'a mut [u8], length: usize) -> Self {
        Writer { block, length, overflowed: false }
    }

    /// Where the next object will be.
    pub fn position(&self) -> usize {
        self.length
    }

    /// Whether everything fitted.
    pub fn fits(&self) -> bool {
        !self.overflowed
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.block.get_mut(self.length..self.length + bytes.len()) {
            Some(place) if !self.overflowed => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            _ => self.overflowed = true,
        }
    }

    /// The same for a few bytes whose number the compiler knows.
    #[inline]
    fn put_few<const N: usize>(&mut self, bytes: [u8; N]) {
        match self.block.get_mut(self.length..).and_then(|rest| rest.first_chunk_mut::<N>()) {
            Some(place) if !self.overflowed => {
                *place = bytes;
                self.length += N;
            }
            _ => self.overflowed = true,
        }
    }

    #[inline]
    fn put_sized(&mut self, tag: u8, bytes: &[u8]) {
        let [a, b, c, d] = (bytes.len() as u32).to_le_bytes();
        self.put_few([tag, a, b, c, d]);
        self.put(bytes);
    }

    /// Begins a tuple of fewer than 256 items, or any other.
    #[inline]
    pub fn tuple(&mut self, items: usize) {
        match u8::try_from(items) {
            Ok(items) => self.put_few([b')', items]),
            Err(_) => {
                let [a, b, c, d] = (items as u32).to_le_bytes();
                self.put_few([b'(', a, b, c, d]);
            }
        }
    }

    /// Begins a list whose length is set by [`Writer::end_list`]; gives its place.
    pub fn begin_list(&mut self) -> usize {
        let place = self.length;
        self.put_few([b'[', 0, 0, 0, 0]);
        place
    }

    /// Sets the length of the list begun at `place`.
    pub fn end_list(&mut self, place: usize, items: usize) {
        if let Some(length) = self.block.get_mut(place + 1..place + 5) {
            length.copy_from_slice(&(items as u32).to_le_bytes());
        }
    }

    /// `None`.
    pub fn none(&mut self) {
        self.put_few([b'N']);
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(small) => {
                let [a, b, c, d] = small.to_le_bytes();
                self.put_few([b'i', a, b, c, d]);
            }
            Err(_) => {
                let digits = (64 - value.unsigned_abs().leading_zeros() as usize).div_ceil(15);
                self.put(&long(value, digits)[..5 + 2 * digits]);
            }
        }
    }

    /// Text that is UTF-8.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        match u8::try_from(text.len()) {
            Ok(length) if text.is_ascii() => {
                self.put_few([b'z', length]);
                self.put(text);
            }
            _ => self.put_sized(if text.is_ascii() { b'a' } else { b'u' }, text),
        }
    }

    /// Any value; `false` for text that is no UTF-8.
    #[inline]
    pub fn value(&mut self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::Null => self.none(),
            ValueRef::Integer(integer) => self.integer(integer),
            ValueRef::Real(real) => {
                let [a, b, c, d, e, f, g, h] = real.to_le_bytes();
                self.put_few([b'g', a, b, c, d, e, f, g, h]);
            }
            ValueRef::Blob(blob) => self.put_sized(b's', blob),
            ValueRef::Text(text) if text.is_ascii() || std::str::from_utf8(text).is_ok() => self.text(text),
            ValueRef::Text(_) => return false,
        }
        true
    }

    /// One row as a tuple; gives the column of text that is no UTF-8.
    #[inline]
    pub fn row<'v>(&mut self, columns: usize, values: impl Iterator<Item = ValueRef<'v>>) -> Result<(), usize> {
        self.tuple(columns);
        for (column, value) in values.enumerate() {
            if !self.value(value) {
                return Err(column);
            }
        }
        Ok(())
    }
}

/// An `int` of so many digits.
fn long(value: i64, digits: usize) -> [u8; 15] {
    let mut bytes = [0_u8; 15];
    bytes[0] = b'l';
    let signed = if value < 0 { -(digits as i32) } else { digits as i32 };
    bytes[1..5].copy_from_slice(&signed.to_le_bytes());
    let mut magnitude = value.unsigned_abs();
    for digit in bytes[5..].chunks_exact_mut(2).take(digits) {
        digit.copy_from_slice(&((magnitude & 0x7FFF) as u16).to_le_bytes());
        magnitude >>= 15;
    }
    bytes
}

/// Measures the document that begins at `start`; `None` for one that holds objects no request has.
///
/// # Safety
/// A complete document, as `marshal.dumps` makes it, begins at `start` and stays as it is for `'a`.
pub unsafe fn document<'a>(start: *const u8) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    let mut open = 1_usize;
    while open > 0 {
        // SAFETY: by contract the object whose tag is read here lies inside the document. (So for every read below.)
        let tag = unsafe { *start.add(length) } & 0x7F;
        // SAFETY: as above.
        let number = || unsafe { start.add(length + 1).cast::<[u8; 4]>().read_unaligned() };
        let size = || i32::from_le_bytes(number()).unsigned_abs() as usize;
        // SAFETY: as above.
        let short = || usize::from(unsafe { *start.add(length + 1) });
        open -= 1;
        length += match tag {
            b'N' | b'T' | b'F' | b'.' | b'S' => 1,
            b'i' => 5,
            b'g' => 9,
            b'y' => 17,
            b'l' => 5 + 2 * size(),
            b's' | b'u' | b't' | b'a' | b'A' => 5 + size(),
            b'z' | b'Z' => 2 + short(),
            b'(' | b'[' | b'<' | b'>' => {
                open += size();
                5
            }
            b')' => {
                open += short();
                2
            }
            _ => return None,
        };
    }
    // SAFETY: the walk has just visited every byte of it.
    Some(unsafe { std::slice::from_raw_parts(start, length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut block = [0; 256];
        let mut writer = Writer::new(&mut block);
        write(&mut writer);
        let length = writer.position();
        block[..length].to_vec()
    }

    #[test]
    fn what_is_written_can_be_read() {
        for value in [0, -1, 1 << 15, i64::from(i32::MAX) + 1, i64::MAX, i64::MIN, -(1 << 45)] {
            let bytes = written(|writer| writer.integer(value));
            assert_eq!(Reader::new(&bytes).item(), Ok(Item::Plain(ValueRef::Integer(value))), "{value}");
        }
        let long = "x".repeat(200);
        let texts = ["", "abc", "grün", &long].map(str::as_bytes).map(ValueRef::Text);
        for value in texts.into_iter().chain([ValueRef::Null, ValueRef::Real(-0.5)]) {
            let bytes = written(|writer| assert!(writer.value(value)));
            assert_eq!(Reader::new(&bytes).item(), Ok(Item::Plain(value)));
        }
        let bytes = written(|writer| assert!(writer.value(ValueRef::Blob(b"a\0b"))));
        assert_eq!(Reader::new(&bytes).item(), Ok(Item::Bytes(b"a\0b")));
    }

    #[test]
    fn integers_are_written_as_python_writes_them() {
        assert_eq!(written(|writer| writer.integer(-2)), b"i\xfe\xff\xff\xff");
        // marshal.dumps(-(1 << 40), 2)
        assert_eq!(written(|writer| writer.integer(-(1 << 40))), b"l\xfd\xff\xff\xff\x00\x00\x00\x00\x00\x04");
    }

    #[test]
    fn what_does_not_fit_is_noticed_and_writes_nothing_beyond() {
        let mut block = [7; 12];
        let mut writer = Writer::new(&mut block[..8]);
        writer.text(b"abcdef");
        assert!(writer.fits());
        writer.integer(1);
        writer.none();
        assert!(!writer.fits());
        assert_eq!(block[8..], [7; 4]);
    }

    #[test]
    fn a_document_is_measured_and_a_strange_one_refused() {
        // marshal.dumps((1, ("a", 2.5, None), [b"xy"], 1 << 40), 2) and bytes that do not belong to it
        let bytes = b"(\x04\x00\x00\x00i\x01\x00\x00\x00(\x03\x00\x00\x00u\x01\x00\x00\x00ag\x00\x00\x00\x00\x00\x00\x04@N[\x01\x00\x00\x00s\x02\x00\x00\x00xyl\x03\x00\x00\x00\x00\x00\x00\x00\x00\x04more";
        // SAFETY: a complete document.
        let found = unsafe { document(bytes.as_ptr()) };
        assert_eq!(found.map(<[u8]>::len), Some(bytes.len() - 4));
        // SAFETY: an unknown tag ends the walk.
        assert!(unsafe { document(b"c\0\0\0\0"[..].as_ptr()) }.is_none());
    }

    #[test]
    fn broken_requests_are_refused() {
        for bytes in [&b""[..], b"i\x01", b"u\xff\x00\x00\x00a", b"u\x03\x00\x00\x00\xed\xa0\x80", b"c", b"l\x06\x00\x00\x00"] {
            assert_eq!(Reader::new(bytes).item(), Err(Refused), "{bytes:?}");
        }
        let big = b"l\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00";
        assert_eq!(Reader::new(big).item(), Err(Refused), "1 << 63 is beyond 64 bits");
    }
}
