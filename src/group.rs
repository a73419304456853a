//! One transaction, and one fsync, for the single writes of many threads.
//!
//! Whoever gets the writer while others wait with single writes leads: it begins a transaction, runs its own write and theirs in the order
//! of their arrival, commits, and only then is anybody answered. Members do not notice each other:
//!
//! * a write that fails is undone by itself (SQLite undoes one statement) and gets its own error;
//! * a write that ends the whole transaction (`OR ROLLBACK`, `RAISE(ROLLBACK)`, a full disk, an interruption) gets its error, and the
//!   others are run again without it;
//! * a write that leaves a deferred foreign key violated would fail everybody's COMMIT: the others are run again without it, and it
//!   by itself;
//! * what can not run inside a transaction runs by itself.
//!
//! Nobody has been told of a result before its COMMIT, so running a write again is running it for the first time. Who was stopped, by a
//! deadline or a cancellation, is not run again.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::cancel::Op;
use crate::driver::{Commit, Limit, Mode, Permit};
use crate::error::{Error, Kind, Result};
use crate::exec;
use crate::member::{Done, Member, Wants};
use crate::pool::{Follower, Lease, Pool};

/// How large a group may grow, and how long it waits for more.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Writes in one transaction.
    pub most: usize,
    /// How long a leader waits for further writes before it commits.
    pub delay: Duration,
}

impl Rules {
    /// Each write has a transaction of its own.
    pub const NONE: Rules = Rules { most: 1, delay: Duration::ZERO };
}

/// One write of the group.
enum Place<'a> {
    /// One of the leader's own, with its operation.
    Own(&'a Member, &'a Op<'a>),
    Other(Follower),
}

impl Place<'_> {
    fn member(&self) -> &Member {
        match self {
            Place::Own(member, _) => member,
            Place::Other(follower) => follower,
        }
    }

    /// Runs the write under its own deadline and cancellation.
    fn run(&self, lease: &mut Lease<&Pool>) -> Result<Done> {
        match self {
            Place::Own(member, op) => run_in_time(lease, member, op),
            Place::Other(follower) => run_in_time(lease, follower, &follower.op()),
        }
    }

    /// Tells the caller, who wakes up.
    fn answer(self, result: Result<Done>) {
        self.member().answer(result);
    }
}

/// Why a write could not stay in the transaction.
enum Trouble {
    /// It took the whole transaction with it.
    Ended(Error),
    /// With what it left the transaction could not be committed.
    Violates,
    /// It was not run: it can not be inside a transaction.
    Alone,
}

struct Group<'a, 'l> {
    lease: &'a mut Lease<&'l Pool>,
    rules: Rules,
    /// What has run in the open transaction, with what it gave. A failure is a result like any other: it may come from what an earlier
    /// member wrote, so it too is true only once that is durable.
    members: Vec<(Place<'a>, Result<Done>)>,
    /// When the wait for more members ends, once it has begun.
    waited_until: Option<Instant>,
}

/// Runs the leader's `own` writes, together with those that wait behind them, and answers each. More than fit into one group need several.
pub fn lead<'a>(lease: &mut Lease<&Pool>, own: impl IntoIterator<Item = (&'a Member, &'a Op<'a>)>, rules: Rules) {
    let mut own = own.into_iter();
    while let Some((member, op)) = own.next() {
        if let Err(error) = lease.connection().begin(Mode::Immediate, op) {
            member.answer(Err(error));
            continue;
        }
        let group = Group { lease, rules, members: Vec::new(), waited_until: None };
        group.run(Place::Own(member, op), &mut own.by_ref().map(|(member, op)| Place::Own(member, op)));
    }
}

impl<'a> Group<'a, '_> {
    /// Takes in one write after another, the leader's own before those of others, and commits.
    fn run(mut self, first: Place<'a>, own: &mut impl Iterator<Item = Place<'a>>) {
        let mut next = Some(first);
        while let Some(place) = next {
            if self.admit(place).is_break() {
                return;
            }
            next = self.next(own);
        }
        self.commit();
    }

    fn next(&mut self, own: &mut impl Iterator<Item = Place<'a>>) -> Option<Place<'a>> {
        let rules = self.rules;
        if self.members.len() >= rules.most {
            return None;
        }
        if let Some(place) = own.next() {
            return Some(place);
        }
        if !rules.delay.is_zero() && !self.lease.has_follower() {
            let end = *self.waited_until.get_or_insert_with(|| Instant::now() + rules.delay);
            self.lease.await_company(end.saturating_duration_since(Instant::now()));
        }
        self.lease.follower().map(Place::Other)
    }

    /// Runs one more write in the open transaction. Breaks when the transaction is over, and everybody in it answered.
    fn admit(&mut self, place: Place<'a>) -> ControlFlow<()> {
        match self.join(&place) {
            Ok(result) => {
                self.members.push((place, result));
                return ControlFlow::Continue(());
            }
            Err(Trouble::Ended(error)) => {
                // The others first: the error may come from what one of them wrote.
                self.replay();
                place.answer(Err(error));
            }
            Err(Trouble::Violates) => {
                self.replay();
                self.alone(place);
            }
            Err(Trouble::Alone) => {
                self.commit();
                self.alone(place);
            }
        }
        ControlFlow::Break(())
    }

    fn join(&mut self, place: &Place<'a>) -> Result<Result<Done>, Trouble> {
        match self.must_be_alone(place.member()) {
            Ok(false) => {}
            Ok(true) => return Err(Trouble::Alone),
            Err(error) => return Ok(Err(error)),
        }
        let result = place.run(self.lease);
        self.verdict(result)
    }

    /// Whether the transaction can go on and be committed after what has just run in it.
    fn verdict(&mut self, result: Result<Done>) -> Result<Result<Done>, Trouble> {
        let connection = self.lease.connection();
        match result {
            Err(error) if !connection.in_transaction() => Err(Trouble::Ended(error)),
            _ if connection.violates_deferred() => Err(Trouble::Violates),
            result => Ok(result),
        }
    }

    fn must_be_alone(&mut self, member: &Member) -> Result<bool> {
        let connection = self.lease.connection();
        let cursor = connection.prepare(&member.sql, Permit::Shared, member.keep)?;
        let alone = connection.plan(cursor).map(|plan| plan.footprint.outside_transaction || plan.footprint.pragma);
        connection.finish(cursor);
        alone
    }

    /// Makes the transaction durable and answers everybody in it.
    fn commit(&mut self) {
        match self.lease.connection().commit() {
            Commit::Committed => self.lease.grouped(self.members.len()),
            Commit::RolledBack(_) | Commit::StillOpen(_) | Commit::Unknown(_) => return self.one_by_one(),
        }
        for (place, result) in self.members.drain(..) {
            place.answer(result);
        }
    }

    /// Runs everybody once more after the transaction was lost: together if that succeeds at once, else one by one.
    fn replay(&mut self) {
        self.lease.replayed(self.members.len());
        if self.members.len() > 1 && self.again().is_ok() {
            return self.commit();
        }
        self.one_by_one();
    }

    /// Nobody's deadline counts here: who is run again was in time before, and not by its own fault must start anew. Who was not, and left
    /// the transaction as it was, has its answer.
    fn again(&mut self) -> Result<(), Trouble> {
        let op = Op::unbounded();
        self.roll_back();
        self.lease.connection().begin(Mode::Immediate, &op).map_err(Trouble::Ended)?;
        for index in 0..self.members.len() {
            if self.members[index].1.as_ref().is_err_and(was_stopped) {
                continue;
            }
            let result = run(self.lease, self.members[index].0.member(), &op);
            self.members[index].1 = self.verdict(result)?;
        }
        Ok(())
    }

    /// Each write in a transaction of its own, with an error of its own.
    fn one_by_one(&mut self) {
        for (place, before) in std::mem::take(&mut self.members) {
            if before.as_ref().is_err_and(was_stopped) {
                place.answer(before);
            } else {
                self.alone(place);
            }
        }
    }

    fn alone(&mut self, place: Place<'a>) {
        self.roll_back();
        let result = place.run(self.lease);
        place.answer(result);
    }

    /// What is open is lost. A ROLLBACK that fails leaves a transaction open, which the next BEGIN reports.
    fn roll_back(&mut self) {
        let _ = self.lease.connection().rollback();
    }
}

fn was_stopped(error: &Error) -> bool {
    matches!(error.kind(), Kind::Cancelled | Kind::Timeout | Kind::Closed)
}

/// Runs a write unless its caller has stopped waiting for it.
fn run_in_time(lease: &mut Lease<&Pool>, member: &Member, op: &Op<'_>) -> Result<Done> {
    op.check("waiting for the writer")?;
    run(lease, member, op)
}

fn run(lease: &mut Lease<&Pool>, member: &Member, op: &Op<'_>) -> Result<Done> {
    let cursor = lease.connection().prepare(&member.sql, Permit::Shared, member.keep)?;
    lease.note(cursor)?;
    let (connection, batch) = lease.parts();
    member.with_params(|params| match member.wants {
        Wants::Changes => exec::execute(connection, cursor, params, op, batch).map(Done::Changes),
        Wants::Rows => {
            exec::first_batch(connection, cursor, params, Limit::NONE, op, batch)?;
            let columns = connection.plan(cursor)?.columns.clone();
            connection.finish(cursor);
            Ok(Done::Rows(columns, std::mem::take(batch)))
        }
    })
}
