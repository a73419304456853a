//! The settings of a database file, and what its schema and statistics come to in numbers.

use keepwell::Result;
use serde::Serialize;

use super::ask::Ask;

/// In the words of the PRAGMA of the same name, where there is one.
#[derive(Debug, Default, Serialize)]
pub struct Settings {
    pub page_size: u64,
    pub pages: u64,
    pub free_pages: u64,
    pub encoding: String,
    pub auto_vacuum: &'static str,
    pub journal_mode: String,
    pub application_id: i64,
    pub user_version: i64,
    pub schema_version: i64,
    /// Without SQLite's own.
    pub tables: u64,
    /// Virtual ones among the tables.
    pub virtual_tables: u64,
    /// With those that SQLite made for keys.
    pub indexes: u64,
    pub triggers: u64,
    pub views: u64,
    /// Tables that ANALYZE left statistics of; `None`: it never ran.
    pub analyzed_tables: Option<u64>,
}

const PRAGMAS: &str = "SELECT (SELECT page_size FROM pragma_page_size), (SELECT page_count FROM pragma_page_count), \
                       (SELECT freelist_count FROM pragma_freelist_count), (SELECT encoding FROM pragma_encoding), \
                       (SELECT auto_vacuum FROM pragma_auto_vacuum), (SELECT journal_mode FROM pragma_journal_mode), \
                       (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), \
                       (SELECT schema_version FROM pragma_schema_version)";
const SCHEMA: &str = "SELECT count(*) FILTER (WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'), \
                      count(*) FILTER (WHERE type = 'table' AND rootpage = 0), count(*) FILTER (WHERE type = 'index'), \
                      count(*) FILTER (WHERE type = 'trigger'), count(*) FILTER (WHERE type = 'view'), \
                      count(*) FILTER (WHERE name = 'sqlite_stat1') FROM sqlite_schema";
const ANALYZED: &str = "SELECT count(DISTINCT tbl) FROM sqlite_stat1";
/// By the numbers of the PRAGMA.
const AUTO_VACUUM: [&str; 3] = ["none", "full", "incremental"];

pub fn read(ask: &Ask<'_>) -> Result<Settings> {
    let pragmas = ask.row(PRAGMAS)?;
    let schema = ask.row(SCHEMA)?;
    let analyzed = schema.count(5) > 0;
    Ok(Settings {
        page_size: pragmas.count(0),
        pages: pragmas.count(1),
        free_pages: pragmas.count(2),
        encoding: pragmas.text(3),
        auto_vacuum: AUTO_VACUUM.get(pragmas.count(4) as usize).copied().unwrap_or("unknown"),
        journal_mode: pragmas.text(5),
        application_id: pragmas.integer(6),
        user_version: pragmas.integer(7),
        schema_version: pragmas.integer(8),
        tables: schema.count(0),
        virtual_tables: schema.count(1),
        indexes: schema.count(2),
        triggers: schema.count(3),
        views: schema.count(4),
        analyzed_tables: if analyzed { Some(ask.row(ANALYZED)?.count(0)) } else { None },
    })
}
