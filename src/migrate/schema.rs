//! The schema of a database as text and as a hash, and the rows of its tables.
//!
//! The hash is the sum, lane by lane, of the SHA-256 of each object's type, name, table and SQL text: it does not depend on their order, and
//! a new object is added to it without looking at the others.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::ask::{self, Answer};
use super::history::TABLE;
use super::keys;
use super::report::TableCount;
use super::text;
use crate::driver::Connection;
use crate::error::Result;
use crate::value::ValueRef;

const OBJECTS: &str = "SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema WHERE rowid > ? ORDER BY rowid";
const OF_TABLE: &str = "SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE";
/// Shadow tables belong to their virtual table, which makes them itself.
const SHADOWS: &str = "SELECT lower(name) FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'";

/// The hash of a schema, how far it has read, and what it has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hash {
    sum: Digest32,
    /// What each object adds to the sum, by its rowid in the schema table.
    objects: BTreeMap<i64, Digest32>,
    /// Tables that may have foreign keys: REFERENCES stands in their SQL.
    referring: BTreeSet<String>,
}

type Digest32 = [u64; 4];

impl Hash {
    /// The hash of the schema as the connection sees it.
    pub fn of(connection: &mut dyn Connection) -> Result<Hash> {
        let mut hash = Hash::default();
        hash.add_new(connection)?;
        Ok(hash)
    }

    /// Adds the objects that are new since the last look, where nothing else has changed.
    pub fn add_new(&mut self, connection: &mut dyn Connection) -> Result<()> {
        let read = self.objects.keys().next_back().copied().unwrap_or_default();
        let answer = ask::rows(connection, OBJECTS, &[ValueRef::Integer(read)])?;
        self.take(&answer);
        Ok(())
    }

    /// Reads the objects of one table again, where nothing else has changed.
    pub fn look_again(&mut self, connection: &mut dyn Connection, table: &str) -> Result<()> {
        let answer = ask::rows(connection, OF_TABLE, &[ValueRef::Text(table.as_bytes())])?;
        self.take(&answer);
        self.add_new(connection)
    }

    fn take(&mut self, answer: &Answer) {
        for row in 0..answer.rows() {
            let text = |column| answer.get(row, column).as_str().unwrap_or_default();
            let digest = if is_own(text(2), text(3)) { [0; 4] } else { object(answer, row) };
            let before = self.objects.insert(answer.get(row, 0).as_i64().unwrap_or_default(), digest).unwrap_or_default();
            for (lane, (new, old)) in self.sum.iter_mut().zip(digest.into_iter().zip(before)) {
                *lane = lane.wrapping_add(new).wrapping_sub(old);
            }
            if text(1) == "table" && text(4).as_bytes().windows(10).any(|part| part.eq_ignore_ascii_case(b"references")) {
                self.referring.insert(text(2).to_lowercase());
            }
        }
    }

    /// Tables that may have foreign keys, in lower case.
    pub fn referring(&self) -> &BTreeSet<String> {
        &self.referring
    }

    /// 64 hexadecimal digits.
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = self.sum.iter().flat_map(|lane| lane.to_be_bytes()).collect();
        text::hex(&bytes)
    }
}

fn object(answer: &Answer, row: usize) -> Digest32 {
    let mut hash = Sha256::new();
    for column in 1..5 {
        let value = answer.get(row, column).as_str().unwrap_or_default();
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value.as_bytes());
    }
    let digest = hash.finalize();
    std::array::from_fn(|lane| u64::from_be_bytes(digest[lane * 8..][..8].try_into().expect("eight bytes")))
}

/// Whether an object is the engine's or the history's, and no part of the program's schema.
fn is_own(name: &str, table: &str) -> bool {
    let starts = |text: &str| text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    starts(name) || table.eq_ignore_ascii_case(TABLE)
}

/// The schema as SQL that makes it anew: tables, then indexes, views and triggers, each by name. The same schema gives the same text, in
/// whatever order it was made.
pub fn dump(connection: &mut dyn Connection) -> Result<String> {
    let shadows = names(connection, SHADOWS)?;
    let answer = ask::rows(connection, OBJECTS, &[ValueRef::Integer(0)])?;
    let mut objects = Vec::new();
    for row in 0..answer.rows() {
        let text = |column| ask::text(&answer, row, column);
        let (kind, name, table, sql) = (text(1), text(2), text(3), text(4));
        if sql.is_empty() || is_own(&name, &table) || shadows.contains(&table.to_lowercase()) {
            continue;
        }
        let place = ["table", "index", "view", "trigger"].iter().position(|known| *known == kind);
        objects.push((place, name, sql));
    }
    objects.sort();
    Ok(objects.into_iter().map(|(_, _, sql)| format!("{sql};\n")).collect())
}

/// The rows of every table of the program's.
pub fn counts(connection: &mut dyn Connection) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name";
    let tables = names(connection, sql)?;
    tables.into_iter().filter(|name| !is_own(name, name)).map(|name| Ok((name.clone(), keys::count(connection, &name)?))).collect()
}

/// Two counts side by side.
pub fn compare(before: &[(String, i64)], after: &[(String, i64)]) -> Vec<TableCount> {
    let find = |counts: &[(String, i64)], name: &str| counts.iter().find(|(table, _)| table == name).map(|(_, rows)| *rows);
    let mut tables: Vec<&String> = before.iter().chain(after).map(|(name, _)| name).collect();
    tables.sort_unstable();
    tables.dedup();
    let count = |name: &String| TableCount { table: name.clone(), before: find(before, name), after: find(after, name) };
    tables.into_iter().map(count).collect()
}

fn names(connection: &mut dyn Connection, sql: &str) -> Result<Vec<String>> {
    let answer = ask::rows(connection, sql, &[])?;
    Ok((0..answer.rows()).map(|row| ask::text(&answer, row, 0)).collect())
}
