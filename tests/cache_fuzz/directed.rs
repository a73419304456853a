//! Encounters that chance brings about too rarely, each as a schedule of its own.

use keepwell::driver::Mode;
use keepwell::options::CacheUse;
use keepwell::{Config, Params, QueryOptions, Store, TxMode, Value};
use temp_dir::TempDir;

/// A store with the cache, and SQLite itself beside it where there is a file.
struct Pair {
    store: Store,
    sqlite: Option<rusqlite::Connection>,
    _dir: TempDir,
}

impl Pair {
    fn new(mode: &str) -> Pair {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("pair.db");
        let mut config = Config::new();
        let place = if mode == "memory" { ":memory:".to_string() } else { path.display().to_string() };
        config.set("datasource", &place).unwrap();
        config.set("options.journal_mode", if mode == "memory" { "wal" } else { mode }).unwrap();
        let store = Store::open(&config).unwrap();
        Pair { store, sqlite: (mode != "memory").then(|| rusqlite::Connection::open(&path).unwrap()), _dir: dir }
    }

    fn write(&self, sql: &str) {
        self.store.execute(sql, Params::NONE, &QueryOptions::default()).unwrap();
    }

    /// SQLite itself writes.
    fn foreign(&self, sql: &str) {
        self.sqlite.as_ref().unwrap().execute_batch(sql).unwrap();
    }

    fn ask(&self, sql: &str, cache: CacheUse) -> Vec<Vec<Value>> {
        self.store.query(sql, Params::NONE, &QueryOptions { cache, ..QueryOptions::default() }).unwrap().collect().unwrap()
    }

    /// Keeps the result, and looks whether it is.
    fn keep(&self, sql: &str) {
        self.ask(sql, CacheUse::Use);
        self.ask(sql, CacheUse::Use);
        assert!(self
            .store
            .query(sql, Params::NONE, &QueryOptions { cache: CacheUse::Use, ..QueryOptions::default() })
            .unwrap()
            .is_from_cache());
    }

    #[track_caller]
    fn compare(&self, sql: &str) {
        assert_eq!(self.ask(sql, CacheUse::Use), self.ask(sql, CacheUse::Skip), "{sql}");
    }
}

#[test]
fn a_prepared_write_moves_what_somebody_elses_new_trigger_writes() {
    for mode in ["wal", "delete"] {
        let pair = Pair::new(mode);
        ["CREATE TABLE t (a)", "CREATE TABLE u (a)", "INSERT INTO t VALUES (1)"].iter().for_each(|sql| pair.write(sql));
        pair.foreign("CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.a); END");
        pair.keep("SELECT count(*) FROM u");
        pair.write("INSERT INTO t VALUES (1)");
        pair.compare("SELECT count(*) FROM u");
    }
}

#[test]
fn what_is_prepared_anew_inside_a_transaction_moves_what_it_writes() {
    for mode in ["wal", "delete"] {
        let pair = Pair::new(mode);
        ["CREATE TABLE t (a)", "CREATE TABLE u (a)", "INSERT INTO t VALUES (1)"].iter().for_each(|sql| pair.write(sql));
        pair.foreign("CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.a); END");
        pair.keep("SELECT count(*) FROM u");
        let tx = pair.store.begin(TxMode::Write(Mode::Immediate), &QueryOptions::default()).unwrap();
        tx.execute("INSERT INTO t VALUES (1)", Params::NONE, &QueryOptions::default()).unwrap();
        tx.commit().unwrap();
        pair.compare("SELECT count(*) FROM u");
    }
}

#[test]
fn vacuum_moves_the_rowids_that_it_gives_anew() {
    for mode in ["wal", "delete", "memory"] {
        let pair = Pair::new(mode);
        ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2), (3)", "DELETE FROM t WHERE a = 1"].iter().for_each(|sql| pair.write(sql));
        pair.keep("SELECT rowid, a FROM t");
        let before = pair.ask("SELECT rowid, a FROM t", CacheUse::Skip);
        pair.write("VACUUM");
        assert_ne!(before, pair.ask("SELECT rowid, a FROM t", CacheUse::Skip), "VACUUM gives new rowids");
        pair.compare("SELECT rowid, a FROM t");
    }
}

#[test]
fn a_connection_that_replaces_another_does_not_take_its_marks_for_its_own() {
    let pair = Pair::new("delete");
    pair.write("CREATE TABLE t (a)");
    for _ in 0..20 {
        pair.keep("SELECT count(*) FROM t");
        let pinned = pair.store.pin(&QueryOptions::default()).unwrap();
        pinned.execute("CREATE TEMP TABLE x (a)", Params::NONE, &QueryOptions::default()).unwrap();
        drop(pinned);
        pair.foreign("INSERT INTO t VALUES (1)");
        pair.compare("SELECT count(*) FROM t");
    }
}

/// The schema's version is a number that is used again after a rollback.
#[test]
fn a_name_of_a_schema_that_was_rolled_back_is_looked_up_anew() {
    const SEARCH: &str = "CREATE VIRTUAL TABLE x USING fts5(b)";
    let version =
        |connection: &rusqlite::Connection| connection.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let elsewhere = rusqlite::Connection::open_in_memory().unwrap();
    elsewhere.execute_batch(SEARCH).unwrap();
    let steps = version(&elsewhere);

    let pair = Pair::new("wal");
    pair.write("CREATE TABLE first (a)");
    let before = version(pair.sqlite.as_ref().unwrap());
    let tx = pair.store.begin(TxMode::Write(Mode::Immediate), &QueryOptions::default()).unwrap();
    for n in 1..steps {
        tx.execute(&format!("CREATE TABLE filler{n} (a)"), Params::NONE, &QueryOptions::default()).unwrap();
    }
    tx.execute("CREATE TABLE x (b)", Params::NONE, &QueryOptions::default()).unwrap();
    tx.execute("INSERT INTO x (b) VALUES ('ash')", Params::NONE, &QueryOptions::default()).unwrap();
    tx.rollback().unwrap();
    pair.foreign(SEARCH);
    assert_eq!(version(pair.sqlite.as_ref().unwrap()), before + steps, "the same number for another schema");
    for _ in 0..3 {
        pair.write("INSERT INTO x (b) VALUES ('elm')");
        pair.keep("SELECT count(*) FROM x_content");
        pair.write("INSERT INTO x (b) VALUES ('elm')");
        pair.compare("SELECT count(*) FROM x_content");
    }
}
