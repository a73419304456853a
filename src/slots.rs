//! A bounded container of things that are used one user at a time: take, put, discard, close. Waiters are served first come, first served.
//!
//! A waiter may bring a job along. Then whoever holds a thing already may do the job for it ([`Slots::start_job`]), in the job's turn.

mod glances;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use self::glances::Glances;
use crate::sync::checked::{wait, Condvar, Mutex, MutexGuard};

/// What a successful [`Slots::take`] gives. Whoever holds either owes one [`Slots::put`] or [`Slots::discard`].
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// A thing that was idle.
    Ready(T),
    /// The right to make one.
    Vacant,
}

/// What the wait of a job ends with.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<T> {
    /// The thing itself: nobody has done the job.
    Taken(Taken<T>),
    /// Somebody else has done the job.
    Served,
}

/// Why a [`Slots::take`] gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal<E> {
    /// The container is closed.
    Closed,
    /// The caller's patience ended with its own reason, when so many were before it in line.
    Impatient(E, usize),
}

/// How full a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    pub capacity: usize,
    /// Idle ones and taken ones.
    pub total: usize,
    pub idle: usize,
    pub waiting: usize,
}

impl Load {
    /// Those that are taken.
    pub fn in_use(self) -> usize {
        self.total - self.idle
    }

    /// Two containers as one.
    pub fn plus(self, other: Load) -> Load {
        Load {
            capacity: self.capacity + other.capacity,
            total: self.total + other.total,
            idle: self.idle + other.idle,
            waiting: self.waiting + other.waiting,
        }
    }
}

/// At most `capacity` things, idle or taken. Idle ones are reused last in, first out.
///
/// Invariants under the lock: `idle.len() <= total <= capacity`; while somebody waits nothing is idle and nothing is vacant,
/// because whatever comes back is handed to the oldest waiter directly and can not be overtaken.
pub struct Slots<T, J = ()> {
    state: Mutex<State<T, J>>,
    /// Somebody has joined the line while a holder waited for that.
    joined: Condvar,
    glances: Glances,
}

struct State<T, J> {
    idle: Vec<T>,
    total: usize,
    capacity: usize,
    waiting: VecDeque<Arc<Seat<T, J>>>,
    closed: bool,
    /// A holder sleeps at `joined`.
    awaited: bool,
}

/// Where one waiter waits. `stage` is locked inside the state's lock by who takes the seat out of the line, and alone by who waits.
struct Seat<T, J> {
    stage: Mutex<Stage<T>>,
    /// The stage may be [`Stage::Given`]: a reason to look at it. And who waits may be asleep: a reason to call.
    given: AtomicBool,
    asleep: AtomicBool,
    call: Condvar,
    job: Option<J>,
}

/// ```text
///   InLine ── hand_over, close ──▶ Given
///     ├────── start_job ─────────▶ Started ── Started::drop ──▶ Given(Served)
///     ◀────── return_job ───────────┘
/// ```
enum Stage<T> {
    InLine,
    /// Somebody else is doing the job: the waiter can not leave any more.
    Started,
    Given(Given<T>),
}

enum Given<T> {
    Turn(Turn<T>),
    Closed,
}

/// How a waiter that wants to leave finds its seat.
enum Left<T> {
    /// With so many before it.
    InLine(usize),
    Started,
    Given(Given<T>),
}

/// Somebody waits at a seat. Dropped before there is an answer (its patience panicked), it leaves and passes on what it was given.
struct Waiter<'a, T, J: Clone> {
    slots: &'a Slots<T, J>,
    seat: Arc<Seat<T, J>>,
    answered: bool,
}

/// A job under way in another thread than its owner's, who wakes up when this is dropped.
pub struct Started<T, J> {
    seat: Arc<Seat<T, J>>,
    job: J,
    /// It went back to its owner undone.
    returned: bool,
}

impl<T, J> Started<T, J> {
    /// What there is to do.
    pub fn job(&self) -> &J {
        &self.job
    }
}

impl<T, J> Drop for Started<T, J> {
    fn drop(&mut self) {
        if !self.returned {
            self.seat.give(Given::Turn(Turn::Served));
        }
    }
}

impl<T, J: Clone> Slots<T, J> {
    /// An empty container for up to `capacity` things.
    pub fn new(capacity: usize) -> Self {
        let state = State { idle: Vec::new(), total: 0, capacity, waiting: VecDeque::new(), closed: false, awaited: false };
        Slots { state: Mutex::new(state), joined: Condvar::new(), glances: Glances::new() }
    }

    /// Takes an idle thing (the latest that `prefers` likes, else the latest), or the right to make one, or waits in line.
    ///
    /// `patience` is asked before every sleep: how long to sleep at most, or the reason to give up. It is called without any lock.
    #[inline]
    pub fn take<E>(&self, prefers: impl Fn(&T) -> bool, patience: impl FnMut() -> Result<Duration, E>) -> Result<Taken<T>, Refusal<E>> {
        match self.take_or_be_served(prefers, || None, patience)? {
            Turn::Taken(taken) => Ok(taken),
            Turn::Served => unreachable!("nobody serves a seat without a job"),
        }
    }

    /// Like [`Slots::take`], but whoever holds the thing may do the job meanwhile. `job` is called, without any lock, only when there is
    /// a wait. Who gives up after its job was started still waits for the end of it, and `patience` goes on being asked.
    #[inline]
    pub fn take_or_be_served<E>(
        &self,
        prefers: impl Fn(&T) -> bool,
        job: impl FnOnce() -> Option<J>,
        patience: impl FnMut() -> Result<Duration, E>,
    ) -> Result<Turn<T>, Refusal<E>> {
        if let Some(taken) = self.state.lock().take_now(&prefers)? {
            return Ok(Turn::Taken(taken));
        }
        let seat = Arc::new(Seat {
            stage: Mutex::new(Stage::InLine),
            call: Condvar::new(),
            given: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            job: job(),
        });
        let mut state = self.state.lock();
        if let Some(taken) = state.take_now(&prefers)? {
            return Ok(Turn::Taken(taken));
        }
        state.waiting.push_back(seat.clone());
        if state.awaited {
            self.joined.notify_one();
        }
        drop(state);
        let mut waiter = Waiter { slots: self, seat, answered: false };
        let answer = waiter.wait(patience);
        waiter.answered = true;
        answer
    }

    /// Like [`Slots::take`], but never waits.
    pub fn try_take(&self, prefers: impl Fn(&T) -> bool) -> Option<Taken<T>> {
        self.state.lock().take_now::<()>(&prefers).ok().flatten()
    }

    /// Takes on the job of the waiter whose turn is next, if that one has brought a job. Only for who holds a thing.
    pub fn start_job(&self) -> Option<Started<T, J>> {
        let mut state = self.state.lock();
        let job = state.waiting.front()?.job.clone()?;
        let seat = state.waiting.pop_front()?;
        *seat.stage.lock() = Stage::Started;
        Some(Started { seat, job, returned: false })
    }

    /// Gives a job back undone: its owner waits first in line again.
    pub fn return_job(&self, mut started: Started<T, J>) {
        let mut state = self.state.lock();
        started.returned = true;
        if state.closed {
            return started.seat.give(Given::Closed);
        }
        *started.seat.stage.lock() = Stage::InLine;
        state.waiting.push_front(started.seat.clone());
    }

    /// Sleeps until somebody waits in line, but no longer than `longest`. Only for who holds the only thing.
    pub fn await_company(&self, longest: Duration) {
        let mut state = self.state.lock();
        if state.waiting.is_empty() && !state.closed {
            state.awaited = true;
            state = wait(&self.joined, state, longest);
            state.awaited = false;
        }
    }

    /// Whether the waiter whose turn is next has brought a job.
    pub fn has_job(&self) -> bool {
        self.state.lock().waiting.front().is_some_and(|seat| seat.job.is_some())
    }

    /// Leaves the line. What was given in the meantime is kept: it would be lost otherwise.
    fn leave(&self, seat: &Arc<Seat<T, J>>) -> Left<T> {
        let mut state = self.state.lock();
        let before = state.waiting.iter().position(|other| Arc::ptr_eq(other, seat));
        if let Some(before) = before {
            state.waiting.remove(before);
        }
        let mut stage = seat.stage.lock();
        match stage.take_given() {
            Some(given) => Left::Given(given),
            None if matches!(*stage, Stage::Started) => Left::Started,
            None => Left::InLine(before.unwrap_or_default()),
        }
    }

    /// Gives a thing back. A closed container does not take it: the thing counts as taken until its end is told by [`Slots::discard`].
    pub fn put(&self, thing: T) -> Option<T> {
        let mut state = self.state.lock();
        if state.closed {
            return Some(thing);
        }
        state.hand_over(Taken::Ready(thing));
        None
    }

    /// Says that a taken thing, or the right to make one, is gone.
    pub fn discard(&self) {
        let mut state = self.state.lock();
        if state.closed || state.waiting.is_empty() {
            state.total -= 1;
        } else {
            state.hand_over(Taken::Vacant);
        }
    }

    /// Passes every idle thing, longest idle first, to `keep` and drops out those that it returns nothing for. Not while somebody
    /// holds the lock for long: `keep` runs inside it and must not wait.
    pub fn retain_idle(&self, mut keep: impl FnMut(&mut T) -> bool) -> Vec<T> {
        let mut state = self.state.lock();
        let (kept, gone): (Vec<T>, Vec<T>) = std::mem::take(&mut state.idle).into_iter().map(|mut thing| (keep(&mut thing), thing)).fold(
            (Vec::new(), Vec::new()),
            |(mut kept, mut gone), (keeps, thing)| {
                if keeps { &mut kept } else { &mut gone }.push(thing);
                (kept, gone)
            },
        );
        state.idle = kept;
        state.total -= gone.len();
        gone
    }

    /// Admits nobody any more, wakes who waits, and hands out what was idle. Taken things stay with their takers.
    pub fn close(&self) -> Vec<T> {
        let mut state = self.state.lock();
        state.closed = true;
        for seat in std::mem::take(&mut state.waiting) {
            seat.give(Given::Closed);
        }
        self.joined.notify_one();
        let idle = std::mem::take(&mut state.idle);
        state.total -= idle.len();
        idle
    }

    /// How full the container is now.
    pub fn load(&self) -> Load {
        let state = self.state.lock();
        Load { capacity: state.capacity, total: state.total, idle: state.idle.len(), waiting: state.waiting.len() }
    }
}

impl<T, J: Clone> Waiter<'_, T, J> {
    fn wait<E>(&self, mut patience: impl FnMut() -> Result<Duration, E>) -> Result<Turn<T>, Refusal<E>> {
        loop {
            let longest = match patience() {
                Ok(longest) => longest,
                Err(reason) => match self.slots.leave(&self.seat) {
                    Left::InLine(before) => return Err(Refusal::Impatient(reason, before)),
                    Left::Given(given) => return answer(given),
                    Left::Started => ASK_AGAIN,
                },
            };
            if cfg!(not(loom)) {
                self.slots.glances.see(|| self.seat.given.load(Ordering::Acquire));
            }
            let mut stage = self.seat.stage.lock();
            if !stage.is_given() {
                self.seat.asleep.store(true, Ordering::Relaxed);
                stage = wait(&self.seat.call, stage, longest);
                self.seat.asleep.store(false, Ordering::Relaxed);
            }
            if let Some(given) = stage.take_given() {
                return answer(given);
            }
        }
    }
}

impl<T, J: Clone> Drop for Waiter<'_, T, J> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        match self.slots.leave(&self.seat) {
            Left::Given(Given::Turn(Turn::Taken(Taken::Ready(thing)))) => drop(self.slots.put(thing)),
            Left::Given(Given::Turn(Turn::Taken(Taken::Vacant))) => self.slots.discard(),
            Left::Given(_) | Left::Started | Left::InLine(_) => {}
        }
    }
}

impl<T, J> State<T, J> {
    #[inline]
    fn take_now<E>(&mut self, prefers: &impl Fn(&T) -> bool) -> Result<Option<Taken<T>>, Refusal<E>> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if let Some(last) = self.idle.len().checked_sub(1) {
            let index = self.idle.iter().rposition(prefers).unwrap_or(last);
            return Ok(Some(Taken::Ready(self.idle.remove(index))));
        }
        Ok((self.total < self.capacity).then(|| {
            self.total += 1;
            Taken::Vacant
        }))
    }

    fn hand_over(&mut self, taken: Taken<T>) {
        match (self.waiting.pop_front(), taken) {
            (Some(seat), taken) => seat.give(Given::Turn(Turn::Taken(taken))),
            (None, Taken::Ready(thing)) => self.idle.push(thing),
            (None, Taken::Vacant) => self.total -= 1,
        }
    }
}

impl<T, J> Seat<T, J> {
    fn give(&self, given: Given<T>) {
        let mut stage: MutexGuard<'_, _> = self.stage.lock();
        *stage = Stage::Given(given);
        self.given.store(true, Ordering::Release);
        // Changed inside the stage's lock only: who is not asleep looks at the stage before it sleeps.
        if self.asleep.load(Ordering::Relaxed) {
            self.call.notify_one();
        }
    }
}

impl<T> Stage<T> {
    fn is_given(&self) -> bool {
        matches!(self, Stage::Given(_))
    }

    fn take_given(&mut self) -> Option<Given<T>> {
        match std::mem::replace(self, Stage::InLine) {
            Stage::Given(given) => Some(given),
            before => {
                *self = before;
                None
            }
        }
    }
}

/// How long a waiter sleeps that has lost its patience with a job that is under way.
const ASK_AGAIN: Duration = Duration::from_millis(10);

fn answer<T, E>(given: Given<T>) -> Result<Turn<T>, Refusal<E>> {
    match given {
        Given::Turn(turn) => Ok(turn),
        Given::Closed => Err(Refusal::Closed),
    }
}
