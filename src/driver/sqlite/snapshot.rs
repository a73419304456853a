//! A reader's kept read snapshot: the two lock calls of a read transaction are saved while nobody has committed.
//!
//! ```text
//!            enter: BEGIN                      enter, header equal
//!   Released ─────────────▶ Held{mark, …} ◀──────────────────────┐
//!      ▲  ▲                  │   │  └────────────────────────────┘
//!      │  └── rest, leave ───┘   └─ begin: becomes the user's own transaction (Released, but inside it)
//!      └──── enter, header moved (then BEGIN anew)
//! ```
//! Law: the mark is read *before* BEGIN, so the snapshot that the first read opens is at least as new as the mark; while the header
//! still equals the mark, nobody has committed since, so the snapshot is the newest state there is.

use super::raw::Header;
use crate::driver::Backlog;

/// A log of more frames than this is not held up by snapshots that nobody uses just now.
const LARGE_LOG: u32 = 2_000;

/// Whether a read snapshot is kept between leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Snapshot {
    #[default]
    Released,
    Held {
        /// The wal-index header read before the snapshot was opened.
        mark: Header,
        /// The log was wholly copied to the database then: the snapshot does not need the log and hinders nobody from restarting it.
        beside_log: bool,
        /// Used since the last look of the maintenance.
        used: bool,
    },
}

impl Snapshot {
    /// A snapshot opened after `mark` was read, with the log as in `backlog`.
    pub fn held(mark: Header, backlog: Backlog) -> Self {
        Snapshot::Held { mark, beside_log: backlog.frames == backlog.done, used: true }
    }

    pub fn is_held(&self) -> bool {
        matches!(self, Snapshot::Held { .. })
    }

    /// Whether the snapshot may be used once more: nobody has committed since.
    #[inline]
    pub fn serves(&mut self, now: &Header) -> bool {
        match self {
            Snapshot::Held { mark, used, .. } if mark == now => {
                *used = true;
                true
            }
            _ => false,
        }
    }

    /// Whether keeping it would hold up a log that should be restarted: because it is long, or because all of it has been copied. Who has
    /// copied it may be waiting for that with the write lock in its hands, so that no commit would end the snapshot; the next one is beside
    /// the log.
    pub fn hinders(&self, backlog: Backlog) -> bool {
        matches!(self, Snapshot::Held { beside_log: false, .. }) && (backlog.frames > LARGE_LOG || backlog.frames == backlog.done)
    }

    /// Whether nobody has used it since the last time this was asked.
    pub fn is_stale(&mut self) -> bool {
        match self {
            Snapshot::Held { used, .. } => !std::mem::take(used),
            Snapshot::Released => false,
        }
    }
}
