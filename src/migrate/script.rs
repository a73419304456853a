//! Running the text of one migration: statement by statement, as the engine itself finds where each ends.

use std::collections::BTreeSet;

use super::Script;
use super::{ask, keys};
use crate::cancel::Op;
use crate::driver::{refuse_nul, Connection, Cursor, Permit, Plan};
use crate::error::{Error, Kind, Result};
use crate::exec;
use crate::lead::Lead;
use crate::rows::Batch;
use crate::tables::Tables;

/// What running a text came to.
#[derive(Debug, Default)]
pub struct Done {
    pub statements: u64,
    pub rows_changed: i64,
    /// What was left out or done otherwise than written.
    pub notes: BTreeSet<&'static str>,
    /// The connection is not as it was opened.
    pub spoilt: bool,
    pub schema: Change,
    /// The tables whose rows were changed, at most.
    pub rows: Tables,
}

/// What statements did to the schema, at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change {
    #[default]
    None,
    /// There are new objects, and the old ones are as they were.
    Added,
    /// There may be new objects, and this table is not as it was.
    Table(String),
    Anything,
}

impl Change {
    /// This, and then another one.
    fn and(self, other: Change) -> Change {
        match (self, other) {
            (Change::None, one) | (one, Change::None) => one,
            (Change::Added, one) | (one, Change::Added) => one,
            (Change::Table(one), Change::Table(other)) if one.eq_ignore_ascii_case(&other) => Change::Table(one),
            _ => Change::Anything,
        }
    }
}

/// A statement that has just been run.
pub struct Progress<'a> {
    /// Its number in the text, from 1.
    pub statement: u64,
    pub sql: &'a str,
    /// Where the next one begins, in bytes, and how long the text is.
    pub offset: usize,
    pub length: usize,
    pub rows_changed: i64,
}

/// How a text is run.
pub struct Run<'a, 'o> {
    pub connection: &'a mut dyn Connection,
    pub op: &'a Op<'o>,
    /// A transaction is open around it.
    pub inside: bool,
    /// Foreign keys are enforced while it runs.
    pub enforced: bool,
    /// How many statements have run before, and where in the text the next one begins.
    pub from: (u64, usize),
    /// Hears of each statement; an error ends the run.
    pub watch: &'a mut dyn FnMut(&mut dyn Connection, &Progress<'_>) -> Result<()>,
}

/// What to do with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Run,
    /// It is not needed here, for this reason.
    LeaveOut(&'static str),
}

const HOISTED: &str = "BEGIN and COMMIT were left out: the migration is one transaction with its row in the history";
const KEYS: &str = "PRAGMA foreign_keys was left out: foreign keys are off while a migration runs, and are checked before it is committed";
const KEYS_ON: &str = "PRAGMA foreign_keys was left out: this migration runs with foreign keys on";

impl Run<'_, '_> {
    /// Runs all statements of `script`.
    ///
    /// # Errors
    /// Those of the statements, with file, line, column and number of the statement; [`Kind::Migration`] for what cannot be in a migration.
    pub fn run(mut self, script: &Script) -> Result<Done> {
        refuse_nul(&script.sql)?;
        let text = format!("{}\0", script.sql);
        let (mut number, mut start) = self.from;
        let (mut open, mut done) = (0_usize, Done::default());
        while start < script.sql.len() {
            self.op.check("migration")?;
            let lead = Lead::of(&text[start..script.sql.len()]);
            let begin = start + lead.start;
            let located = |error: Error| locate(error, script, begin, number + 1);
            let treatment = self.treat(&lead, &mut open).map_err(located)?;
            let (length, is_statement) = match treatment {
                Treatment::Run => self.next(&text, begin, &lead, number + 1, &mut done).map_err(located)?,
                Treatment::LeaveOut(note) => {
                    done.notes.insert(note);
                    self.leave_out(&text[begin..]).map_err(located)?
                }
            };
            start = begin + length.max(1);
            number += u64::from(is_statement);
        }
        if open > 0 && self.inside {
            return Err(unbalanced("BEGIN without COMMIT").context(place(script)));
        }
        done.statements = number;
        Ok(done)
    }

    /// Prepares and runs the statement that begins at `begin`; where the next begins, and whether there was one.
    fn next(&mut self, text: &str, begin: usize, lead: &Lead, number: u64, done: &mut Done) -> Result<(usize, bool)> {
        let at = |error: Error| {
            let offset = error.offset();
            error.at(Some(begin as u32 + offset.unwrap_or(0)))
        };
        let (cursor, end) = self.connection.prepare_first(&text[begin..], Permit::Everything).map_err(at)?;
        let Some(cursor) = cursor else { return Ok((end, false)) };
        let sql = &text[begin..(begin + end).min(text.len() - 1)];
        let changed = self.statement(cursor, lead, done).map_err(at)?;
        done.rows_changed += changed;
        let progress = Progress { statement: number, sql, offset: begin + end, length: text.len() - 1, rows_changed: changed };
        (self.watch)(self.connection, &progress)?;
        Ok((end, true))
    }

    /// Passes over a statement whose end the engine finds. `PRAGMA foreign_keys` acts while it is prepared, unless a transaction is open.
    fn leave_out(&mut self, text: &str) -> Result<(usize, bool)> {
        let (cursor, end) = self.connection.prepare_first(text, Permit::Everything)?;
        cursor.iter().for_each(|cursor| self.connection.finish(*cursor));
        if !self.inside {
            enforce(self.connection, self.enforced)?;
        }
        Ok((end, cursor.is_some()))
    }

    fn statement(&mut self, cursor: Cursor, lead: &Lead, done: &mut Done) -> Result<i64> {
        let plan = self.connection.plan(cursor)?.clone();
        let dropped = if self.enforced { Lead::dropped_table(&plan.sql) } else { None };
        let result = self.ready(&plan).and_then(|()| {
            // With foreign keys on, a DROP deletes the table's rows first, and what refers to them goes with them.
            let own = dropped.as_ref().map_or(0, |table| keys::count(self.connection, table).unwrap_or_default());
            let lost = self.connection.total_changes() + own;
            self.connection.count_from_here(cursor)?;
            exec::run_out(self.connection, cursor, self.op, &mut Batch::new(0))?;
            Ok(self.connection.total_changes() - lost)
        });
        self.connection.finish(cursor);
        let changes = self.connection.changes();
        let total = result?;
        if dropped.is_some() && total > 0 {
            return Err(cascade(total));
        }
        done.note(lead, &plan);
        Ok(changes.rows_affected)
    }

    fn ready(&self, plan: &Plan) -> Result<()> {
        if !plan.parameters.is_empty() {
            let message = "a migration takes no parameters; write the value, or double the quotes around a text that has a ? or :";
            return Err(Error::new(Kind::Parameter, message));
        }
        if self.inside && plan.footprint.outside_transaction {
            let message = "VACUUM cannot run inside a transaction: put it into a migration of its own whose first line is \
                           `-- keepwell: no transaction`";
            return Err(Error::new(Kind::Migration, message));
        }
        Ok(())
    }

    /// What is to be done with a statement that begins like this. `open`: transactions of the text's own that were left out.
    fn treat(&self, lead: &Lead, open: &mut usize) -> Result<Treatment> {
        if lead.word == "PRAGMA" {
            return self.treat_pragma(lead);
        }
        if !self.inside {
            return Ok(Treatment::Run);
        }
        match lead.word.as_str() {
            "BEGIN" if *open > 0 => Err(unbalanced("BEGIN inside BEGIN")),
            "BEGIN" => {
                *open += 1;
                Ok(Treatment::LeaveOut(HOISTED))
            }
            "COMMIT" | "END" if *open == 0 => Err(unbalanced("COMMIT without BEGIN")),
            "COMMIT" | "END" => {
                *open -= 1;
                Ok(Treatment::LeaveOut(HOISTED))
            }
            "ROLLBACK" if lead.value.is_none() => Err(unbalanced("ROLLBACK")),
            "ATTACH" | "DETACH" => {
                let message = "ATTACH and DETACH do not belong into a transaction: make the migration's first line \
                               `-- keepwell: no transaction`";
                Err(Error::new(Kind::Migration, message))
            }
            _ => Ok(Treatment::Run),
        }
    }

    fn treat_pragma(&self, lead: &Lead) -> Result<Treatment> {
        let (Some(name), true) = (lead.pragma.as_deref(), lead.value.is_some()) else { return Ok(Treatment::Run) };
        match name {
            "foreign_keys" => Ok(Treatment::LeaveOut(if self.enforced { KEYS_ON } else { KEYS })),
            "journal_mode" if lead.value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("wal")) && self.inside => {
                Ok(Treatment::LeaveOut("PRAGMA journal_mode = WAL was left out: it is the store's setting options.journal_mode"))
            }
            "synchronous" | "page_size" | "auto_vacuum" | "encoding" | "journal_mode" if self.inside => {
                let message = format!(
                    "PRAGMA {name} does nothing inside a transaction: set options.{name} in the store's configuration, or, where the \
                     database has to be written anew, use a migration whose first line is `-- keepwell: no transaction`"
                );
                Err(Error::new(Kind::Migration, message))
            }
            _ => Ok(Treatment::Run),
        }
    }
}

impl Done {
    /// Takes in what a statement did.
    fn note(&mut self, lead: &Lead, plan: &Plan) {
        let footprint = &plan.footprint;
        self.spoilt |= footprint.session;
        if !footprint.may_write() {
            return;
        }
        let creates = lead.word == "CREATE";
        let change = match (&footprint.writes, Lead::extended_table(&plan.sql)) {
            _ if creates => Change::Added,
            (Tables::Some(_), _) => Change::None,
            (Tables::All, Some(table)) => Change::Table(table),
            (Tables::All, None) => Change::Anything,
        };
        match &change {
            _ if creates => {}
            Change::Table(table) => self.rows.insert(table),
            _ => self.rows.union(&footprint.writes),
        }
        self.schema = std::mem::take(&mut self.schema).and(change);
    }
}

/// Has foreign keys enforced, or not.
pub fn enforce(connection: &mut dyn Connection, enforced: bool) -> Result<()> {
    ask::run(connection, if enforced { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" }, &[])
}

fn unbalanced(what: &str) -> Error {
    let message = format!(
        "{what} in a migration, which is a transaction itself: take BEGIN, COMMIT and ROLLBACK out, or make its first line \
         `-- keepwell: no transaction`"
    );
    Error::new(Kind::Migration, message)
}

fn cascade(rows: i64) -> Error {
    let message = format!(
        "dropping the table would delete {rows} rows of other tables by ON DELETE actions that no statement names: take the line \
         `-- keepwell: foreign keys on` out, so that the table can be rebuilt, or delete those rows first by a statement of their own"
    );
    Error::new(Kind::Migration, message)
}

/// A text for people: its file, or that it has none.
fn place(script: &Script) -> String {
    if script.file.is_empty() {
        "its text".to_string()
    } else {
        script.file.clone()
    }
}

/// Adds where an error is: file, line and column from 1 (characters), number of the statement. Its offset is one in the text.
fn locate(error: Error, script: &Script, begin: usize, number: u64) -> Error {
    let offset = error.offset().map_or(begin, |at| at as usize).min(script.sql.len());
    let before = &script.sql.as_bytes()[..offset];
    let line = script.line + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&before[before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)..]).chars().count();
    let context = format!("{}, line {line}, column {column}, statement {number}", place(script));
    error.context(context).at(u32::try_from(offset).ok())
}
