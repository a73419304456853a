//! What kind of thing a name in a footprint is: the authorizer tells names alone, and only changes of plain tables can be followed.

use std::collections::{BTreeSet, HashMap};

use super::control::prepare_own;
use super::convert;
use super::raw::{Raw, Statement, Step};
use super::watch::Recorder;
use crate::clock::{Clock, Effects, Ground};
use crate::driver::Plan;
use crate::error::Result;
use crate::footprint::Footprint;
use crate::rows::Batch;
use crate::tables::Tables;
use crate::value::{Value, ValueRef};

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
    root: Statement,
    /// The version of the schema that `known` is of; `None`: look again.
    known_at: Option<i64>,
    known: HashMap<Box<str>, Sort>,
    batch: Batch,
}

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
            root: one("SELECT tbl_name FROM main.sqlite_schema WHERE rootpage = ?1 LIMIT 1")?,
            module: one("SELECT 1 FROM pragma_module_list WHERE name = ?1 COLLATE NOCASE LIMIT 1")?,
            known_at: None,
            known: HashMap::new(),
            batch: Batch::default(),
        })
    }

    /// What a statement moves; `None` when the schema could not be read.
    pub fn effects(&mut self, raw: &Raw, recorder: &Recorder, clock: &Clock, footprint: &Footprint) -> Option<Effects> {
        recorder.start_own();
        let tables = self.written(raw, footprint);
        recorder.ignore();
        Some(clock.effects(&tables?))
    }

    /// What a statement's result rests on: what the authorizer was told of it, and what its program opens. `None` inside: on something that
    /// nobody can follow; outside: the schema could not be read.
    pub fn ground(&mut self, raw: &mut Raw, recorder: &Recorder, clock: &Clock, plan: &Plan) -> Option<Option<Ground>> {
        recorder.start_own();
        let tables = self.read(raw, plan);
        recorder.ignore();
        Some(tables?.map(|tables| clock.ground(&tables)))
    }

    fn written(&mut self, raw: &Raw, footprint: &Footprint) -> Option<Tables> {
        self.catch_up(raw)?;
        let Tables::Some(names) = &footprint.writes else { return Some(Tables::All) };
        for name in names {
            if self.sort(raw, name)? != Sort::Plain {
                return Some(Tables::All);
            }
        }
        Some(footprint.writes.clone())
    }

    fn read(&mut self, raw: &mut Raw, plan: &Plan) -> Option<Option<Tables>> {
        self.catch_up(raw)?;
        let footprint = &plan.footprint;
        let mut tables = Tables::default();
        let mut virtuals = 0;
        for (names, mentioned) in [(&footprint.reads, false), (&footprint.mentions, true)] {
            let Tables::Some(names) = names else { return Some(None) };
            for name in names {
                match self.sort(raw, name)? {
                    Sort::Plain => tables.insert(name),
                    Sort::Special => {
                        tables = Tables::All;
                        virtuals += 1;
                    }
                    Sort::Function => virtuals += 1,
                    Sort::Nothing if mentioned => {}
                    Sort::Foreign | Sort::Nothing => return Some(None),
                }
            }
        }
        // The authorizer is not told of a table whose columns serve a NATURAL JOIN or USING alone: the program says what it opens.
        let program = Program::of(raw, &plan.sql)?;
        if program.virtuals > virtuals || program.elsewhere {
            return Some(None);
        }
        for root in program.roots {
            match self.table_at(raw, root)? {
                Some(name) if self.sort(raw, &name)? == Sort::Plain => tables.insert(&name),
                _ => tables = Tables::All,
            }
        }
        Some(Some(tables))
    }

    /// Forgets what was known of another version of the schema. `None` when it could not be read.
    fn catch_up(&mut self, raw: &Raw) -> Option<()> {
        let version = ask(&mut self.version, raw, None, &mut self.batch).ok()??;
        if self.known_at != Some(version) {
            self.known.clear();
        }
        // A version that is not committed may be rolled back, and come again with something else.
        self.known_at = (!raw.is_writing()).then_some(version);
        Some(())
    }

    /// The table that a root page belongs to, as itself or as an index of it; `None` inside: none that has a name in the schema.
    fn table_at(&mut self, raw: &Raw, root: i64) -> Option<Option<String>> {
        self.root.bind(1, ValueRef::Integer(root), false);
        let name = first(&mut self.root, raw, &mut self.batch).ok()?;
        Some(name.and_then(|name| String::from_utf8(name.as_ref().as_bytes()?.to_vec()).ok()).map(|name| name.to_ascii_lowercase()))
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

/// What the program of a statement opens. <https://sqlite.org/opcode.html>
#[derive(Default)]
struct Program {
    /// The root pages of tables and indexes of the main database.
    roots: BTreeSet<i64>,
    /// How many virtual tables.
    virtuals: usize,
    /// Something of another database.
    elsewhere: bool,
}

impl Program {
    fn of(raw: &mut Raw, sql: &str) -> Option<Program> {
        const COLUMNS: usize = 8;
        const OPCODE: usize = 1;
        let (statement, _) = raw.prepare(&format!("EXPLAIN {sql}"), false).ok()?;
        let mut statement = statement?;
        let mut program = Program::default();
        let mut batch = Batch::new(COLUMNS);
        while let Step::Row = statement.step(raw) {
            batch.reset(COLUMNS);
            statement.read_row(&mut batch, COLUMNS)?;
            batch.end_row();
            let number = |operand: usize| batch.get(0, OPCODE + operand).as_i64().unwrap_or(-1);
            match batch.get(0, OPCODE).as_str()? {
                "OpenRead" | "ReopenIdx" | "OpenWrite" if number(3) == 0 => drop(program.roots.insert(number(2))),
                "OpenRead" | "ReopenIdx" | "OpenWrite" => program.elsewhere = true,
                "VOpen" => program.virtuals += 1,
                _ => {}
            }
        }
        statement.reset(raw);
        Some(program)
    }
}

/// The integer in the first row, if there is a row.
pub fn ask(statement: &mut Statement, raw: &Raw, name: Option<&str>, batch: &mut Batch) -> Result<Option<i64>> {
    if let Some(name) = name {
        statement.bind(1, ValueRef::Text(name.as_bytes()), false);
    }
    Ok(first(statement, raw, batch)?.and_then(|value| value.as_ref().as_i64()))
}

/// The value in the first row, if there is a row.
fn first(statement: &mut Statement, raw: &Raw, batch: &mut Batch) -> Result<Option<Value>> {
    batch.reset(1);
    let answer = match statement.step(raw) {
        Step::Row => Ok(statement.read_row(batch, 1).map(|()| {
            batch.end_row();
            batch.get(0, 0).to_owned()
        })),
        Step::Done(_) => Ok(None),
        Step::Failed(code, _) => Err(convert::error(raw.failure(code), "looking at the schema")),
    };
    statement.reset(raw);
    answer
}
