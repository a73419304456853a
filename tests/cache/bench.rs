//! A store under test: every answer is compared with that of the same query without the cache.

use std::path::PathBuf;

use keepwell::options::CacheUse;
use keepwell::store::CacheStats;
use keepwell::{Config, Params, QueryOptions, Store, Value, ValueRef};
use temp_dir::TempDir;

/// The rows of a result.
pub type Answer = Vec<Vec<Value>>;

pub struct Bench {
    pub store: Store,
    folder: TempDir,
    name: &'static str,
}

/// Where a database may be: its journal decides how commits are noticed.
const PLACES: [(&str, &[(&str, &str)]); 3] = [("wal", &[]), ("delete", &[("options.journal_mode", "delete")]), (":memory:", &[])];

/// A call that says nothing of the cache.
pub fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

/// A call that asks for the cache.
pub fn cached() -> QueryOptions<'static> {
    QueryOptions { cache: CacheUse::Use, ..plain() }
}

pub fn open(place: &str, settings: &[(&str, &str)]) -> Store {
    let mut config = Config::new();
    config.set("datasource", place).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    Store::open(&config).unwrap()
}

/// Runs `body` on a database in each place.
pub fn everywhere(body: impl Fn(&Bench)) {
    for (name, settings) in PLACES {
        body(&Bench::at(name, settings));
    }
}

/// Runs `body` on a file with each journal, for what others do to it.
pub fn in_files(body: impl Fn(&Bench)) {
    for (name, settings) in &PLACES[..2] {
        body(&Bench::at(name, settings));
    }
}

impl Bench {
    /// A file in WAL mode, with the two tables of most tests.
    pub fn new() -> Bench {
        Bench::at("wal", &[])
    }

    pub fn with(settings: &[(&str, &str)]) -> Bench {
        Bench::at("wal", settings)
    }

    fn at(name: &'static str, settings: &[(&str, &str)]) -> Bench {
        let folder = TempDir::new().unwrap();
        let place = if name == ":memory:" { name.to_string() } else { folder.path().join("t.db").display().to_string() };
        let bench = Bench { store: open(&place, settings), folder, name };
        bench.script("CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT); CREATE TABLE u(n); INSERT INTO t VALUES (1, 'one'), (2, 'two')");
        bench
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("t.db")
    }

    pub fn in_rollback_mode() -> Bench {
        Bench::at(PLACES[1].0, PLACES[1].1)
    }

    pub fn is_wal(&self) -> bool {
        self.name == "wal"
    }

    /// Another store on the same file, for a forked child.
    pub fn again(&self) -> Bench {
        let settings = PLACES.iter().find(|place| place.0 == self.name).unwrap().1;
        Bench { store: open(self.path().to_str().unwrap(), settings), folder: TempDir::with_prefix("child").unwrap(), name: self.name }
    }

    pub fn name(&self) -> &str {
        self.name
    }

    /// Another connection to the file, that knows nothing of keepwell.
    pub fn stranger(&self) -> rusqlite::Connection {
        let stranger = rusqlite::Connection::open(self.path()).unwrap();
        stranger.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        stranger.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        stranger
    }

    pub fn run(&self, sql: &str) {
        self.store.execute(sql, Params::NONE, &plain()).unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name));
    }

    pub fn script(&self, sql: &str) {
        self.store.execute_script(sql, &plain()).unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name));
    }

    /// What the query gives without the cache.
    pub fn truth(&self, sql: &str, params: &[ValueRef<'_>]) -> Answer {
        self.store.query(sql, params, &QueryOptions { cache: CacheUse::Skip, ..plain() }).unwrap().collect().unwrap()
    }

    /// Asks once; the answer is right. Says whether it was a hit.
    pub fn ask_with(&self, sql: &str, params: &[ValueRef<'_>], options: &QueryOptions<'_>) -> bool {
        let rows = self.store.query(sql, params, options).unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name));
        let hit = rows.is_from_cache();
        assert_eq!(rows.collect().unwrap(), self.truth(sql, params), "{}: {sql}", self.name);
        hit
    }

    pub fn ask(&self, sql: &str) -> bool {
        self.ask_with(sql, &[], &cached())
    }

    /// The kept result still holds.
    pub fn hits(&self, sql: &str) {
        assert!(self.ask(sql), "{}: {sql}: should be a hit; {:?}", self.name, self.stats());
    }

    /// What was kept does not hold any more; the answer is right, and from then on kept.
    pub fn moved(&self, sql: &str) {
        assert!(!self.ask(sql), "{}: {sql}: should have been run", self.name);
        self.hits(sql);
    }

    /// The answer is right, kept or not, and kept from then on: where moving too much is allowed.
    pub fn settles(&self, sql: &str) {
        // A statement that is prepared anew while it runs is not kept.
        if !self.ask(sql) && !self.ask(sql) {
            self.hits(sql);
        }
    }

    /// The answer is right each time and never kept.
    pub fn never_hits(&self, sql: &str) {
        self.never_hits_with(sql, &cached());
    }

    pub fn never_hits_with(&self, sql: &str, options: &QueryOptions<'_>) {
        (0..3).for_each(|_| assert!(!self.ask_with(sql, &[], options), "{}: {sql}: should not be kept", self.name));
    }

    /// Results of the two tables of most tests are kept.
    pub fn warm(&self) {
        self.settles(T);
        self.settles(U);
    }

    pub fn stats(&self) -> CacheStats {
        self.store.cache_stats()
    }
}

/// All of `t`, and all of `u`.
pub const T: &str = "SELECT n, s FROM t ORDER BY n";
pub const U: &str = "SELECT n FROM u ORDER BY n";
