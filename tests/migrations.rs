//! Migrations through the public interface: the runner, its safety, and what it says when it refuses.

#[path = "migrations/adopt.rs"]
mod adopt;
#[path = "migrations/keys.rs"]
mod keys;
#[path = "migrations/operations.rs"]
mod operations;
#[path = "migrations/outside.rs"]
mod outside;
#[path = "migrations/processes.rs"]
mod processes;
#[path = "migrations/rebuild.rs"]
mod rebuild;
#[path = "migrations/refusals.rs"]
mod refusals;
#[path = "migrations/texts.rs"]
mod texts;

use keepwell::migrate::{Migration, Report, Source};
use keepwell::store::Migrations;
use keepwell::{Config, Params, QueryOptions, Store, Value};
use temp_dir::TempDir;

/// A store on a file in a folder of its own.
pub struct Database {
    pub folder: TempDir,
    pub store: Store,
}

impl Database {
    pub fn fresh() -> Database {
        let folder = TempDir::new().unwrap();
        let store = Store::open_path(folder.child("test.db")).unwrap();
        Database { folder, store }
    }

    pub fn with(settings: &[(&str, &str)]) -> Database {
        let folder = TempDir::new().unwrap();
        let mut config = Config::new();
        config.set("datasource", folder.child("test.db").to_str().unwrap()).unwrap();
        settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
        Database { store: Store::open(&config).unwrap(), folder }
    }

    pub fn memory() -> Database {
        let mut config = Config::new();
        config.load_uri(":memory:").unwrap();
        Database { store: Store::open(&config).unwrap(), folder: TempDir::new().unwrap() }
    }

    /// A set of migrations given as (version, up, down).
    pub fn migrations(&self, list: &[(i64, &str, &str)]) -> Migrations {
        self.store.migrations(source(list))
    }

    pub fn run(&self, sql: &str) {
        self.store.execute_script(sql, &QueryOptions::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub fn value(&self, sql: &str) -> Value {
        self.store.query(sql, Params::NONE, &QueryOptions::default()).unwrap().collect().unwrap()[0][0].clone()
    }

    pub fn count(&self, sql: &str) -> i64 {
        match self.value(sql) {
            Value::Integer(number) => number,
            other => panic!("{sql}: {other:?}"),
        }
    }

    pub fn has(&self, table: &str) -> bool {
        self.count(&format!("SELECT count(*) FROM sqlite_schema WHERE name = '{table}'")) == 1
    }
}

pub fn source(list: &[(i64, &str, &str)]) -> Source {
    let down = |down: &str| (!down.is_empty()).then(|| down.to_string());
    Source::list(list.iter().map(|(version, up, down_sql)| Migration::new(*version, format!("m{version}"), *up, down(down_sql))).collect())
        .unwrap()
}

/// The versions in a report, in its order.
pub fn versions(report: &Report) -> Vec<i64> {
    report.migrations.iter().map(|line| line.version).collect()
}

/// Three tables, each with its down.
pub const THREE: &[(i64, &str, &str)] = &[
    (1, "CREATE TABLE a(x INTEGER PRIMARY KEY)", "DROP TABLE a"),
    (2, "CREATE TABLE b(x); INSERT INTO b VALUES (1), (2)", "DROP TABLE b"),
    (3, "ALTER TABLE b ADD COLUMN y; CREATE INDEX b_y ON b(y)", "DROP INDEX b_y; ALTER TABLE b DROP COLUMN y"),
];
