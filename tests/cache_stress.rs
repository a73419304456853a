//! Readers with cached results beside every kind of writer: no read is older than a commit that was answered before it, none older than one
//! before it, and sums over two tables are whole.
//!
//! Counters in rows of several tables are raised by this store (single writes, transactions, groups), by a plain connection in this process,
//! and by another process. Whoever has committed a value writes it on a board in shared memory; a reader looks at the board first, and what
//! it then reads must not be less. What one reader has read goes on the board too.
//!
//! `KEEPWELL_STRESS_SECONDS` says how long each test takes (default 2).
#![cfg(unix)]
#![allow(unsafe_code)]

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keepwell::driver::Mode;
use keepwell::options::CacheUse;
use keepwell::store::{Done, Wants, Write};
use keepwell::{Config, Matrix, Params, QueryOptions, Scope, Store, TxMode, ValueRef};

const TABLES: usize = 4;
const ROWS: usize = 4;
const COUNTERS: usize = TABLES * ROWS;
/// What the accounts of the two tables have together, for ever.
const TOTAL: i64 = 2_000;
const READERS: u64 = 4;
const WRITERS: u64 = 3;

const ACCOUNTS: &str = "SELECT (SELECT sum(v) FROM lefts) + (SELECT sum(v) FROM rights)";
/// A child that finds this in its environment is the other process: the database, and the file of the board.
const CHILD: &str = "KEEPWELL_STRESS_CHILD";

fn plain() -> QueryOptions<'static> {
    QueryOptions { unbound: true, ..QueryOptions::default() }
}

// ----------------------------------------------------------------------------------------------------------- the board --

/// What is known to be committed, for all threads and processes.
#[repr(C)]
struct Values {
    committed: [AtomicI64; COUNTERS],
    over: AtomicI64,
    foreign: AtomicI64,
}

/// The values in memory that both processes map.
struct Board(*mut Values);

// SAFETY: there are only atomics behind the pointer, and the mapping stays to the end of the process.
unsafe impl Send for Board {}
// SAFETY: as above.
unsafe impl Sync for Board {}

impl Board {
    fn open(path: &Path) -> Board {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(size_of::<Values>() as u64).unwrap();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a file of this length; zeros are valid values.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Values>(), access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(at, libc::MAP_FAILED);
        Board(at.cast())
    }

    fn values(&self) -> &Values {
        // SAFETY: mapped in `open`, and never unmapped.
        unsafe { &*self.0 }
    }

    /// A value that is committed, or that somebody has read.
    fn publish(&self, counter: usize, value: i64) {
        self.values().committed[counter].fetch_max(value, Ordering::SeqCst);
    }

    fn at_least(&self, counter: usize) -> i64 {
        self.values().committed[counter].load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.values().over.load(Ordering::SeqCst) != 0
    }

    fn end(&self) {
        self.values().over.store(1, Ordering::SeqCst);
    }
}

/// Ends everybody, also when the thread panics.
struct EndOfAll<'a>(&'a Board);

impl Drop for EndOfAll<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

// --------------------------------------------------------------------------------------------------------------- chance --

struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    /// Mostly no pause at all, so that commits also come close together.
    fn pause(&mut self) {
        let millis = self.below(12).saturating_sub(4) as u64;
        std::thread::sleep(Duration::from_millis(millis));
    }
}

// -------------------------------------------------------------------------------------------------------------- writers --

fn raise(counter: usize) -> (String, i64) {
    (format!("UPDATE c{} SET v = v + 1 WHERE id = ?1 RETURNING v", counter / ROWS), (counter % ROWS) as i64)
}

/// Moves a part of an account to the other table: two statements that only together keep the total.
const TRANSFER: [&str; 2] = ["UPDATE lefts SET v = v - ?2 WHERE id = ?1", "UPDATE rights SET v = v + ?2 WHERE id = ?1"];

/// A thread that writes through the store.
struct Writer<'a> {
    store: &'a Store,
    board: &'a Board,
    chance: Chance,
}

impl Writer<'_> {
    fn run(mut self) {
        let _end = EndOfAll(self.board);
        for round in 0.. {
            if self.board.is_over() {
                break;
            }
            let counter = self.chance.below(COUNTERS);
            match round % 11 {
                0..=2 => self.single(counter),
                3 | 4 => self.transaction(counter, true),
                5 => self.transaction(counter, false),
                6 => self.together(counter),
                7 => self.many(),
                8 | 9 => self.noise(),
                _ => self.fails(counter),
            }
            self.chance.pause();
        }
    }

    fn single(&self, counter: usize) {
        let (sql, id) = raise(counter);
        let rows = self.store.query(&sql, &[id.into()], &plain()).unwrap().collect().unwrap();
        self.board.publish(counter, rows[0][0].as_ref().as_i64().unwrap());
    }

    fn transaction(&mut self, counter: usize, commits: bool) {
        let other = (counter + 1 + self.chance.below(COUNTERS - 1)) % COUNTERS;
        let tx = self.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        let values = [counter, other].map(|counter| (counter, raised(&tx, counter)));
        let part = [(self.chance.below(ROWS) as i64).into(), (self.chance.below(9) as i64).into()];
        TRANSFER.iter().for_each(|sql| assert_eq!(tx.execute(sql, &part, &plain()).unwrap().rows_affected, 1));
        if !commits {
            return tx.rollback().unwrap();
        }
        tx.commit().unwrap();
        values.into_iter().for_each(|(counter, value)| self.board.publish(counter, value));
    }

    fn together(&self, counter: usize) {
        let counters = [counter, (counter + 5) % COUNTERS, (counter + 10) % COUNTERS];
        let texts = counters.map(raise);
        let ids = [0, 1, 2].map(|at| [ValueRef::Integer(texts[at].1)]);
        let writes: Vec<_> = (0..3)
            .map(|at| Write { sql: &texts[at].0, params: Params::positional(&ids[at]), wants: Wants::Rows, options: plain() })
            .collect();
        for (counter, done) in counters.into_iter().zip(self.store.execute_together(&writes)) {
            let Done::Rows(_, batch) = done.unwrap() else { panic!("rows were asked for") };
            self.board.publish(counter, batch.get(0, 0).as_i64().unwrap());
        }
    }

    fn many(&self) {
        let ids = [ValueRef::Integer(0), ValueRef::Integer(1)];
        let matrix = Matrix::new(&ids, 1, 2).unwrap();
        self.store.execute_many("UPDATE c0 SET v = v + 1 WHERE id = ?1", matrix, &plain()).unwrap();
    }

    /// Writes that no reader asks about: results stay hits across them.
    fn noise(&mut self) {
        let sql = ["INSERT INTO noise VALUES (1)", "UPDATE noise SET n = n + 1", "DELETE FROM noise", "UPDATE noise SET n = 0 WHERE n < 0"];
        self.store.execute(sql[self.chance.below(sql.len())], Params::NONE, &plain()).unwrap();
    }

    /// A statement that fails in the middle: `OR FAIL` keeps what it did before.
    fn fails(&self, counter: usize) {
        let sql = format!("UPDATE OR FAIL c{} SET v = v + 1, once = iif(id = 2, 'taken', once)", counter / ROWS);
        assert!(self.store.execute(&sql, Params::NONE, &plain()).is_err());
    }
}

fn raised(tx: &Scope, counter: usize) -> i64 {
    let (sql, id) = raise(counter);
    let rows = tx.query(&sql, &[id.into()], &plain()).unwrap().collect().unwrap();
    rows[0][0].as_ref().as_i64().unwrap()
}

/// For who waits for the write lock: it goes to whoever asks at the right moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plain connection that writes, in this process or another one.
fn foreign_writer(path: &Path, board: &Board, mut chance: Chance) {
    let _end = EndOfAll(board);
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    while !board.is_over() {
        let counter = chance.below(COUNTERS);
        let (sql, id) = raise(counter);
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let value: i64 = connection.query_row(&sql, [id], |row| row.get(0)).unwrap();
        let part = [chance.below(ROWS) as i64, chance.below(9) as i64];
        TRANSFER.iter().for_each(|sql| assert_eq!(connection.execute(sql, part).unwrap(), 1));
        connection.execute_batch("COMMIT").unwrap();
        board.publish(counter, value);
        board.values().foreign.fetch_add(1, Ordering::Relaxed);
        if chance.below(50) == 0 {
            // It holds the write lock while it waits for readers, and these never pause: not for long. Whoever is in the way may stay there.
            connection.busy_timeout(Duration::from_millis(20)).unwrap();
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            connection.busy_timeout(PATIENCE).unwrap();
        }
        chance.pause();
        chance.pause();
    }
}

/// Not a test: what the other process does.
#[test]
fn the_other_process() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let (database, board) = place.split_once('\n').unwrap();
    foreign_writer(Path::new(database), &Board::open(Path::new(board)), Chance::new(4711));
}

/// The other process; it ends with the board.
struct OtherProcess(Child);

impl OtherProcess {
    fn start(place: &Place) -> OtherProcess {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "the_other_process"]).stdout(Stdio::null());
        child.env(CHILD, format!("{}\n{}", place.database.display(), place.board.display()));
        OtherProcess(child.spawn().unwrap())
    }

    fn ended_well(mut self) -> bool {
        self.0.wait().unwrap().success()
    }
}

// -------------------------------------------------------------------------------------------------------------- readers --

/// A thread that reads, mostly with the cache.
struct Reader<'a> {
    store: &'a Store,
    board: &'a Board,
    checked: &'a AtomicU64,
    hits: &'a AtomicU64,
    chance: Chance,
}

impl Reader<'_> {
    fn run(mut self) {
        let _end = EndOfAll(self.board);
        while !self.board.is_over() {
            match self.chance.below(8) {
                0 => self.accounts(),
                1 => self.table(),
                2 => self.all(),
                _ => self.counter(),
            }
            self.checked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The first row. Seldom without the cache, so that what is kept is compared with what is not.
    fn ask(&mut self, sql: &str, params: &[ValueRef<'_>]) -> Vec<i64> {
        let cache = if self.chance.below(16) == 0 { CacheUse::Skip } else { CacheUse::Use };
        let rows = self.store.query(sql, params, &QueryOptions { cache, ..plain() }).unwrap();
        self.hits.fetch_add(u64::from(rows.is_from_cache()), Ordering::Relaxed);
        rows.collect().unwrap()[0].iter().map(|value| value.as_ref().as_i64().unwrap()).collect()
    }

    /// `value` was read after the board had said `floor`.
    fn check(&self, what: usize, floor: i64, value: i64) {
        assert!(value >= floor, "counter {what}: read {value} after {floor} was committed or read");
        self.board.publish(what, value);
    }

    fn counter(&mut self) {
        let counter = self.chance.below(COUNTERS);
        let floor = self.board.at_least(counter);
        let sql = format!("SELECT v FROM c{} WHERE id = ?1", counter / ROWS);
        let value = self.ask(&sql, &[((counter % ROWS) as i64).into()])[0];
        self.check(counter, floor, value);
    }

    fn table(&mut self) {
        let table = self.chance.below(TABLES);
        let floor: i64 = (0..ROWS).map(|row| self.board.at_least(table * ROWS + row)).sum();
        let value = self.ask(&format!("SELECT sum(v) FROM c{table}"), &[])[0];
        assert!(value >= floor, "table {table}: a sum of {value} after {floor}");
    }

    /// One row of each table in one query.
    fn all(&mut self) {
        let row = self.chance.below(ROWS);
        let floors: Vec<i64> = (0..TABLES).map(|table| self.board.at_least(table * ROWS + row)).collect();
        let values = self.ask(
            "SELECT c0.v, c1.v, c2.v, c3.v FROM c0 JOIN c1 USING(id) JOIN c2 USING(id) JOIN c3 USING(id) WHERE id = ?1",
            &[(row as i64).into()],
        );
        for table in 0..TABLES {
            self.check(table * ROWS + row, floors[table], values[table]);
        }
    }

    fn accounts(&mut self) {
        assert_eq!(self.ask(ACCOUNTS, &[]), [TOTAL], "both halves of a transfer, or neither");
    }
}

// ------------------------------------------------------------------------------------------------------------- the tests --

struct Place {
    _folder: temp_dir::TempDir,
    database: PathBuf,
    board: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = temp_dir::TempDir::new().unwrap();
        Place { database: folder.path().join("t.db"), board: folder.path().join("board"), _folder: folder }
    }

    fn open(&self, settings: &[(&str, &str)]) -> Store {
        let mut config = Config::new();
        config.set("datasource", &self.database.to_string_lossy()).unwrap();
        config.set("options.busy_timeout", &format!("{}ms", PATIENCE.as_millis())).unwrap();
        settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
        let store = Store::open(&config).unwrap();
        store.execute_script(&script(), &plain()).unwrap();
        store
    }
}

fn script() -> String {
    let counters: String = (0..TABLES)
        .map(|table| {
            format!(
                "CREATE TABLE c{table}(id INTEGER PRIMARY KEY, v INTEGER, once UNIQUE);
                 INSERT INTO c{table} VALUES (0, 0, 'taken'), (1, 0, 1), (2, 0, 2), (3, 0, 3);"
            )
        })
        .collect();
    counters
        + "CREATE TABLE lefts(id INTEGER PRIMARY KEY, v INTEGER); CREATE TABLE rights(id INTEGER PRIMARY KEY, v INTEGER);
           INSERT INTO lefts VALUES (0, 250), (1, 250), (2, 250), (3, 250); INSERT INTO rights SELECT * FROM lefts; CREATE TABLE noise(n);"
}

fn stress(settings: &[(&str, &str)]) {
    let seconds = std::env::var("KEEPWELL_STRESS_SECONDS").map_or(2, |text| text.parse().expect("KEEPWELL_STRESS_SECONDS"));
    let place = &Place::new();
    let (store, board) = (&place.open(settings), &Board::open(&place.board));
    let (checked, hits) = (&AtomicU64::new(0), &AtomicU64::new(0));
    let other = OtherProcess::start(place);
    std::thread::scope(|threads| {
        let _end = EndOfAll(board);
        for seed in 0..READERS {
            threads.spawn(move || Reader { store, board, checked, hits, chance: Chance::new(100 + seed) }.run());
        }
        for seed in 0..WRITERS {
            threads.spawn(move || Writer { store, board, chance: Chance::new(200 + seed) }.run());
        }
        threads.spawn(|| foreign_writer(&place.database, board, Chance::new(300)));
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end && !board.is_over() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(other.ended_well(), "the other process ended badly");
    report(store, board, checked.load(Ordering::Relaxed), hits.load(Ordering::Relaxed));
}

fn report(store: &Store, board: &Board, checked: u64, hits: u64) {
    let foreign = board.values().foreign.load(Ordering::Relaxed);
    println!("{checked} reads checked, {hits} of them hits ({:.1} %), {foreign} foreign commits", 100.0 * hits as f64 / checked as f64);
    println!("{:?}", store.cache_stats());
    assert!(hits > 0 && foreign > 0, "the cache was of use, and others have written");
    for counter in 0..COUNTERS {
        let (sql, id) = (format!("SELECT v FROM c{} WHERE id = ?1", counter / ROWS), (counter % ROWS) as i64);
        let value = store.query(&sql, &[id.into()], &plain()).unwrap().collect().unwrap()[0][0].as_ref().as_i64().unwrap();
        assert!(value >= board.at_least(counter));
    }
}

#[test]
fn no_read_is_stale_and_none_goes_backwards() {
    stress(&[]);
}

#[test]
fn no_read_is_stale_with_short_logs_and_few_results() {
    stress(&[("options.wal_autocheckpoint", "8"), ("cache.size", "6"), ("writer.group_max", "3"), ("pool.snapshot_idle", "0")]);
}

#[test]
fn no_read_is_stale_outside_wal_mode() {
    stress(&[("options.journal_mode", "delete")]);
}
