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
//! * what can not run inside a transaction runs by itself;
//! * a write that turns out to be long holds nobody up: the others are run again without it, and it by itself;
//! * a leader's write that needs no write lock, or is wrong before it needs one, does not wait for the lock of another process.
//!
//! What runs by itself goes back to its own thread, which is next in line, so that nobody who is done waits for it.
//!
//! Nobody has been told of a result before its COMMIT, so running a write again is running it for the first time. (Not to the letter: `changes()`
//! and `last_insert_rowid()` inside its SQL see what the connection did last.) Who was stopped, by a deadline or a cancellation, is not run
//! again.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::cancel::{Bounds, Op};
use crate::driver::{Commit, KeptTally, Limit, Mode, Permit, Plan};
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

/// How long a transaction stays open for more writes, and how long one of them may take; after that it costs those in it more than an fsync
/// of its own.
const LONGEST: Duration = Duration::from_millis(100);

/// One write of the group.
enum Place<'a> {
    /// The leader's, with its operation.
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

    /// Runs the write under its own deadline and cancellation; another thread's, as others wait for it, no longer than until `cut`.
    fn run(&self, lease: &mut Lease<&Pool>, cut: Instant) -> Result<Done> {
        match self {
            Place::Own(member, op) => {
                op.shares(true);
                run_in_time(lease, member, op)
            }
            Place::Other(follower) => {
                let op = follower.op();
                op.shares(true);
                in_time(lease, &op)?;
                run(lease, follower, &op.within(&Bounds::until(cut)))
            }
        }
    }

    /// Whether it was `cut`, and not its own deadline, that ended the write.
    fn was_cut(&self, result: &Result<Done>, cut: Instant) -> bool {
        let Place::Other(follower) = self else { return false };
        let timed_out = result.as_ref().is_err_and(|error| error.kind() == Kind::Timeout);
        timed_out && follower.op().deadline().is_none_or(|own| cut < own)
    }

    /// When the caller's time is over.
    fn deadline(&self) -> Option<Instant> {
        match self {
            Place::Own(_, op) => op.deadline(),
            Place::Other(follower) => follower.op().deadline(),
        }
    }

    /// Tells the caller, who wakes up, of a write that has been in a shared transaction, and counts it, if it has run.
    fn answer(self, lease: &mut Lease<&Pool>, result: Result<Done>, tally: Option<KeptTally>) {
        let elapsed = match &self {
            Place::Own(_, op) => op.elapsed_nanos(),
            Place::Other(follower) => follower.op().elapsed_nanos(),
        };
        if let (Some(elapsed), Some(tally), Some((_, sheet))) = (elapsed, tally, lease.connection().gauge()) {
            tally.count(sheet, elapsed);
        }
        self.member().answer(result);
    }
}

/// A write that has run in the open transaction, with what it gave, and what is to be counted of it (`None`: it came to no run).
struct Ran<'a> {
    place: Place<'a>,
    result: Result<Done>,
    tally: Option<KeptTally>,
}

/// Why a write could not stay in the transaction.
enum Trouble {
    /// It took the whole transaction with it.
    Ended(Error),
    /// With what it left the transaction could not be committed, or it took too long for the others.
    Unfit,
    /// It was not run: it can not be inside a transaction.
    Alone,
}

struct Group<'g, 'l, 'a> {
    lease: &'g mut Lease<&'l Pool>,
    rules: Rules,
    /// What has run in the open transaction, with what it gave. A failure is a result like any other: it may come from what an earlier
    /// member wrote, so it too is true only once that is durable.
    members: Vec<Ran<'a>>,
    /// When the wait for more members ends, once it has begun.
    waited_until: Option<Instant>,
    /// When the transaction takes nobody in any more.
    end: Instant,
    /// The first deadline of a member: a reason to commit.
    deadline: Option<Instant>,
}

/// Runs the leader's `own` writes, together with those that wait behind them, and answers each or gives it back to its thread. More than fit
/// into one group need several.
pub fn lead<'a>(lease: &mut Lease<&Pool>, own: impl IntoIterator<Item = (&'a Member, &'a Op<'a>)>, rules: Rules) {
    let mut own = own.into_iter().map(|(member, op)| Place::Own(member, op));
    while let Some(first) = own.next() {
        lead_group(lease, first, &mut own, rules);
    }
}

fn lead_group<'a>(lease: &mut Lease<&Pool>, first: Place<'a>, own: &mut impl Iterator<Item = Place<'a>>, rules: Rules) {
    let Place::Own(member, op) = first else { return };
    let begun = needs_lock(lease, member).and_then(|needs| match needs {
        true => lease.connection().begin(Mode::Immediate, op).map(|()| true),
        false => Ok(false),
    });
    match begun {
        Ok(true) => {}
        Ok(false) => return member.answer(run_in_time(lease, member, op)),
        Err(error) => return member.answer(Err(error)),
    }
    let end = Instant::now() + rules.delay + LONGEST;
    Group { lease, rules, members: Vec::new(), waited_until: None, end, deadline: None }.run(first, own);
}

/// Whether a write is right as far as can be told without running it, and takes the write lock when it runs.
fn needs_lock(lease: &mut Lease<&Pool>, member: &Member) -> Result<bool> {
    let connection = lease.connection();
    let cursor = connection.prepare(&member.sql, Permit::Shared, member.keep)?;
    let bound = member.with_params(|params| connection.bind(cursor, params, true));
    let needs = connection.plan(cursor).map(|plan| !(plan.footprint.read_only || must_be_alone(plan)));
    connection.finish(cursor);
    bound.and(needs)
}

fn must_be_alone(plan: &Plan) -> bool {
    plan.footprint.outside_transaction || plan.footprint.pragma
}

impl<'a> Group<'_, '_, 'a> {
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
        if self.members.len() >= rules.most || Instant::now() >= self.until(self.end) {
            return None;
        }
        if let Some(place) = own.next() {
            return Some(place);
        }
        if !rules.delay.is_zero() && !self.lease.has_follower() {
            let end = *self.waited_until.get_or_insert_with(|| Instant::now() + rules.delay);
            self.lease.await_company(self.until(end).saturating_duration_since(Instant::now()));
        }
        let follower = self.lease.follower()?;
        if follower.is_alone() {
            self.lease.return_follower(follower);
            return None;
        }
        Some(Place::Other(follower))
    }

    /// Runs one more write in the open transaction. Breaks when the transaction is over, and everybody in it answered or given back.
    fn admit(&mut self, place: Place<'a>) -> ControlFlow<()> {
        match self.join(&place) {
            Ok(result) => {
                self.deadline = [self.deadline, place.deadline()].into_iter().flatten().min();
                let tally = self.lease.connection().take_tally();
                self.members.push(Ran { place, result, tally });
                return ControlFlow::Continue(());
            }
            Err(Trouble::Ended(error)) => {
                // The others first: the error may come from what one of them wrote.
                let tally = self.lease.connection().take_tally();
                self.replay();
                place.answer(self.lease, Err(error), tally);
            }
            Err(Trouble::Unfit) => self.set_apart(place, Group::replay),
            Err(Trouble::Alone) => self.set_apart(place, Group::commit),
        }
        ControlFlow::Break(())
    }

    /// Another thread's write goes back to the front of the line; the leader's is run when `finish` has answered the others.
    fn set_apart(&mut self, place: Place<'a>, finish: fn(&mut Self)) {
        match place {
            Place::Other(follower) => {
                self.lease.return_follower(follower);
                finish(self);
            }
            Place::Own(member, op) => {
                finish(self);
                self.alone(member, op);
            }
        }
    }

    fn join(&mut self, place: &Place<'a>) -> Result<Result<Done>, Trouble> {
        // What could not stay in a transaction is counted when it has run by itself.
        drop(self.lease.connection().take_tally());
        match self.can_share(place) {
            Ok(true) => {}
            Ok(false) => return Err(Trouble::Alone),
            Err(error) => return Ok(Err(error)),
        }
        let cut = self.until(Instant::now() + LONGEST);
        let result = place.run(self.lease, cut);
        if place.was_cut(&result, cut) {
            return Err(Trouble::Unfit);
        }
        self.verdict(result)
    }

    /// `moment`, or the first deadline of a member where that is earlier.
    fn until(&self, moment: Instant) -> Instant {
        self.deadline.map_or(moment, |deadline| deadline.min(moment))
    }

    /// Whether the transaction can go on and be committed after what has just run in it.
    fn verdict(&mut self, result: Result<Done>) -> Result<Result<Done>, Trouble> {
        let connection = self.lease.connection();
        match result {
            Err(error) if !connection.in_transaction() => Err(Trouble::Ended(error)),
            _ if connection.violates_deferred() => Err(Trouble::Unfit),
            result => Ok(result),
        }
    }

    fn can_share(&mut self, place: &Place<'a>) -> Result<bool> {
        let member = place.member();
        let connection = self.lease.connection();
        let cursor = connection.prepare(&member.sql, Permit::Shared, member.keep)?;
        let shares = connection.plan(cursor).map(|plan| !must_be_alone(plan));
        connection.finish(cursor);
        shares
    }

    /// Makes the transaction durable and answers everybody in it.
    fn commit(&mut self) {
        match self.lease.connection().commit() {
            Commit::Committed(_) => self.lease.grouped(self.members.len()),
            Commit::RolledBack(_) | Commit::StillOpen(_) | Commit::Unknown(_) => return self.one_by_one(),
        }
        for Ran { place, result, tally } in self.members.drain(..) {
            place.answer(self.lease, result, tally);
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

    /// Nobody's deadline counts here: who is run again had succeeded in time before, and not by its own fault must start anew.
    fn again(&mut self) -> Result<(), Trouble> {
        let op = Op::unbounded();
        self.roll_back();
        self.lease.connection().begin(Mode::Immediate, &op).map_err(Trouble::Ended)?;
        op.shares(true);
        for index in 0..self.members.len() {
            if self.members[index].result.as_ref().is_err_and(was_stopped) {
                continue;
            }
            op.begins_now();
            let result = run(self.lease, self.members[index].place.member(), &op);
            self.members[index].result = self.verdict(result)?;
            self.members[index].tally = self.lease.connection().take_tally();
        }
        Ok(())
    }

    /// Each write in a transaction of its own, with an error of its own: those of other threads go back to the front of the line, in the order
    /// of their arrival, and the leader's, which came before them, are run now.
    fn one_by_one(&mut self) {
        self.roll_back();
        let mut own = Vec::new();
        while let Some(Ran { place, result, tally }) = self.members.pop() {
            match place {
                place if result.as_ref().is_err_and(was_stopped) => place.answer(self.lease, result, tally),
                Place::Other(follower) => self.lease.return_follower(follower),
                Place::Own(member, op) => own.push((member, op)),
            }
        }
        own.into_iter().rev().for_each(|(member, op)| self.alone(member, op));
    }

    fn alone(&mut self, member: &Member, op: &Op<'_>) {
        op.shares(false);
        self.roll_back();
        member.answer(run_in_time(self.lease, member, op));
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
    in_time(lease, op)?;
    run(lease, member, op)
}

/// Fails when the caller has stopped waiting.
fn in_time(lease: &Lease<&Pool>, op: &Op<'_>) -> Result<()> {
    op.check("waiting for the writer").inspect_err(|_| op.stopped().into_iter().for_each(|stop| lease.stopped(stop)))
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
