//! Statements of keepwell's own on a connection: those that begin and end transactions.

use super::convert;
use super::raw::{Failure, Raw, Statement, Step};
use crate::clock::Receipt;
use crate::error::{Error, Kind, Result};

/// The statements that begin and end transactions, prepared once.
pub struct Control {
    pub begin: Statement,
    pub begin_immediate: Statement,
    pub begin_exclusive: Statement,
    pub commit: Statement,
    pub rollback: Statement,
}

impl Control {
    pub fn prepare(raw: &mut Raw) -> Result<Control> {
        let mut one = |sql: &str| prepare_own(raw, sql);
        Ok(Control {
            begin: one("BEGIN")?,
            begin_immediate: one("BEGIN IMMEDIATE")?,
            begin_exclusive: one("BEGIN EXCLUSIVE")?,
            commit: one("COMMIT")?,
            rollback: one("ROLLBACK")?,
        })
    }
}

/// Prepares a statement of keepwell's own that is kept. The recorder has been told.
pub fn prepare_own(raw: &mut Raw, sql: &str) -> Result<Statement> {
    let (statement, _) = raw.prepare(sql, true).map_err(|failure| convert::error(failure, sql))?;
    statement.ok_or_else(|| Error::new(Kind::Engine, format!("{sql}: no statement")))
}

/// Steps a statement that returns nothing.
pub fn run(raw: &Raw, statement: &mut Statement) -> std::result::Result<Receipt, Failure> {
    match statement.step(raw) {
        Step::Failed(code, _) => {
            let failure = raw.failure(code);
            statement.reset(raw);
            Err(failure)
        }
        Step::Done(receipt) => {
            statement.reset(raw);
            Ok(receipt)
        }
        Step::Row => Ok(statement.reset(raw)),
    }
}
