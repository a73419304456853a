//! What a statement touches: the one noun that pool, transactions and cache share.

use crate::tables::Tables;

/// What one prepared statement reads, writes and does, as the engine itself reported it while preparing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Tables (and views) of which columns are read.
    pub reads: Tables,
    /// Names that stand in a FROM without any column of theirs being read (`count(*)`): tables, views, or common table expressions.
    pub mentions: Tables,
    /// Tables whose rows the statement may change; `All` for everything but plain INSERT, UPDATE and DELETE on ordinary tables.
    pub writes: Tables,
    /// Whether the engine says that the statement changes nothing in the database file.
    pub read_only: bool,
    /// Whether it begins, ends or marks a transaction (`BEGIN`, `COMMIT`, `SAVEPOINT`, …).
    pub control: bool,
    /// Whether it begins a transaction or marks a savepoint; the other control statements end one.
    pub begins: bool,
    /// Whether it inserts, updates or deletes rows, so that the engine's count of changed rows is about it.
    pub counts_rows: bool,
    /// Whether it calls `last_insert_rowid()`, or a trigger of it does.
    pub reads_last_insert: bool,
    /// Whether it can not run inside a transaction (`VACUUM`).
    pub outside_transaction: bool,
    /// Whether it is a PRAGMA. Some that change nothing of the connection behave differently inside a transaction (`wal_checkpoint`).
    pub pragma: bool,
    /// Whether it changes the connection itself: a setting, an attached database, a temporary object.
    pub session: bool,
    /// Whether every function it calls is known to depend on its arguments alone.
    pub pure_functions: bool,
    /// Whether it is one SELECT (or VALUES), not explained and not part of something else.
    pub select: bool,
}

impl Footprint {
    /// Whether it may change rows, or the schema: some functions do although the statement counts as one that reads.
    #[inline]
    pub fn may_write(&self) -> bool {
        !self.read_only || !self.writes.is_empty()
    }
}
