//! A scope: a transaction, a savepoint inside one, or a pinned connection, with the calls of a store on one connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::cancel::{Bounds, Op};
use crate::driver::{Changes, Mode};
use crate::error::{Error, Kind, Result};
use crate::exec::Matrix;
use crate::options::QueryOptions;
use crate::results::{Rest, Rows};
use crate::rows::{Columns, First};
use crate::session::{Session, Use};
use crate::store::{Statement, Store, TxMode};
use crate::tx::LevelId;
use crate::value::Params;

/// A transaction, a savepoint inside one, or a pinned connection: the same calls as on a store, on one connection.
///
/// Dropping a transaction or savepoint that is open rolls it back; dropping a pinned connection releases it.
pub struct Scope {
    store: Store,
    pub(super) session: Arc<Session>,
    /// `None`: the pinned connection itself.
    level: Option<LevelId>,
    /// What ends its calls early, whatever their own options say. Nothing ends a commit or rollback early.
    bounds: Bounds,
    /// It was committed or rolled back through this object, not by the engine or with what is around it.
    ended_by_hand: AtomicBool,
}

impl Scope {
    /// The caller's end of a session: of one of its levels, or of the pinned connection itself.
    pub(super) fn new(store: Store, session: Arc<Session>, level: Option<LevelId>) -> Self {
        Scope { store, session, level, bounds: Bounds::default(), ended_by_hand: AtomicBool::new(false) }
    }

    /// With the bounds of the operation that began it, where the options ask for that.
    pub(super) fn bounded(mut self, options: &QueryOptions<'_>, op: &Op<'_>) -> Self {
        if options.whole {
            self.bounds = op.bounds();
        }
        self
    }

    /// The operation of one call with these options, within the bounds of the scope.
    #[inline]
    pub(super) fn op<'a>(&self, options: &QueryOptions<'a>) -> Result<Op<'a>> {
        let op = self.store.op(options)?;
        if !self.bounds.is_some() {
            return Ok(op);
        }
        let op = op.within(&self.bounds);
        op.check("call")?;
        Ok(op)
    }

    /// Makes the operation of a call with these options, and lets `work` do it; the error that the call ends with is counted.
    #[inline]
    fn call<R>(&self, options: &QueryOptions<'_>, work: impl FnOnce(&Op<'_>) -> Result<R>) -> Result<R> {
        self.store.counted(match self.op(options) {
            Ok(op) => work(&op),
            Err(error) => Err(error),
        })
    }

    /// See [`Store::query`].
    pub fn query<'a>(&self, sql: &str, params: impl Into<Params<'a>>, options: &QueryOptions<'_>) -> Result<Rows> {
        let taken = |columns: &Arc<Columns>, first: First<'_>| (columns.clone(), first.take());
        let ((columns, batch), rest) = self.query_first(sql, params.into(), options, taken)?;
        Ok(Rows::new(columns, batch, rest))
    }

    /// See [`Store::query_first`].
    #[inline]
    pub fn query_first<R>(
        &self,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        let usage = self.usage(options);
        let (received, cursor) = self.call(options, |op| self.session.query(sql, params, usage, op, receive))?;
        self.store.count_bypass(options);
        Ok((
            received,
            cursor.map(|cursor| {
                Rest::new(self.session.clone(), cursor, usage.limit, self.store.inner.insight.errors.clone()).within(self.bounds)
            }),
        ))
    }

    /// See [`Store::execute`]. Durable when the outermost transaction is committed.
    pub fn execute<'a>(&self, sql: &str, params: impl Into<Params<'a>>, options: &QueryOptions<'_>) -> Result<Changes> {
        let params = params.into();
        self.call(options, |op| self.session.execute(sql, params, self.usage(options), op))
    }

    /// See [`Store::execute_many`]; inside a transaction it is a savepoint of its own.
    pub fn execute_many(&self, sql: &str, matrix: Matrix<'_>, options: &QueryOptions<'_>) -> Result<Changes> {
        self.call(options, |op| self.session.execute_many(sql, matrix, self.usage(options), op))
    }

    /// Runs the statements of a script one after another. Inside a transaction they must not end it.
    pub fn execute_script(&self, sql: &str, options: &QueryOptions<'_>) -> Result<Changes> {
        self.call(options, |op| self.session.script(sql, self.usage(options), op))
    }

    /// See [`Store::prepare`].
    pub fn prepare(&self, sql: &str, options: &QueryOptions<'_>) -> Result<Statement> {
        self.call(options, |_| self.session.prepare(sql, self.usage(options))).map(Statement::new)
    }

    /// Begins a savepoint inside a transaction, or a transaction on a pinned connection.
    pub fn begin(&self, mode: TxMode, options: &QueryOptions<'_>) -> Result<Scope> {
        self.call(options, |op| self.begin_inside(mode, options, op))
    }

    fn begin_inside(&self, mode: TxMode, options: &QueryOptions<'_>, op: &Op<'_>) -> Result<Scope> {
        let mode = match mode {
            TxMode::Write(mode) if !self.store.read_only(options) => mode,
            _ if self.session.is_read_only()? => Mode::Deferred,
            _ => {
                let message = "begin: read-only inside what may write; begin a read-only transaction on the store, or pin a reader";
                return Err(Error::new(Kind::Unsupported, message));
            }
        };
        let level = self.session.begin(self.level, mode, op)?;
        let mut scope = Scope::new(self.store.clone(), self.session.clone(), Some(level));
        scope.bounds = self.bounds;
        Ok(scope.bounded(options, op))
    }

    /// Commits. After an error the transaction is open still, unless the error's outcome says otherwise.
    pub fn commit(&self) -> Result<()> {
        let result = self.store.check_alone().and_then(|()| self.session.commit(self.transaction()?));
        self.store.counted(result)?;
        self.ended_by_hand.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether it was committed or rolled back through this object, so that nobody else has to.
    pub(super) fn was_ended_by_hand(&self) -> bool {
        self.ended_by_hand.load(Ordering::Relaxed)
    }

    /// Rolls back.
    pub fn rollback(self) -> Result<()> {
        self.undo()
    }

    /// Rolls back without consuming the handle. That the transaction has ended already is no error to count: nothing was to be done.
    pub fn undo(&self) -> Result<()> {
        match self.end() {
            Err(error) if error.kind() == Kind::TxEnded => Err(error),
            result => self.store.counted(result),
        }
    }

    pub(super) fn end(&self) -> Result<()> {
        let result = self.transaction().and_then(|level| self.session.rollback(level));
        let stays = result.as_ref().is_err_and(|error| matches!(error.kind(), Kind::Misuse | Kind::TxEnded));
        self.ended_by_hand.fetch_or(!stays, Ordering::Relaxed);
        result
    }

    /// Gives a pinned connection back, rolling back what is open on it.
    pub fn release(&self) -> Result<()> {
        self.session.release()
    }

    /// Whether this is a pinned connection itself, not a transaction on it.
    pub fn is_pinned(&self) -> bool {
        self.level.is_none()
    }

    /// The store that the scope belongs to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Fails when the scope has ended.
    pub fn check(&self) -> Result<()> {
        self.session.check(self.level)
    }

    fn transaction(&self) -> Result<LevelId> {
        self.level.ok_or_else(|| Error::new(Kind::Misuse, "this is a pinned connection, not a transaction: begin one on it, or release it"))
    }

    /// One transaction's worth of [`Store::execute_many`]: the savepoint around it would be of no use.
    pub(super) fn each(&self, sql: &str, matrix: Matrix<'_>, options: &QueryOptions<'_>) -> Result<Changes> {
        self.call(options, |op| self.session.each(sql, matrix, self.usage(options), op))
    }

    fn usage(&self, options: &QueryOptions<'_>) -> Use {
        Use {
            level: self.level,
            read_only: self.store.read_only(options),
            keep: self.store.keeps(options),
            limit: self.store.limit(options),
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let _ = match self.level {
            Some(level) => self.session.rollback(level),
            None => self.session.release(),
        };
    }
}
