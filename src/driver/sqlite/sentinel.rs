//! The connection that stays open as long as the database does: it anchors a memory database and the wal-index that SQLite has mapped.

use crate::sync::Mutex;

use super::raw::{Header, Raw, WalIndex};
use super::second::Claim;
use crate::clock::{Mark, Marks};
use crate::driver::Backlog;

/// Invariant: `index` is read only while `_anchor` is open, and the anchor is never stepped again after the index was found.
/// Field order matters: the claim ends after the anchor, and with it perhaps the mapping, is closed.
pub struct Sentinel {
    index: Option<WalIndex>,
    _anchor: Mutex<Raw>,
    claim: Option<Claim>,
}

impl Sentinel {
    /// Keeps `anchor` open. It has read from its database already, so that a WAL database has its wal-index mapped.
    pub fn new(anchor: Raw, wal: bool) -> Self {
        let index = if wal { anchor.wal_index() } else { None };
        let claim = index.as_ref().map(|index| Claim::new(index.address()));
        Sentinel { index, _anchor: Mutex::new(anchor), claim }
    }

    /// The wal-index header: equal headers mean that nobody has committed in between. `None` outside WAL mode.
    #[inline]
    pub fn header(&self) -> Option<Header> {
        self.index.as_ref().map(WalIndex::header)
    }

    /// Where the wal-index is mapped. `None` outside WAL mode.
    pub fn address(&self) -> Option<usize> {
        self.claim.as_ref().map(Claim::address)
    }

    /// How far the log has grown.
    #[inline]
    pub fn backlog(&self) -> Backlog {
        self.index.as_ref().map_or(Backlog::default(), |index| {
            let (frames, done) = index.frames();
            Backlog { frames, done }
        })
    }
}

impl Marks for Sentinel {
    #[inline]
    fn mark(&self) -> Option<Mark> {
        self.header()
    }
}
