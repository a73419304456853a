//! Questions and orders of the runner's own on a connection: one statement with parameters, all of its rows.

use crate::cancel::Op;
use crate::driver::{Commit, Connection, Fetch, Limit, Mode, Permit};
use crate::error::{Error, Result};
use crate::rows::Batch;
use crate::value::{Params, ValueRef};

/// Rows of one question, held in one place.
pub type Answer = Batch;

/// Runs one statement to its end.
pub fn rows(connection: &mut dyn Connection, sql: &str, params: &[ValueRef<'_>]) -> Result<Answer> {
    let cursor = connection.prepare(sql, Permit::Everything, true)?;
    let mut batch = Batch::new(0);
    let result = connection
        .bind(cursor, Params::positional(params), true)
        .and_then(|()| connection.fetch(cursor, &Op::unbounded(), &mut batch, Limit::NONE));
    connection.finish(cursor);
    debug_assert!(!matches!(result, Ok(Fetch::More)));
    result.map(|_| batch)
}

/// Runs one statement that gives nothing.
pub fn run(connection: &mut dyn Connection, sql: &str, params: &[ValueRef<'_>]) -> Result<()> {
    rows(connection, sql, params).map(drop)
}

/// The first column of the first row; NULL when there is none.
pub fn integer(connection: &mut dyn Connection, sql: &str, params: &[ValueRef<'_>]) -> Result<Option<i64>> {
    let answer = rows(connection, sql, params)?;
    Ok(if answer.rows() == 0 { None } else { answer.get(0, 0).as_i64() })
}

/// The text of a cell; empty when it is no text.
pub fn text(answer: &Answer, row: usize, column: usize) -> String {
    answer.get(row, column).as_str().unwrap_or_default().to_string()
}

/// A read transaction for several questions about one state of the database; it ends with `work`, whatever that comes to.
pub fn snapshot<R>(connection: &mut dyn Connection, work: impl FnOnce(&mut dyn Connection) -> Result<R>) -> Result<R> {
    connection.begin(Mode::Deferred, &Op::unbounded())?;
    let result = work(connection);
    let ended = connection.rollback();
    let result = result?;
    ended.map(|()| result)
}

/// Commits, waiting for others' reads as long as `op` allows (outside WAL mode they can be in the way).
pub fn commit(connection: &mut dyn Connection, op: &Op<'_>) -> Result<()> {
    loop {
        let error = match connection.commit() {
            Commit::Committed(_) => return Ok(()),
            Commit::RolledBack(error) | Commit::Unknown(error) => return Err(error),
            Commit::StillOpen(error) => error,
        };
        if !error.is_retryable() || op.poll().is_some() {
            return Err(undone(connection, error));
        }
        op.before_wait();
        std::thread::sleep(op.slice(std::time::Duration::from_millis(2)));
    }
}

/// Rolls back after `error`; what that fails with is added to it.
pub fn undone(connection: &mut dyn Connection, error: Error) -> Error {
    match connection.rollback() {
        Ok(()) => error,
        Err(second) => error.followed_by(format!("; and then ROLLBACK failed: {second}")),
    }
}
