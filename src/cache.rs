//! Results of queries, kept as long as what they rest on has not moved. Never stale: whether a result holds is judged when somebody asks
//! for it, not when something is written, and nobody who writes knows of this.
//!
//! One lock covers the entries and the look at the clock. Entries leave when they no longer hold (noticed at look-up), when they are too old,
//! and, least recently used first, when there are too many or they are too large together.

mod flights;
mod key;
#[cfg(all(test, loom))]
mod models;

use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;

use self::flights::Flights;
pub use self::flights::Leading;
pub use self::key::Key;
use crate::cancel::Op;
use crate::clock::{Clock, Ground, Look, Mark, Marks, Moment};
use crate::coarse;
use crate::error::Result;
use crate::metrics::cell::Counter;
use crate::rows::Whole;
use crate::sync::checked::Mutex;

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub entries: usize,
    pub bytes: usize,
    /// `None`: as long as it holds.
    pub ttl: Option<Duration>,
}

/// One result takes no more than this part of all bytes.
const SHARE: usize = 16;
/// What an entry takes beside its key, cells and bytes: the entry itself, its place in the table and in the list, the heads of its memory.
const OVERHEAD: usize = 256;
const NEVER: u64 = u64::MAX;

/// Why a query that asked for the cache had neither a hit nor a result that could be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// `cache.enabled` is false.
    Disabled,
    /// Inside a transaction or on a pinned connection.
    Transaction,
    /// It is no single SELECT.
    Statement,
    /// It calls a function whose result may depend on more than its arguments.
    Function,
    /// It reads something whose changes nobody can follow: a table-valued function that looks at the engine.
    Table,
    /// A commit of this store was becoming visible at that moment.
    UnderWay,
    /// The schema could not be read, or was changing.
    Schema,
    /// The result is larger than a sixteenth of `cache.max_bytes`, or was read only in part.
    Size,
}

impl Bypass {
    /// All of them with their names, in the order of their numbers.
    pub const ALL: [(Bypass, &'static str); 8] = [
        (Bypass::Disabled, "disabled"),
        (Bypass::Transaction, "transaction"),
        (Bypass::Statement, "statement"),
        (Bypass::Function, "function"),
        (Bypass::Table, "table"),
        (Bypass::UnderWay, "under_way"),
        (Bypass::Schema, "schema"),
        (Bypass::Size, "size"),
    ];
}

/// A cache in numbers. Every query that asks for the cache and succeeds is one of hits, misses and bypasses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    pub hits: u64,
    /// Queries that were run and whose results could be kept.
    pub misses: u64,
    /// In the order of [`Bypass::ALL`].
    pub bypasses: [u64; 8],
    /// Results that left because something that they rest on had moved, because of their age, and for want of room.
    pub invalidated: u64,
    pub expired: u64,
    pub evicted: u64,
    pub entries: u64,
    pub bytes: u64,
    pub max_entries: u64,
    pub max_bytes: u64,
}

impl CacheStats {
    /// Hits among all queries that asked for the cache; 0 when there were none.
    pub fn hit_ratio(&self) -> f64 {
        let all = self.hits + self.misses + self.bypasses.iter().sum::<u64>();
        if all == 0 {
            0.0
        } else {
            self.hits as f64 / all as f64
        }
    }
}

/// What a look-up found.
pub enum Found<R> {
    Hit(R),
    /// There is a hit, but who asked does not want it this way.
    Declined,
    /// Run the query; what it gives can be kept as of this moment.
    Miss(Moment),
    /// Run the query and keep nothing.
    Bypass(Bypass),
    /// The store is closed.
    Closed,
}

struct Entry {
    whole: Arc<Whole>,
    ground: Ground,
    since: Moment,
    born: u64,
    /// The millisecond at which it is too old, in the words of who kept it.
    dies: u64,
    cost: usize,
    /// The number of the use with which it was last put in front.
    used: u64,
}

/// The results kept of one store.
pub struct Cache {
    clock: Arc<Clock>,
    limits: Limits,
    needs_connection: bool,
    kept: Mutex<Kept>,
    bypasses: [Counter; 8],
    flights: Flights,
}

struct Kept {
    entries: LruCache<Box<[u8]>, Entry>,
    /// `None` where a mark takes a connection.
    marks: Option<Arc<dyn Marks>>,
    closed: bool,
    bytes: usize,
    hits: u64,
    misses: u64,
    invalidated: u64,
    expired: u64,
    evicted: u64,
}

impl Cache {
    pub fn new(clock: Arc<Clock>, marks: Option<Arc<dyn Marks>>, limits: Limits) -> Self {
        let needs_connection = marks.is_none();
        let kept = Kept {
            entries: LruCache::unbounded(),
            marks,
            closed: false,
            bytes: 0,
            hits: 0,
            misses: 0,
            invalidated: 0,
            expired: 0,
            evicted: 0,
        };
        Cache { clock, limits, needs_connection, kept: Mutex::new(kept), bypasses: Default::default(), flights: Flights::default() }
    }

    /// To be called when a query that missed has its connection, and kept until its result is.
    #[inline]
    pub fn lead<'a>(&'a self, key: &'a [u8]) -> Leading<'a> {
        self.flights.lead(key)
    }

    /// Waits, as long as `op` allows, for another thread that runs the same query just now. Says whether it is worth looking once more.
    #[inline]
    pub fn follow(&self, key: &[u8], op: &Op<'_>) -> Result<bool> {
        self.flights.follow(key, op)
    }

    /// Whether there are queries that it may be worth waiting for.
    pub fn has_slow(&self) -> bool {
        self.flights.has_slow()
    }

    /// The most bytes of one result.
    pub fn share(&self) -> usize {
        self.limits.bytes / SHARE
    }

    /// Looks a result up that is no older than `ttl` (`None`: than who kept it said). To be asked before the connection is that a miss is run
    /// on, or with the mark that this connection shows, before it is read from.
    ///
    /// `take` sees a result that holds while nobody else can look anything up; it should be short.
    #[inline]
    pub fn look<R>(&self, key: &[u8], ttl: Option<Duration>, mark: Option<Mark>, take: impl FnOnce(&Arc<Whole>) -> Option<R>) -> Found<R> {
        let mut kept = self.kept.lock();
        let moment = match kept.moment(&self.clock, mark) {
            Ok(moment) => moment,
            Err(None) => return Found::Closed,
            Err(Some(bypass)) => return Found::Bypass(bypass),
        };
        let Some(entry) = kept.entries.peek(key) else { return Found::Miss(moment) };
        let holds = entry.ground.holds_since(entry.since);
        // Who keeps a result without a bound does not pay for the time.
        let now = if entry.dies == NEVER && ttl.is_none() { 0 } else { coarse::millis() };
        if holds && now < entry.dies && ttl.is_none_or(|ttl| now.saturating_sub(entry.born) < in_millis(ttl)) {
            let Some(taken) = take(&entry.whole) else { return Found::Declined };
            let used = entry.used;
            kept.hits += 1;
            kept.use_again(key, used);
            return Found::Hit(taken);
        }
        if holds && now < entry.dies {
            // Too old for this call alone.
            return Found::Miss(moment);
        }
        let gone = kept.entries.pop(key);
        kept.bytes -= gone.as_ref().map_or(0, |entry| entry.cost);
        *(if holds { &mut kept.expired } else { &mut kept.invalidated }) += 1;
        drop(kept);
        drop(gone);
        Found::Miss(moment)
    }

    /// The moment alone, for a query whose result is to be replaced.
    pub fn look_away<R>(&self, mark: Option<Mark>) -> Found<R> {
        match self.kept.lock().moment(&self.clock, mark) {
            Ok(moment) => Found::Miss(moment),
            Err(None) => Found::Closed,
            Err(Some(bypass)) => Found::Bypass(bypass),
        }
    }

    /// Whether a look-up needs the mark of the connection that a miss is run on.
    #[inline]
    pub fn needs_connection(&self) -> bool {
        self.needs_connection
    }

    /// Keeps a result that was read after `since` from what `ground` says. Counts the query.
    pub fn keep(&self, key: &[u8], whole: Arc<Whole>, ground: &Ground, since: Moment, ttl: Option<Duration>) {
        let cost = OVERHEAD + key.len() + whole.size();
        if cost > self.share() {
            return self.count(Bypass::Size);
        }
        let born = coarse::millis();
        let dies = ttl.or(self.limits.ttl).map_or(NEVER, |ttl| born.saturating_add(in_millis(ttl)));
        let mut entry = Entry { whole, ground: ground.clone(), since, born, dies, cost, used: 0 };
        let mut kept = self.kept.lock();
        entry.used = kept.hits + kept.misses;
        kept.misses += 1;
        if kept.closed {
            return;
        }
        let before = kept.entries.push(key.into(), entry).map(|(_, before)| before);
        kept.bytes -= before.as_ref().map_or(0, |before| before.cost);
        kept.bytes += cost;
        let gone = kept.make_room(&self.limits);
        // Memory is given back after the lock.
        drop(kept);
        drop((before, gone));
    }

    /// Counts what a result takes beside its rows: a binding keeps a form of its own with it.
    pub fn charge(&self, key: &[u8], whole: &Arc<Whole>, bytes: usize) {
        let mut kept = self.kept.lock();
        let Some(entry) = kept.entries.peek_mut(key).filter(|entry| Arc::ptr_eq(&entry.whole, whole)) else { return };
        entry.cost += bytes;
        kept.bytes += bytes;
        let gone = kept.make_room(&self.limits);
        drop(kept);
        drop(gone);
    }

    /// Counts a query that went past the cache.
    #[inline]
    pub fn count(&self, bypass: Bypass) {
        self.bypasses[bypass as usize].one();
    }

    /// Forgets every result. Who holds one keeps it.
    pub fn clear(&self) {
        let mut kept = self.kept.lock();
        kept.bytes = 0;
        let gone = std::mem::replace(&mut kept.entries, LruCache::unbounded());
        drop(kept);
        drop(gone);
    }

    /// Forgets every result and lets go of the database.
    pub fn close(&self) {
        let mut kept = self.kept.lock();
        kept.closed = true;
        let marks = kept.marks.take();
        drop(kept);
        drop(marks);
        self.clear();
    }

    /// The cache in numbers.
    pub fn stats(&self) -> CacheStats {
        let kept = self.kept.lock();
        CacheStats {
            hits: kept.hits,
            misses: kept.misses,
            bypasses: std::array::from_fn(|index| self.bypasses[index].get()),
            invalidated: kept.invalidated,
            expired: kept.expired,
            evicted: kept.evicted,
            entries: kept.entries.len() as u64,
            bytes: kept.bytes as u64,
            max_entries: self.limits.entries as u64,
            max_bytes: self.limits.bytes as u64,
        }
    }
}

impl Kept {
    /// Puts an entry in front, unless that was done so lately that it can hardly have fallen behind: the neighbours in the list are memory
    /// that nothing else of a hit touches.
    #[inline]
    fn use_again(&mut self, key: &[u8], used: u64) {
        let now = self.hits + self.misses;
        if now - used > self.entries.len() as u64 / 4 {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.used = now;
            }
        }
    }

    /// Takes out what was used least recently until the rest is within the limits.
    fn make_room(&mut self, limits: &Limits) -> Vec<Entry> {
        let mut gone = Vec::new();
        while self.bytes > limits.bytes || self.entries.len() > limits.entries {
            let Some((_, entry)) = self.entries.pop_lru() else { break };
            self.bytes -= entry.cost;
            self.evicted += 1;
            gone.push(entry);
        }
        gone
    }

    /// The moment, or why there is none; `None`: the store is closed.
    #[inline]
    fn moment(&self, clock: &Clock, mark: Option<Mark>) -> std::result::Result<Moment, Option<Bypass>> {
        if self.closed {
            return Err(None);
        }
        let look = match &self.marks {
            Some(marks) => clock.look(|| marks.mark()),
            None => clock.look(|| mark),
        };
        match look {
            Look::At(moment) => Ok(moment),
            Look::UnderWay => Err(Some(Bypass::UnderWay)),
        }
    }
}

fn in_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER - 1)
}
