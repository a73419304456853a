//! The checksums of other tools.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha384};
use siphasher::sip::SipHasher13;

use super::Taken;
use crate::migrate::{text, Script};

/// A checksum out of another tool's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    /// sqlx: SHA-384 of the file's bytes.
    Sha384(Vec<u8>),
    /// Flyway: CRC-32 of the lines, without line ends and byte order mark.
    Lines(i32),
    /// refinery: SipHash 1-3 of name, version and text, in decimal.
    Sip(String),
}

impl Checksum {
    /// Whether it is the one of this text.
    pub fn fits(&self, taken: &Taken, script: &Script) -> bool {
        let bytes = if script.raw.is_empty() { script.sql.as_bytes() } else { &script.raw };
        match self {
            Checksum::Sha384(sum) => Sha384::digest(bytes).as_slice() == sum.as_slice(),
            Checksum::Lines(sum) => lines(bytes) == *sum,
            Checksum::Sip(sum) => sip(taken, bytes).iter().any(|mine| mine == sum),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Checksum::Sha384(sum) => write!(f, "SHA-384 {}…", text::hex(&sum[..sum.len().min(6)])),
            Checksum::Lines(sum) => write!(f, "CRC-32 {sum}"),
            Checksum::Sip(sum) => write!(f, "SipHash {sum}"),
        }
    }
}

/// Java takes CR, LF and CR LF for ends of lines.
fn lines(bytes: &[u8]) -> i32 {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut crc = crc32fast::Hasher::new();
    for line in text.split(|byte| matches!(byte, b'\r' | b'\n')) {
        crc.update(line);
    }
    crc.finalize() as i32
}

/// refinery hashes the version as a 32-bit number, newer releases as a 64-bit one where that feature is on.
fn sip(taken: &Taken, bytes: &[u8]) -> [String; 2] {
    let text = String::from_utf8_lossy(bytes);
    let sum = |version: &dyn Fn(&mut SipHasher13)| {
        let mut hasher = SipHasher13::new();
        taken.name.hash(&mut hasher);
        version(&mut hasher);
        text.hash(&mut hasher);
        hasher.finish().to_string()
    };
    [sum(&|hasher| (taken.version as i32).hash(hasher)), sum(&|hasher| taken.version.hash(hasher))]
}
