//! The text of a migration: byte order mark, line ends, checksum, and the markers of its first lines.

use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};

/// The text of a file, without its byte order mark.
///
/// # Errors
/// [`Kind::Encoding`] with the file and the line, when the bytes are not UTF-8 or hold a NUL, at which SQLite would stop reading.
pub fn decode(file: &str, bytes: &[u8]) -> Result<String> {
    if let Some(encoding) = other_encoding(bytes) {
        return Err(Error::new(Kind::Encoding, format!("{file}: the file is {encoding}; save it as UTF-8")));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let line = line_at(bytes, at);
        let message = format!("{file}, line {line}: byte {} of the file is not UTF-8; save the file as UTF-8", at + 1);
        Error::new(Kind::Encoding, message).with_source(e)
    })?;
    if let Some(at) = text.find('\0') {
        let line = line_at(bytes, at);
        let message = format!("{file}, line {line}: byte {} of the file is a NUL, at which SQL ends; take it out", at + 1);
        return Err(Error::new(Kind::Encoding, message));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_string())
}

/// The encoding that a byte order mark tells, where it is not UTF-8's. UTF-32's mark begins with UTF-16's.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// The line, from 1, of the byte at `at`.
fn line_at(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Takes a byte order mark off.
pub fn without_mark(sql: String) -> String {
    match sql.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => sql,
    }
}

/// The identity of a migration's text: SHA-256, in hexadecimal, of what remains when the byte order mark is taken off and each CR LF is
/// an LF, so that a checkout on another system is the same migration.
pub fn checksum(sql: &str) -> String {
    let sql = sql.strip_prefix('\u{feff}').unwrap_or(sql);
    let mut hash = Sha256::new();
    let mut rest = sql.as_bytes();
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        hash.update(&rest[..at]);
        rest = &rest[at + 1..];
    }
    hash.update(rest);
    hex(&hash.finalize())
}

/// SHA-256 of the bytes as they are.
pub fn raw_checksum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the comments at the top of a migration ask for: `-- keepwell: no transaction`, `-- keepwell: foreign keys on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    pub outside_transaction: bool,
    pub enforces_foreign_keys: bool,
}

impl Marks {
    /// What either asks for.
    pub fn or(self, other: Marks) -> Marks {
        Marks {
            outside_transaction: self.outside_transaction || other.outside_transaction,
            enforces_foreign_keys: self.enforces_foreign_keys || other.enforces_foreign_keys,
        }
    }

    /// The mark of a tool that says that a migration cannot run inside a transaction.
    pub fn outside(outside_transaction: bool) -> Marks {
        Marks { outside_transaction, ..Marks::default() }
    }

    /// Reads the `--` comments and blank lines before the first statement.
    pub fn of(sql: &str) -> Marks {
        let mut marks = Marks::default();
        for line in sql.lines().map(str::trim) {
            if line.is_empty() {
                continue;
            }
            let Some(comment) = line.strip_prefix("--") else { break };
            let Some(wish) = comment.trim().strip_prefix("keepwell:") else { continue };
            match wish.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase().as_str() {
                "no transaction" => marks.outside_transaction = true,
                "foreign keys on" => marks.enforces_foreign_keys = true,
                _ => {}
            }
        }
        marks
    }
}
