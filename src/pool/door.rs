//! The writer's line as single writes see it: a write gets the writer, or is run by who has it.

use std::cell::OnceCell;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::{served_without_a_job, Item, Lease, Pool};
use crate::cancel::{Op, Stop};
use crate::driver::{Role, Stage};
use crate::error::Result;
use crate::holders::Purpose;
use crate::member::Member;
use crate::slots::{Started, Turn};

/// Another thread's write that is being run here. Its caller wakes up when this is dropped.
pub struct Follower(Started<Box<Item>, Arc<Member>>);

impl Deref for Follower {
    type Target = Member;

    fn deref(&self) -> &Member {
        self.0.job()
    }
}

/// What became of a write that asked for the writer.
pub enum Door<'a> {
    /// The writer was free: the write has it for itself.
    Open(Lease<&'a Pool>),
    /// The writer came free in the write's turn; others may have come after it.
    Turn(Lease<&'a Pool>, Arc<Member>),
    /// Another thread has run it.
    Served(Arc<Member>),
}

impl Pool {
    /// Asks for the writer for one write. While it waits in line as `member` (`None`: only this thread can run it), the thread that has
    /// the writer may run it too. Waits like [`Pool::reader`].
    #[inline]
    pub fn door(&self, op: &Op<'_>, bound: bool, member: impl FnOnce() -> Option<Arc<Member>>) -> Result<Door<'_>> {
        let mine = OnceCell::new();
        let turn = self.turn(Role::Writer, op, |_| true, bound, &mine, member)?;
        match (turn, mine.into_inner()) {
            (Turn::Taken(taken), None) => Ok(Door::Open(self.lend(taken, Role::Writer, op, Purpose::Statement, bound)?)),
            (Turn::Taken(taken), Some(member)) => Ok(Door::Turn(self.lend(taken, Role::Writer, op, Purpose::Statement, bound)?, member)),
            (Turn::Served, Some(member)) => Ok(Door::Served(member)),
            (Turn::Served, None) => Err(served_without_a_job()),
        }
    }
}

impl Lease<&Pool> {
    /// Whether the next in line is a write that may be run here.
    pub fn has_follower(&self) -> bool {
        self.pool.writer.has_job()
    }

    /// Takes on the write that is next in line, if the next in line is one.
    pub fn follower(&self) -> Option<Follower> {
        self.pool.writer.start_job().map(Follower)
    }

    /// Gives a write back undone: its caller is next in line again, and runs it itself.
    pub fn return_follower(&self, follower: Follower) {
        follower.keep_alone();
        self.pool.writer.return_job(follower.0);
    }

    /// Waits until somebody is in line, but no longer than `longest`.
    pub fn await_company(&self, longest: Duration) {
        self.pool.writer.await_company(longest);
    }

    /// Counts a shared transaction that became durable.
    pub fn grouped(&self, members: usize) {
        if members > 1 {
            self.pool.counters.groups.record(members as u64);
        }
    }

    /// Counts a write that had to stop before it was run.
    pub fn stopped(&self, stop: Stop) {
        self.pool.driver.obstacles().stopped(Stage::Queue, stop);
    }

    /// Counts writes that are run again because another one ended their transaction.
    pub fn replayed(&self, members: usize) {
        self.pool.counters.replayed.add(members as u64);
    }
}
