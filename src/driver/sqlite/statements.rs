//! The prepared statements of one connection: in use, or kept ready by their text, least recently used out first.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::raw::{Raw, Statement};
use crate::driver::{Cursor, Plan, Scans};
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
    /// What the run under way has spent; `None`: it was not run, or nobody measures.
    spent: Option<Spent>,
    /// The engine's counts when the run before ended.
    scans: Scans,
    /// Where its numbers are counted.
    cells: Option<Arc<Cells>>,
}

#[derive(Default)]
struct Slot {
    entry: Option<Entry>,
    /// Counts the uses, so that a cursor of an earlier use finds nothing.
    generation: u32,
}

impl Entry {
    /// What the engine has counted since the run before.
    pub fn scans_of_this_run(&self) -> Scans {
        self.statement.scans().since(self.scans)
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
        Statements { slots: Vec::new(), free: Vec::new(), in_use: 0, by_text: LruCache::new(capacity), last: 0, gauge }
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

    /// Adds what was spent on the run under way, and says what that is with all before it if it is slow.
    #[inline]
    pub fn spend(&mut self, cursor: Cursor, spent: Spent) -> Option<Spent> {
        let slow = self.gauge.as_ref()?.meter.slow_nanos;
        let all = self.get(cursor).ok()?.spent.get_or_insert_default();
        all.add(spent);
        (all.nanos >= slow).then_some(*all)
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
            scans: Scans::default(),
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
        match self.slots.get_mut(cursor.index as usize) {
            Some(Slot { entry: Some(entry), generation }) if *generation == cursor.generation && entry.in_use => Ok(entry),
            _ => Err(ended()),
        }
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
        let Ok(entry) = self.get(cursor) else { return };
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
        if let Some(spent) = entry.spent.take() {
            self.book(cursor.index, spent);
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

    /// Counts a run that is over.
    #[inline]
    fn book(&mut self, index: u32, spent: Spent) {
        let Some(Gauge { meter, sheet }) = &self.gauge else { return };
        let Some(entry) = &mut self.slots[index as usize].entry else { return };
        let ran = entry.scans_of_this_run();
        entry.scans = entry.scans.plus(ran);
        let writes = !entry.plan.footprint.read_only;
        count(sheet, writes, spent, ran);
        if entry.cells.as_ref().is_none_or(|cells| cells.is_forgotten()) {
            entry.cells = meter.statements.register(&entry.plan.sql, writes);
        }
        if let Some(cells) = &entry.cells {
            count_statement(cells, spent, ran);
        }
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
fn count(sheet: &Sheet, writes: bool, spent: Spent, ran: Scans) {
    if !spent.grouped {
        if writes { &sheet.writes } else { &sheet.reads }.record_alone(spent.nanos);
    }
    sheet.rows_returned.add_alone(spent.returned);
    if writes {
        sheet.rows_changed.add_alone(spent.changed);
    }
    if ran != Scans::default() {
        sheet.full_scans.add_alone((ran.steps > 0).into());
        sheet.scanned_rows.add_alone(ran.steps.into());
        sheet.automatic_indexes.add_alone((ran.automatic > 0).into());
        sheet.sorts.add_alone(ran.sorts.into());
    }
}

#[inline]
fn count_statement(cells: &Cells, spent: Spent, ran: Scans) {
    cells.calls.add_alone(1);
    cells.nanos.add_alone(spent.nanos);
    cells.worst_nanos.raise_alone(spent.nanos);
    cells.rows.add_alone(if spent.returned > 0 { spent.returned } else { spent.changed });
    if spent.failed {
        cells.errors.add_alone(1);
    }
    if ran != Scans::default() {
        cells.full_scans.add_alone((ran.steps > 0).into());
        cells.scanned_rows.add_alone(ran.steps.into());
        cells.automatic_indexes.add_alone((ran.automatic > 0).into());
        cells.sorts.add_alone((ran.sorts > 0).into());
    }
}

fn ended() -> Error {
    Error::new(
        Kind::Misuse,
        "rows: their statement was closed because its transaction, connection or store ended; read rows before ending those",
    )
}
