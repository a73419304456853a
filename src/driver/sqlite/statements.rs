//! The prepared statements of one connection: in use, or kept ready by their text, least recently used out first.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::raw::{Raw, Statement};
use crate::cancel::Op;
use crate::driver::{Cursor, End, KeptTally, Part, Plan, Scans, Tally};
use crate::error::{Error, Kind, Result};
use crate::metrics::meter::{Meter, Spent};
use crate::metrics::report::Cells;
use crate::metrics::sheet::Sheet;

/// One prepared statement with what is known of it.
pub struct Entry {
    pub statement: Statement,
    pub plan: Arc<Plan>,
    /// Parameters point into the caller's memory and have to be cleared when the use ends.
    pub borrowed: bool,
    /// How often SQLite had prepared it anew when `plan` was read off.
    pub anew: i32,
    /// Has been stepped since the last reset.
    pub running: bool,
    in_use: bool,
    kept: bool,
    /// What the run under way has spent that is not counted yet: it goes on, or it was slow.
    spent: Option<Spent>,
    /// It is a write that shares a transaction with others.
    shared: bool,
    /// The engine's counts when the run before ended, and whether they are looked at.
    scans: Scans,
    pub calm: Calm,
    /// Where its numbers are counted.
    cells: Option<Arc<Cells>>,
}

#[derive(Default)]
struct Slot {
    entry: Option<Entry>,
    /// Counts the uses, so that a cursor of an earlier use finds nothing.
    generation: u32,
}

/// What there is to do when a run was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// It was slow.
    Slow,
    /// Somebody has to look at the statement's plan.
    CalmIsDue,
}

/// Whether a statement has to be asked after each run what it did to its tables, which costs as much as the rest of the measuring. One that
/// has done nothing worth counting for [`Calm::LONG`] runs may be one that never does: its plan tells.
///
/// ```text
///   Trying(n) ── LONG runs without ──▶ due ── plan without scans, sorts, indexes ──▶ Settled
///       ▲────────── a run with ───────┘ └──────────── any other ───────────────────▶ Restless
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calm {
    Trying(u8),
    Settled,
    Restless,
}

impl Default for Calm {
    fn default() -> Self {
        Calm::Trying(0)
    }
}

impl Calm {
    const LONG: u8 = 50;

    /// Whether it is time to look at the plan.
    #[inline]
    pub fn is_due(self) -> bool {
        self == Calm::Trying(Calm::LONG)
    }
}

impl Entry {
    /// What the engine has counted since the run before.
    pub fn scans_of_this_run(&self) -> Scans {
        self.statement.scans().since(self.scans)
    }

    /// Adds one part of a run, and says how long all of it has taken.
    fn spend(&mut self, op: &Op<'_>, nanos: u64, part: Part) -> u64 {
        self.shared = op.is_shared();
        let (queue, busy) = op.waits();
        let all = self.spent.get_or_insert_default();
        all.nanos += nanos;
        all.queue_nanos += queue;
        all.busy_nanos += busy;
        all.returned += part.returned;
        all.changed += part.changed;
        all.failed |= part.end == End::Failed;
        all.nanos
    }

    fn look_at_scans(&mut self) -> Scans {
        let ran = self.scans_of_this_run();
        self.scans = self.scans.plus(ran);
        if let Calm::Trying(runs) = self.calm {
            let calm = ran == Scans::default();
            self.calm = Calm::Trying(if calm { (runs + 1).min(Calm::LONG) } else { 0 });
        }
        ran
    }
}

/// Statements by slot; those worth keeping also by text.
pub struct Statements {
    slots: Vec<Slot>,
    free: Vec<u32>,
    in_use: usize,
    by_text: LruCache<Arc<str>, u32>,
    /// The statement used last: programs run the same one again and again, and comparing texts is cheaper than hashing one.
    last: u32,
    /// What is measured with, and where. `None`: nobody measures.
    gauge: Option<Gauge>,
    /// What is to be counted of the run that ended last, where it shares a transaction.
    tally: Option<KeptTally>,
}

/// What the statements of one connection are measured with.
struct Gauge {
    meter: Arc<Meter>,
    sheet: Arc<Sheet>,
}

impl Statements {
    /// Keeps up to `capacity` statements (at least one) prepared while they are not in use.
    pub fn new(capacity: usize, meter: Option<&Arc<Meter>>) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        let gauge = meter.map(|meter| Gauge { meter: meter.clone(), sheet: meter.sheets.register() });
        Statements { slots: Vec::new(), free: Vec::new(), in_use: 0, by_text: LruCache::new(capacity), last: 0, gauge, tally: None }
    }

    /// What this connection is measured with, and where its numbers are counted.
    #[inline]
    pub fn gauge(&self) -> Option<(&Arc<Meter>, &Arc<Sheet>)> {
        self.gauge.as_ref().map(|gauge| (&gauge.meter, &gauge.sheet))
    }

    #[inline]
    fn sheet(&self) -> Option<&Arc<Sheet>> {
        self.gauge.as_ref().map(|gauge| &gauge.sheet)
    }

    /// Adds what an operation has spent on the run under way. A run that is over is counted, unless it is slow: then it is counted when the use
    /// ends, so that it can be looked at until then. One that shares a transaction is set aside: see [`Statements::take_tally`].
    #[inline]
    pub fn spend(&mut self, cursor: Cursor, op: &Op<'_>, part: Part) -> Verdict {
        let (Ok(entry), Some(gauge)) = (get(&mut self.slots, cursor), &self.gauge) else { return Verdict::Fine };
        let Some(nanos) = op.elapsed_nanos() else { return Verdict::Fine };
        if part.end == End::More || nanos >= gauge.meter.slow_nanos || entry.spent.is_some() {
            let all = entry.spend(op, nanos, part);
            return if part.end != End::More && all >= gauge.meter.slow_nanos { Verdict::Slow } else { Verdict::Fine };
        }
        if op.is_shared() {
            self.tally = Some(gauge.set_aside(entry, part));
        } else {
            gauge.book(entry, nanos, part);
        }
        if entry.calm.is_due() {
            Verdict::CalmIsDue
        } else {
            Verdict::Fine
        }
    }

    /// Takes what is to be counted of the run that ended last, where it shares a transaction.
    pub fn take_tally(&mut self) -> Option<KeptTally> {
        self.tally.take()
    }

    /// What the run under way has spent.
    pub fn spent(&self, cursor: Cursor) -> Option<Spent> {
        self.peek(cursor).ok()?.spent
    }

    /// Whether the statement is kept and free.
    #[inline]
    pub fn holds(&self, sql: &str) -> bool {
        self.is_last(sql) || self.by_text.peek(sql).is_some_and(|index| self.is_free(*index))
    }

    /// Takes a kept statement into use.
    #[inline]
    pub fn checkout(&mut self, sql: &str) -> Option<Cursor> {
        let index = if self.is_last(sql) { self.last } else { *self.by_text.get(sql)? };
        if !self.is_free(index) {
            return None;
        }
        self.last = index;
        if let Some(sheet) = self.sheet() {
            sheet.statements_found.add_alone(1);
        }
        Some(self.take(index))
    }

    /// Whether the statement used last is this one, kept and free.
    #[inline]
    fn is_last(&self, sql: &str) -> bool {
        match self.slots.get(self.last as usize) {
            Some(Slot { entry: Some(entry), .. }) => entry.kept && !entry.in_use && *entry.plan.sql == *sql,
            _ => false,
        }
    }

    /// Adds a statement, in use. With `keep` it stays prepared afterwards, unless another one with this text does already.
    pub fn insert(&mut self, statement: Statement, plan: Arc<Plan>, keep: bool) -> Cursor {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let kept = keep && !self.by_text.contains(&*plan.sql);
        if kept {
            if let Some((_, evicted)) = self.by_text.push(plan.sql.clone(), index) {
                self.let_go(evicted);
            }
        }
        if let Some(sheet) = self.sheet() {
            sheet.statements_made.add_alone(1);
        }
        let entry = Entry {
            statement,
            plan,
            borrowed: false,
            anew: 0,
            running: false,
            in_use: false,
            kept,
            spent: None,
            shared: false,
            scans: Scans::default(),
            calm: Calm::default(),
            cells: None,
        };
        self.slots[index as usize].entry = Some(entry);
        self.take(index)
    }

    /// The statement that a cursor stands for.
    ///
    /// # Errors
    /// [`Kind::Misuse`] when the use has ended.
    #[inline]
    pub fn get(&mut self, cursor: Cursor) -> Result<&mut Entry> {
        get(&mut self.slots, cursor)
    }

    /// Like [`Statements::get`], to look only.
    #[inline]
    pub fn peek(&self, cursor: Cursor) -> Result<&Entry> {
        match self.slots.get(cursor.index as usize) {
            Some(Slot { entry: Some(entry), generation }) if *generation == cursor.generation && entry.in_use => Ok(entry),
            _ => Err(ended()),
        }
    }

    /// Ends a use: the statement goes back to its start, borrowed parameters are forgotten.
    #[inline]
    pub fn finish(&mut self, raw: &Raw, cursor: Cursor) {
        let Ok(entry) = get(&mut self.slots, cursor) else { return };
        if entry.running {
            entry.statement.reset(raw);
            entry.running = false;
        }
        if entry.borrowed {
            entry.statement.clear_bindings();
            entry.borrowed = false;
        }
        entry.in_use = false;
        let kept = entry.kept;
        if let (Some(spent), Some(gauge)) = (entry.spent.take(), &self.gauge) {
            self.tally = gauge.book_later(entry, &spent).or(self.tally.take());
        }
        self.in_use -= 1;
        let slot = &mut self.slots[cursor.index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        if !kept {
            slot.entry = None;
            self.free.push(cursor.index);
        }
    }

    /// Ends every use. Says whether there was any.
    pub fn finish_all(&mut self, raw: &Raw) -> bool {
        if self.in_use == 0 {
            return false;
        }
        for index in 0..self.slots.len() as u32 {
            let generation = self.slots[index as usize].generation;
            self.finish(raw, Cursor { index, generation });
        }
        true
    }

    fn is_free(&self, index: u32) -> bool {
        self.slots[index as usize].entry.as_ref().is_some_and(|entry| !entry.in_use)
    }

    #[inline]
    fn take(&mut self, index: u32) -> Cursor {
        let slot = &mut self.slots[index as usize];
        if let Some(entry) = &mut slot.entry {
            entry.in_use = true;
        }
        self.in_use += 1;
        Cursor { index, generation: slot.generation }
    }

    /// Closes a statement that is no longer worth keeping; one in use lives until its use ends.
    fn let_go(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        match &mut slot.entry {
            Some(entry) if entry.in_use => entry.kept = false,
            _ => {
                slot.entry = None;
                self.free.push(index);
            }
        }
    }
}

#[inline]
fn get(slots: &mut [Slot], cursor: Cursor) -> Result<&mut Entry> {
    match slots.get_mut(cursor.index as usize) {
        Some(Slot { entry: Some(entry), generation }) if *generation == cursor.generation && entry.in_use => Ok(entry),
        _ => Err(ended()),
    }
}

impl Gauge {
    /// Counts a run that is over.
    #[inline]
    fn book(&self, entry: &mut Entry, nanos: u64, part: Part) {
        self.tally(entry, part).count(&self.sheet, nanos);
    }

    /// What there is to count of a run that is over.
    #[inline]
    fn tally<'e>(&self, entry: &'e mut Entry, part: Part) -> Tally<&'e Cells> {
        let reads_only = entry.plan.footprint.read_only;
        if entry.cells.as_ref().is_none_or(|cells| cells.is_forgotten()) {
            entry.cells = self.meter.statements.register(&entry.plan.sql, !reads_only);
        }
        let scans = if entry.calm == Calm::Settled { Scans::default() } else { entry.look_at_scans() };
        Tally { part, scans, reads_only, cells: entry.cells.as_deref() }
    }

    /// What there is to count later of a run that shares a transaction.
    fn set_aside(&self, entry: &mut Entry, part: Part) -> KeptTally {
        let Tally { scans, reads_only, .. } = self.tally(entry, part);
        Tally { part, scans, reads_only, cells: entry.cells.clone() }
    }

    /// Counts a run that was slow, or whose rows were fetched in several calls, unless it shares a transaction.
    #[cold]
    fn book_later(&self, entry: &mut Entry, spent: &Spent) -> Option<KeptTally> {
        self.sheet.slow.add_alone((spent.nanos >= self.meter.slow_nanos).into());
        let end = if spent.failed { End::Failed } else { End::Done };
        let part = Part { end, returned: spent.returned, changed: spent.changed };
        if entry.shared {
            return Some(self.set_aside(entry, part));
        }
        self.book(entry, spent.nanos, part);
        None
    }
}

fn ended() -> Error {
    Error::new(
        Kind::Misuse,
        "rows: their statement was closed because its transaction, connection or store ended; read rows before ending those",
    )
}
