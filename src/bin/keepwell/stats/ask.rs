//! A question to the database, and a row of its answer.

use keepwell::cancel::Op;
use keepwell::store::Scope;
use keepwell::{Params, QueryOptions, Result, Value};

/// Asks within one transaction, which has the bounds of the command.
pub struct Ask<'a> {
    scope: &'a Scope,
}

/// Cells that are read by the type that the question gives them; any other value is the type's default.
pub struct Row(Vec<Value>);

impl<'a> Ask<'a> {
    pub fn new(scope: &'a Scope) -> Self {
        Ask { scope }
    }

    pub fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        let rows = self.scope.query(sql, Params::NONE, &QueryOptions::default())?.collect()?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// Gives each row as soon as it is there, so that those before an error are not lost.
    pub fn each(&self, sql: &str, mut hear: impl FnMut(Row)) -> Result<()> {
        let one = QueryOptions { batch_rows: 1, ..QueryOptions::default() };
        let mut rows = self.scope.query(sql, Params::NONE, &one)?;
        while let Some(batch) = rows.next_batch(&Op::unbounded())? {
            (0..batch.rows()).for_each(|row| hear(Row(batch.row(row).map(|value| value.to_owned()).collect())));
        }
        Ok(())
    }

    /// The first row of a question that always has one.
    pub fn row(&self, sql: &str) -> Result<Row> {
        Ok(self.rows(sql)?.into_iter().next().unwrap_or(Row(Vec::new())))
    }
}

impl Row {
    pub fn integer(&self, column: usize) -> i64 {
        self.maybe(column).unwrap_or_default()
    }

    /// The integer, unless it is NULL.
    pub fn maybe(&self, column: usize) -> Option<i64> {
        self.0.get(column)?.as_ref().as_i64()
    }

    /// A number of things.
    pub fn count(&self, column: usize) -> u64 {
        u64::try_from(self.integer(column)).unwrap_or_default()
    }

    pub fn text(&self, column: usize) -> String {
        let bytes = self.0.get(column).and_then(|value| value.as_ref().as_bytes().map(<[u8]>::to_vec)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
