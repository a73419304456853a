//! One database with everybody who reads and writes it: made from a seed, and asked.

use std::path::PathBuf;
use std::time::Duration;

use keepwell::options::CacheUse;
use keepwell::{Config, QueryOptions, Rows, Store, Value};
use temp_dir::TempDir;

use crate::answer::{Answer, Query};
use crate::catalogue::{Catalogue, Sort};
use crate::helper::Helper;
use crate::query;
use crate::random::Random;
use crate::schema;
use crate::tally::Tally;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Wal,
    Delete,
    Memory,
}

/// The other processes; they live through many seeds.
pub struct Helpers {
    pub own: Helper,
    pub python: Option<Helper>,
}

pub struct World<'h> {
    pub seed: u64,
    pub random: Random,
    pub mode: Mode,
    /// The store has one connection only, so nothing can be asked while somebody holds it.
    pub one_connection: bool,
    pub store: Store,
    /// Another store on the same file.
    pub second: Option<Store>,
    /// SQLite itself: one connection to ask, one to write.
    pub truth: Option<rusqlite::Connection>,
    pub raw: Option<rusqlite::Connection>,
    pub helpers: &'h mut Helpers,
    pub catalogue: Catalogue,
    pub tally: Tally,
    /// Changes that are made again and again.
    pub habits: Vec<String>,
    streams: Vec<Rows>,
    queries: Vec<Query>,
    log: Vec<String>,
    schema: Vec<Vec<Value>>,
    pub place: PathBuf,
    _dir: TempDir,
}

const QUERIES: usize = 14;

impl<'h> World<'h> {
    pub fn new(seed: u64, helpers: &'h mut Helpers) -> World<'h> {
        let mut random = Random::new(seed);
        let dir = TempDir::new().unwrap();
        let mode = match random.below(10) {
            0 | 1 => Mode::Delete,
            2 => Mode::Memory,
            _ => Mode::Wal,
        };
        let place = dir.path().join("fuzz.db");
        let settings = settings(&mut random, mode);
        let one_connection = mode != Mode::Wal || settings.contains(&("pool.max_open", "1"));
        let mut config = Config::new();
        config.set("datasource", &if mode == Mode::Memory { ":memory:".to_string() } else { place.display().to_string() }).unwrap();
        settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
        let store = Store::open(&config).unwrap();
        let in_file = mode != Mode::Memory;
        let connect = || {
            let connection = rusqlite::Connection::open(&place).unwrap();
            connection.busy_timeout(Duration::ZERO).unwrap();
            connection
        };
        let (truth, raw) = (in_file.then(connect), in_file.then(connect));
        let second = in_file.then(|| Store::open(&config).unwrap());
        if in_file {
            helpers.own.open(&place);
            helpers.python.iter_mut().for_each(|python| python.open(&place));
        }
        let log = vec![format!("{mode:?} {settings:?}")];
        let mut world = World {
            seed,
            random,
            mode,
            one_connection,
            store,
            second,
            truth,
            raw,
            helpers,
            catalogue: Catalogue::default(),
            tally: Tally::default(),
            habits: Vec::new(),
            streams: Vec::new(),
            queries: Vec::new(),
            log,
            schema: Vec::new(),
            place,
            _dir: dir,
        };
        for sql in schema::birth(&mut world.random) {
            let well = world.store.execute_script(&sql, &QueryOptions::default()).is_ok();
            world.note("birth", &sql, well);
        }
        world.look_around();
        world
    }

    /// Writes a line of the log.
    pub fn note(&mut self, route: &str, sql: &str, well: bool) {
        self.log.push(format!("{route}{} | {sql}", if well { "" } else { " (failed)" }));
    }

    /// Reads the schema, and says whether it has changed.
    pub fn look_around(&mut self) -> bool {
        let ask = |sql: &str| match &self.truth {
            Some(truth) => Query::plain(sql).ask_raw(truth),
            None => Query::plain(sql).ask_store(&self.store, &QueryOptions { cache: CacheUse::Skip, ..QueryOptions::default() }),
        };
        let schema = ask("SELECT type, name, sql FROM sqlite_schema ORDER BY rowid").into_rows();
        let changed = schema != self.schema;
        if changed {
            self.catalogue = Catalogue::read(ask);
            self.schema = schema;
        }
        changed
    }

    /// The tables that have grown too long to be compared again and again.
    pub fn too_long(&mut self) -> Vec<String> {
        let tables = self.catalogue.objects.iter().filter(|object| matches!(object.sort, Sort::Table | Sort::Fts | Sort::Rtree));
        let names: Vec<String> = tables.map(|object| object.name.clone()).collect();
        let skip = QueryOptions { cache: CacheUse::Skip, ..QueryOptions::default() };
        let rows = |name: &String| {
            let answer = Query::plain(format!("SELECT count(*) FROM {name}")).ask_store(&self.store, &skip);
            answer.into_rows().first().map_or(0, |row| if let Value::Integer(n) = row[0] { n } else { 0 })
        };
        names.iter().filter(|name| rows(name) > 40).cloned().collect()
    }

    /// Asks some queries, most of them for the second time or more, and compares.
    pub fn ask_some(&mut self, count: usize) {
        for _ in 0..count {
            if self.queries.len() < QUERIES || self.random.chance(12) {
                let fresh = query::query(&mut self.random, &self.catalogue);
                let at = self.random.below(QUERIES);
                match self.queries.get_mut(at) {
                    Some(old) => *old = fresh,
                    None => self.queries.push(fresh),
                }
            }
            let query = self.queries[self.random.below(self.queries.len())].clone();
            let times = 1 + self.random.below(3);
            (0..times).for_each(|_| self.compare(&query));
        }
    }

    /// Asks while somebody holds the writer, where that is possible.
    pub fn ask_beside(&mut self) {
        if !self.one_connection && self.random.chance(35) {
            self.ask_some(2);
        }
    }

    fn options(&mut self) -> QueryOptions<'static> {
        let random = &mut self.random;
        let cache = if random.chance(4) { CacheUse::Refresh } else { CacheUse::Use };
        QueryOptions {
            cache,
            cache_ttl: if random.chance(5) { Some(Duration::from_millis(random.next() % 3)) } else { None },
            batch_rows: if random.chance(4) { 2 } else { 0 },
            unprepared: random.chance(4),
            read_only: random.chance(4),
            ..QueryOptions::default()
        }
    }

    fn compare(&mut self, query: &Query) {
        let options = self.options();
        let by_second = self.random.chance(15);
        let store = self.second.as_ref().filter(|_| by_second).unwrap_or(&self.store);
        let answer = query.ask_store(store, &options);
        if query.impure {
            self.tally.impure += 1;
            assert!(!answer.is_hit(), "seed {}: from the cache: {}", self.seed, query.sql);
            return;
        }
        let by_store = self.random.chance(3);
        let truth = match self.truth.as_ref().filter(|_| !by_store) {
            Some(truth) => query.ask_raw(truth),
            None => query.ask_store(store, &QueryOptions { cache: CacheUse::Skip, ..QueryOptions::default() }),
        };
        match answer.agrees(&truth, query.ordered) {
            None => self.tally.unsaid += 1,
            Some(true) => {
                self.tally.comparisons += 1;
                self.tally.hits += u64::from(answer.is_hit());
                self.tally.failures += u64::from(matches!(answer, Answer::Failed(_)));
            }
            Some(false) if self.fails_without_too(query, &answer, by_second) => self.tally.engine += 1,
            Some(false) => self.report(query, &answer, &truth),
        }
    }

    /// SQLite looks whether its idea of the schema is out of date after some errors only, such as "no such table", and not after "view is
    /// circularly defined". Such an error has nothing to do with the cache.
    fn fails_without_too(&self, query: &Query, answer: &Answer, by_second: bool) -> bool {
        let store = self.second.as_ref().filter(|_| by_second).unwrap_or(&self.store);
        let skip = QueryOptions { cache: CacheUse::Skip, ..QueryOptions::default() };
        matches!(answer, Answer::Failed(_)) && matches!(query.ask_store(store, &skip), Answer::Failed(_))
    }

    fn report(&self, query: &Query, answer: &Answer, truth: &Answer) -> ! {
        println!("---- everything since the start\n{}\n----", self.log.join("\n"));
        println!("query: {} {:?} {:?}\nwith the cache: {answer:?}\nwithout:        {truth:?}", query.sql, query.values, query.names);
        panic!("seed {}: not what it would have been without the cache (KEEPWELL_FUZZ_SEED={} replays it)", self.seed, self.seed);
    }

    /// Begins to read a result and leaves it half-read, or ends that.
    pub fn leave_half_read(&mut self) {
        if self.one_connection || self.random.chance(40) {
            self.streams.clear();
            return;
        }
        if let Some(object) = self.catalogue.one(&mut self.random, &[Sort::Table]) {
            let options = QueryOptions { batch_rows: 1, cache: CacheUse::Use, ..QueryOptions::default() };
            let sql = format!("SELECT * FROM {} AS x, {} AS y", object.name, object.name);
            self.streams.extend(self.store.query(&sql, keepwell::Params::NONE, &options));
        }
    }

    /// Ends the seed and hands its numbers over.
    pub fn end(mut self) -> Tally {
        self.streams.clear();
        self.tally.add(&self.store.cache_stats());
        if let Some(second) = &self.second {
            self.tally.add(&second.cache_stats());
            self.helpers.own.tell("close", "");
            self.helpers.python.iter_mut().for_each(|python| _ = python.tell("close", ""));
            second.close(None).unwrap();
        }
        self.store.close(None).unwrap();
        self.tally
    }
}

fn settings(random: &mut Random, mode: Mode) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("options.busy_timeout", "0"), ("options.synchronous", "off"), ("pool.wait_timeout", "2")];
    let mut sometimes = |percent: usize, key: &'static str, value: &'static str| {
        if random.chance(percent) {
            all.push((key, value));
        }
    };
    sometimes(100, "options.journal_mode", if mode == Mode::Delete { "delete" } else { "wal" });
    sometimes(25, "options.recursive_triggers", "on");
    sometimes(15, "options.auto_vacuum", "incremental");
    sometimes(15, "cache.size", "2");
    sometimes(12, "cache.max_bytes", "16KiB");
    sometimes(3, "cache.max_bytes", "4KiB");
    sometimes(12, "pool.max_open", "1");
    sometimes(15, "pool.snapshot_idle", "0");
    sometimes(15, "query.statement_cache", "2");
    sometimes(20, "options.wal_autocheckpoint", "4");
    sometimes(10, "writer.group_commit", "false");
    all
}
