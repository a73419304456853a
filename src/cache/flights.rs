//! Queries under way whose results are going to be kept: who misses the same one meanwhile waits for it instead of running it too.
//!
//! That pays where a query takes long, and costs more than it gives where it does not, so only keys that took long before are looked after.
//! A flight begins when its leader has a connection already: what it waits for never waits for a follower. A follower takes nothing over: it
//! looks once more when the flight has ended, and what it finds is judged as ever.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::cancel::Op;
use crate::coarse;
use crate::error::Result;
use crate::sync::{wait, Condvar, Mutex};

/// A query that takes less is not worth waiting for: about what a change of thread costs twice, many times over, and the coarse clock's step.
const SLOW: u64 = 8;
/// So many keys are remembered as slow.
const KNOWN: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// A follower waits so many times what the query took before.
const PATIENCE: u64 = 4;

/// The flights of one cache.
pub struct Flights {
    /// Nobody is slow: the usual case costs one load.
    idle: AtomicBool,
    slow: Mutex<LruCache<Box<[u8]>, Slow>>,
}

struct Slow {
    /// Milliseconds that it took last.
    took: u64,
    flight: Option<Arc<Flight>>,
}

/// One query under way.
struct Flight {
    leader: ThreadId,
    landed: Mutex<bool>,
    news: Condvar,
}

/// The leader's side of a flight, and the stopwatch of every query that may be kept. The flight ends when this is dropped.
pub struct Leading<'a> {
    flights: &'a Flights,
    key: &'a [u8],
    since: u64,
    flight: Option<Arc<Flight>>,
}

impl Default for Flights {
    fn default() -> Self {
        Flights { idle: AtomicBool::new(true), slow: Mutex::new(LruCache::new(KNOWN)) }
    }
}

impl Flights {
    /// Begins a flight if the key is known to be slow and none is under way.
    #[inline]
    pub fn lead<'a>(&'a self, key: &'a [u8]) -> Leading<'a> {
        let flight = if self.has_slow() { self.begin(key) } else { None };
        Leading { flights: self, key, since: coarse::millis(), flight }
    }

    fn begin(&self, key: &[u8]) -> Option<Arc<Flight>> {
        let mut slow = self.slow.lock();
        let known = slow.get_mut(key).filter(|known| known.flight.is_none())?;
        let leader = std::thread::current().id();
        let flight = Arc::new(Flight { leader, landed: Mutex::new(false), news: Condvar::new() });
        known.flight = Some(flight.clone());
        Some(flight)
    }

    /// Waits for a flight of the key, if there is one that another thread leads. Says whether it is worth looking once more.
    ///
    /// # Errors
    /// Those of `op`, when it has to stop meanwhile.
    #[inline]
    pub fn follow(&self, key: &[u8], op: &Op<'_>) -> Result<bool> {
        if !self.has_slow() {
            return Ok(false);
        }
        self.wait_for(key, op)
    }

    /// Whether there is anything that it may be worth waiting for.
    #[inline]
    pub fn has_slow(&self) -> bool {
        !self.idle.load(Ordering::Relaxed)
    }

    fn wait_for(&self, key: &[u8], op: &Op<'_>) -> Result<bool> {
        let (flight, patience) = {
            let slow = self.slow.lock();
            let Some(known) = slow.peek(key) else { return Ok(false) };
            let Some(flight) = known.flight.clone() else { return Ok(false) };
            (flight, Duration::from_millis(known.took * PATIENCE))
        };
        if flight.leader == std::thread::current().id() {
            return Ok(false);
        }
        op.before_wait();
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // With no lock held: a tick is the caller's own code. It may run the same query, or take a lock that the leader lands with.
            op.check("waiting for another thread's run of the same query")?;
            if flight.lands_within(op.slice(left)) {
                return Ok(true);
            }
        }
    }
}

impl Flight {
    /// Waits for its end; it may say too early that it has not landed.
    fn lands_within(&self, longest: Duration) -> bool {
        let landed = self.landed.lock();
        *landed || *wait(&self.news, landed, longest)
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let took = coarse::millis().saturating_sub(self.since);
        if took < SLOW && self.flight.is_none() {
            return;
        }
        self.flights.end(self, took);
    }
}

impl Flights {
    #[cold]
    fn end(&self, leading: &Leading<'_>, took: u64) {
        let mut slow = self.slow.lock();
        if took >= SLOW {
            let flight = slow.pop(leading.key).and_then(|known| known.flight);
            // Another thread's flight goes on.
            let flight = if leading.flight.is_some() { None } else { flight };
            slow.put(leading.key.into(), Slow { took, flight });
        } else {
            slow.pop(leading.key);
        }
        self.idle.store(slow.is_empty(), Ordering::Relaxed);
        drop(slow);
        if let Some(flight) = &leading.flight {
            *flight.landed.lock() = true;
            flight.news.notify_all();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn make_slow(flights: &Flights, key: &[u8]) {
        flights.slow.lock().put(key.into(), Slow { took: 1000, flight: None });
        flights.idle.store(false, Ordering::Relaxed);
    }

    #[test]
    fn nobody_waits_for_a_query_that_was_never_slow() {
        let flights = Flights::default();
        let leading = flights.lead(b"quick");
        assert!(!flights.follow(b"quick", &Op::unbounded()).unwrap());
        drop(leading);
        assert!(flights.idle.load(Ordering::Relaxed));
    }

    #[test]
    fn followers_wait_until_the_leader_is_done_and_the_leader_never_for_itself() {
        let flights = Flights::default();
        make_slow(&flights, b"slow");
        let leading = flights.lead(b"slow");
        assert!(!flights.follow(b"slow", &Op::unbounded()).unwrap(), "a tick of the leader's own");
        std::thread::scope(|threads| {
            let follower = threads.spawn(|| flights.follow(b"slow", &Op::unbounded()));
            // Whether it is waiting already or comes too late: it must not miss the news.
            drop(leading);
            let waited = follower.join().unwrap().unwrap();
            assert!(waited || flights.slow.lock().peek(&b"slow"[..]).is_none_or(|known| known.flight.is_none()));
        });
    }

    #[test]
    fn the_tick_of_a_follower_may_ask_for_the_same_query() {
        struct Asks<'a>(&'a Flights);
        impl crate::cancel::Caller for Asks<'_> {
            fn tick(&self) -> bool {
                self.0.follow(b"slow", &Op::new(Some(Duration::from_millis(1)), None, None)).is_err()
            }
        }
        let flights = Flights::default();
        make_slow(&flights, b"slow");
        let leading = flights.lead(b"slow");
        std::thread::scope(|threads| {
            let follower = threads.spawn(|| flights.follow(b"slow", &Op::new(None, None, Some(&Asks(&flights)))));
            assert!(follower.join().unwrap().is_err(), "cancelled by its tick, which heard that its own time was over");
        });
        drop(leading);
    }

    #[test]
    fn a_follower_that_has_to_stop_stops_while_the_flight_goes_on() {
        let flights = Flights::default();
        make_slow(&flights, b"slow");
        let leading = flights.lead(b"slow");
        std::thread::scope(|threads| {
            let follower = threads.spawn(|| flights.follow(b"slow", &Op::new(Some(Duration::from_millis(1)), None, None)));
            assert!(follower.join().unwrap().is_err());
        });
        drop(leading);
    }
}
