//! The wal-index header that SQLite has mapped, read in place.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

use crate::clock::Mark;

/// The first page of the wal-index, mapped by SQLite and shared by all processes. <https://sqlite.org/walformat.html>
///
/// Valid only while its connection is open: [`super::sentinel`] holds both and lends the contents alone.
pub struct WalIndex(pub(super) NonNull<AtomicU64>);

// SAFETY: the mapping is shared memory that is only read here, with atomic loads.
unsafe impl Send for WalIndex {}
// SAFETY: as above.
unsafe impl Sync for WalIndex {}

/// The 48 bytes of a wal-index header. Two equal ones mean that nobody has committed in between.
pub type Header = Mark;

/// What of a header tells commits apart, at its offsets ([WAL-index format](https://sqlite.org/walformat.html#the_wal_index_header)): how
/// many there were (`iChange`), and how many frames the log has (`mxFrame`).
pub fn commits_and_frames(header: &Header) -> (u32, u32) {
    let first_half = |word: u64| {
        let [a, b, c, d, ..] = word.to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    };
    (first_half(header[1]), first_half(header[2]))
}

impl WalIndex {
    /// Where the wal-index is mapped.
    pub fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Reads the header. A commit of this process is in it before its COMMIT returns.
    #[inline]
    pub fn header(&self) -> Header {
        let mut header = [0; 6];
        for (index, word) in header.iter_mut().enumerate() {
            // SAFETY: the mapping is 32 KiB long and page-aligned; 48 bytes are inside it.
            *word = unsafe { self.0.add(index).as_ref() }.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        header
    }

    /// Frames in the log, and how many of them are in the database file already (`mxFrame`, `nBackfill`).
    #[inline]
    pub fn frames(&self) -> (u32, u32) {
        // SAFETY: both offsets (16 and 96) are inside the mapping and aligned.
        unsafe {
            let word = self.0.cast::<AtomicU32>();
            (word.add(4).as_ref().load(Ordering::Relaxed), word.add(24).as_ref().load(Ordering::Relaxed))
        }
    }
}
