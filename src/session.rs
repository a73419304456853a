//! A connection on loan to a handle: a transaction, a pinned connection, or the rest of a large result.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::sync::{Mutex, MutexGuard};

use crate::cancel::Op;
use crate::driver::{Changes, Connection, Cursor, End, Fetch, Limit, Mode, Permit, Plan};
use crate::error::{Error, Kind, Outcome, Result};
use crate::exec::{self, Given, Matrix, Setting};
use crate::pool::{Lease, Pool};
use crate::process;
use crate::rows::{Batch, Columns, First};
use crate::tx::{LevelId, Levels};
use crate::value::Params;

/// Used by one thread at a time; a second one at the same moment gets [`Kind::Misuse`] instead of waiting.
pub struct Session {
    /// The process that the connection belongs to. In a forked child no lock of the session is touched: it may be taken for ever.
    age: u32,
    body: Mutex<Body>,
    /// Results that were closed while a call of another thread was under way; the next call ends them.
    orphans: Mutex<Vec<Cursor>>,
    orphaned: AtomicBool,
    /// The store closes and takes the connection back.
    abandoned: AtomicBool,
}

struct Body {
    /// `None` once the connection went back.
    lease: Option<Lease<Arc<Pool>>>,
    levels: Levels,
    pinned: bool,
    read_only: bool,
}

/// How a call uses a session.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// The level that the caller means; `None` for a pinned connection itself.
    pub level: Option<LevelId>,
    pub read_only: bool,
    pub keep: bool,
    pub limit: Limit,
}

impl Session {
    /// A session whose transaction is begun; with the number of its outermost level.
    /// With `read_only` its connection has been told to refuse writes.
    pub fn transaction(mut lease: Lease<Arc<Pool>>, mode: Mode, read_only: bool, op: &Op<'_>) -> Result<(Arc<Session>, LevelId)> {
        let mut levels = Levels::default();
        let id = levels.begin(lease.connection(), mode, op)?;
        Ok((Session::new(lease, levels, false, read_only), id))
    }

    /// A connection for one user until it is released.
    /// With `read_only` it has been told to refuse writes.
    pub fn pinned(mut lease: Lease<Arc<Pool>>, read_only: bool) -> Arc<Session> {
        lease.connection().rest(true);
        Session::new(lease, Levels::default(), true, read_only)
    }

    /// The rest of a result that did not fit into its first batch.
    pub fn stream(lease: Lease<Arc<Pool>>) -> Arc<Session> {
        Session::new(lease, Levels::default(), false, true)
    }

    fn new(lease: Lease<Arc<Pool>>, levels: Levels, pinned: bool, read_only: bool) -> Arc<Session> {
        let body = Mutex::new(Body { lease: Some(lease), levels, pinned, read_only });
        Arc::new(Session {
            age: process::age(),
            body,
            orphans: Mutex::default(),
            orphaned: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        })
    }

    #[inline]
    fn check_process(&self) -> Result<()> {
        process::check(self.age, "the transaction, connection or result")
    }

    fn enter(&self) -> Result<MutexGuard<'_, Body>> {
        self.check_process()?;
        let mut body = self.body.try_lock().ok_or_else(|| self.in_use())?;
        if self.orphaned.swap(false, Ordering::AcqRel) {
            let orphans = std::mem::take(&mut *self.orphans.lock());
            if let Some(lease) = &mut body.lease {
                orphans.into_iter().for_each(|cursor| lease.connection().finish(cursor));
            }
        }
        Ok(body)
    }

    #[cold]
    fn in_use(&self) -> Error {
        if self.abandoned.load(Ordering::Acquire) {
            return Error::new(Kind::Closed, "the store is closing and ends this transaction, connection or result");
        }
        let message = "another thread is using this transaction, connection or result at this moment; use each by one thread at a time";
        Error::new(Kind::Misuse, message)
    }

    /// Opens a transaction on a pinned connection, or a savepoint inside a transaction.
    pub fn begin(&self, level: Option<LevelId>, mode: Mode, op: &Op<'_>) -> Result<LevelId> {
        let mut body = self.enter()?;
        let Body { lease, levels, .. } = &mut *body;
        check(levels, level)?;
        let lease = open(lease)?;
        lease.holder().adopt();
        levels.begin(lease.connection(), mode, op)
    }

    /// Whether a transaction is open, so that another one would be a savepoint.
    pub fn is_in_transaction(&self) -> Result<bool> {
        Ok(self.enter()?.levels.is_open())
    }

    /// Whether everything on this session is read-only.
    pub fn is_read_only(&self) -> Result<bool> {
        Ok(self.enter()?.read_only)
    }

    /// Commits a level. The connection goes back when it was the outermost of a transaction of its own.
    pub fn commit(&self, level: LevelId) -> Result<()> {
        let mut body = self.enter()?;
        let Body { lease, levels, .. } = &mut *body;
        levels.check(level)?;
        let result = levels.commit(open(lease)?.connection(), level);
        body.settle();
        result
    }

    /// Rolls a level back. The connection goes back when it was the outermost of a transaction of its own.
    pub fn rollback(&self, level: LevelId) -> Result<()> {
        let mut body = self.enter()?;
        let Body { lease, levels, .. } = &mut *body;
        levels.check(level)?;
        let result = levels.rollback(open(lease)?.connection(), level);
        body.settle();
        result
    }

    /// Runs a statement and shows its first batch to `receive`; the cursor of the rest, when there is one.
    #[inline]
    pub fn query<R>(
        &self,
        sql: &str,
        params: Params<'_>,
        usage: Use,
        op: &Op<'_>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Cursor>)> {
        let mut body = self.enter()?;
        let result = body.run(sql, usage, |connection, batch, cursor| {
            let fetch = exec::first_batch(connection, cursor, params, usage.limit, op, batch)?;
            let received = receive(&connection.plan(cursor)?.columns, First::Fresh(batch));
            let rest = (fetch == Fetch::More).then_some(cursor);
            if rest.is_none() {
                connection.finish(cursor);
            }
            Ok((received, rest))
        });
        body.after(result)
    }

    /// Checks a statement on the session's connection.
    pub fn prepare(&self, sql: &str, usage: Use) -> Result<Arc<Plan>> {
        let mut body = self.enter()?;
        body.run(sql, usage, |connection, _, cursor| {
            let plan = connection.plan(cursor)?.clone();
            connection.finish(cursor);
            Ok(plan)
        })
    }

    /// Runs a statement to its end.
    pub fn execute(&self, sql: &str, params: Params<'_>, usage: Use, op: &Op<'_>) -> Result<Changes> {
        let mut body = self.enter()?;
        let result = body.run(sql, usage, |connection, batch, cursor| exec::execute(connection, cursor, params, op, batch));
        body.after(result)
    }

    /// Runs a statement once for each row of parameters, all or none.
    pub fn execute_many(&self, sql: &str, matrix: Matrix<'_>, usage: Use, op: &Op<'_>) -> Result<Changes> {
        let mut body = self.enter()?;
        let result = body.many(sql, matrix, usage, op);
        body.count_endings(0);
        body.after(result)
    }

    /// Runs a statement once for each row of parameters in a transaction that was begun for it alone.
    pub fn each(&self, sql: &str, matrix: Matrix<'_>, usage: Use, op: &Op<'_>) -> Result<Changes> {
        let mut body = self.enter()?;
        let result = body.run(sql, usage, |connection, batch, cursor| exec::execute_many(connection, cursor, matrix, op, batch));
        body.after(result)
    }

    /// Runs the statements of a script one after another.
    pub fn script(&self, sql: &str, usage: Use, op: &Op<'_>) -> Result<Changes> {
        let mut body = self.enter()?;
        let result = body.script(sql, usage, op);
        body.after(result)
    }

    /// The columns of a result that is being read.
    pub fn columns(&self, cursor: Cursor) -> Result<Arc<Columns>> {
        let mut body = self.enter()?;
        Ok(open(&mut body.lease)?.connection().plan(cursor)?.columns.clone())
    }

    /// The next batch of a result. Gives the connection back at the end of a result that had one of its own.
    pub fn fetch(&self, cursor: Cursor, op: &Op<'_>, batch: &mut Batch, limit: Limit) -> Result<Fetch> {
        let mut body = self.enter()?;
        let owned = body.is_stream();
        let lease = open(&mut body.lease)?;
        lease.holder().adopt();
        let connection = lease.connection();
        if connection.gauge().is_some() {
            op.begins_now();
        }
        let fetched = connection.fetch(cursor, op, batch, limit);
        exec::spend(connection, cursor, op, End::of(&fetched), batch.rows(), 0, Given::Before);
        if !matches!(fetched, Ok(Fetch::More)) {
            connection.finish(cursor);
            if owned {
                body.lease = None;
            }
        }
        body.after(fetched)
    }

    /// Ends a result early. Harmless when it has ended, and in a forked child.
    pub fn finish(&self, cursor: Cursor) {
        if self.check_process().is_err() {
            return;
        }
        let Ok(mut body) = self.enter() else {
            self.orphans.lock().push(cursor);
            return self.orphaned.store(true, Ordering::Release);
        };
        let owned = body.is_stream();
        if let Some(lease) = &mut body.lease {
            exec::close(lease.connection(), cursor);
        }
        if owned {
            body.lease = None;
        }
    }

    /// Gives the connection back, rolling back what is open. Harmless when it went back before.
    pub fn release(&self) -> Result<()> {
        self.enter()?.give_up();
        Ok(())
    }

    /// Like [`Session::release`], for a store that closes: leaves alone what a thread is using right now.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        if let Some(mut body) = self.body.try_lock() {
            body.give_up();
        }
    }

    /// Whether the level is open still.
    pub fn check(&self, level: Option<LevelId>) -> Result<()> {
        let mut body = self.enter()?;
        check(&body.levels, level)?;
        open(&mut body.lease).map(drop)
    }
}

fn check(levels: &Levels, level: Option<LevelId>) -> Result<()> {
    level.map_or(Ok(()), |level| levels.check(level))
}

fn open(lease: &mut Option<Lease<Arc<Pool>>>) -> Result<&mut Lease<Arc<Pool>>> {
    lease
        .as_mut()
        .ok_or_else(|| Error::new(Kind::TxEnded, "its connection went back already: the transaction, connection or result has ended"))
}

impl Body {
    /// Prepares a statement and lets `work` run it, read-only where the call asks for that and the session is not.
    #[inline]
    fn run<R>(&mut self, sql: &str, usage: Use, work: impl FnOnce(&mut dyn Connection, &mut Batch, Cursor) -> Result<R>) -> Result<R> {
        check(&self.levels, usage.level)?;
        let permit = self.permit();
        let restrict = usage.read_only && !self.read_only;
        let lease = open(&mut self.lease)?;
        lease.holder().adopt();
        if restrict {
            lease.connection().set_read_only(true)?;
        }
        let result = prepare(lease, sql, permit, usage.keep).and_then(|cursor| {
            let (connection, batch) = lease.parts();
            work(connection, batch, cursor)
        });
        if restrict {
            lease.connection().set_read_only(false)?;
        }
        result
    }

    fn many(&mut self, sql: &str, matrix: Matrix<'_>, usage: Use, op: &Op<'_>) -> Result<Changes> {
        check(&self.levels, usage.level)?;
        let own = self.levels.begin(open(&mut self.lease)?.connection(), Mode::Immediate, op)?;
        let result = self.run(sql, usage, |connection, batch, cursor| exec::execute_many(connection, cursor, matrix, op, batch));
        self.end_own(own, result)
    }

    /// Inside a transaction a script is a savepoint of its own; on a pinned connection it runs as it is written.
    fn script(&mut self, sql: &str, usage: Use, op: &Op<'_>) -> Result<Changes> {
        check(&self.levels, usage.level)?;
        if !self.levels.is_open() {
            return self.run_script(sql, Setting::Pinned, usage, op);
        }
        let own = self.levels.begin(open(&mut self.lease)?.connection(), Mode::Immediate, op)?;
        let result = self.run_script(sql, Setting::Inside, usage, op);
        self.end_own(own, result)
    }

    fn run_script(&mut self, sql: &str, setting: Setting, usage: Use, op: &Op<'_>) -> Result<Changes> {
        let restrict = usage.read_only && !self.read_only;
        let lease = open(&mut self.lease)?;
        lease.holder().adopt();
        let (connection, batch) = lease.parts();
        if restrict {
            connection.set_read_only(true)?;
        }
        let result = exec::script(connection, sql, setting, op, batch);
        if restrict {
            connection.set_read_only(false)?;
        }
        result
    }

    /// Ends the savepoint around several statements: kept when they succeeded, undone when they did not.
    fn end_own(&mut self, own: LevelId, result: Result<Changes>) -> Result<Changes> {
        let connection = open(&mut self.lease)?.connection();
        match result {
            Ok(changes) => self.levels.commit(connection, own).map(|()| changes),
            Err(error) if self.levels.ended_by_engine(connection) => Err(error.with_outcome(Outcome::RolledBack)),
            Err(error) => self.levels.rollback(connection, own).and(Err(error)),
        }
    }

    fn permit(&self) -> Permit {
        match (self.pinned, self.levels.is_open()) {
            (false, _) => Permit::Shared,
            (true, true) => Permit::NoControl,
            (true, false) => Permit::Everything,
        }
    }

    fn is_stream(&self) -> bool {
        !self.pinned && !self.levels.is_open()
    }

    /// After a call: notices a transaction that the engine ended, and says so in the error.
    #[inline]
    fn after<R>(&mut self, result: Result<R>) -> Result<R> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let ended = match &mut self.lease {
            Some(lease) => self.levels.ended_by_engine(lease.connection()),
            None => false,
        };
        self.settle();
        if !ended {
            return Err(error);
        }
        Err(error.with_outcome(Outcome::RolledBack).followed_by("; the engine rolled the whole transaction back"))
    }

    /// Gives the connection back when a transaction of its own has ended, or the rest of a result.
    fn settle(&mut self) {
        self.count_endings(0);
        if !self.pinned && !self.levels.is_open() {
            self.lease = None;
        }
    }

    /// Counts the transactions that have ended since the last time.
    fn count_endings(&mut self, abandoned: u64) {
        let [committed, undone, engine] = self.levels.take_endings();
        if let (Some(lease), true) = (&self.lease, committed + undone + engine + abandoned > 0) {
            lease.ended([committed, undone, engine, abandoned]);
        }
    }

    fn give_up(&mut self) {
        self.count_endings(self.levels.is_open().into());
        self.levels = Levels::ended(&self.levels);
        self.lease = None;
    }
}

#[inline]
fn prepare(lease: &mut Lease<Arc<Pool>>, sql: &str, permit: Permit, keep: bool) -> Result<Cursor> {
    let cursor = lease.connection().prepare(sql, permit, keep)?;
    lease.note(cursor)?;
    Ok(cursor)
}
