//! The foreign keys of a database as they are violated: what a migration adds to that is its fault, what was there before is not.

use std::collections::{BTreeMap, BTreeSet};

use super::ask;
use crate::driver::Connection;
use crate::error::{Error, Kind, Result};
use crate::tables::quoted;
use crate::tables::Tables;
use crate::value::ValueRef;

/// Violations by what they are of. <https://sqlite.org/pragma.html#pragma_foreign_key_check>
#[derive(Debug, Default)]
pub struct Violations {
    rows: BTreeSet<Violation>,
    /// How many there are of each pair of tables: rowids are no identity once a table has been rebuilt.
    pairs: BTreeMap<(String, String), usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    table: String,
    /// `None`: the table has no rowids, or the key itself does not fit its parent.
    row: Option<i64>,
    parent: String,
    key: i64,
}

const PARENTS: &str = "SELECT lower(\"table\") FROM pragma_foreign_key_list(?)";

impl Violations {
    /// Checks the tables whose rows were changed, and those that refer to them.
    /// `referring`: the tables that may have foreign keys.
    pub fn find(connection: &mut dyn Connection, changed: &Tables, referring: &BTreeSet<String>) -> Result<Violations> {
        let mut found = Violations::default();
        if referring.is_empty() || matches!(changed, Tables::All) && found.check(connection, "PRAGMA foreign_key_check").is_ok() {
            return Ok(found);
        }
        // One table at a time: a key that does not fit its parent ends the check of everything.
        found = Violations::default();
        for table in concerned(connection, changed, referring)? {
            let sql = format!("PRAGMA foreign_key_check({})", quoted(&table));
            if let Err(error) = found.check(connection, &sql) {
                found.add(Violation { table, row: None, parent: error.message().to_string(), key: 0 });
            }
        }
        Ok(found)
    }

    fn check(&mut self, connection: &mut dyn Connection, sql: &str) -> Result<()> {
        let answer = ask::rows(connection, sql, &[])?;
        for row in 0..answer.rows() {
            let text = |column| ask::text(&answer, row, column);
            let key = answer.get(row, 3).as_i64().unwrap_or_default();
            self.add(Violation { table: text(0), row: answer.get(row, 1).as_i64(), parent: text(2), key });
        }
        Ok(())
    }

    fn add(&mut self, violation: Violation) {
        *self.pairs.entry((violation.table.to_lowercase(), violation.parent.to_lowercase())).or_default() += 1;
        self.rows.insert(violation);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Fails when there are some that `before` has not. `rebuilt`: tables may have been made anew, so that rows have other numbers.
    pub fn refuse_new(&self, before: &Violations, rebuilt: bool) -> Result<()> {
        let is_new = |violation: &&Violation| {
            let pair = (violation.table.to_lowercase(), violation.parent.to_lowercase());
            let more = self.pairs.get(&pair) > before.pairs.get(&pair);
            !before.rows.contains(*violation) && (more || !rebuilt)
        };
        let new: Vec<&Violation> = self.rows.iter().filter(is_new).collect();
        let Some(first) = new.first() else { return Ok(()) };
        let row = first.row.map_or(String::new(), |row| format!(" row {row} of"));
        let message = format!(
            "foreign keys would be violated that were not before: {} violations, the first in{row} table {} that refers to {}; \
             rebuild a table as SQLite asks (create the new one under another name, copy all rows, drop the old one, rename the new \
             one), keep every row that others refer to, or delete those others too",
            new.len(),
            first.table,
            first.parent
        );
        Err(Error::new(Kind::Constraint, message))
    }
}

/// The tables with foreign keys that a change may concern.
fn concerned(connection: &mut dyn Connection, changed: &Tables, referring: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for table in referring {
        let mut concerns = changed.contains(table);
        if !concerns {
            let answer = ask::rows(connection, PARENTS, &[ValueRef::Text(table.as_bytes())])?;
            concerns = (0..answer.rows()).any(|row| changed.contains(&ask::text(&answer, row, 0)));
        }
        if concerns {
            found.push(table.clone());
        }
    }
    Ok(found)
}

/// The rows of a table.
pub fn count(connection: &mut dyn Connection, table: &str) -> Result<i64> {
    Ok(ask::integer(connection, &format!("SELECT count(*) FROM {}", quoted(table)), &[] as &[ValueRef<'_>])?.unwrap_or_default())
}
