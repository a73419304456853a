//! Running the body of a transaction, and running it again from its start when somebody else's commit was in the way.
//!
//! ```text
//!   begin ──▶ body ──▶ commit ──▶ done
//!     ▲         │         │
//!     │         ▼         ▼  the error's numbers say "again"
//!     └── pause ◀── rollback ──▶ failed: any other error
//! ```
//! The connection goes back before the pause, so that others get in. Only the outermost transaction is run again: what a savepoint read
//! before stays as it was read.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cancel::Op;
use crate::driver::Mode;
use crate::error::{Error, Kind, Outcome, Result, Retry};
use crate::options::{QueryOptions, Timeout};
use crate::store::{Scope, Store, TxMode};

/// Without a deadline, no run begins later than this after the first failure.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pauses are drawn from between 0 and a limit that doubles from the one to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How often to try to end a transaction in which another thread is in a call.
const END_POLL: Duration = Duration::from_millis(1);

/// What a body may fail with.
pub(crate) trait Failure: From<Error> {
    /// The error whose numbers decide whether the body is run again; `None` for a failure of the body's own.
    fn error(&self) -> Option<&Error>;
}

impl Failure for Error {
    fn error(&self) -> Option<&Error> {
        Some(self)
    }
}

impl Store {
    /// Runs `body` in a transaction and commits, and runs the whole of it again when another process's or store's commit was in the way.
    ///
    /// Returns what `body` returned. An error of `body`, or a panic, rolls back. When the error says that the statement or transaction may
    /// succeed if it is run again ([`Error::retry`]), the connection is given back, so that others get in, and after a short random pause
    /// `body` is run again from its start: what it does outside of the database has to bear that. A deferred transaction is begun
    /// immediate then, which rules the conflict out. Errors of the beginning, of deadlines and of cancellations are final.
    ///
    /// The timeout of `options` is for everything: the wait to begin, each call in `body`, and the pauses. Without one no run begins later
    /// than 5 s after the first failure. A commit is never ended early, and one that is durable never reports a timeout.
    ///
    /// A `body` that commits or rolls back itself has decided: nothing more is done, its result is returned, and it is not run again. So
    /// `tx.undo()?; return Ok(Err(refusal));` ends with a failure of the program's own.
    ///
    /// # Errors
    /// [`Kind::Timeout`] and [`Kind::Cancelled`] in the pauses, with the last error in the message; those of [`Store::begin`], `body` and
    /// [`Scope::commit`], the last one when patience is over. [`Kind::TxEnded`] when the engine ended the transaction and `body` took no
    /// notice.
    ///
    /// # Example
    /// ```
    /// # fn main() -> keepwell::Result<()> {
    /// # let mut config = keepwell::Config::new();
    /// # config.load_uri(":memory:")?;
    /// # let store = keepwell::Store::open(&config)?;
    /// use keepwell::{driver::Mode, Params, QueryOptions, TxMode};
    /// let options = QueryOptions::default();
    /// store.execute("CREATE TABLE visit(page TEXT PRIMARY KEY, count INTEGER)", Params::NONE, &options)?;
    /// let total = store.run(TxMode::Write(Mode::Immediate), &options, |tx| {
    ///     let sql = "INSERT INTO visit VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1";
    ///     tx.execute(sql, &["start".into()], &options)?;
    ///     tx.query("SELECT sum(count) FROM visit", Params::NONE, &options)?.collect()
    /// })?;
    /// assert_eq!(total[0][0], keepwell::Value::Integer(1));
    /// # store.close(None)
    /// # }
    /// ```
    pub fn run<T>(&self, mode: TxMode, options: &QueryOptions<'_>, mut body: impl FnMut(&Scope) -> Result<T>) -> Result<T> {
        self.run_shared(mode, options, |scope| body(scope))
    }

    /// [`Store::run`] for a body that shares the scope with others or has failures of its own.
    pub(crate) fn run_shared<T, E: Failure>(
        &self,
        mode: TxMode,
        options: &QueryOptions<'_>,
        body: impl FnMut(&Arc<Scope>) -> Result<T, E>,
    ) -> Result<T, E> {
        let op = self.counted(self.op(options))?;
        again_and_again(self, &op, mode, options, |mode, options| self.begin(mode, options), body)
    }
}

impl Scope {
    /// Like [`Store::run`]; inside a transaction `body` is a savepoint and runs once: it is the outermost transaction that has to be run
    /// again, so the error is handed on to it. On a pinned connection without a transaction, `body` is the outermost one.
    pub fn run<T>(&self, mode: TxMode, options: &QueryOptions<'_>, mut body: impl FnMut(&Scope) -> Result<T>) -> Result<T> {
        self.run_shared(mode, options, |scope| body(scope))
    }

    /// See [`Store::run_shared`].
    pub(crate) fn run_shared<T, E: Failure>(
        &self,
        mode: TxMode,
        options: &QueryOptions<'_>,
        mut body: impl FnMut(&Arc<Scope>) -> Result<T, E>,
    ) -> Result<T, E> {
        let op = self.store().counted(self.op(options))?;
        if self.store().counted(self.session.is_in_transaction())? {
            let scope = self.begin(mode, &QueryOptions { whole: true, ..*options })?;
            return attempt(&Arc::new(scope), &mut body).map_err(|failed| failed.with);
        }
        again_and_again(self.store(), &op, mode, options, |mode, options| self.begin(mode, options), body)
    }
}

fn again_and_again<T, E: Failure>(
    store: &Store,
    op: &Op<'_>,
    mut mode: TxMode,
    options: &QueryOptions<'_>,
    begin: impl Fn(TxMode, &QueryOptions<'_>) -> Result<Scope>,
    mut body: impl FnMut(&Arc<Scope>) -> Result<T, E>,
) -> Result<T, E> {
    let mut replay = Replay::default();
    loop {
        let options = QueryOptions { whole: true, timeout: left(op), ..*options };
        let scope = begin(mode, &options).map_err(|error| {
            store.inner.insight.retries_exhausted.add((replay.failures > 0).into());
            replay.tell(error)
        })?;
        let failed = match attempt(&Arc::new(scope), &mut body) {
            Ok(value) => return Ok(value),
            Err(failed) => failed,
        };
        match failed.again() {
            Some(error) if replay.is_due(op, error) => {
                store.counted(replay.pause(op)).inspect_err(|_| store.inner.insight.retries_exhausted.one())?;
                store.inner.insight.retries.one();
                store.say_again(error);
            }
            Some(_) => {
                store.inner.insight.retries_exhausted.one();
                return Err(failed.with);
            }
            None => return Err(failed.with),
        }
        if mode == TxMode::Write(Mode::Deferred) {
            mode = TxMode::Write(Mode::Immediate);
        }
    }
}

/// The operation's timeout for something that begins now.
fn left(op: &Op<'_>) -> Timeout {
    op.deadline().map_or(Timeout::None, |deadline| Timeout::After(deadline.saturating_duration_since(Instant::now())))
}

/// How one run failed.
struct Failed<E> {
    with: E,
    /// The run left nothing behind and did not decide for itself.
    undone: bool,
}

impl<E: Failure> Failed<E> {
    /// The error that asks for another run.
    fn again(&self) -> Option<&Error> {
        self.with.error().filter(|error| self.undone && asks_for_another_run(error))
    }
}

/// A time that is over was the caller's to give, so deadlines are final.
fn asks_for_another_run(error: &Error) -> bool {
    matches!(error.retry(), Retry::Statement | Retry::Transaction)
        && error.outcome() != Outcome::Committed
        && !matches!(error.kind(), Kind::Timeout | Kind::Cancelled | Kind::Exhausted)
}

/// Runs the body once in a transaction that was begun for it, and ends the transaction unless the body did.
fn attempt<T, E: Failure>(scope: &Arc<Scope>, body: &mut impl FnMut(&Arc<Scope>) -> Result<T, E>) -> Result<T, Failed<E>> {
    let result = body(scope);
    if let Err(error) = scope.store().inner.pool.check_process() {
        // The body has forked, and this is the child: the transaction is the parent's to end.
        std::mem::forget(scope.clone());
        return Err(Failed { with: error.into(), undone: false });
    }
    if scope.was_ended_by_hand() {
        return result.map_err(|with| Failed { with, undone: false });
    }
    let with = match result.and_then(|value| scope.commit().map(|()| value).map_err(E::from)) {
        Ok(value) => return Ok(value),
        Err(with) => with,
    };
    Err(Failed { with, undone: undo(scope) })
}

/// Rolls back; says whether it is sure that nothing remains. Waits for a call of another thread in the transaction: nobody but the two of
/// them can end it, and the connection must not stay with it.
fn undo(scope: &Scope) -> bool {
    loop {
        match scope.end() {
            Ok(()) => return true,
            Err(error) if error.kind() == Kind::Misuse => std::thread::sleep(END_POLL),
            Err(error) => return error.kind() == Kind::TxEnded,
        }
    }
}

/// The runs of one body so far.
#[derive(Default)]
struct Replay {
    failures: u32,
    first: Option<Instant>,
    last: String,
    random: RandomState,
}

impl Replay {
    /// Notes a failure; says whether another run is worth a try.
    fn is_due(&mut self, op: &Op<'_>, error: &Error) -> bool {
        self.failures += 1;
        error.message().clone_into(&mut self.last);
        let first = *self.first.get_or_insert_with(Instant::now);
        op.deadline().is_some() || first.elapsed() < PATIENCE
    }

    /// Sleeps until the next run.
    fn pause(&self, op: &Op<'_>) -> Result<()> {
        op.before_wait();
        let end = Instant::now() + self.draw();
        loop {
            if let Some(stop) = op.poll() {
                return Err(self.tell(op.stop_error(stop, "transaction")));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(op.slice(left));
        }
    }

    /// A pause between 0 and the limit, so that those who met once do not meet again.
    fn draw(&self) -> Duration {
        let limit = (FIRST_PAUSE * (1 << (self.failures - 1).min(16))).min(LONGEST_PAUSE);
        Duration::from_nanos(self.random.hash_one(self.failures) % limit.as_nanos() as u64)
    }

    /// Adds what happened before to an error that ends the runs.
    fn tell(&self, error: Error) -> Error {
        match self.failures {
            0 => error,
            1 => error.followed_by(format!("; one run failed before: {}", self.last)),
            runs => error.followed_by(format!("; {runs} runs failed before, the last with: {}", self.last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for (failures, limit) in [(1, 1), (2, 2), (6, 32), (7, 50), (60, 50)] {
            for _ in 0..100 {
                let replay = Replay { failures, ..Replay::default() };
                assert!(replay.draw() < Duration::from_millis(limit));
                seen.insert(replay.draw());
            }
        }
        assert!(seen.len() > 400 && seen.last() > Some(&Duration::from_millis(25)), "{}", seen.len());
    }

    #[test]
    fn the_numbers_of_the_error_decide() {
        let error = |kind, retry| Error::new(kind, "made for this test").with_retry(retry);
        for (error, again) in [
            (error(Kind::Conflict, Retry::Transaction), true),
            (error(Kind::Busy, Retry::Statement), true),
            (error(Kind::Busy, Retry::Transaction), true),
            (error(Kind::Constraint, Retry::No), false),
            (error(Kind::Io, Retry::Connection), false),
            (error(Kind::Timeout, Retry::Statement), false),
            (error(Kind::Busy, Retry::Transaction).with_outcome(Outcome::Committed), false),
            (error(Kind::Busy, Retry::Transaction).with_outcome(Outcome::RolledBack), true),
        ] {
            assert_eq!(asks_for_another_run(&error), again, "{error:?}");
        }
    }
}
