//! A result being read: its first batch, then the rest in batches.

use std::sync::Arc;

use crate::cancel::{Bounds, Op};
use crate::driver::{Cursor, Fetch, Limit};
use crate::error::Result;
use crate::errors::Errors;
use crate::rows::{Batch, Columns, Held};
use crate::session::Session;

/// The rows of a query.
///
/// A result that fitted into its first batch has given its connection back already. A longer one holds a reader until it is read to
/// its end or dropped.
pub struct Rows {
    columns: Arc<Columns>,
    batch: Held,
    from_cache: bool,
    /// The batch has not been handed out yet.
    unread: bool,
    rest: Option<Rest>,
}

/// Where the rest of a result is. One address: most results have none, and are handed on through many frames.
pub struct Rest(Box<Open>);

struct Open {
    session: Arc<Session>,
    cursor: Cursor,
    limit: Limit,
    bounds: Bounds,
    errors: Arc<Errors>,
}

impl Rest {
    /// What is left of the result of `cursor`; errors on the way are counted in `errors`.
    pub fn new(session: Arc<Session>, cursor: Cursor, limit: Limit, errors: Arc<Errors>) -> Self {
        Rest(Box::new(Open { session, cursor, limit, bounds: Bounds::default(), errors }))
    }

    /// The same, of a transaction that has bounds: they hold for each fetch too.
    pub fn within(mut self, bounds: Bounds) -> Self {
        self.0.bounds = bounds;
        self
    }

    fn fetch(&self, op: &Op<'_>, batch: &mut Batch) -> Result<Fetch> {
        let Open { session, cursor, limit, bounds, errors } = &*self.0;
        let fetched = if bounds.is_some() {
            session.fetch(*cursor, &op.within(bounds), batch, *limit)
        } else {
            session.fetch(*cursor, op, batch, *limit)
        };
        fetched.inspect_err(|error| errors.count(error))
    }

    /// The columns of the result.
    pub fn columns(&self) -> Result<Arc<Columns>> {
        self.0.session.columns(self.0.cursor)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.session.finish(self.0.cursor);
    }
}

impl Rows {
    /// A result whose first batch is there.
    pub fn new(columns: Arc<Columns>, batch: Held, rest: Option<Rest>) -> Self {
        Rows { columns, from_cache: batch.is_kept(), batch, unread: true, rest }
    }

    /// A result of whose first batch the caller has had some rows already.
    pub fn partly_read(columns: Arc<Columns>, batch: Held, rest: Option<Rest>) -> Self {
        Rows { columns, from_cache: batch.is_kept(), batch, unread: false, rest }
    }

    /// Whether the first batch is waiting for the first [`Rows::next_batch`].
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// The columns; fixed from the first row on.
    pub fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    /// Whether no statement was run for this result: it was kept from an earlier query. It comes as one batch then.
    pub fn is_from_cache(&self) -> bool {
        self.from_cache
    }

    /// Whether everything has been fetched from the database.
    pub fn is_complete(&self) -> bool {
        self.rest.is_none()
    }

    /// The next batch, or `None` at the end. Only batches after the first one can block, as long as `op` allows.
    ///
    /// # Errors
    /// Whatever the engine reports on the way; the result has ended then.
    pub fn next_batch(&mut self, op: &Op<'_>) -> Result<Option<&Batch>> {
        if std::mem::take(&mut self.unread) && self.batch.batch().rows() > 0 {
            return Ok(Some(self.batch.batch()));
        }
        let Some(rest) = &self.rest else {
            self.batch.own().reset(self.columns.len());
            return Ok(None);
        };
        let fetched = rest.fetch(op, self.batch.own());
        if !matches!(fetched, Ok(Fetch::More)) {
            self.rest = None;
        }
        // Rows before an error in the same batch are not handed out: a batch is whole or not there.
        fetched.inspect_err(|_| self.batch.own().reset(self.columns.len()))?;
        let batch = self.batch.batch();
        Ok((batch.rows() > 0).then_some(batch))
    }

    /// The batch that was handed out last.
    pub fn batch(&self) -> &Batch {
        self.batch.batch()
    }

    /// All remaining rows as owned values: for small results and tests.
    pub fn collect(mut self) -> Result<Vec<Vec<crate::value::Value>>> {
        let mut all = Vec::new();
        let op = Op::unbounded();
        while let Some(batch) = self.next_batch(&op)? {
            for row in 0..batch.rows() {
                all.push(batch.row(row).map(|value| value.to_owned()).collect());
            }
        }
        Ok(all)
    }
}
