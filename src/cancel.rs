//! One operation's right to go on: its deadline, its cancel token, and its caller's tick.

mod slot;

use std::cell::Cell;
use std::time::{Duration, Instant};

use self::slot::Slot;
use crate::error::{Error, Kind, Result};
use crate::ticks;

/// How often a caller's tick is called while an operation waits or runs.
pub const TICK: Duration = Duration::from_millis(20);

/// Why an operation has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Cancelled,
    TimedOut,
}

/// What a caller lends to an operation so that it hears of it while it is under way. Both run on the calling thread.
pub trait Caller {
    /// Called about every [`TICK`] while the operation waits or runs; `true` cancels it.
    fn tick(&self) -> bool {
        false
    }

    /// Called before the operation first waits or turns out to be long; a place to give up a lock of the caller's.
    fn before_wait(&self) {}
}

/// What of an operation may hold for others after it: until when, and under which token. The default bounds nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    token: Option<CancelToken>,
}

/// One operation: everything that may end it early. It lives on the stack of the call.
pub struct Op<'a> {
    deadline: Option<Instant>,
    token: Option<CancelToken>,
    /// The token of what the operation is a part of.
    outer_token: Option<CancelToken>,
    caller: Option<&'a dyn Caller>,
    ticked: Cell<Option<Instant>>,
    stopped: Cell<Option<Stop>>,
    timeout: Option<Duration>,
    /// When it began, in ticks; 0 where nobody measures.
    began: Cell<u64>,
    /// What it has waited, in microseconds: with 128 bytes an operation is moved by a few instructions.
    queued: Cell<u32>,
    blocked: Cell<u32>,
    /// What of these came before the part that is measured.
    earlier: Cell<(u32, u32)>,
    shared: Cell<bool>,
    /// It is the maintenance's: what gets in its way is not counted.
    own: bool,
}

impl<'a> Op<'a> {
    /// An operation that ends when it is done.
    pub const fn unbounded() -> Self {
        Op {
            deadline: None,
            token: None,
            outer_token: None,
            caller: None,
            ticked: Cell::new(None),
            stopped: Cell::new(None),
            timeout: None,
            began: Cell::new(0),
            queued: Cell::new(0),
            blocked: Cell::new(0),
            earlier: Cell::new((0, 0)),
            shared: Cell::new(false),
            own: false,
        }
    }

    /// An operation with the given bounds; the clock is read only when there is a timeout.
    pub fn new(timeout: Option<Duration>, token: Option<CancelToken>, caller: Option<&'a dyn Caller>) -> Self {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        Op { deadline, token, caller, timeout, ..Op::unbounded() }
    }

    /// An operation of the maintenance's: its waits and its end are no caller's, and counted nowhere.
    pub fn own(timeout: Duration) -> Self {
        Op { own: true, ..Op::new(Some(timeout), None, None) }
    }

    /// Whether it is the maintenance's.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// An operation that goes on elsewhere within the same bounds, with a caller of its own there.
    pub fn bounded(bounds: Bounds, caller: &'a dyn Caller) -> Self {
        Op { deadline: bounds.deadline, timeout: bounds.timeout, token: bounds.token, caller: Some(caller), ..Op::unbounded() }
    }

    /// The operation as a part of something that has bounds of its own: it ends with them at the latest.
    pub fn within(&self, bounds: &Bounds) -> Op<'a> {
        let earlier = bounds.deadline.is_some_and(|outer| self.deadline.is_none_or(|own| outer < own));
        let (deadline, timeout) = if earlier { (bounds.deadline, bounds.timeout) } else { (self.deadline, self.timeout) };
        Op {
            deadline,
            timeout,
            token: self.token,
            outer_token: bounds.token.or(self.outer_token),
            caller: self.caller,
            began: self.began.clone(),
            queued: self.queued.clone(),
            blocked: self.blocked.clone(),
            earlier: self.earlier.clone(),
            shared: self.shared.clone(),
            own: self.own,
            ..Op::unbounded()
        }
    }

    /// The operation with a time at which it began: it is measured from there on. 0: nobody measures.
    #[inline]
    pub fn begun(self, ticks: u64) -> Self {
        Op { began: Cell::new(ticks), ..self }
    }

    /// When it began; 0 where nobody measures.
    #[inline]
    pub fn began(&self) -> u64 {
        self.began.get()
    }

    /// Measures it from now on: its next part.
    pub fn begins_now(&self) {
        self.began.set(ticks::now());
        self.earlier.set((self.queued.get(), self.blocked.get()));
    }

    /// Says that its write shares a transaction with others (or does not any more): it is over when that is committed.
    pub fn shares(&self, shares: bool) {
        self.shared.set(shares);
    }

    /// Whether its write shares a transaction with others.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.shared.get()
    }

    /// Adds a time that it has waited for a connection.
    pub fn queued(&self, time: Duration) {
        self.queued.set(self.queued.get().saturating_add(micros(time)));
    }

    /// Adds a time that it has waited for a lock of another process.
    pub fn blocked(&self, time: Duration) {
        self.blocked.set(self.blocked.get().saturating_add(micros(time)));
    }

    /// How long it has taken so far, in nanoseconds; `None` where nobody measures.
    #[inline]
    pub fn elapsed_nanos(&self) -> Option<u64> {
        let began = self.began.get();
        (began != 0).then(|| ticks::nanos(began, ticks::now()))
    }

    /// How long the part that is measured has waited for a connection, and for locks of other processes, in nanoseconds.
    pub fn waits(&self) -> (u64, u64) {
        let (queued, blocked) = self.earlier.get();
        (nanos(self.queued.get() - queued), nanos(self.blocked.get() - blocked))
    }

    /// Where the time of an operation went that has had its `timeout`.
    fn split(&self, timeout: Duration) -> String {
        let late = self.deadline.map_or(Duration::ZERO, |deadline| Instant::now().saturating_duration_since(deadline));
        let (queue, busy) = (nanos(self.queued.get()), nanos(self.blocked.get()));
        let execution = ((timeout + late).as_nanos() as u64).saturating_sub(queue + busy);
        let ms = |nanos: u64| nanos / 1_000_000;
        format!("queue {} ms, busy {} ms, execution {} ms", ms(queue), ms(busy), ms(execution))
    }

    /// What bounds the operation, for what goes on after it. Of two tokens it is the outer one.
    pub fn bounds(&self) -> Bounds {
        Bounds { deadline: self.deadline, timeout: self.timeout, token: self.outer_token.or(self.token) }
    }

    /// Whether anything can end the operation early, or somebody wants to hear of it.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.deadline.is_some() || self.token.is_some() || self.outer_token.is_some() || self.caller.is_some()
    }

    /// The moment at which the operation has to be over.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Tells the caller that the operation is about to wait, or turned out to be long. May be called any number of times.
    pub fn before_wait(&self) {
        if let Some(caller) = self.caller {
            caller.before_wait();
        }
    }

    /// Looks at token, deadline and tick. Whoever has to stop once has to stop for good: a tick may say so only once.
    pub fn poll(&self) -> Option<Stop> {
        if self.stopped.get().is_none() {
            self.stopped.set(self.judge());
        }
        self.stopped.get()
    }

    fn judge(&self) -> Option<Stop> {
        if self.token.is_some_and(|t| t.is_cancelled()) || self.outer_token.is_some_and(|t| t.is_cancelled()) {
            return Some(Stop::Cancelled);
        }
        if self.deadline.is_none() && self.caller.is_none() {
            return None;
        }
        let now = Instant::now();
        if self.deadline.is_some_and(|d| now >= d) {
            return Some(Stop::TimedOut);
        }
        self.tick(now).then_some(Stop::Cancelled)
    }

    fn tick(&self, now: Instant) -> bool {
        let Some(caller) = self.caller else { return false };
        match self.ticked.get() {
            Some(last) if now.duration_since(last) < TICK => false,
            None => {
                self.ticked.set(Some(now));
                false
            }
            Some(_) => {
                self.ticked.set(Some(now));
                caller.tick()
            }
        }
    }

    /// The reason that [`Op::poll`] gave.
    pub fn stopped(&self) -> Option<Stop> {
        self.stopped.get()
    }

    /// How long one sleep of this operation may last: until its deadline, and no longer than it takes to notice a cancellation.
    pub fn slice(&self, longest: Duration) -> Duration {
        let heard = self.token.is_some() || self.outer_token.is_some() || self.caller.is_some();
        let longest = if heard { longest.min(TICK / 2) } else { longest };
        match self.deadline {
            Some(d) => longest.min(d.saturating_duration_since(Instant::now())),
            None => longest,
        }
    }

    /// The error for an operation that had to stop while doing `what`.
    pub fn stop_error(&self, stop: Stop, what: &str) -> Error {
        match (stop, self.timeout) {
            (Stop::Cancelled, _) => Error::new(Kind::Cancelled, format!("{what}: cancelled by the caller")),
            (Stop::TimedOut, Some(t)) => Error::new(Kind::Timeout, format!("{what}: the timeout of {t:?} passed ({})", self.split(t))),
            (Stop::TimedOut, None) => Error::new(Kind::Timeout, format!("{what}: the deadline passed")),
        }
    }

    /// Fails when the operation has to stop already.
    pub fn check(&self, what: &str) -> Result<()> {
        match if self.is_watched() { self.poll() } else { None } {
            Some(stop) => Err(self.stop_error(stop, what)),
            None => Ok(()),
        }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn nanos(micros: u32) -> u64 {
    u64::from(micros) * 1000
}

impl Bounds {
    /// Until `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Bounds { deadline: Some(deadline), ..Bounds::default() }
    }

    /// Whether they bound anything.
    #[inline]
    pub fn is_some(&self) -> bool {
        self.deadline.is_some() || self.token.is_some()
    }
}

/// A switch that ends every operation that was given it, from any thread and also from a signal handler.
///
/// A token is a number (slot and generation) over memory that is never freed: using a freed token touches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelToken(u64);

const CHUNK: usize = 256;
const CHUNKS: usize = 256;

type Chunk = [Slot; CHUNK];
type OnceRef = once_cell::race::OnceRef<'static, Chunk>;
static TABLE: [OnceRef; CHUNKS] = [const { OnceRef::new() }; CHUNKS];

impl CancelToken {
    /// A new token, not cancelled.
    ///
    /// # Errors
    /// [`Kind::TooBig`] when 65,536 tokens exist already: free those that are no longer needed.
    pub fn new() -> Result<Self> {
        (0..CHUNKS).find_map(|index| claim(chunk(index), index)).ok_or_else(|| {
            Error::new(Kind::TooBig, format!("cancel token: all {} are in use; free the ones no longer needed", CHUNK * CHUNKS))
        })
    }

    /// The token as a number for the C ABI.
    pub fn to_raw(self) -> u64 {
        self.0
    }

    /// The token behind a number; `None` for a number that is no live token.
    pub fn from_raw(raw: u64) -> Option<Self> {
        let token = CancelToken(raw);
        token.slot().filter(|slot| slot.is_live(token.generation())).map(|_| token)
    }

    /// Ends every operation that runs or starts with this token. Safe in a signal handler; without effect on a freed token.
    pub fn cancel(self) {
        self.with(Slot::cancel);
    }

    /// Makes a cancelled token usable again.
    pub fn reset(self) {
        self.with(Slot::reset);
    }

    /// Gives the token back; every copy of it becomes ineffective. Freeing twice is harmless.
    pub fn free(self) {
        self.with(Slot::free);
    }

    /// Whether the token has been cancelled.
    #[inline]
    pub fn is_cancelled(self) -> bool {
        self.slot().is_some_and(|slot| slot.is_cancelled(self.generation()))
    }

    fn with(self, act: fn(&Slot, u32)) {
        if let Some(slot) = self.slot() {
            act(slot, self.generation());
        }
    }

    fn generation(self) -> u32 {
        (self.0 >> 16) as u32
    }

    fn slot(self) -> Option<&'static Slot> {
        let index = (self.0 & 0xFFFF) as usize;
        existing(index / CHUNK).map(|chunk| &chunk[index % CHUNK])
    }
}

fn claim(chunk: &'static Chunk, index: usize) -> Option<CancelToken> {
    chunk.iter().enumerate().find_map(|(i, slot)| {
        let generation = slot.claim()?;
        Some(CancelToken(u64::from(generation) << 16 | (index * CHUNK + i) as u64))
    })
}

fn existing(index: usize) -> Option<&'static Chunk> {
    TABLE[index].get()
}

fn chunk(index: usize) -> &'static Chunk {
    // Two threads may race here; the loser's chunk stays leaked, which is two kilobytes once.
    existing(index).unwrap_or_else(|| {
        let _ = TABLE[index].set(Box::leak(Box::new(std::array::from_fn(|_| Slot::new()))));
        existing(index).expect("published just now")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_token_is_dead_and_its_slot_is_used_again_under_another_number() {
        let token = CancelToken::new().unwrap();
        token.cancel();
        assert!(token.is_cancelled());
        token.free();
        assert!(!token.is_cancelled() && CancelToken::from_raw(token.to_raw()).is_none());
        let next = CancelToken::new().unwrap();
        token.cancel();
        assert!(!next.is_cancelled());
        next.free();
    }

    #[test]
    fn an_operation_ends_with_what_it_is_part_of_at_the_latest() {
        let hour = Duration::from_secs(3600);
        let (own, outer) = (CancelToken::new().unwrap(), CancelToken::new().unwrap());
        let whole = Op::new(Some(hour), Some(outer), None).bounds();
        for (timeout, expected) in [(None, hour), (Some(2 * hour), hour), (Some(hour / 2), hour / 2)] {
            for token in [own, outer] {
                let part = Op::new(timeout, Some(own), None).within(&whole);
                assert!(part.stop_error(Stop::TimedOut, "test").message().contains(&format!("{expected:?}")));
                assert_eq!(part.poll(), None);
                token.cancel();
                assert_eq!(part.poll(), Some(Stop::Cancelled));
                token.reset();
            }
        }
        assert!(!Op::unbounded().within(&Bounds::default()).is_watched());
        own.free();
        outer.free();
    }

    #[test]
    fn a_tick_that_cancels_once_cancels_for_good() {
        struct Once(Cell<bool>);
        impl Caller for Once {
            fn tick(&self) -> bool {
                self.0.replace(false)
            }
        }
        let caller = Once(Cell::new(true));
        let op = Op::new(None, None, Some(&caller));
        while op.poll().is_none() {
            std::thread::yield_now();
        }
        assert!(!caller.0.get());
        std::thread::sleep(TICK);
        assert_eq!(op.poll(), Some(Stop::Cancelled));
    }

    #[test]
    fn an_operation_is_small_enough_to_be_moved() {
        assert!(size_of::<Op<'_>>() <= 128);
    }

    #[test]
    fn an_operation_stops_at_its_deadline_and_says_so() {
        let op = Op::new(Some(Duration::ZERO), None, None);
        assert_eq!(op.poll(), Some(Stop::TimedOut));
        assert_eq!(op.check("test").unwrap_err().kind(), Kind::Timeout);
        assert!(Op::unbounded().check("test").is_ok());
    }
}
