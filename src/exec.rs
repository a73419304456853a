//! Running SQL on a connection that somebody has leased: one statement, one statement many times, a script.

mod slow;

pub use self::slow::Given;

use std::sync::Arc;

use crate::cancel::Op;
use crate::driver::{refuse_nul, Changes, Commit, Connection, Cursor, End, Fetch, Limit, Mode, Part, Permit, Plan};
use crate::error::{Error, Kind, Outcome, Result};
use crate::rows::Batch;
use crate::value::{Params, ValueRef};

/// Runs a prepared statement until `batch` is full (a read) or to its end (a write, whose rows are all kept).
/// The cursor stays in use on success and is finished on failure.
#[inline]
pub fn first_batch(
    connection: &mut dyn Connection,
    cursor: Cursor,
    params: Params<'_>,
    limit: Limit,
    op: &Op<'_>,
    batch: &mut Batch,
) -> Result<Fetch> {
    let footprint = &connection.plan(cursor)?.footprint;
    let (read_only, counts_rows) = (footprint.read_only, footprint.counts_rows);
    let limit = if read_only { limit } else { Limit::NONE };
    let result = connection.bind(cursor, params, !read_only).and_then(|()| connection.fetch(cursor, op, batch, limit));
    let changed = if counts_rows && result.is_ok() { connection.changed_rows() } else { 0 };
    spend(connection, cursor, op, End::of(&result), batch.rows(), changed, Given::Once(params));
    if result.is_err() {
        connection.finish(cursor);
    }
    result
}

/// Counts what a call has spent on a statement, while its run is under way, and logs it where it is over and slow.
#[inline]
pub fn spend(connection: &mut dyn Connection, cursor: Cursor, op: &Op<'_>, end: End, rows: usize, changed: i64, given: Given<'_>) {
    // What came before an error is not handed out.
    let (returned, changed) = if end == End::Failed { (0, 0) } else { (rows as u64, changed.max(0) as u64) };
    if connection.spend(cursor, op, Part { end, returned, changed }) {
        slow::log(connection, cursor, given);
    }
}

/// Ends a run before its end, and tells the log of it where it was slow so far.
pub fn close(connection: &mut dyn Connection, cursor: Cursor) {
    let slow_nanos = connection.gauge().map_or(u64::MAX, |(meter, _)| meter.slow_nanos);
    if connection.spent(cursor).is_some_and(|spent| spent.nanos >= slow_nanos) {
        slow::log(connection, cursor, Given::Before);
    }
    connection.finish(cursor);
}

/// Runs one statement to its end and says what it changed. Rows that it returns are dropped.
pub fn execute(connection: &mut dyn Connection, cursor: Cursor, params: Params<'_>, op: &Op<'_>, batch: &mut Batch) -> Result<Changes> {
    connection.count_from_here(cursor)?;
    let result = connection.bind(cursor, params, true).and_then(|()| run_out(connection, cursor, op, batch));
    let changes = connection.changes();
    let end = if result.is_ok() { End::Done } else { End::Failed };
    spend(connection, cursor, op, end, 0, changes.rows_affected, Given::Once(params));
    connection.finish(cursor);
    result.map(|()| changes)
}

/// Runs a statement to its end; its rows are dropped.
pub fn run_out(connection: &mut dyn Connection, cursor: Cursor, op: &Op<'_>, batch: &mut Batch) -> Result<()> {
    const DROPPED: Limit = Limit { rows: 256, bytes: 64 * 1024 };
    while connection.fetch(cursor, op, batch, DROPPED)? == Fetch::More {}
    Ok(())
}

/// A matrix of parameters: `rows` of equal length.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [ValueRef<'a>],
    names: Option<&'a [&'a str]>,
    columns: usize,
    rows: usize,
}

impl<'a> Matrix<'a> {
    /// # Errors
    /// [`Kind::Parameter`] when there are not `rows × columns` values.
    pub fn new(values: &'a [ValueRef<'a>], columns: usize, rows: usize) -> Result<Self> {
        if columns.checked_mul(rows) != Some(values.len()) {
            let message = format!("execute_many: {rows} rows of {columns} parameters need as many values, {} given", values.len());
            return Err(Error::new(Kind::Parameter, message));
        }
        Ok(Matrix { values, names: None, columns, rows })
    }

    /// One name per column, with or without its `:`, `@` or `$`.
    ///
    /// # Errors
    /// [`Kind::Parameter`] when there are not as many names as columns.
    pub fn with_names(self, names: &'a [&'a str]) -> Result<Self> {
        if names.len() != self.columns {
            let message = format!("execute_many: {} names for {} columns", names.len(), self.columns);
            return Err(Error::new(Kind::Parameter, message));
        }
        Ok(Matrix { names: Some(names), ..self })
    }

    fn row(&self, index: usize) -> Params<'a> {
        let values = &self.values[index * self.columns..(index + 1) * self.columns];
        self.names.map_or(Params::positional(values), |names| Params::named(names, values))
    }
}

/// Runs one statement for each row of parameters. The caller has opened a transaction or savepoint around it.
pub fn execute_many(
    connection: &mut dyn Connection,
    cursor: Cursor,
    matrix: Matrix<'_>,
    op: &Op<'_>,
    batch: &mut Batch,
) -> Result<Changes> {
    connection.count_from_here(cursor)?;
    let result = each_row(connection, cursor, matrix, op, batch);
    let end = if result.is_ok() { End::Done } else { End::Failed };
    spend(connection, cursor, op, end, 0, *result.as_ref().unwrap_or(&0), Given::Many(matrix));
    connection.finish(cursor);
    let Changes { last_insert_id, .. } = connection.changes();
    result.map(|sum| Changes { last_insert_id, rows_affected: if connection.has_changed() { sum } else { 0 } })
}

fn each_row(connection: &mut dyn Connection, cursor: Cursor, matrix: Matrix<'_>, op: &Op<'_>, batch: &mut Batch) -> Result<i64> {
    let mut sum = 0;
    for index in 0..matrix.rows {
        if index % 256 == 255 {
            op.check("execute_many")?;
        }
        let row = connection.bind(cursor, matrix.row(index), true).and_then(|()| run_out(connection, cursor, op, batch));
        row.map_err(|error| error.context(format!("row {index}")))?;
        sum += connection.changed_rows();
    }
    Ok(sum)
}

/// Where a script runs: alone on its connection, or inside somebody's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// As one transaction, unless the script begins and ends its own.
    Alone,
    /// Inside an open transaction, which it must not end.
    Inside,
    /// On a pinned connection: statement by statement, as written.
    Pinned,
}

/// Runs the statements of `sql` one after another; the engine finds where each one ends. Rows are dropped.
///
/// Alone, the whole script is one transaction: it begins before the first statement that is neither a PRAGMA nor transaction control,
/// and an error undoes it. A script that has BEGIN of its own decides itself from there on.
pub fn script(connection: &mut dyn Connection, sql: &str, setting: Setting, op: &Op<'_>, batch: &mut Batch) -> Result<Changes> {
    let mut run = Script { connection, setting, own: false, sum: Changes::default(), op, batch };
    let result = run.statements(sql).and_then(|()| run.end());
    let sum = run.sum;
    match result {
        Ok(()) => Ok(sum),
        Err(error) => Err(run.undo(error)),
    }
}

struct Script<'a, 'o> {
    connection: &'a mut dyn Connection,
    setting: Setting,
    /// The transaction around the script is open and was begun here.
    own: bool,
    sum: Changes,
    op: &'a Op<'o>,
    batch: &'a mut Batch,
}

impl Script<'_, '_> {
    fn statements(&mut self, sql: &str) -> Result<()> {
        let permit = if self.setting == Setting::Inside { Permit::Shared } else { Permit::Everything };
        refuse_nul(sql)?;
        let text = format!("{sql}\0");
        let mut start = 0;
        while start < sql.len() {
            self.op.check("script")?;
            let located = |error: Error| locate(error, sql, start);
            let (cursor, end) = self.connection.prepare_first(&text[start..], permit).map_err(located)?;
            if let Some(cursor) = cursor {
                self.statement(cursor).map_err(located)?;
            }
            start += end.max(1);
        }
        Ok(())
    }

    fn statement(&mut self, cursor: Cursor) -> Result<()> {
        let plan = self.connection.plan(cursor)?.clone();
        let ready = without_parameters(&plan).and_then(|()| self.surround(&plan));
        let result = ready.and_then(|()| {
            self.connection.count_from_here(cursor)?;
            run_out(self.connection, cursor, self.op, self.batch)
        });
        let changes = self.connection.changes();
        let end = if result.is_ok() { End::Done } else { End::Failed };
        spend(self.connection, cursor, self.op, end, 0, changes.rows_affected, Given::Before);
        if self.op.began() != 0 {
            self.op.begins_now();
        }
        self.connection.finish(cursor);
        result?;
        self.sum.rows_affected += changes.rows_affected;
        self.sum.last_insert_id = if changes.last_insert_id == 0 { self.sum.last_insert_id } else { changes.last_insert_id };
        Ok(())
    }

    /// Opens the script's transaction where it needs one, and steps back where the script controls transactions itself, changes the
    /// connection (most settings do nothing inside a transaction, silently), or runs what can not be inside one.
    fn surround(&mut self, plan: &Arc<Plan>) -> Result<()> {
        if self.setting != Setting::Alone {
            return Ok(());
        }
        let footprint = &plan.footprint;
        if footprint.control && !footprint.begins && self.own {
            let message = "script: COMMIT and ROLLBACK need a BEGIN of the script's own; without one the whole script is one transaction";
            return Err(Error::new(Kind::Misuse, message));
        }
        if footprint.control || footprint.session || footprint.outside_transaction {
            return self.close();
        }
        if !footprint.read_only && !self.connection.in_transaction() {
            self.connection.begin(Mode::Immediate, self.op)?;
            self.own = true;
        }
        Ok(())
    }

    /// Commits the transaction begun here, if there is one.
    fn close(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.own) {
            return Ok(());
        }
        match self.connection.commit() {
            Commit::Committed(_) => Ok(()),
            Commit::RolledBack(error) => Err(error.with_outcome(Outcome::RolledBack)),
            Commit::StillOpen(error) | Commit::Unknown(error) => Err(error),
        }
    }

    /// A script that runs alone must have ended the transactions that it began.
    fn end(&mut self) -> Result<()> {
        self.close()?;
        if self.setting == Setting::Alone && self.connection.in_transaction() {
            let message = "script: it left the transaction open that it began; add COMMIT. Its changes were rolled back";
            return Err(Error::new(Kind::Misuse, message));
        }
        Ok(())
    }

    /// Undoes what is open after an error.
    fn undo(&mut self, error: Error) -> Error {
        if self.setting != Setting::Alone || !self.connection.in_transaction() {
            return error;
        }
        match self.connection.rollback() {
            Ok(()) => error.with_outcome(Outcome::RolledBack),
            Err(second) => error.followed_by(format!("; and then ROLLBACK failed: {second}")),
        }
    }
}

/// A script has no values to bind: a parameter would silently be NULL.
fn without_parameters(plan: &Plan) -> Result<()> {
    if plan.parameters.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Parameter, "a script takes no parameters; run the statement by itself to bind some"))
}

/// An error of a statement that begins at `start` or after the blanks there, with line and offset in the whole script.
fn locate(error: Error, sql: &str, start: usize) -> Error {
    let offset = match error.offset() {
        Some(inner) => start + inner as usize,
        None => start + sql[start..].bytes().take_while(u8::is_ascii_whitespace).count(),
    };
    let line = 1 + sql.bytes().take(offset).filter(|b| *b == b'\n').count();
    error.context(format!("script, line {line}")).at(u32::try_from(offset).ok())
}
