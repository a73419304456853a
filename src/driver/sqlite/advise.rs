//! Which index would help a statement: tried on a copy of the schema in memory, without rows, where the engine's own planner says what it
//! would do. Nothing is guessed from the statement's text.
//!
//! Every column that the statement reads is given an index; those that the planner then uses stay, if the plan is better, and each is made
//! longer as long as that helps. A plan is better with fewer scans and automatic indexes, or as many and fewer sorts, or more terms of the
//! statement that indexes serve. What ANALYZE has found out is taken along.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::{ffi, Connection, OpenFlags, Result};

use crate::driver::{tree, Advice, Node};
use crate::sync::Mutex;
use crate::tables::quoted;

/// Indexes that are proposed for one statement, their columns, and columns of a table that are tried.
const MOST_INDEXES: usize = 3;
const MOST_COLUMNS: usize = 4;
const MOST_TRIED: usize = 32;

/// What of a database the planner looks at.
pub struct Schema {
    /// The statements that make it, in their order.
    pub sql: Vec<String>,
    /// Rows of `sqlite_stat1`.
    pub statistics: Vec<(String, Option<String>, String)>,
}

impl Schema {
    /// Reads it off a connection.
    pub fn read(connection: &Connection) -> Result<Schema> {
        let mut sql = connection
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid")?;
        let sql = sql.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
        let analyzed: bool =
            connection.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'", [], |row| row.get(0))?;
        let mut statistics = Vec::new();
        if analyzed {
            let mut rows = connection.prepare("SELECT tbl, idx, stat FROM sqlite_stat1 WHERE tbl IS NOT NULL AND stat IS NOT NULL")?;
            statistics = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_>>()?;
        }
        Ok(Schema { sql, statistics })
    }
}

/// The indexes that would help `sql`, each with the plan without any and with all of them; empty where none would.
///
/// `stop` is asked before each plan, and ends it all.
pub fn advise(schema: &Schema, sql: &str, stop: &dyn Fn() -> bool) -> Result<Vec<Advice>> {
    let copy = Copy::make(schema, sql, stop)?;
    let before = copy.plan()?;
    let indexes = copy.useful(badness_of(&before))?;
    let (before, after) = (tree(&before), copy.with(&indexes, |copy| Ok(tree(&copy.plan()?)))?);
    let advice =
        |index: &Index| Advice { table: index.table.clone(), index_sql: copy.create(index), before: before.clone(), after: after.clone() };
    Ok(indexes.iter().map(advice).collect())
}

struct Copy<'a> {
    db: Connection,
    sql: &'a str,
    stop: &'a dyn Fn() -> bool,
    /// The columns that the statement reads, by table.
    reads: BTreeMap<String, BTreeSet<String>>,
    /// Names that no index can have, in lower case.
    taken: BTreeSet<String>,
}

/// An index that may be of use.
#[derive(Clone)]
struct Index {
    table: String,
    columns: Vec<String>,
}

/// How bad a plan is, worst first: scans and automatic indexes, sorts, terms that no index serves.
type Badness = (usize, usize, isize);

impl Index {
    fn with(&self, column: &str) -> Index {
        let columns = self.columns.iter().map(String::as_str).chain([column]).map(str::to_string).collect();
        Index { table: self.table.clone(), columns }
    }
}

impl<'a> Copy<'a> {
    fn make(schema: &Schema, sql: &'a str, stop: &'a dyn Fn() -> bool) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_in_memory_with_flags(flags)?;
        db.execute_batch("BEGIN")?;
        // What can not be made here (of a module that is not there, a shadow table that is there already) is missing from the plan at worst.
        // Nor is what has more than one statement: SQLite reads the first one of a schema alone, so a file from elsewhere can hide others there.
        schema.sql.iter().for_each(|statement| drop(db.execute(statement, [])));
        db.execute_batch("COMMIT")?;
        if !schema.statistics.is_empty() {
            db.execute_batch("ANALYZE")?;
            db.execute_batch("DELETE FROM sqlite_stat1")?;
            let mut insert = db.prepare("INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES (?, ?, ?)")?;
            for row in &schema.statistics {
                insert.execute((&row.0, &row.1, &row.2))?;
            }
            drop(insert);
            db.execute_batch("ANALYZE sqlite_schema")?;
        }
        let mut copy = Copy { db, sql, stop, reads: BTreeMap::new(), taken: BTreeSet::new() };
        copy.reads = copy.find_reads()?;
        copy.taken = copy.names()?;
        Ok(copy)
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        let mut names = self.db.prepare("SELECT lower(name) FROM sqlite_schema")?;
        let names = names.query_map([], |row| row.get(0))?.collect();
        names
    }

    /// The name of an index: table and columns, with a number where something is called that.
    fn name(&self, index: &Index) -> String {
        let plain = format!("{}_{}", index.table, index.columns.join("_"));
        let numbered = (2..).map(|number| format!("{plain}_{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !self.taken.contains(&name.to_ascii_lowercase()));
        free.unwrap_or(plain)
    }

    fn create(&self, index: &Index) -> String {
        let columns: Vec<String> = index.columns.iter().map(|column| quoted(column)).collect();
        format!("CREATE INDEX {} ON {}({})", quoted(&self.name(index)), quoted(&index.table), columns.join(", "))
    }

    /// The columns that the statement reads of real tables, as the authorizer hears of them.
    fn find_reads(&mut self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let heard: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>> = Arc::default();
        let hearing = heard.clone();
        self.db.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
            if let AuthAction::Read { table_name, column_name } = context.action {
                hearing.lock().entry(table_name.to_string()).or_default().insert(column_name.to_string());
            }
            Authorization::Allow
        }))?;
        let plan = self.plan();
        self.db.authorizer(None::<fn(rusqlite::hooks::AuthContext<'_>) -> Authorization>)?;
        plan?;
        let mut reads = std::mem::take(&mut *heard.lock());
        for (table, columns) in &mut reads {
            let key = self.rowid_alias(table)?;
            columns.retain(|column| !column.is_empty() && key.as_ref() != Some(column) && column != "ROWID");
        }
        reads.retain(|table, columns| !columns.is_empty() && self.is_plain(table));
        Ok(reads)
    }

    /// The column that is the key of the table's own tree, which no index improves.
    fn rowid_alias(&self, table: &str) -> Result<Option<String>> {
        let sql = "SELECT name FROM pragma_table_info(?) WHERE pk = 1 AND upper(type) = 'INTEGER' \
                   AND 1 = (SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0)";
        let mut rows = self.db.prepare(sql)?;
        let found = rows.query_map([table], |row| row.get(0))?.next().transpose();
        found
    }

    fn is_plain(&self, table: &str) -> bool {
        let sql = "SELECT count(*) FROM pragma_table_list(?) WHERE schema = 'main' AND type = 'table'";
        self.db.query_row(sql, [table], |row| row.get(0)).unwrap_or(false)
    }

    fn plan(&self) -> Result<Vec<Node>> {
        query_plan(&self.db, self.sql)
    }

    /// The indexes that make the plan better than `before`, no more than it takes.
    fn useful(&self, before: Badness) -> Result<Vec<Index>> {
        let one = |table: &String, column: &String| Index { table: table.clone(), columns: vec![column.clone()] };
        let all: Vec<Index> =
            self.reads.iter().flat_map(|(table, columns)| columns.iter().take(MOST_TRIED).map(|column| one(table, column))).collect();
        let plan = self.with(&all, Copy::plan)?;
        let used = |index: &&Index| plan.iter().any(|node| names(&node.detail, &self.name(index)));
        let mut kept: Vec<Index> = all.iter().filter(used).take(MOST_INDEXES).cloned().collect();
        if kept.is_empty() || !is_better(self.badness_with(&kept)?, before) {
            return Ok(Vec::new());
        }
        for at in 0..kept.len() {
            self.make_longer(&mut kept, at)?;
        }
        self.leave_out_the_useless(&mut kept)?;
        Ok(kept)
    }

    /// Adds columns to one index as long as that makes the plan better.
    fn make_longer(&self, indexes: &mut [Index], at: usize) -> Result<()> {
        let mut badness = self.badness_with(indexes)?;
        let columns: Vec<String> = self.reads[&indexes[at].table].iter().take(MOST_TRIED).cloned().collect();
        while indexes[at].columns.len() < MOST_COLUMNS {
            let shorter = indexes[at].clone();
            let mut best = None;
            for column in columns.iter().filter(|column| !shorter.columns.contains(column)) {
                indexes[at] = shorter.with(column);
                let with = self.badness_with(indexes)?;
                if with < badness {
                    (badness, best) = (with, Some(indexes[at].clone()));
                }
            }
            let found = best.is_some();
            indexes[at] = best.unwrap_or(shorter);
            if !found {
                break;
            }
        }
        Ok(())
    }

    fn leave_out_the_useless(&self, indexes: &mut Vec<Index>) -> Result<()> {
        let badness = self.badness_with(indexes)?;
        let mut at = 0;
        while at < indexes.len() {
            let index = indexes.remove(at);
            if self.badness_with(indexes)? > badness {
                indexes.insert(at, index);
                at += 1;
            }
        }
        Ok(())
    }

    fn badness_with(&self, indexes: &[Index]) -> Result<Badness> {
        self.with(indexes, |copy| Ok(badness_of(&copy.plan()?)))
    }

    /// Runs `work` while there are these indexes too.
    fn with<R>(&self, indexes: &[Index], work: impl FnOnce(&Self) -> Result<R>) -> Result<R> {
        if (self.stop)() {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None));
        }
        self.db.execute_batch("SAVEPOINT candidates")?;
        // One that can not be made helps nobody.
        indexes.iter().for_each(|index| drop(self.db.execute_batch(&self.create(index))));
        let result = work(self);
        self.db.execute_batch("ROLLBACK TO candidates; RELEASE candidates")?;
        result
    }
}

fn is_better(badness: Badness, before: Badness) -> bool {
    (badness.0, badness.1) < (before.0, before.1)
}

/// Whether a line of a plan names this index.
fn names(detail: &str, index: &str) -> bool {
    detail.match_indices(index).any(|(at, _)| {
        let next = detail[at + index.len()..].chars().next();
        detail[..at].ends_with("INDEX ") && next.is_none_or(|next| next == ' ')
    })
}

/// See <https://sqlite.org/eqp.html> for the words of a plan.
fn badness_of(plan: &[Node]) -> Badness {
    let count = |test: fn(&str) -> bool| plan.iter().filter(|node| test(&node.detail)).count();
    let scans = count(|detail| detail.starts_with("SCAN ") || detail.contains("AUTOMATIC"));
    let sorts = count(|detail| detail.starts_with("USE TEMP B-TREE"));
    let terms: usize = plan.iter().map(|node| node.detail.matches(['=', '<', '>']).count()).sum();
    (scans, sorts, -(terms as isize))
}

/// EXPLAIN QUERY PLAN; parameters count as NULL.
pub fn query_plan(db: &Connection, sql: &str) -> Result<Vec<Node>> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = statement.raw_query();
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        nodes.push(Node { id: row.get(0)?, parent: row.get(1)?, detail: row.get(3)? });
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(schema: &[&str], sql: &str) -> Vec<String> {
        let schema = Schema { sql: schema.iter().map(ToString::to_string).collect(), statistics: Vec::new() };
        advise(&schema, sql, &|| false).unwrap().into_iter().map(|advice| advice.index_sql).collect()
    }

    const ORDERS: &[&str] = &[
        "CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, city TEXT)",
        "CREATE TABLE \"order\"(id INTEGER PRIMARY KEY, customer INTEGER, day TEXT, total REAL, note TEXT)",
    ];

    #[test]
    fn an_index_is_proposed_where_a_search_scans() {
        for (sql, index) in [
            ("SELECT note FROM \"order\" WHERE customer = ?", "CREATE INDEX \"order_customer\" ON \"order\"(\"customer\")"),
            (
                "SELECT note FROM \"order\" WHERE day > ? AND customer = ?",
                "CREATE INDEX \"order_customer_day\" ON \"order\"(\"customer\", \"day\")",
            ),
            (
                "SELECT total FROM \"order\" WHERE customer = ? ORDER BY day",
                "CREATE INDEX \"order_customer_day\" ON \"order\"(\"customer\", \"day\")",
            ),
            ("UPDATE customer SET name = ? WHERE city = ?", "CREATE INDEX \"customer_city\" ON \"customer\"(\"city\")"),
        ] {
            let found = ask(ORDERS, sql);
            assert_eq!(found.first().map(String::as_str), Some(index), "{sql}: {found:?}");
        }
    }

    #[test]
    fn a_join_gets_an_index_for_the_table_that_is_searched() {
        let found = ask(ORDERS, "SELECT c.name, o.total FROM customer c JOIN \"order\" o ON o.customer = c.id WHERE c.city = 'Oslo'");
        for index in
            ["CREATE INDEX \"order_customer\" ON \"order\"(\"customer\")", "CREATE INDEX \"customer_city\" ON \"customer\"(\"city\")"]
        {
            assert!(found.iter().any(|sql| sql == index), "{found:?}");
        }
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn nothing_is_proposed_where_nothing_helps() {
        for sql in [
            "SELECT * FROM customer WHERE id = ?",
            "SELECT count(*) FROM customer",
            "SELECT * FROM customer",
            "INSERT INTO customer(name) VALUES (?)",
            "SELECT 1",
            "SELECT name FROM customer WHERE name LIKE '%x%'",
        ] {
            assert_eq!(ask(ORDERS, sql), Vec::<String>::new(), "{sql}");
        }
        let with_index = [ORDERS, &["CREATE INDEX mine ON \"order\"(customer)"]].concat();
        assert_eq!(ask(&with_index, "SELECT note FROM \"order\" WHERE customer = ?"), Vec::<String>::new());
    }

    #[test]
    fn whoever_waits_for_advice_can_stop_it() {
        let schema = Schema { sql: ORDERS.iter().map(ToString::to_string).collect(), statistics: Vec::new() };
        assert!(advise(&schema, "SELECT name FROM customer WHERE city = ?", &|| true).is_err());
    }

    #[test]
    fn what_cannot_be_copied_does_no_harm() {
        let schema =
            [ORDERS, &["CREATE VIRTUAL TABLE v USING nonesuch(a)", "CREATE VIEW w AS SELECT * FROM customer WHERE city = 'x'"]].concat();
        assert_eq!(ask(&schema, "SELECT name FROM w"), ["CREATE INDEX \"customer_city\" ON \"customer\"(\"city\")"]);
        let broken = Schema { sql: vec![], statistics: vec![] };
        assert!(advise(&broken, "SELECT * FROM missing", &|| false).is_err());
    }

    #[test]
    fn statements_that_hide_in_a_schema_are_not_run() {
        let folder = temp_dir::TempDir::new().unwrap();
        let path = folder.child("planted.db");
        let planted = format!("CREATE TABLE t(a, b); ATTACH '{}' AS planted; CREATE TABLE planted.x(y)", path.display());
        let schema = Schema { sql: vec![planted], statistics: Vec::new() };
        assert!(advise(&schema, "SELECT a FROM t WHERE b = 1", &|| false).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn a_name_that_is_taken_is_not_proposed() {
        let schema = [ORDERS, &["CREATE TABLE Customer_City(a, b)", "CREATE INDEX customer_city_2 ON customer(name)"]].concat();
        let found = ask(&schema, "SELECT name FROM customer WHERE city = ?");
        assert_eq!(found, ["CREATE INDEX \"customer_city_3\" ON \"customer\"(\"city\")"]);
    }
}
