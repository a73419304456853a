//! The seam between keepwell and an engine: connect, prepare, bind, fetch, begin, commit. Everything above it is engine-neutral.

mod obstacle;
mod query_plan;
pub mod sqlite;
mod tally;

use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use once_cell::race::OnceBox;

use crate::cancel::Op;
use crate::clock::{Effects, Ground, Mark, Marks, Receipt};
use crate::error::{Error, Kind, Result};
use crate::footprint::Footprint;
use crate::metrics::meter::{Meter, Spent};
use crate::metrics::sheet::Sheet;
use crate::rows::{Batch, Columns};
use crate::value::Params;

pub use self::obstacle::{Obstacle, Obstacles, Stage};
pub use self::query_plan::{tree, Advice, Node};
pub use self::tally::{KeptTally, Tally};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one connection that changes the database.
    Writer,
    /// A connection that the engine keeps from writing.
    Reader,
}

/// How a transaction starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Takes the database's write lock at its first write. Another process may commit in between: then that write is a
    /// [`crate::error::Kind::Conflict`] and the transaction must be run again.
    Deferred,
    /// Takes the write lock at once.
    #[default]
    Immediate,
    /// Takes the write lock at once and, outside WAL mode, keeps readers of other processes out too.
    Exclusive,
}

/// What a statement may do on the connection that prepares it. Checked by the engine while it prepares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Data and schema alone: the connection is shared, so nothing may change the connection itself or its transaction.
    Shared,
    /// Also settings, attached databases and temporary objects, but no transactions by hand: keepwell has one open.
    NoControl,
    /// Also settings, attached databases, temporary objects, and transactions by hand.
    Everything,
}

/// What is known of a statement once it is prepared. Shared by all results of it.
#[derive(Debug)]
pub struct Plan {
    /// The statement's text.
    pub sql: Arc<str>,
    pub footprint: Footprint,
    /// What the statement moves, in the clock's terms; empty where nobody asks for it, or as long as it is not known.
    pub effects: OnceBox<Effects>,
    /// What its result rests on, `None` inside: on something whose changes nobody can follow. Empty until somebody asks for it.
    pub ground: OnceBox<Option<Ground>>,
    pub columns: Arc<Columns>,
    /// The name of each parameter with its prefix (`?NNN` included); `None` for a plain `?`.
    pub parameters: Vec<Option<String>>,
    /// Set once the text has been remembered for reports.
    pub noticed: AtomicBool,
}

/// A statement that is prepared and in use on one connection. A number, so that nothing dangles when the connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// One part of a run, as it ended: all of it, or some of its rows.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub end: End,
    /// Rows that it returned, and that it changed, unless it failed.
    pub returned: u64,
    pub changed: u64,
}

/// How a part of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There is more to fetch, later.
    More,
    Done,
    Failed,
}

impl End {
    /// How a fetch ended.
    #[inline]
    pub fn of(fetched: &Result<Fetch>) -> End {
        match fetched {
            Ok(Fetch::More) => End::More,
            Ok(Fetch::Done) => End::Done,
            Err(_) => End::Failed,
        }
    }
}

/// What a run of a statement has counted: rows that it went through without an index, sorts, rows put into indexes that the engine made for
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scans {
    pub steps: u32,
    pub sorts: u32,
    pub automatic: u32,
}

/// What one [`Connection::fetch`] ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// The batch is full; there may be more rows.
    More,
    /// The statement has run to its end.
    Done,
}

/// How much one fetch may put into a batch: it stops after the row that reaches either.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub rows: usize,
    pub bytes: usize,
}

impl Limit {
    /// No bound: for results that must be complete before they are answered.
    pub const NONE: Limit = Limit { rows: usize::MAX, bytes: usize::MAX };
}

/// How a commit ended. An engine at the end of a network may not know.
#[derive(Debug)]
pub enum Commit {
    /// The changes are durable to the degree that the configuration asks for, and the clock has heard of them.
    Committed(Receipt),
    /// The transaction is gone and so are its changes.
    RolledBack(Error),
    /// The transaction is as it was and may be committed again.
    StillOpen(Error),
    /// Nobody can tell from here.
    Unknown(Error),
}

/// What a write changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// The key that the engine gave the row inserted last on this connection, 0 if there was none.
    pub last_insert_id: i64,
    /// The rows that the statement itself inserted, updated or deleted, without those of triggers and cascades.
    pub rows_affected: i64,
}

/// How far the database's log has grown beyond the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Frames (pages) in the log.
    pub frames: u32,
    /// Frames of them that are in the database file already.
    pub done: u32,
}

/// One database of one engine.
pub trait Driver: Send + Sync {
    /// Opens a connection and sets it up; waits for other processes no longer than `op` allows.
    fn connect(&self, role: Role, op: &Op<'_>) -> Result<Box<dyn Connection>>;

    /// Opens a connection for one piece of work that changes the schema, to be used while its owner holds the writer: everything that it
    /// commits is taken to move everything, so nobody looks what it was.
    fn connect_apart(&self, op: &Op<'_>) -> Result<Box<dyn Connection>>;

    /// Whether readers and the writer work side by side. Otherwise the pool is one connection.
    fn concurrent_readers(&self) -> bool;

    /// Shows the database's marks without a connection; `None` where it takes one: see [`Connection::mark`]. Whoever holds it keeps the
    /// database open.
    fn marks(&self) -> Option<Arc<dyn Marks>>;

    /// The log's state, for an engine that has one.
    fn backlog(&self) -> Backlog;

    /// What shows that a second library of the engine uses the database's file in this process, as a sentence without its full stop.
    /// `None` also where nobody can tell. Not for the path of a call: the time is that of reading what the process has mapped, 75 µs for 500
    /// mappings.
    fn second_library(&self) -> Option<String>;

    /// What got in the way of operations on the database so far.
    fn obstacles(&self) -> &Obstacles;

    /// What the database is called in messages.
    fn name(&self) -> &str;

    /// Closes what the driver itself keeps open. Called when every connection is closed.
    fn close(&self);
}

/// One connection. Used by one thread at a time; never waits for another of its own store.
pub trait Connection: Send {
    /// Whether the statement is prepared already and free to use.
    fn holds(&self, sql: &str) -> bool;

    /// Prepares one statement, or finds it prepared, and takes it into use until [`Connection::finish`].
    /// `keep` says whether it is worth keeping prepared afterwards.
    fn prepare(&mut self, sql: &str, permit: Permit, keep: bool) -> Result<Cursor>;

    /// Prepares the first statement of `sql`, which ends in a NUL (so that the engine need not copy it) and has none elsewhere, and says
    /// where the rest begins; `None` when only blanks and comments are left.
    fn prepare_first(&mut self, sql: &str, permit: Permit) -> Result<(Option<Cursor>, usize)>;

    /// Finds out what the statement's result rests on, unless that is known ([`Plan::ground`]). Later than its snapshot is soon enough: a schema
    /// that changes in between moves everything.
    fn find_ground(&mut self, cursor: Cursor) -> Result<()>;

    /// Adds what an operation has spent on the run under way, where somebody measures. Says whether the run is over and was slow: what it spent,
    /// and did, can be asked until its use ends.
    fn spend(&mut self, cursor: Cursor, op: &Op<'_>, part: Part) -> bool;

    /// Takes what is to be counted of the run that ended last and whose operation shares its transaction ([`Op::shares`]); `None`: nobody
    /// measures, or there was none.
    fn take_tally(&mut self) -> Option<KeptTally>;

    /// What a slow run has spent.
    fn spent(&self, cursor: Cursor) -> Option<Spent>;

    /// Where this connection's numbers are counted, and with what; `None` where nobody measures.
    fn gauge(&self) -> Option<(&Arc<Meter>, &Arc<Sheet>)>;

    /// What the run under way did to its tables.
    fn scans(&self, cursor: Cursor) -> Scans;

    /// The statement's text with the values of its parameters, for people.
    fn expanded(&self, cursor: Cursor) -> Option<String>;

    /// How the engine would run a statement, as a tree. It is not run. <https://sqlite.org/eqp.html>
    fn explain(&mut self, sql: &str) -> Result<Vec<Node>>;

    /// The indexes that would help a statement, most useful first, tried on a copy of the schema without rows.
    fn advise(&mut self, sql: &str, op: &Op<'_>) -> Result<Vec<Advice>>;

    /// The first column of the first row that a statement of keepwell's own gives, as a number. It is counted nowhere.
    fn ask(&mut self, sql: &str) -> Result<Option<i64>>;

    /// Notes what the engine's page cache has counted, where somebody measures.
    fn sample(&self);

    /// What is known of the statement.
    fn plan(&self, cursor: Cursor) -> Result<&Arc<Plan>>;

    /// Binds parameters and makes the statement ready to run from its start. With `borrow` the bytes are not copied:
    /// the caller keeps them alive until [`Connection::finish`] or the next bind.
    fn bind(&mut self, cursor: Cursor, params: Params<'_>, borrow: bool) -> Result<()>;

    /// Runs the statement until it has filled `batch` up to `limit`, or to its end.
    fn fetch(&mut self, cursor: Cursor, op: &Op<'_>, batch: &mut Batch, limit: Limit) -> Result<Fetch>;

    /// Ends the use of the statement. Harmless for a cursor that is finished already.
    fn finish(&mut self, cursor: Cursor);

    /// Starts counting for [`Connection::changes`], so that an earlier statement's counts cannot pass for this one's.
    fn count_from_here(&mut self, cursor: Cursor) -> Result<()>;

    /// The rows that the statement run last changed, if it is one that counts them.
    fn changed_rows(&self) -> i64;

    /// The rows that were changed since the connection was opened, those of triggers and foreign key actions included.
    fn total_changes(&self) -> i64;

    /// Writes all of the database, as the connection sees it now, into a new file at `path`, page by page. Others may go on writing.
    fn copy_to(&mut self, path: &std::path::Path, op: &Op<'_>) -> Result<()>;

    /// Whether anything was changed since [`Connection::count_from_here`].
    fn has_changed(&self) -> bool;

    /// What the last statement since [`Connection::count_from_here`] changed.
    fn changes(&mut self) -> Changes;

    /// Lets the engine refuse every write, or lifts that again.
    fn set_read_only(&mut self, read_only: bool) -> Result<()>;

    /// Whether an explicit transaction is open.
    fn in_transaction(&self) -> bool;

    /// Whether a deferred constraint is violated, so that a COMMIT now would fail.
    fn violates_deferred(&self) -> bool;

    fn begin(&mut self, mode: Mode, op: &Op<'_>) -> Result<()>;
    fn commit(&mut self) -> Commit;
    fn rollback(&mut self) -> Result<()>;

    /// Marks a point inside the transaction; `depth` tells nested ones apart.
    fn savepoint(&mut self, depth: usize) -> Result<()>;
    fn release(&mut self, depth: usize) -> Result<()>;
    fn rollback_to(&mut self, depth: usize) -> Result<()>;

    /// Called before the reads of one lease: makes sure that they see every commit that was done before this call.
    fn enter(&mut self) -> Result<()>;

    /// The database's mark as this connection sees it: it moves with commits of others, not with its own. `None` when it can not be read
    /// just now; nobody is waited for.
    fn mark(&mut self) -> Option<Mark>;

    /// Called when a lease ends: finishes statements, rolls back what was left open, and says whether there was anything.
    fn leave(&mut self) -> Result<Leave>;

    /// Whether the connection keeps something that it should not keep for long while idle.
    fn keeps_snapshot(&self) -> bool;

    /// Gives up what an idle connection keeps to be faster next time, if it was not used since the last call (or at once, when
    /// `now`). Says whether the connection keeps anything still.
    fn rest(&mut self, now: bool) -> bool;

    /// Copies what has been committed from the log into the database file, without waiting for anybody.
    fn checkpoint(&mut self) -> Result<()>;

    /// Copies all of the log and has the next write begin it anew. Waits, while nobody writes, for reads that still use the log, as long as
    /// `op` allows.
    fn restart_log(&mut self, op: &Op<'_>) -> Result<()>;

    /// Whether the database can be written now: takes its write lock and lets it go again.
    fn probe_write(&mut self, op: &Op<'_>) -> Result<()>;

    /// Whether the connection still works.
    fn ping(&mut self) -> Result<()>;

    /// A last chance to tidy up the database before the writer closes.
    fn farewell(&mut self);
}

/// How a connection came back from a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// As it was lent.
    Clean,
    /// Something had been left open and was undone.
    Reset(Left),
    /// It is not as it was opened and must not be lent again.
    Spoilt,
}

/// What had been left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Rows,
    Transaction,
}

/// Engines that take NUL-terminated text would silently ignore what follows a NUL.
///
/// # Errors
/// [`Kind::Encoding`] with the offset of the NUL.
pub fn refuse_nul(sql: &str) -> Result<()> {
    match sql.bytes().position(|b| b == 0) {
        Some(at) => {
            let message = format!(
                "the SQL has a NUL character at byte {at}; the engine would ignore what follows. Values may hold NULs: bind it as a parameter"
            );
            Err(Error::new(Kind::Encoding, message).at(u32::try_from(at).ok()))
        }
        None => Ok(()),
    }
}
