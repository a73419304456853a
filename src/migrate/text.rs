//! The text of a migration: byte order mark, line ends, checksum, and the markers of its first lines.

use sha2::{Digest, Sha256};

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
