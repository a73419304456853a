//! One SQLite connection behind the driver's seam.

mod failures;
mod measure;
mod prepare;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use super::bind::bind;
use super::control::{prepare_own, run, Control};
use super::gauge::Verdict;
use super::kinds::{self, Kinds};
use super::ledger::Ledger;
use super::plan::heard_in_step;
use super::raw::{Checkpoint, Raw, Statement, Step};
use super::sentinel::Sentinel;
use super::snapshot::Snapshot;
use super::statements::Statements;
use super::watch::Recorder;
use super::{convert, copy};
use crate::cancel::Op;
use crate::clock::{Clock, Mark, Receipt};
use crate::driver::{
    refuse_nul, Advice, Changes, Commit, Connection, Cursor, Fetch, KeptTally, Leave, Left, Limit, Mode, Node, Obstacles, Part, Permit,
    Plan, Role, Scans,
};
use crate::error::{Error, Kind, Result};
use crate::metrics::meter::{Meter, Spent};
use crate::metrics::sheet::Sheet;
use crate::rows::Batch;
use crate::value::Params;

/// What every connection of one database shares.
pub struct Shared {
    pub sentinel: Arc<Sentinel>,
    /// Ends whatever runs when the store closes.
    pub abort: Arc<AtomicBool>,
    /// Numbers for [`Columns::id`].
    pub ids: AtomicU64,
    pub keep_snapshots: bool,
    pub statement_cache: usize,
    /// Hears of every commit. `None`: nobody keeps results.
    pub clock: Option<Arc<Clock>>,
    /// `None`: nobody measures.
    pub meter: Option<Arc<Meter>>,
    pub obstacles: Arc<Obstacles>,
}

/// Field order matters: statements are finalized before the connection closes, and the sentinel goes after it.
pub struct SqliteConnection {
    statements: Statements,
    control: Control,
    /// The data version as a question, for a database that shows no header.
    version: Statement,
    /// `None`: nobody keeps results.
    kinds: Option<Kinds>,
    recorder: Arc<Recorder>,
    /// Tells this connection's data versions from another's.
    id: u64,
    snapshot: Snapshot,
    role: Role,
    read_only: bool,
    spoilt: bool,
    counting: bool,
    counted_from: i64,
    inserted_before: i64,
    raw: Raw,
    shared: Arc<Shared>,
}

impl SqliteConnection {
    /// Takes over a connection that is set up already.
    pub fn new(mut raw: Raw, role: Role, shared: Arc<Shared>) -> Result<Self> {
        let recorder = Recorder::install(raw.connection_mut()).map_err(|e| convert::from_rusqlite(e, "installing the authorizer"))?;
        recorder.start_own();
        let control = Control::prepare(&mut raw)?;
        let version = prepare_own(&mut raw, "PRAGMA main.data_version")?;
        let kinds = shared.clock.as_ref().map(|_| Kinds::prepare(&mut raw)).transpose()?;
        recorder.ignore();
        if let (Some(clock), Role::Writer) = (&shared.clock, role) {
            raw.keep_ledger(Ledger::new(clock.clone(), shared.sentinel.clone(), recorder.clone()));
        }
        let statements = Statements::new(shared.statement_cache, shared.meter.as_ref());
        Ok(SqliteConnection {
            statements,
            control,
            version,
            kinds,
            id: shared.ids.fetch_add(1, Ordering::Relaxed),
            recorder,
            shared,
            snapshot: Snapshot::Released,
            role,
            read_only: role == Role::Reader,
            spoilt: false,
            counting: false,
            counted_from: 0,
            inserted_before: 0,
            raw,
        })
    }

    /// From now on every write is taken to move everything.
    pub fn forget_kinds(&mut self) {
        self.kinds = None;
    }

    fn control(&mut self, pick: impl FnOnce(&mut Control) -> &mut Statement, op: &Op<'_>, what: &str) -> Result<Receipt> {
        let statement = pick(&mut self.control);
        self.raw.will_step(statement);
        if self.recorder.heard() {
            self.recorder.ignore();
        }
        let result = self.raw.watched(op, |raw| run(raw, statement));
        result.map_err(|failure| self.failure_error(failure, what, op))
    }

    fn savepoint_command(&mut self, verb: &str, depth: usize) -> Result<()> {
        let sql = format!("{verb} keepwell_{depth}");
        self.recorder.start_own();
        let (statement, _) = self.raw.prepare(&sql, false).map_err(|failure| convert::error(failure, &sql))?;
        let mut statement = statement.ok_or_else(|| Error::new(Kind::Engine, format!("{sql}: no statement")))?;
        let result = run(&self.raw, &mut statement).map_err(|failure| convert::error(failure, &sql));
        self.recorder.ignore();
        result.map(drop)
    }

    fn release_snapshot(&mut self) {
        if self.snapshot.is_held() {
            self.snapshot = Snapshot::Released;
            let _ = run(&self.raw, &mut self.control.commit);
        }
    }
}

impl Drop for SqliteConnection {
    /// What is still in use is reset while the ledger is there to hear of it.
    fn drop(&mut self) {
        self.statements.finish_all(&self.raw);
    }
}

impl Connection for SqliteConnection {
    #[inline]
    fn holds(&self, sql: &str) -> bool {
        self.statements.holds(sql)
    }

    #[inline]
    fn prepare(&mut self, sql: &str, permit: Permit, keep: bool) -> Result<Cursor> {
        if let Some(cursor) = self.statements.checkout(sql) {
            self.find_effects(cursor)?;
            return Ok(cursor);
        }
        refuse_nul(sql)?;
        let (cursor, end) = self.prepare_raw(sql, permit, keep)?;
        let cursor =
            cursor.ok_or_else(|| Error::new(Kind::Sql, "no statement: the SQL is empty or only blanks and comments").at(Some(0)))?;
        match self.only_blanks_after(sql, end, permit) {
            Ok(()) => Ok(cursor),
            Err(error) => {
                self.statements.finish(&self.raw, cursor);
                Err(error)
            }
        }
    }

    fn prepare_first(&mut self, sql: &str, permit: Permit) -> Result<(Option<Cursor>, usize)> {
        self.prepare_raw(sql, permit, false)
    }

    fn find_ground(&mut self, cursor: Cursor) -> Result<()> {
        self.look_for_ground(cursor)
    }

    #[inline]
    fn spend(&mut self, cursor: Cursor, op: &Op<'_>, part: Part) -> bool {
        match self.statements.spend(cursor, op, part) {
            Verdict::Fine => false,
            Verdict::Slow => true,
            Verdict::CalmIsDue => {
                self.settle_calm(cursor);
                false
            }
        }
    }

    fn take_tally(&mut self) -> Option<KeptTally> {
        self.statements.gauge_mut()?.take_tally()
    }

    fn spent(&self, cursor: Cursor) -> Option<Spent> {
        self.statements.peek(cursor).ok()?.cost.spent()
    }

    #[inline]
    fn gauge(&self) -> Option<(&Arc<Meter>, &Arc<Sheet>)> {
        self.statements.gauge().map(|gauge| (gauge.meter(), gauge.sheet()))
    }

    fn scans(&self, cursor: Cursor) -> Scans {
        self.statements.peek(cursor).map(|entry| entry.cost.scans(&entry.statement)).unwrap_or_default()
    }

    fn expanded(&self, cursor: Cursor) -> Option<String> {
        self.statements.peek(cursor).ok()?.statement.expanded()
    }

    fn explain(&mut self, sql: &str) -> Result<Vec<Node>> {
        self.query_plan(sql)
    }

    fn advise(&mut self, sql: &str, op: &Op<'_>) -> Result<Vec<Advice>> {
        self.advise_on(sql, op)
    }

    fn ask(&mut self, sql: &str) -> Result<Option<i64>> {
        self.own_question(sql)
    }

    fn sample(&self) {
        self.note_pages();
    }

    #[inline]
    fn plan(&self, cursor: Cursor) -> Result<&Arc<Plan>> {
        self.statements.peek(cursor).map(|entry| &entry.plan)
    }

    #[inline]
    fn bind(&mut self, cursor: Cursor, params: Params<'_>, borrow: bool) -> Result<()> {
        let entry = self.statements.get(cursor)?;
        if entry.running {
            entry.statement.reset(&self.raw);
            entry.running = false;
        }
        bind(&self.raw, entry, params, borrow)
    }

    #[inline]
    fn fetch(&mut self, cursor: Cursor, op: &Op<'_>, batch: &mut Batch, limit: Limit) -> Result<Fetch> {
        let SqliteConnection { raw, statements, recorder, shared, .. } = self;
        let entry = statements.get(cursor)?;
        let mut columns = entry.plan.columns.len();
        batch.reset(columns);
        entry.running = true;
        raw.will_step(&entry.statement);
        if recorder.heard() {
            // Of a statement of keepwell's own, or of one that could not be prepared anew.
            recorder.ignore();
        }
        let writes = entry.plan.footprint.may_write();
        // Inside a transaction it is soon enough to find out afterwards.
        let late = writes && entry.plan.effects.get().is_none() && !raw.autocommit();
        if writes && !late {
            raw.ledger().write(entry.plan.effects.get());
        }
        let end = raw.watched(op, |raw| loop {
            match entry.statement.step(raw) {
                Step::Row if recorder.heard() => {
                    heard_in_step(entry, raw, recorder, shared);
                    if batch.rows() == 0 {
                        columns = entry.plan.columns.len();
                        batch.reset(columns);
                    }
                }
                Step::Row => {}
                other => break other,
            }
            if entry.statement.read_row(batch, columns).is_none() {
                batch.abandon_row();
                break Step::Failed(rusqlite::ffi::SQLITE_NOMEM, entry.statement.reset(raw));
            }
            batch.end_row();
            if batch.rows() >= limit.rows || batch.byte_len() >= limit.bytes {
                break Step::Row;
            }
        });
        if late && !matches!(end, Step::Done(_)) {
            raw.ledger().write(None);
        }
        match end {
            Step::Row => Ok(Fetch::More),
            Step::Done(_) => {
                if recorder.heard() {
                    heard_in_step(entry, raw, recorder, shared);
                    if batch.rows() == 0 {
                        batch.reset(entry.plan.columns.len());
                    }
                }
                entry.statement.reset(raw);
                entry.running = false;
                if late {
                    self.find_effects(cursor)?;
                    self.raw.ledger().write(self.statements.peek(cursor)?.plan.effects.get());
                }
                Ok(Fetch::Done)
            }
            Step::Failed(code, _) => Err(self.step_error(cursor, code, op)),
        }
    }

    #[inline]
    fn finish(&mut self, cursor: Cursor) {
        self.statements.finish(&self.raw, cursor);
    }

    fn count_from_here(&mut self, cursor: Cursor) -> Result<()> {
        let footprint = &self.statements.peek(cursor)?.plan.footprint;
        self.counting = footprint.counts_rows;
        let forget = footprint.counts_rows && !footprint.reads_last_insert;
        self.counted_from = self.raw.total_changes();
        self.inserted_before = self.raw.last_insert();
        if forget {
            self.raw.set_last_insert(0);
        }
        Ok(())
    }

    #[inline]
    fn changed_rows(&self) -> i64 {
        self.raw.changed_rows()
    }

    fn total_changes(&self) -> i64 {
        self.raw.total_changes()
    }

    fn copy_to(&mut self, path: &std::path::Path, op: &Op<'_>) -> Result<()> {
        self.release_snapshot();
        self.raw.watched(op, |raw| copy::to_file(raw.connection(), path, op))
    }

    fn has_changed(&self) -> bool {
        self.counting && self.raw.total_changes() != self.counted_from
    }

    fn changes(&mut self) -> Changes {
        let last_insert_id = self.raw.last_insert();
        if last_insert_id == 0 {
            self.raw.set_last_insert(self.inserted_before);
        }
        // SQLite leaves its count as it was when a statement is none that counts; its total then has not moved either.
        let rows_affected = if self.has_changed() { self.changed_rows() } else { 0 };
        Changes { last_insert_id: if self.has_changed() { last_insert_id } else { 0 }, rows_affected }
    }

    fn set_read_only(&mut self, read_only: bool) -> Result<()> {
        if self.role == Role::Reader || self.read_only == read_only {
            return Ok(());
        }
        self.recorder.start_own();
        let value = if read_only { "ON" } else { "OFF" };
        let result = self.raw.connection().execute_batch(&format!("PRAGMA query_only = {value}"));
        self.recorder.ignore();
        result.map_err(|e| convert::from_rusqlite(e, "PRAGMA query_only"))?;
        self.read_only = read_only;
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        !self.raw.autocommit() && !self.snapshot.is_held()
    }

    fn violates_deferred(&self) -> bool {
        self.raw.deferred_violations() > 0
    }

    fn begin(&mut self, mode: Mode, op: &Op<'_>) -> Result<()> {
        if self.snapshot.is_held() {
            self.snapshot = Snapshot::Released;
            return Ok(());
        }
        match mode {
            Mode::Deferred => self.control(|c| &mut c.begin, op, "BEGIN"),
            Mode::Immediate => self.control(|c| &mut c.begin_immediate, op, "BEGIN IMMEDIATE"),
            Mode::Exclusive => self.control(|c| &mut c.begin_exclusive, op, "BEGIN EXCLUSIVE"),
        }
        .map(drop)
    }

    fn commit(&mut self) -> Commit {
        match self.control(|c| &mut c.commit, &Op::unbounded(), "COMMIT") {
            Ok(receipt) => Commit::Committed(receipt),
            Err(error) if self.raw.autocommit() => Commit::RolledBack(error),
            Err(error) => Commit::StillOpen(error),
        }
    }

    fn rollback(&mut self) -> Result<()> {
        if self.raw.autocommit() {
            return Ok(());
        }
        self.statements.finish_all(&self.raw);
        self.control(|c| &mut c.rollback, &Op::unbounded(), "ROLLBACK").map(drop)
    }

    fn savepoint(&mut self, depth: usize) -> Result<()> {
        self.savepoint_command("SAVEPOINT", depth)
    }

    fn release(&mut self, depth: usize) -> Result<()> {
        self.savepoint_command("RELEASE", depth)
    }

    fn rollback_to(&mut self, depth: usize) -> Result<()> {
        self.savepoint_command("ROLLBACK TO", depth)
    }

    #[inline]
    fn enter(&mut self) -> Result<()> {
        if !self.shared.keep_snapshots || self.role != Role::Reader {
            return Ok(());
        }
        let Some(now) = self.shared.sentinel.header() else { return Ok(()) };
        if self.snapshot.serves(&now) {
            return Ok(());
        }
        self.release_snapshot();
        run(&self.raw, &mut self.control.begin).map_err(|failure| convert::error(failure, "BEGIN"))?;
        self.snapshot = Snapshot::held(now, self.shared.sentinel.backlog());
        Ok(())
    }

    fn mark(&mut self) -> Option<Mark> {
        let version = kinds::ask(&mut self.version, &self.raw, None, &mut Batch::new(1)).ok()??;
        Some([self.id, version as u64, 0, 0, 0, 0])
    }

    #[inline]
    fn leave(&mut self) -> Result<Leave> {
        let mut left_open = self.statements.finish_all(&self.raw).then_some(Left::Rows);
        if self.snapshot.is_held() {
            if self.snapshot.hinders(self.shared.sentinel.backlog()) {
                self.release_snapshot();
            }
        } else if !self.raw.autocommit() {
            left_open = Some(Left::Transaction);
            self.rollback()?;
        }
        if self.role == Role::Writer && self.read_only {
            self.set_read_only(false)?;
        }
        Ok(match (self.spoilt, left_open) {
            (true, _) => Leave::Spoilt,
            (false, Some(left)) => Leave::Reset(left),
            (false, None) => Leave::Clean,
        })
    }

    #[inline]
    fn keeps_snapshot(&self) -> bool {
        self.snapshot.is_held()
    }

    fn rest(&mut self, now: bool) -> bool {
        if now || self.snapshot.is_stale() {
            self.release_snapshot();
        }
        self.snapshot.is_held()
    }

    fn checkpoint(&mut self) -> Result<()> {
        match self.raw.checkpoint(Checkpoint::Passive) {
            Err(failure) if failure.primary != rusqlite::ffi::SQLITE_BUSY => Err(convert::error(failure, "checkpoint")),
            _ => Ok(()),
        }
    }

    fn restart_log(&mut self, op: &Op<'_>) -> Result<()> {
        let result = self.raw.watched(op, |raw| raw.checkpoint(Checkpoint::Restart));
        result.map_err(|failure| self.failure_error(failure, "checkpoint", op))
    }

    fn probe_write(&mut self, op: &Op<'_>) -> Result<()> {
        // SQLite takes BEGIN IMMEDIATE for BEGIN on a database that it can only read.
        let read_only = self.raw.connection().is_readonly("main").map_err(|e| convert::from_rusqlite(e, "health check"))?;
        if read_only {
            return Err(Error::new(Kind::ReadOnly, "health check: the database is open readonly"));
        }
        self.begin(Mode::Immediate, op)?;
        self.rollback()
    }

    fn ping(&mut self) -> Result<()> {
        self.release_snapshot();
        let result = self.raw.connection().query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        result.map_err(|e| convert::from_rusqlite(e, "health check"))
    }

    fn farewell(&mut self) {
        self.recorder.start_own();
        let _ = self.raw.connection().execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize");
        let _ = self.raw.checkpoint(Checkpoint::Truncate);
    }
}
