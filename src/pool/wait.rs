//! One caller's wait for a connection: how long, and what to say when it ends without one.

use std::time::{Duration, Instant};

use super::Pool;
use crate::cancel::{Op, Stop};
use crate::driver::{Role, Stage};
use crate::error::{Error, Kind, Result};
use crate::slots::Refusal;

/// One caller's wait for a connection.
pub struct Wait<'a, 'o> {
    pool: &'a Pool,
    role: Role,
    op: &'a Op<'o>,
    bound: bool,
    began: Option<Instant>,
}

/// Why a caller stopped waiting.
pub enum Impatience {
    Stopped(Stop),
    Exhausted,
    SelfDeadlock,
}

impl<'a, 'o> Wait<'a, 'o> {
    /// A wait that has not begun; a call that waits for nothing pays for nothing.
    #[inline]
    pub fn new(pool: &'a Pool, role: Role, op: &'a Op<'o>, bound: bool) -> Self {
        Wait { pool, role, op, bound, began: None }
    }

    /// How long to sleep at most before asking again.
    pub fn patience(&mut self) -> Result<Duration, Impatience> {
        let began = match self.began {
            Some(began) => began,
            None => self.begin()?,
        };
        if let Some(stop) = self.op.poll() {
            return Err(Impatience::Stopped(stop));
        }
        let longest = match self.pool.limits.wait_timeout {
            Some(longest) if self.op.deadline().is_none() => longest.saturating_sub(began.elapsed()),
            _ => Duration::from_secs(1),
        };
        if longest.is_zero() {
            return Err(Impatience::Exhausted);
        }
        Ok(self.op.slice(longest))
    }

    fn begin(&mut self) -> Result<Instant, Impatience> {
        if self.bound && self.waits_for_itself() {
            return Err(Impatience::SelfDeadlock);
        }
        if !self.op.is_own() {
            self.pool.counters.waits.one();
        }
        self.op.before_wait();
        Ok(*self.began.insert(Instant::now()))
    }

    /// The calling thread holds everything that could become free.
    fn waits_for_itself(&self) -> bool {
        let capacity = self.pool.slots(self.role).load().capacity;
        self.pool.holders.mine(self.role) >= capacity
    }

    /// Counts the time, where there was any.
    #[inline]
    pub fn over(&self) {
        if let Some(began) = self.began {
            let time = began.elapsed();
            self.op.queued(time);
            if !self.op.is_own() {
                self.pool.counters.waited(self.role).time(time);
            }
        }
    }

    /// Why there is no connection, with who holds them.
    pub fn error(&self, refusal: Refusal<Impatience>) -> Error {
        self.over();
        let what = if self.role == Role::Writer { "the writer" } else { "a reader" };
        match refusal {
            Refusal::Closed => Error::new(Kind::Closed, format!("{}: the store is closed or closing", self.pool.database())),
            Refusal::Impatient(Impatience::Stopped(stop), before) => {
                if !self.op.is_own() {
                    self.pool.driver.obstacles().stopped(Stage::Queue, stop);
                }
                let error = self.op.stop_error(stop, &format!("waiting for {what}"));
                if stop == Stop::TimedOut {
                    self.explained(error, Some(before))
                } else {
                    error
                }
            }
            Refusal::Impatient(Impatience::Exhausted, before) => {
                self.pool.counters.exhausted.one();
                let longest = self.pool.limits.wait_timeout.unwrap_or_default();
                let message = format!("no connection: waited {longest:?} (pool.wait_timeout) for {what}");
                self.explained(Error::new(Kind::Exhausted, message), Some(before))
            }
            Refusal::Impatient(Impatience::SelfDeadlock, _) => {
                self.pool.counters.self_deadlocks.one();
                let cure = match self.role {
                    Role::Writer => "Use the open transaction for this call, or end it first",
                    Role::Reader => "Read or close the open results first, or raise pool.max_open",
                };
                let message = format!("this thread would wait for itself: it holds {what} already. {cure}");
                self.explained(Error::new(Kind::SelfDeadlock, message), None)
            }
        }
    }

    /// Adds who holds what, how many were in line before this caller, and how full the pool is.
    fn explained(&self, error: Error, before: Option<usize>) -> Error {
        let position = before.map(|before| format!("queue position {}; ", before + 1)).unwrap_or_default();
        let load = self.pool.slots(self.role).load();
        let numbers =
            format!("total {}, active {}, idle {}, waiting {}, max {}", load.total, load.in_use(), load.idle, load.waiting, load.capacity);
        let report = self.pool.report();
        error.followed_by(format!(" ({report}; {position}{numbers})"))
    }
}
