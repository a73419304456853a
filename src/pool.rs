//! One writer and up to N readers: leases that go back clean, opened on demand, closed when idle or old.

mod counters;
mod door;
mod log;
mod shutdown;
mod wait;

use std::cell::OnceCell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::cancel::Op;
use crate::driver::{Connection, Cursor, Driver, Leave, Role};
use crate::error::{Error, Kind, Result};
use crate::holders::{Holder, Holders, Purpose};
use crate::member::Member;
use crate::metrics::cell::Counter;
use crate::process;
use crate::rows::Batch;
use crate::slots::{Load, Slots, Taken, Turn};
use crate::sync::Mutex;

use self::counters::Discard;
pub use self::counters::{Counters, Endings};
pub use self::door::{Door, Follower};
use self::log::Keeper;
use self::shutdown::Last;
use self::wait::{Impatience, Wait};

/// How many connections there may be, and for how long.
#[derive(Debug, Clone)]
pub struct Limits {
    /// All connections together: one writer, the rest readers.
    pub max_open: usize,
    /// Idle readers beyond this are closed at the next look of the maintenance.
    pub max_idle: usize,
    /// So many readers are kept even when idle for long.
    pub min_idle: usize,
    /// A connection is replaced when it is this old (some percent earlier, so that not all go at once).
    pub max_lifetime: Option<Duration>,
    /// A reader idle for this long is closed.
    pub idle_timeout: Option<Duration>,
    /// A connection idle for this long is tried before it is lent.
    pub health_check_after: Option<Duration>,
    /// How long a call without a deadline of its own waits for a connection.
    pub wait_timeout: Option<Duration>,
    /// The log is copied into the database when so many of its frames are not there yet; 0 never.
    pub checkpoint_frames: u32,
    /// What is held for longer is taken for forgotten.
    pub leak_threshold: Option<Duration>,
}

/// A connection with what the pool knows of it.
struct Item {
    connection: Box<dyn Connection>,
    holder: Arc<Holder>,
    /// Memory for first batches, reused from lease to lease.
    scratch: Batch,
    dies: Option<Instant>,
    /// Set by the maintenance when it sees the connection idle; cleared when it is lent.
    idle_since: Option<Instant>,
}

/// The connections of one store.
///
/// Law: at most one writer lease exists. The writer's slot has room for one, and its line is first come, first served.
pub struct Pool {
    driver: Arc<dyn Driver>,
    writer: Slots<Box<Item>, Arc<Member>>,
    readers: Slots<Box<Item>, Arc<Member>>,
    has_readers: bool,
    limits: Limits,
    holders: Holders,
    jitter: RandomState,
    bell: Arc<Bell>,
    keeper: Keeper,
    last: Mutex<Last>,
    /// The process that opened the connections: no other may touch them.
    age: u32,
    pub counters: Counters,
}

/// A connection on loan. Dropping it gives it back: clean, or not at all.
pub struct Lease<P: Deref<Target = Pool>> {
    pool: P,
    /// `None` only while dropping or handing on.
    item: Option<Box<Item>>,
    role: Role,
}

impl Pool {
    pub fn new(driver: Arc<dyn Driver>, limits: Limits) -> Self {
        let readers = if driver.concurrent_readers() { limits.max_open.saturating_sub(1) } else { 0 };
        Pool {
            driver,
            writer: Slots::new(1),
            readers: Slots::new(readers),
            has_readers: readers > 0,
            limits,
            holders: Holders::new(),
            jitter: RandomState::new(),
            bell: Arc::default(),
            keeper: Keeper::default(),
            last: Mutex::default(),
            age: process::age(),
            counters: Counters::default(),
        }
    }

    /// Whether reads have connections of their own. Otherwise they go through the writer.
    pub fn has_readers(&self) -> bool {
        self.has_readers
    }

    /// Rung when a reader keeps a snapshot that somebody has to look after.
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Fails in a forked child.
    #[inline]
    pub fn check_process(&self) -> Result<()> {
        process::check(self.age, "the store")
    }

    /// The engine's name of the database.
    pub fn database(&self) -> &str {
        self.driver.name()
    }

    /// Lends a reader (the writer, where there are no readers), if possible one that holds `sql` prepared.
    /// Waits in line until one is free, `op` ends, or, without a deadline, the configured wait is over.
    #[inline]
    pub fn reader(&self, op: &Op<'_>, sql: &str, purpose: Purpose, bound: bool) -> Result<Lease<&Pool>> {
        let role = if self.has_readers { Role::Reader } else { Role::Writer };
        self.lease(role, op, |item| item.connection.holds(sql), purpose, bound)
    }

    /// Lends the writer. Waits like [`Pool::reader`].
    #[inline]
    pub fn writer(&self, op: &Op<'_>, purpose: Purpose, bound: bool) -> Result<Lease<&Pool>> {
        self.lease(Role::Writer, op, |_| true, purpose, bound)
    }

    #[inline]
    fn lease(&self, role: Role, op: &Op<'_>, prefers: impl Fn(&Box<Item>) -> bool, purpose: Purpose, bound: bool) -> Result<Lease<&Pool>> {
        match self.turn(role, op, prefers, bound, &OnceCell::new(), || None)? {
            Turn::Taken(taken) => self.lend(taken, role, op, purpose, bound),
            Turn::Served => Err(served_without_a_job()),
        }
    }

    /// Waits in line, with `member` as the job (kept in `mine`) if it gives one.
    #[inline]
    fn turn(
        &self,
        role: Role,
        op: &Op<'_>,
        prefers: impl Fn(&Box<Item>) -> bool,
        bound: bool,
        mine: &OnceCell<Arc<Member>>,
        member: impl FnOnce() -> Option<Arc<Member>>,
    ) -> Result<Turn<Box<Item>>> {
        let mut wait = Wait::new(self, role, op, bound);
        let job = || member().map(|member| mine.get_or_init(|| member).clone());
        let give_up = |reason: &Impatience| {
            if let (Impatience::Stopped(_), Some(member)) = (reason, mine.get()) {
                member.give_up();
            }
        };
        let patience = || match wait.patience() {
            // It has been its turn already, and is again as soon as the transaction that it could not stay in has ended.
            Err(Impatience::Exhausted) if mine.get().is_some_and(|member| member.is_alone()) => Ok(op.slice(BRIEFLY)),
            other => other.inspect_err(give_up),
        };
        let turn = self.slots(role).take_or_be_served(prefers, job, patience);
        let turn = turn.map_err(|refusal| wait.error(refusal))?;
        wait.over();
        Ok(turn)
    }

    #[inline]
    fn lend(&self, taken: Taken<Box<Item>>, role: Role, op: &Op<'_>, purpose: Purpose, bound: bool) -> Result<Lease<&Pool>> {
        let item = match taken {
            Taken::Ready(item) => self.checked(item, role, op)?,
            Taken::Vacant => self.open(role, op)?,
        };
        self.holders.lend(&item.holder, purpose, bound);
        Ok(Lease { pool: self, item: Some(item), role })
    }

    fn slots(&self, role: Role) -> &Slots<Box<Item>, Arc<Member>> {
        match role {
            Role::Writer => &self.writer,
            Role::Reader => &self.readers,
        }
    }

    /// Opens a connection on a right to make one; gives the right back when that fails.
    #[cold]
    fn open(&self, role: Role, op: &Op<'_>) -> Result<Box<Item>> {
        let connection = self.driver.connect(role, op).inspect_err(|_| self.slots(role).discard())?;
        self.counters.opened.one();
        let holder = self.holders.register(role);
        Ok(Box::new(Item { connection, holder, scratch: Batch::default(), dies: self.death(), idle_since: None }))
    }

    /// When a connection opened now is to be replaced: 90 to 100 % of the lifetime from now.
    fn death(&self) -> Option<Instant> {
        let now = Instant::now();
        let lifetime = self.limits.max_lifetime?;
        let percent = 90 + self.jitter.hash_one(now) % 11;
        now.checked_add(lifetime / 100 * percent as u32)
    }

    /// Tries a connection that nobody has used for long, and replaces it when it no longer works.
    #[inline]
    fn checked(&self, mut item: Box<Item>, role: Role, op: &Op<'_>) -> Result<Box<Item>> {
        match item.idle_since.take() {
            None => Ok(item),
            Some(since) if self.limits.health_check_after.is_none_or(|after| since.elapsed() < after) => Ok(item),
            Some(_) if item.connection.ping().is_ok() => Ok(item),
            Some(_) => {
                self.counters.closed_broken.one();
                drop(item);
                self.open(role, op)
            }
        }
    }

    fn give_back(&self, mut item: Box<Item>, role: Role) {
        if self.age != process::age() {
            return std::mem::forget(item);
        }
        if role == Role::Writer {
            self.counters.holds.time(self.holders.held_for(&item.holder).unwrap_or_default());
        }
        item.holder.free();
        let panics = std::thread::panicking();
        let state = if panics { Ok(Leave::Spoilt) } else { item.connection.leave() };
        let why = match state {
            Ok(Leave::Clean) => None,
            Ok(Leave::Reset(left)) => {
                self.counters.resets[left as usize].one();
                None
            }
            Ok(Leave::Spoilt) => Some(if panics { Discard::Panicked } else { Discard::Changed }),
            Err(_) => Some(Discard::Failed),
        };
        if let Some(why) = why {
            self.counters.discards[why as usize].one();
            drop(item);
            return self.slots(role).discard();
        }
        match role {
            Role::Writer => self.mind_log(&mut item),
            Role::Reader if item.connection.keeps_snapshot() => self.bell.ring(),
            Role::Reader => {}
        }
        item.scratch.shrink(SCRATCH_CELLS, SCRATCH_BYTES);
        self.put(item, role);
    }

    /// Lets idle readers give up their snapshots, unused ones or (`now`) all. Says whether any is kept still.
    pub fn rest_idle(&self, now: bool) -> bool {
        let mut kept = false;
        self.readers.retain_idle(|item| {
            kept |= item.connection.rest(now);
            true
        });
        kept
    }

    /// Closes what is idle for too long, too old, or too many. Called now and then by the maintenance.
    pub fn clean_up(&self) {
        let now = Instant::now();
        let mut spare = self.readers.load().idle.saturating_sub(self.limits.min_idle);
        let over = self.readers.load().idle.saturating_sub(self.limits.max_idle);
        let mut closed = 0;
        let gone = self.readers.retain_idle(|item| {
            let counter = self.verdict(item, now, closed < over);
            match counter {
                Some(counter) if spare > 0 => {
                    counter.one();
                    spare -= 1;
                    closed += 1;
                    false
                }
                _ => true,
            }
        });
        drop(gone);
        let old = self.writer.retain_idle(|item| !item.is_old(now));
        old.iter().for_each(|_| self.counters.closed_lifetime.one());
    }

    fn verdict(&self, item: &mut Item, now: Instant, too_many: bool) -> Option<&Counter> {
        let since = *item.idle_since.get_or_insert(now);
        if item.is_old(now) {
            return Some(&self.counters.closed_lifetime);
        }
        if self.limits.idle_timeout.is_some_and(|longest| now.duration_since(since) >= longest) {
            return Some(&self.counters.closed_idle_time);
        }
        too_many.then_some(&self.counters.closed_max_idle)
    }

    /// Opens readers up to `min_idle`. Errors are left for the caller who needs a connection.
    pub fn warm_up(&self) {
        let op = Op::unbounded();
        let missing = self.limits.min_idle.saturating_sub(self.readers.load().idle);
        let made: Vec<_> = (0..missing)
            .map_while(|_| match self.readers.try_take(|_| false)? {
                Taken::Ready(item) => Some(item),
                Taken::Vacant => self.open(Role::Reader, &op).ok(),
            })
            .collect();
        for item in made {
            self.put(item, Role::Reader);
        }
    }

    /// Has idle readers note what their page caches have counted.
    pub fn sample(&self) {
        let look = |item: &mut Box<Item>| {
            item.connection.sample();
            true
        };
        self.readers.retain_idle(look);
        self.writer.retain_idle(look);
    }

    /// Lends a reader without waiting; `None` where all are in use. For the maintenance.
    pub fn idle_reader(&self) -> Option<Lease<&Pool>> {
        let role = if self.has_readers { Role::Reader } else { Role::Writer };
        let taken = self.slots(role).try_take(|_| true)?;
        self.lend(taken, role, &Op::unbounded(), Purpose::Maintenance, false).ok()
    }

    /// The driver behind the pool.
    pub fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    /// How full writer and readers are; those who wait outside of the library are among the waiting.
    pub fn load(&self) -> (Load, Load) {
        let (mut writer, mut readers) = (self.writer.load(), self.readers.load());
        writer.waiting += self.counters.writers_outside.level() as usize;
        readers.waiting += self.counters.readers_outside.level() as usize;
        (writer, readers)
    }

    /// Who holds connections now, for people.
    pub fn report(&self) -> String {
        self.holders.report()
    }
}

#[cold]
fn served_without_a_job() -> Error {
    Error::new(Kind::Engine, "the wait for a connection ended without one")
}

/// How long a wait sleeps that does not count.
const BRIEFLY: Duration = Duration::from_secs(1);
/// A connection keeps this much memory for first batches.
const SCRATCH_CELLS: usize = 64 * 1024;
const SCRATCH_BYTES: usize = 1024 * 1024;

impl Item {
    fn is_old(&self, now: Instant) -> bool {
        self.dies.is_some_and(|dies| now >= dies)
    }
}

impl<P: Deref<Target = Pool>> Lease<P> {
    /// The connection.
    #[inline]
    pub fn connection(&mut self) -> &mut dyn Connection {
        &mut *self.item_mut().connection
    }

    /// The connection and its memory for a first batch.
    #[inline]
    pub fn parts(&mut self) -> (&mut dyn Connection, &mut Batch) {
        let item = self.item_mut();
        (&mut *item.connection, &mut item.scratch)
    }

    #[inline]
    fn item_mut(&mut self) -> &mut Item {
        self.item.as_mut().expect("a lease has its connection until it is dropped")
    }

    /// The record of who holds the connection.
    #[inline]
    pub fn holder(&self) -> &Holder {
        &self.item.as_ref().expect("a lease has its connection until it is dropped").holder
    }

    /// Notes, for reports, which statement runs on the connection.
    #[inline]
    pub fn note(&mut self, cursor: Cursor) -> Result<()> {
        let item = self.item.as_mut().expect("a lease has its connection until it is dropped");
        let plan = item.connection.plan(cursor)?;
        item.holder.note(plan);
        if !plan.noticed.load(Ordering::Relaxed) {
            plan.noticed.store(true, Ordering::Relaxed);
            self.pool.holders.learn(plan);
        }
        Ok(())
    }

    /// Notes, for reports, that the lease goes on as a stream.
    pub fn now_a_stream(&self) {
        self.pool.holders.now_a_stream(self.holder());
    }

    /// Counts how transactions on the connection ended.
    pub fn ended(&self, endings: Endings) {
        let counters = &self.pool.counters.transactions;
        counters.iter().zip(endings).for_each(|(counter, times)| counter.add(times));
    }

    /// Whether this is the connection that changes the database.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl Lease<&Pool> {
    /// The same lease, independent of the borrow of the pool.
    pub fn into_owned(mut self, pool: &Arc<Pool>) -> Lease<Arc<Pool>> {
        Lease { pool: pool.clone(), item: self.item.take(), role: self.role }
    }
}

impl<P: Deref<Target = Pool>> Drop for Lease<P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.pool.give_back(item, self.role);
        }
    }
}
