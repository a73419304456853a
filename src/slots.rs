//! A bounded container of things that are used one user at a time: take, put, discard, close. Waiters are served first come, first served.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::checked::{wait, Condvar, Mutex, MutexGuard};

/// What a successful [`Slots::take`] gives. Whoever holds either owes one [`Slots::put`] or [`Slots::discard`].
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// A thing that was idle.
    Ready(T),
    /// The right to make one.
    Vacant,
}

/// Why a [`Slots::take`] gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal<E> {
    /// The container is closed.
    Closed,
    /// The caller's patience ended with its own reason.
    Impatient(E),
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

/// At most `capacity` things, idle or taken. Idle ones are reused last in, first out.
///
/// Invariants under the lock: `idle.len() <= total <= capacity`; while somebody waits nothing is idle and nothing is vacant,
/// because whatever comes back is handed to the oldest waiter directly and can not be overtaken.
pub struct Slots<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    idle: Vec<T>,
    total: usize,
    capacity: usize,
    waiting: VecDeque<Arc<Seat<T>>>,
    closed: bool,
}

/// Where one waiter waits. `given` is locked inside the state's lock by who gives, and alone by who waits.
struct Seat<T> {
    given: Mutex<Option<Given<T>>>,
    call: Condvar,
}

enum Given<T> {
    Taken(Taken<T>),
    Closed,
}

impl<T> Slots<T> {
    /// An empty container for up to `capacity` things.
    pub fn new(capacity: usize) -> Self {
        let state = State { idle: Vec::new(), total: 0, capacity, waiting: VecDeque::new(), closed: false };
        Slots { state: Mutex::new(state) }
    }

    /// Takes an idle thing (the latest that `prefers` likes, else the latest), or the right to make one, or waits in line.
    ///
    /// `patience` is asked before every sleep: how long to sleep at most, or the reason to give up. It is called without any lock.
    pub fn take<E>(&self, prefers: impl Fn(&T) -> bool, patience: impl FnMut() -> Result<Duration, E>) -> Result<Taken<T>, Refusal<E>> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Refusal::Closed);
        }
        if let Some(taken) = state.take_now(prefers) {
            return Ok(taken);
        }
        let seat = Arc::new(Seat { given: Mutex::new(None), call: Condvar::new() });
        state.waiting.push_back(seat.clone());
        drop(state);
        self.wait_at(&seat, patience)
    }

    /// Like [`Slots::take`], but never waits.
    pub fn try_take(&self, prefers: impl Fn(&T) -> bool) -> Option<Taken<T>> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        state.take_now(prefers)
    }

    fn wait_at<E>(&self, seat: &Arc<Seat<T>>, mut patience: impl FnMut() -> Result<Duration, E>) -> Result<Taken<T>, Refusal<E>> {
        loop {
            let longest = match patience() {
                Ok(longest) => longest,
                Err(reason) => return self.leave(seat).map_or(Err(Refusal::Impatient(reason)), answer),
            };
            let mut given = seat.given.lock();
            if given.is_none() {
                given = wait(&seat.call, given, longest);
            }
            if let Some(given) = given.take() {
                return answer(given);
            }
        }
    }

    /// Leaves the line. What was given in the meantime is kept: it would be lost otherwise.
    fn leave(&self, seat: &Arc<Seat<T>>) -> Option<Given<T>> {
        let mut state = self.state.lock();
        state.waiting.retain(|other| !Arc::ptr_eq(other, seat));
        let given = seat.given.lock().take();
        given
    }

    /// Gives a thing back.
    pub fn put(&self, thing: T) -> Option<T> {
        let mut state = self.state.lock();
        if state.closed {
            state.total -= 1;
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

    /// Admits nobody any more, wakes who waits, and hands out what was idle. Taken things come back through [`Slots::put`].
    pub fn close(&self) -> Vec<T> {
        let mut state = self.state.lock();
        state.closed = true;
        for seat in std::mem::take(&mut state.waiting) {
            seat.give(Given::Closed);
        }
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

impl<T> State<T> {
    fn take_now(&mut self, prefers: impl Fn(&T) -> bool) -> Option<Taken<T>> {
        if let Some(last) = self.idle.len().checked_sub(1) {
            let index = self.idle.iter().rposition(prefers).unwrap_or(last);
            return Some(Taken::Ready(self.idle.remove(index)));
        }
        (self.total < self.capacity).then(|| {
            self.total += 1;
            Taken::Vacant
        })
    }

    fn hand_over(&mut self, taken: Taken<T>) {
        match (self.waiting.pop_front(), taken) {
            (Some(seat), taken) => seat.give(Given::Taken(taken)),
            (None, Taken::Ready(thing)) => self.idle.push(thing),
            (None, Taken::Vacant) => self.total -= 1,
        }
    }
}

impl<T> Seat<T> {
    fn give(&self, given: Given<T>) {
        let mut place: MutexGuard<'_, _> = self.given.lock();
        *place = Some(given);
        self.call.notify_one();
    }
}

fn answer<T, E>(given: Given<T>) -> Result<Taken<T>, Refusal<E>> {
    match given {
        Given::Taken(taken) => Ok(taken),
        Given::Closed => Err(Refusal::Closed),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn now() -> Result<Duration, ()> {
        Err(())
    }

    #[test]
    fn things_are_reused_last_in_first_out_unless_one_is_preferred() {
        let slots = Slots::new(3);
        for _ in 0..3 {
            assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
        }
        for thing in [1, 2, 3] {
            slots.put(thing);
        }
        assert_eq!(slots.take(|_| false, now), Ok(Taken::Ready(3)));
        assert_eq!(slots.take(|thing| *thing == 1, now), Ok(Taken::Ready(1)));
        assert_eq!(slots.take(|_| false, now), Ok(Taken::Ready(2)));
        assert_eq!(slots.take(|_| false, now), Err(Refusal::Impatient(())));
    }

    #[test]
    fn waiters_are_served_in_the_order_of_their_arrival() {
        let slots = Arc::new(Slots::new(1));
        assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
        let order = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (slots2, order) = (slots.clone(), order.clone());
                let thread = std::thread::spawn(move || {
                    let taken = slots2.take(|_| false, || Ok::<_, ()>(Duration::from_secs(10)));
                    assert_eq!(taken, Ok(Taken::Ready(7)));
                    order.lock().push(number);
                    slots2.put(7);
                });
                while slots.load().waiting != number + 1 {
                    std::thread::yield_now();
                }
                thread
            })
            .collect();
        slots.put(7);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(*order.lock(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn closing_wakes_who_waits_and_what_comes_back_later_is_handed_out() {
        let slots = Arc::new(Slots::new(1));
        slots.put_after_making(5);
        assert_eq!(slots.take(|_| false, now), Ok(Taken::Ready(5)));
        let waiter = {
            let slots = slots.clone();
            std::thread::spawn(move || slots.take(|_| false, || Ok::<_, ()>(Duration::from_secs(10))))
        };
        while slots.load().waiting == 0 {
            std::thread::yield_now();
        }
        assert!(slots.close().is_empty());
        assert_eq!(waiter.join().unwrap(), Err(Refusal::Closed));
        assert_eq!(slots.put(5), Some(5));
        assert_eq!(slots.load().total, 0);
    }

    #[test]
    fn a_discarded_thing_lets_the_oldest_waiter_make_another() {
        let slots = Arc::new(Slots::<u8>::new(1));
        assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
        let waiter = {
            let slots = slots.clone();
            std::thread::spawn(move || slots.take(|_| false, || Ok::<_, ()>(Duration::from_secs(10))))
        };
        while slots.load().waiting == 0 {
            std::thread::yield_now();
        }
        slots.discard();
        assert_eq!(waiter.join().unwrap(), Ok(Taken::Vacant));
        assert_eq!(slots.load().total, 1);
    }

    impl<T> Slots<T> {
        fn put_after_making(&self, thing: T) {
            assert!(matches!(self.take(|_| false, now), Ok(Taken::Vacant)));
            self.put(thing);
        }
    }
}

/// Every interleaving of two or three threads, by `loom`: run with `RUSTFLAGS="--cfg loom" cargo test --release --lib models`.
#[cfg(all(test, loom))]
mod models {
    use super::*;

    fn forever() -> Result<Duration, ()> {
        Ok(Duration::MAX)
    }

    fn never() -> Result<Duration, ()> {
        Err(())
    }

    /// Takes, makes sure that nobody else has the thing, and gives it back.
    fn turn(slots: &Slots<u8>, inside: &loom::sync::atomic::AtomicUsize) {
        use loom::sync::atomic::Ordering::SeqCst;
        slots.take(|_| false, forever).unwrap();
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two have the one thing");
        inside.fetch_sub(1, SeqCst);
        slots.put(1);
    }

    #[test]
    fn one_thing_is_held_by_one_and_reaches_everyone() {
        loom::model(|| {
            let slots = Arc::new(Slots::new(1));
            let inside = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (slots, inside) = (slots.clone(), inside.clone());
                    loom::thread::spawn(move || turn(&slots, &inside))
                })
                .collect();
            turn(&slots, &inside);
            threads.into_iter().for_each(|t| t.join().unwrap());
            assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
        });
    }

    #[test]
    fn who_gives_up_loses_nothing_that_was_given_meanwhile() {
        loom::model(|| {
            let slots = Arc::new(Slots::new(1));
            slots.take(|_| false, forever).unwrap();
            let impatient = {
                let slots = slots.clone();
                loom::thread::spawn(move || match slots.take(|_| false, never) {
                    Ok(Taken::Ready(thing)) => drop(slots.put(thing)),
                    Ok(Taken::Vacant) => slots.discard(),
                    Err(refusal) => assert_eq!(refusal, Refusal::Impatient(())),
                })
            };
            slots.put(1);
            impatient.join().unwrap();
            let load = slots.load();
            assert_eq!((load.total, load.idle, load.waiting), (1, 1, 0), "the thing is idle, not lost");
        });
    }

    #[test]
    fn a_vacancy_is_passed_on_and_never_counted_twice() {
        loom::model(|| {
            let slots = Arc::new(Slots::<u8>::new(1));
            slots.take(|_| false, forever).unwrap();
            let next = {
                let slots = slots.clone();
                loom::thread::spawn(move || {
                    assert_eq!(slots.take(|_| false, forever), Ok(Taken::Vacant));
                    slots.put(2);
                })
            };
            slots.discard();
            next.join().unwrap();
            assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
        });
    }

    #[test]
    fn closing_wakes_everyone_and_hands_out_what_comes_back() {
        loom::model(|| {
            let slots = Arc::new(Slots::new(1));
            slots.take(|_| false, forever).unwrap();
            let waiter = {
                let slots = slots.clone();
                loom::thread::spawn(move || match slots.take(|_| false, forever) {
                    Ok(_) => assert_eq!(slots.put(1), Some(1)),
                    Err(refusal) => assert_eq!(refusal, Refusal::Closed),
                })
            };
            assert!(slots.close().is_empty());
            assert_eq!(slots.put(1), Some(1));
            waiter.join().unwrap();
            assert_eq!(slots.load().total, 0);
        });
    }
}
