//! A table made anew with another definition, which ALTER TABLE cannot do: the twelve steps that SQLite asks for, taken for the program.
//! <https://sqlite.org/lang_altertable.html#otheralter>

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ask;
use super::history::TABLE;
use super::keys::{self, Violations};
use super::report::{Problem, TableCount};
use super::schema::Hash;
use super::script::enforce;
use super::Report;
use crate::cancel::Op;
use crate::driver::{Connection, Mode, Permit};
use crate::error::{Error, Kind, Outcome, Result};
use crate::exec;
use crate::lead::Lead;
use crate::rows::Batch;
use crate::tables::quoted;
use crate::tables::Tables;
use crate::value::ValueRef;

/// What a table is to become.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rebuild<'a> {
    /// The table, in the main database.
    pub table: &'a str,
    /// Its new definition: one `CREATE TABLE` statement for the same name.
    pub definition: &'a str,
    /// Columns of the new table with the expressions over the old one that fill them, such as `("name", "coalesce(name, '')")`. Other
    /// columns are filled from the old ones of the same name; new columns without an expression get their default.
    pub columns: &'a [(&'a str, &'a str)],
}

/// The name that the new table has until it takes the old one's place.
const NEW: &str = "keepwell_rebuild";
const OBJECTS: &str = "SELECT type, name, sql FROM sqlite_schema WHERE lower(tbl_name) = lower(?) AND type IN ('index', 'trigger') \
                       AND sql IS NOT NULL ORDER BY rowid";
const OLD: &str = "SELECT sql, type FROM sqlite_schema WHERE lower(name) = lower(?) AND type IN ('table', 'view')";
const COLUMNS: &str = "SELECT name, hidden FROM pragma_table_xinfo(?) ORDER BY cid";
const WITHOUT_ROWID: &str = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND lower(name) = lower(?)";

/// Does it, in one transaction on a connection of its own. The report has the rows before and after.
pub fn run(connect: &dyn Fn() -> Result<Box<dyn Connection>>, rebuild: &Rebuild<'_>, enforces: bool, op: &Op<'_>) -> Result<Report> {
    let began = Instant::now();
    let mut connection = connect()?;
    let connection = &mut *connection;
    // Step 1, and what makes the rename of step 7 leave the names in views, triggers and references alone.
    enforce(connection, false)?;
    ask::run(connection, "PRAGMA legacy_alter_table = ON", &[])?;
    connection.begin(Mode::Immediate, op)?;
    let result = Work { connection: &mut *connection, rebuild, op }.steps(enforces);
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            let error = error.context(format!("rebuilding table {}", rebuild.table)).with_outcome(Outcome::RolledBack);
            return Err(ask::undone(connection, error.followed_by("; nothing was changed")));
        }
    };
    ask::commit(connection, &op.within(&crate::cancel::Bounds::until(Instant::now() + Duration::from_secs(60))))?;
    Ok(Report { operation: "rebuild".to_string(), duration_us: began.elapsed().as_micros() as u64, ..report })
}

struct Work<'a, 'o> {
    connection: &'a mut dyn Connection,
    rebuild: &'a Rebuild<'a>,
    op: &'a Op<'o>,
}

/// An index or trigger of the old table.
struct Object {
    kind: String,
    name: String,
    sql: String,
}

impl Work<'_, '_> {
    fn steps(&mut self, enforces: bool) -> Result<Report> {
        let table = self.name_of_old()?;
        let violated = self.violations()?;
        let before = keys::count(self.connection, &table)?;
        let objects = self.objects(&table)?;
        let mark = self.mark(&table)?;
        let analyzed = self.is_analyzed(&table)?;
        let definition = renamed(self.rebuild.definition, &table)?;
        self.order(&definition).map_err(|error| error.context("the new definition"))?;
        let filled = self.copy(&table)?;
        let after = keys::count(self.connection, NEW)?;
        if before != after {
            return Err(refused(format!("{before} rows were copied and {after} are there: the new definition's ON CONFLICT dropped some")));
        }
        self.order(&format!("DROP TABLE {}", quoted(&table)))?;
        self.order(&format!("ALTER TABLE {NEW} RENAME TO {}", quoted(&table)))?;
        self.recreate(&objects)?;
        self.restore_mark(&table, mark)?;
        self.check_views()?;
        if enforces {
            self.violations()?.refuse_new(&violated, true)?;
        }
        if analyzed {
            self.order(&format!("ANALYZE {}", quoted(&table)))?;
        }
        let kept = objects.iter().map(|object| note(format!("{} {} was made anew", object.kind, object.name)));
        let tables = vec![TableCount { table, before: Some(before), after: Some(after) }];
        let schema_hash = Some(Hash::of(self.connection)?.text());
        Ok(Report { tables, problems: kept.chain(filled).collect(), schema_hash, ..Report::default() })
    }

    fn violations(&mut self) -> Result<Violations> {
        let hash = Hash::of(self.connection)?;
        Violations::find(self.connection, &Tables::All, hash.referring())
    }

    /// The old table's name as it is spelled in the schema.
    fn name_of_old(&mut self) -> Result<String> {
        let name = self.rebuild.table;
        if name.eq_ignore_ascii_case(TABLE) || name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
            return Err(refused("it is no table of the program's".to_string()));
        }
        let answer = ask::rows(self.connection, OLD, &[ValueRef::Text(name.as_bytes())])?;
        if answer.rows() == 0 {
            return Err(refused("there is no such table in the main database".to_string()));
        }
        if ask::text(&answer, 0, 1) == "view" || Lead::of(&ask::text(&answer, 0, 0)).is_virtual_table() {
            return Err(refused("it is a view or a virtual table, which has no rows of its own".to_string()));
        }
        let spelled = "SELECT name FROM sqlite_schema WHERE lower(name) = lower(?) AND type = 'table'";
        let answer = ask::rows(self.connection, spelled, &[ValueRef::Text(name.as_bytes())])?;
        Ok(ask::text(&answer, 0, 0))
    }

    fn objects(&mut self, table: &str) -> Result<Vec<Object>> {
        let answer = ask::rows(self.connection, OBJECTS, &[ValueRef::Text(table.as_bytes())])?;
        let object = |row| Object { kind: ask::text(&answer, row, 0), name: ask::text(&answer, row, 1), sql: ask::text(&answer, row, 2) };
        Ok((0..answer.rows()).map(object).collect())
    }

    /// Copies all rows, with their rowids where both tables have some. Says which columns had nothing to be filled from.
    fn copy(&mut self, table: &str) -> Result<Vec<Problem>> {
        let old = self.columns(table)?;
        let new = self.columns(NEW)?;
        let given: BTreeMap<String, &str> = self.rebuild.columns.iter().map(|(name, sql)| (name.to_lowercase(), *sql)).collect();
        if let Some(unknown) = given.keys().find(|name| !new.iter().any(|column| column.to_lowercase() == **name)) {
            return Err(refused(format!(
                "an expression is given for column {unknown}, which the new definition does not have (or computes itself)"
            )));
        }
        let (mut into, mut from, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for column in &new {
            let same = old.iter().find(|name| name.eq_ignore_ascii_case(column));
            let value = given.get(&column.to_lowercase()).map(|sql| format!("({sql})")).or_else(|| same.map(|name| quoted(name)));
            match value {
                Some(value) => {
                    into.push(quoted(column));
                    from.push(value);
                }
                None => notes.push(note(format!("column {column} is new and has its default"))),
            }
        }
        if self.has_rowid(table)? && self.has_rowid(NEW)? {
            for name in ["rowid", "_rowid_", "oid"] {
                let free = |columns: &[String]| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
                if free(&old) && free(&new) {
                    into.insert(0, name.to_string());
                    from.insert(0, name.to_string());
                    break;
                }
            }
        }
        let dropped = old.iter().filter(|column| !new.iter().any(|name| name.eq_ignore_ascii_case(column)));
        notes.extend(dropped.map(|column| note(format!("column {column} is gone"))));
        let sql = format!("INSERT INTO {NEW}({}) SELECT {} FROM {}", into.join(", "), from.join(", "), quoted(table));
        self.order(&sql)?;
        Ok(notes)
    }

    /// The columns that can be written to.
    fn columns(&mut self, table: &str) -> Result<Vec<String>> {
        let answer = ask::rows(self.connection, COLUMNS, &[ValueRef::Text(table.as_bytes())])?;
        let rows = (0..answer.rows()).filter(|row| answer.get(*row, 1).as_i64() == Some(0));
        Ok(rows.map(|row| ask::text(&answer, row, 0)).collect())
    }

    fn has_rowid(&mut self, table: &str) -> Result<bool> {
        Ok(ask::integer(self.connection, WITHOUT_ROWID, &[ValueRef::Text(table.as_bytes())])? == Some(0))
    }

    /// How far AUTOINCREMENT has come, which must not go back: <https://sqlite.org/autoinc.html>
    fn mark(&mut self, table: &str) -> Result<Option<i64>> {
        if !self.exists("sqlite_sequence")? {
            return Ok(None);
        }
        ask::integer(self.connection, "SELECT seq FROM sqlite_sequence WHERE lower(name) = lower(?)", &[ValueRef::Text(table.as_bytes())])
    }

    fn restore_mark(&mut self, table: &str, mark: Option<i64>) -> Result<()> {
        let name = ValueRef::Text(table.as_bytes());
        let autoincrements = Lead::has_word(self.rebuild.definition, "AUTOINCREMENT");
        let Some(mark) = mark.filter(|_| autoincrements) else { return Ok(()) };
        let there = ask::integer(self.connection, "SELECT seq FROM sqlite_sequence WHERE name = ?", &[name])?;
        match there {
            None => ask::run(self.connection, "INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", &[name, ValueRef::Integer(mark)]),
            Some(seq) => {
                let values = [ValueRef::Integer(seq.max(mark)), name];
                ask::run(self.connection, "UPDATE sqlite_sequence SET seq = ? WHERE name = ?", &values)
            }
        }
    }

    fn recreate(&mut self, objects: &[Object]) -> Result<()> {
        for object in objects {
            self.order(&object.sql).map_err(|error| {
                let cure = "; drop it before, or keep what it needs in the new definition";
                error.context(format!("the {} {} does not fit the new definition", object.kind, object.name)).followed_by(cure)
            })?;
        }
        Ok(())
    }

    /// Every view and trigger has to be sound still: SQLite itself notices only when they are used.
    fn check_views(&mut self) -> Result<()> {
        let answer = ask::rows(self.connection, "SELECT name FROM sqlite_schema WHERE type = 'view'", &[])?;
        for row in 0..answer.rows() {
            let name = ask::text(&answer, row, 0);
            let sql = format!("SELECT * FROM {} LIMIT 0", quoted(&name));
            ask::run(self.connection, &sql, &[]).map_err(|error| {
                let cure = "; drop it before, or keep what it needs in the new definition";
                error.context(format!("the view {name} does not fit the new definition")).followed_by(cure)
            })?;
        }
        Ok(())
    }

    fn is_analyzed(&mut self, table: &str) -> Result<bool> {
        if !self.exists("sqlite_stat1")? {
            return Ok(false);
        }
        let sql = "SELECT 1 FROM sqlite_stat1 WHERE lower(tbl) = lower(?)";
        Ok(ask::integer(self.connection, sql, &[ValueRef::Text(table.as_bytes())])?.is_some())
    }

    fn exists(&mut self, table: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM sqlite_schema WHERE name = ?";
        Ok(ask::integer(self.connection, sql, &[ValueRef::Text(table.as_bytes())])?.is_some())
    }

    /// Runs one statement, which may take long.
    fn order(&mut self, sql: &str) -> Result<()> {
        let cursor = self.connection.prepare(sql, Permit::Everything, false)?;
        let result = exec::run_out(self.connection, cursor, self.op, &mut Batch::new(0));
        self.connection.finish(cursor);
        result
    }
}

/// The definition for the table's name of passage.
fn renamed(definition: &str, table: &str) -> Result<String> {
    let name = Lead::created_table(definition).ok_or_else(|| {
        refused("the definition is not one CREATE TABLE statement (without TEMP, IF NOT EXISTS, AS SELECT or a schema's name)".to_string())
    })?;
    if !name.name.eq_ignore_ascii_case(table) {
        return Err(refused(format!("the definition is of table {}; it has to be of {table}", name.name)));
    }
    Ok(format!("CREATE TABLE {NEW}{}", &definition[name.end..]))
}

fn refused(message: String) -> Error {
    Error::new(Kind::Migration, message)
}

fn note(message: String) -> Problem {
    Problem { kind: "note".to_string(), version: None, message }
}
