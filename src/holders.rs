//! Who holds which connection: one record per connection, written with a few relaxed stores and read when a wait has to be explained.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sync::Mutex;
use lru::LruCache;

use crate::driver::{Plan, Role};

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    Statement = 1,
    Stream = 2,
    Transaction = 3,
    Pinned = 4,
    Script = 5,
    Maintenance = 6,
    Migration = 7,
}

impl Purpose {
    fn name(number: u8) -> &'static str {
        match number {
            1 => "statement",
            2 => "stream",
            3 => "transaction",
            4 => "pinned connection",
            5 => "script",
            6 => "maintenance",
            7 => "migration",
            _ => "lease",
        }
    }
}

/// The record of one connection. Thread 0 means that nobody holds it.
#[derive(Debug)]
pub struct Holder {
    role: Role,
    thread: AtomicU64,
    purpose: AtomicU8,
    since_nanos: AtomicU64,
    statement: AtomicU64,
    /// Tells one time of holding from the next; 0 for a read by one statement.
    lease: AtomicU64,
    /// It was said that it is held for very long.
    overdue: AtomicBool,
}

/// A holder that is bound to no thread: whoever waits for it does not wait for itself.
const ANY_THREAD: u64 = u64::MAX;
/// Lent without a look at the clock.
const UNTIMED: u64 = u64::MAX;

/// All records of a pool, and the texts of the statements they name.
pub struct Holders {
    epoch: Instant,
    leases: AtomicU64,
    all: Mutex<Vec<Weak<Holder>>>,
    texts: Mutex<LruCache<u64, Arc<Plan>>>,
}

/// How many statement texts are remembered for reports.
const TEXTS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

impl Holders {
    pub fn new() -> Self {
        Holders { epoch: Instant::now(), leases: AtomicU64::new(0), all: Mutex::new(Vec::new()), texts: Mutex::new(LruCache::new(TEXTS)) }
    }

    /// A record for a new connection.
    pub fn register(&self, role: Role) -> Arc<Holder> {
        let holder = Arc::new(Holder {
            role,
            thread: AtomicU64::new(0),
            purpose: AtomicU8::new(0),
            since_nanos: AtomicU64::new(0),
            statement: AtomicU64::new(0),
            lease: AtomicU64::new(0),
            overdue: AtomicBool::new(false),
        });
        let mut all = self.all.lock();
        all.retain(|weak| weak.strong_count() > 0);
        all.push(Arc::downgrade(&holder));
        holder
    }

    /// Notes that the calling thread (or nobody in particular) holds the connection from now on.
    ///
    /// A read by one statement does not pay for a look at the clock: its age is not known.
    #[inline]
    pub fn lend(&self, holder: &Holder, purpose: Purpose, bound: bool) {
        let timed = purpose != Purpose::Statement || holder.role == Role::Writer;
        let (since, lease) = if timed { (self.now(), self.next()) } else { (UNTIMED, 0) };
        holder.since_nanos.store(since, Ordering::Relaxed);
        holder.lease.store(lease, Ordering::Relaxed);
        holder.overdue.store(false, Ordering::Relaxed);
        holder.statement.store(0, Ordering::Relaxed);
        holder.purpose.store(purpose as u8, Ordering::Relaxed);
        holder.thread.store(if bound { this_thread() } else { ANY_THREAD }, Ordering::Relaxed);
    }

    fn next(&self) -> u64 {
        self.leases.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How long the connection has been held; `None` where that is not known.
    pub fn held_for(&self, holder: &Holder) -> Option<Duration> {
        let since = holder.since_nanos.load(Ordering::Relaxed);
        let held = holder.thread.load(Ordering::Relaxed) != 0 && since != UNTIMED;
        held.then(|| self.epoch.elapsed().saturating_sub(Duration::from_nanos(since)))
    }

    /// The longest time that any reader is held by something that goes on: a transaction, a pinned connection, a stream.
    pub fn oldest_reader(&self) -> Option<Duration> {
        self.live().iter().filter(|holder| holder.role == Role::Reader).filter_map(|holder| self.held_for(holder)).max()
    }

    /// What is held for longer than `threshold` by what a program may have forgotten, each time of holding once: a phrase for each.
    pub fn overdue(&self, threshold: Duration) -> Vec<String> {
        let now = self.epoch.elapsed();
        let live = self.live();
        let late = live.iter().filter(|holder| {
            let purpose = holder.purpose.load(Ordering::Relaxed);
            let forgettable = [Purpose::Transaction, Purpose::Pinned, Purpose::Stream].iter().any(|p| *p as u8 == purpose);
            forgettable && self.held_for(holder).is_some_and(|age| age >= threshold)
        });
        late.filter(|holder| !holder.overdue.swap(true, Ordering::Relaxed)).filter_map(|holder| self.describe(holder, now)).collect()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Notes that a reader's statement turned out to have more rows than one batch.
    pub fn now_a_stream(&self, holder: &Holder) {
        holder.purpose.store(Purpose::Stream as u8, Ordering::Relaxed);
        holder.since_nanos.store(self.now(), Ordering::Relaxed);
        holder.lease.store(self.next(), Ordering::Relaxed);
    }

    /// Remembers a statement's text for reports. Called where the statement is new to its connection.
    pub fn learn(&self, plan: &Arc<Plan>) {
        self.texts.lock().put(plan.columns.id, plan.clone());
    }

    /// How many connections of `role` the calling thread holds.
    pub fn mine(&self, role: Role) -> usize {
        let me = this_thread();
        self.live().iter().filter(|h| h.role == role && h.thread.load(Ordering::Relaxed) == me).count()
    }

    /// One phrase per connection in use: what for, how long, by whom, with which SQL.
    pub fn report(&self) -> String {
        self.describe_all(|_| true)
    }

    /// Like [`Holders::report`], of readers alone.
    pub fn readers(&self) -> String {
        self.describe_all(|holder| holder.role == Role::Reader)
    }

    fn describe_all(&self, wanted: impl Fn(&Holder) -> bool) -> String {
        let now = self.epoch.elapsed();
        let live = self.live();
        let phrases: Vec<String> = live.iter().filter(|holder| wanted(holder)).filter_map(|holder| self.describe(holder, now)).collect();
        if phrases.is_empty() {
            return "nobody".to_string();
        }
        phrases.join("; ")
    }

    fn describe(&self, holder: &Holder, now: Duration) -> Option<String> {
        let thread = holder.thread.load(Ordering::Relaxed);
        if thread == 0 {
            return None;
        }
        let age = match holder.since_nanos.load(Ordering::Relaxed) {
            UNTIMED => String::new(),
            since => format!("{} ms ", now.saturating_sub(Duration::from_nanos(since)).as_millis()),
        };
        let role = if holder.role == Role::Writer { "writer" } else { "reader" };
        let purpose = Purpose::name(holder.purpose.load(Ordering::Relaxed));
        let whose = match thread {
            ANY_THREAD => String::new(),
            t if t == this_thread() => ", this thread".to_string(),
            t => format!(", thread {t}"),
        };
        let text = self.texts.lock().peek(&holder.statement.load(Ordering::Relaxed)).map(|plan| shorten(&plan.sql));
        let sql = text.map(|text| format!(", {text}")).unwrap_or_default();
        let lease = match holder.lease.load(Ordering::Relaxed) {
            0 => String::new(),
            number => format!(", lease {number}"),
        };
        Some(format!("{role} held {age}by a {purpose}{lease}{whose}{sql}"))
    }

    fn live(&self) -> Vec<Arc<Holder>> {
        self.all.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

impl Holder {
    /// Notes what runs on the connection.
    #[inline]
    pub fn note(&self, plan: &Plan) {
        self.statement.store(plan.columns.id, Ordering::Relaxed);
    }

    /// Notes that the calling thread now uses a lease that was handed on to it.
    #[inline]
    pub fn adopt(&self) {
        if self.thread.load(Ordering::Relaxed) != ANY_THREAD {
            self.thread.store(this_thread(), Ordering::Relaxed);
        }
    }

    /// Notes that nobody holds the connection.
    #[inline]
    pub fn free(&self) {
        self.thread.store(0, Ordering::Relaxed);
    }
}

fn shorten(sql: &str) -> String {
    sql.chars().take(60).map(|c| if c.is_whitespace() { ' ' } else { c }).collect()
}

/// A small number that tells threads apart, never 0.
fn this_thread() -> u64 {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| mark as *const u8 as u64)
}
