//! The space of a table or index, as the pages of the file tell it. <https://sqlite.org/dbstat.html>

use keepwell::Result;
use serde::Serialize;

use super::ask::{Ask, Row};

/// A table or index with pages of its own. Sizes are in bytes.
#[derive(Debug, Serialize)]
pub struct Object {
    pub name: String,
    /// `table` or `index`.
    pub kind: String,
    /// The table of an index; a table's own name.
    pub table: String,
    pub pages: u64,
    pub bytes: u64,
    pub payload_bytes: u64,
    pub unused_bytes: u64,
    /// Of a table: its rows. Of an index: its entries.
    pub rows: u64,
    /// Pages that make no sense.
    pub corrupt_pages: u64,
}

/// One pass over all pages. Rows are cells: those on the leaves alone where a key leads to them from above, which is so in tables with
/// rowids; all of them in indexes and in tables WITHOUT ROWID. <https://sqlite.org/fileformat2.html#b_tree_pages>
const OBJECTS: &str = "WITH tree AS MATERIALIZED ( \
                           SELECT name, count(*) AS pages, sum(pgsize) AS bytes, sum(payload) AS payload, sum(unused) AS unused, \
                                  sum(ncell) AS cells, sum(ncell) FILTER (WHERE pagetype = 'leaf') AS on_leaves, \
                                  count(*) FILTER (WHERE pagetype = 'corrupted') AS corrupt FROM dbstat GROUP BY name) \
                       SELECT tree.name, coalesce(type, 'table'), coalesce(tbl_name, tree.name), pages, bytes, payload, unused, \
                              iif(type = 'index' OR tree.name IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND wr), \
                                  cells, on_leaves), corrupt \
                       FROM tree LEFT JOIN sqlite_schema ON sqlite_schema.name = tree.name AND rootpage > 0 ORDER BY bytes DESC, tree.name";

/// The objects of the database, the largest first. Reads every page that is in use.
pub fn read(ask: &Ask<'_>) -> Result<Vec<Object>> {
    Ok(ask.rows(OBJECTS)?.iter().map(object).collect())
}

fn object(row: &Row) -> Object {
    Object {
        name: row.text(0),
        kind: row.text(1),
        table: row.text(2),
        pages: row.count(3),
        bytes: row.count(4),
        payload_bytes: row.count(5),
        unused_bytes: row.count(6),
        rows: row.count(7),
        corrupt_pages: row.count(8),
    }
}
