//! The prepared statements of one connection: in use, or kept ready by their text, least recently used out first.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::gauge::{Cost, Gauge, Run, Verdict};
use super::raw::{Raw, Statement};
use crate::cancel::Op;
use crate::driver::{Cursor, Part, Plan};
use crate::error::{Error, Kind, Result};
use crate::metrics::meter::Meter;

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
    /// What its runs cost.
    pub cost: Cost,
}

impl Entry {
    /// The run under way, or the one that has just ended.
    pub fn run(&mut self) -> Run<'_> {
        Run { cost: &mut self.cost, statement: &self.statement, plan: &self.plan }
    }
}

#[derive(Default)]
struct Slot {
    entry: Option<Entry>,
    /// Counts the uses, so that a cursor of an earlier use finds nothing.
    generation: u32,
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

impl Statements {
    /// Keeps up to `capacity` statements (at least one) prepared while they are not in use.
    pub fn new(capacity: usize, meter: Option<&Arc<Meter>>) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        let gauge = meter.map(|meter| Gauge::new(meter.clone()));
        Statements { slots: Vec::new(), free: Vec::new(), in_use: 0, by_text: LruCache::new(capacity), last: 0, gauge }
    }

    /// What this connection is measured with.
    #[inline]
    pub fn gauge(&self) -> Option<&Gauge> {
        self.gauge.as_ref()
    }

    /// The same, to take from.
    pub fn gauge_mut(&mut self) -> Option<&mut Gauge> {
        self.gauge.as_mut()
    }

    /// Adds what an operation has spent on the run under way: see [`Gauge::spend`].
    #[inline]
    pub fn spend(&mut self, cursor: Cursor, op: &Op<'_>, part: Part) -> Verdict {
        match (get(&mut self.slots, cursor), &mut self.gauge) {
            (Ok(entry), Some(gauge)) => gauge.spend(entry.run(), op, part),
            _ => Verdict::Fine,
        }
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
        if let Some(gauge) = &self.gauge {
            gauge.sheet().statements_found.add_alone(1);
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
        if let Some(gauge) = &self.gauge {
            gauge.sheet().statements_made.add_alone(1);
        }
        let entry = Entry { statement, plan, borrowed: false, anew: 0, running: false, in_use: false, kept, cost: Cost::default() };
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
        if let (true, Some(gauge)) = (entry.cost.is_open(), &mut self.gauge) {
            gauge.close(entry.run());
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

fn ended() -> Error {
    Error::new(
        Kind::Misuse,
        "rows: their statement was closed because its transaction, connection or store ended; read rows before ending those",
    )
}
