//! What kind of thing a name in a footprint is: the authorizer tells names alone, and only changes of plain tables can be followed.

use std::collections::HashMap;

use rusqlite::TransactionState;

use super::connection::prepare_own;
use super::convert;
use super::raw::{Raw, Statement, Step};
use super::watch::Recorder;
use crate::clock::Clock;
use crate::driver::Bearings;
use crate::error::Result;
use crate::footprint::Footprint;
use crate::rows::Batch;
use crate::tables::Tables;
use crate::value::ValueRef;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A table with rows of its own, or a view: its rows change by statements that name it.
    Plain,
    /// A virtual table with shadow tables, or one of SQLite's own tables: some of its changes are reported by no name.
    Special,
    /// A table-valued function of its arguments.
    Function,
    /// No table of the database: another table-valued function.
    Foreign,
    /// No table at all: a common table expression.
    Nothing,
}

/// Looks names up in the schema, and remembers them until it changes.
pub struct Kinds {
    version: Statement,
    table: Statement,
    module: Statement,
    /// The version that `known` is of, committed.
    known_at: i64,
    known: HashMap<Box<str>, Sort>,
    batch: Batch,
}

/// No version of a schema.
const NEVER: i64 = i64::MIN;

/// SQLite's own tables that hold data of the database.
const SYSTEM: &[&str] = &["sqlite_schema", "sqlite_master", "sqlite_sequence", "sqlite_stat1", "sqlite_stat3", "sqlite_stat4"];
/// Table-valued functions of their arguments alone.
const FUNCTIONS: &[&str] = &["json_each", "json_tree", "jsonb_each", "jsonb_tree"];

impl Kinds {
    /// Prepares the questions on a connection, whose recorder takes them for keepwell's own.
    pub fn prepare(raw: &mut Raw) -> Result<Kinds> {
        let mut one = |sql: &str| prepare_own(raw, sql);
        Ok(Kinds {
            version: one("PRAGMA main.schema_version")?,
            table: one("SELECT type = 'view' OR rootpage > 0 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view') LIMIT 1")?,
            module: one("SELECT 1 FROM pragma_module_list WHERE name = ?1 COLLATE NOCASE LIMIT 1")?,
            known_at: NEVER,
            known: HashMap::new(),
            batch: Batch::default(),
        })
    }

    /// What a statement rests on and moves. To be asked after it was prepared: when the schema changes after that, SQLite prepares the
    /// statement anew before it runs.
    pub fn bearings(&mut self, raw: &Raw, recorder: &Recorder, clock: &Clock, footprint: &Footprint) -> Option<Bearings> {
        recorder.start_own();
        let tables = self.resolve(raw, footprint);
        recorder.ignore();
        let (reads, writes) = tables?;
        Some(Bearings { ground: reads.map(|reads| clock.ground(&reads)), effects: clock.effects(&writes) })
    }

    /// `None` when the schema could not be read.
    fn resolve(&mut self, raw: &Raw, footprint: &Footprint) -> Option<(Option<Tables>, Tables)> {
        let version = ask(&mut self.version, raw, None, &mut self.batch).ok()??;
        if version != self.known_at {
            self.known.clear();
        }
        // A version that is rolled back is used again for another schema, so what is seen inside a transaction that writes is not remembered.
        self.known_at = if is_writing(raw) { NEVER } else { version };
        let mut reads = Some(Tables::default());
        for (names, mentioned) in [(&footprint.reads, false), (&footprint.mentions, true)] {
            let Tables::Some(names) = names else { return Some((None, Tables::All)) };
            for name in names {
                match self.sort(raw, name)? {
                    Sort::Plain => reads.as_mut().into_iter().for_each(|reads| reads.insert(name)),
                    Sort::Special => reads.as_mut().into_iter().for_each(|reads| *reads = Tables::All),
                    Sort::Function => {}
                    Sort::Nothing if mentioned => {}
                    Sort::Foreign | Sort::Nothing => reads = None,
                }
            }
        }
        let mut writes = footprint.writes.clone();
        if let Tables::Some(names) = &footprint.writes {
            for name in names {
                if self.sort(raw, name)? != Sort::Plain {
                    writes = Tables::All;
                }
            }
        }
        Some((reads, writes))
    }

    fn sort(&mut self, raw: &Raw, name: &str) -> Option<Sort> {
        if let Some(sort) = self.known.get(name) {
            return Some(*sort);
        }
        let sort = if SYSTEM.contains(&name) {
            Sort::Special
        } else {
            match ask(&mut self.table, raw, Some(name), &mut self.batch).ok()? {
                // A virtual table has no root page.
                Some(0) => Sort::Special,
                Some(_) => Sort::Plain,
                None if FUNCTIONS.contains(&name) => Sort::Function,
                None if name.starts_with("pragma_") => Sort::Foreign,
                None => match ask(&mut self.module, raw, Some(name), &mut self.batch).ok()? {
                    Some(_) => Sort::Foreign,
                    None => Sort::Nothing,
                },
            }
        };
        self.known.insert(name.into(), sort);
        Some(sort)
    }
}

/// Whether the connection may see a schema that nobody has committed.
fn is_writing(raw: &Raw) -> bool {
    !matches!(raw.connection().transaction_state(Some("main")), Ok(TransactionState::None | TransactionState::Read))
}

/// The integer in the first row, if there is a row.
pub fn ask(statement: &mut Statement, raw: &Raw, name: Option<&str>, batch: &mut Batch) -> Result<Option<i64>> {
    if let Some(name) = name {
        statement.bind(1, ValueRef::Text(name.as_bytes()), false);
    }
    batch.reset(1);
    let answer = match statement.step(raw) {
        Step::Row => Ok(statement.read_row(batch, 1).and_then(|()| {
            batch.end_row();
            batch.get(0, 0).as_i64()
        })),
        Step::Done(_) => Ok(None),
        Step::Failed(code, _) => Err(convert::error(raw.failure(code), "looking at the schema")),
    };
    statement.reset(raw);
    answer
}
