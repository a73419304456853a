//! A transaction as a state machine over one connection: begin, savepoint, commit, rollback.
//!
//! ```text
//!          begin            begin (savepoint)
//!   None ────────▶ [1] ───────────────────▶ [1, 2] …
//!     ▲             │  ◀───────────────────────┘ commit = RELEASE, rollback = ROLLBACK TO + RELEASE
//!     ├─ commit ────┤ (StillOpen: stays where it is)
//!     ├─ rollback ──┤
//!     └─ ended by the engine (RAISE(ROLLBACK), OR ROLLBACK, full disk, an interrupted write)
//! ```
//! A level is known by a number that is never used again, so that a handle of a level that ended finds nothing.

use crate::cancel::Op;
use crate::driver::{Commit, Connection, Mode};
use crate::error::{Error, Kind, Outcome, Result, Retry};

/// The number of one level of one transaction.
pub type LevelId = u64;

/// The open levels, outermost first. Empty: no transaction.
#[derive(Debug, Default)]
pub struct Levels {
    open: Vec<LevelId>,
    last: LevelId,
    /// The levels that the engine ended itself and whose owners have not heard of it yet.
    ended_by_engine: Option<LevelId>,
    /// How often a transaction was committed, rolled back, and ended by the engine, since somebody asked.
    endings: [u64; 3],
}

impl Levels {
    /// The levels of `before` with all of them ended.
    pub fn ended(before: &Levels) -> Levels {
        Levels { open: Vec::new(), last: before.last, ended_by_engine: before.ended_by_engine, endings: [0; 3] }
    }

    /// How often a transaction was committed, rolled back, and ended by the engine, since this was asked last.
    pub fn take_endings(&mut self) -> [u64; 3] {
        std::mem::take(&mut self.endings)
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Fails when the level has ended.
    ///
    /// # Errors
    /// [`Kind::TxEnded`].
    pub fn check(&self, id: LevelId) -> Result<()> {
        if self.open.contains(&id) {
            return Ok(());
        }
        let why = match self.ended_by_engine {
            Some(last) if id <= last => "the engine rolled it back after an error; nothing of it remains",
            _ => "it was committed or rolled back before",
        };
        Err(Error::new(Kind::TxEnded, format!("the transaction has ended: {why}")))
    }

    /// Opens a transaction, or a savepoint inside the open one.
    pub fn begin(&mut self, connection: &mut dyn Connection, mode: Mode, op: &Op<'_>) -> Result<LevelId> {
        match self.open.len() {
            0 if connection.in_transaction() => {
                return Err(Error::new(Kind::Misuse, "begin: a transaction begun by hand is open on this connection; end it first"));
            }
            0 => connection.begin(mode, op)?,
            depth => connection.savepoint(depth)?,
        }
        self.last += 1;
        self.open.push(self.last);
        Ok(self.last)
    }

    /// Makes the changes of a level, and of those inside it, part of the level around it, or durable when it is the outermost.
    ///
    /// # Errors
    /// [`Kind::TxEnded`]; the engine's. After an error the level is still open, unless the error's outcome is
    /// [`Outcome::RolledBack`].
    pub fn commit(&mut self, connection: &mut dyn Connection, id: LevelId) -> Result<()> {
        let depth = self.position(id)?;
        if depth > 0 {
            connection.release(depth)?;
            self.open.truncate(depth);
            return Ok(());
        }
        match connection.commit() {
            Commit::Committed(_) => {
                self.endings[0] += 1;
                self.open.clear();
                Ok(())
            }
            Commit::StillOpen(error) => Err(error),
            Commit::RolledBack(error) => {
                self.forget();
                Err(error.with_outcome(Outcome::RolledBack))
            }
            Commit::Unknown(error) => {
                self.open.clear();
                Err(error.with_retry(Retry::No).context("nobody can tell whether the commit took place; look before you repeat it"))
            }
        }
    }

    /// Undoes the changes of a level and of those inside it.
    ///
    /// # Errors
    /// [`Kind::TxEnded`]; the engine's.
    pub fn rollback(&mut self, connection: &mut dyn Connection, id: LevelId) -> Result<()> {
        let depth = self.position(id)?;
        if depth > 0 {
            connection.rollback_to(depth)?;
            connection.release(depth)?;
            self.open.truncate(depth);
            return Ok(());
        }
        self.open.clear();
        self.endings[1] += 1;
        connection.rollback()
    }

    /// To be called after a statement failed: some errors end the whole transaction. Says whether it did.
    pub fn ended_by_engine(&mut self, connection: &dyn Connection) -> bool {
        let ended = self.is_open() && !connection.in_transaction();
        if ended {
            self.forget();
        }
        ended
    }

    fn forget(&mut self) {
        self.ended_by_engine = self.open.last().copied();
        self.endings[2] += 1;
        self.open.clear();
    }

    fn position(&self, id: LevelId) -> Result<usize> {
        self.check(id)?;
        Ok(self.open.iter().position(|open| *open == id).unwrap_or_default())
    }
}
