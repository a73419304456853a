//! Many threads, all kinds of writes, many of which fail: each answer is checked at once against the file, and all of them at the end against
//! a model that ran the successful ones one after another.
//!
//! `KEEPWELL_STRESS_SECONDS` says how long (default 3).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keepwell::driver::{Changes, Mode};
use keepwell::{Config, Kind, Matrix, Params, QueryOptions, Store, TxMode, Value, ValueRef};

const THREADS: i64 = 16;

const TABLES: &str = "
    CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT UNIQUE, who INTEGER NOT NULL);
    CREATE TABLE child(n INTEGER PRIMARY KEY, t INTEGER REFERENCES t(n) DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE sums(who INTEGER PRIMARY KEY, v INTEGER);
    CREATE TRIGGER guard BEFORE INSERT ON t WHEN new.s LIKE 'forbidden%' BEGIN SELECT RAISE(ROLLBACK, 'forbidden text'); END;
    INSERT INTO t VALUES (0, 'taken', 0);";

fn open(settings: &[(&str, &str)]) -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = Config::new();
    config.set("datasource", &folder.path().join("t.db").to_string_lossy()).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    let store = Store::open(&config).unwrap();
    store.execute_script(TABLES, &plain()).unwrap();
    (folder, store)
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn integers(store: &Store, sql: &str, values: &[ValueRef<'_>]) -> Vec<i64> {
    let rows = store.query(sql, values, &plain()).unwrap().collect().unwrap();
    rows.iter().map(|row| row[0].as_ref().as_i64().unwrap()).collect()
}

/// What one thread has been told.
#[derive(Default)]
struct Told {
    /// Its rows of `t`, with their text.
    rows: BTreeMap<i64, String>,
    children: Vec<i64>,
    sum: i64,
    failures: [u64; 6],
    calls: u64,
}

struct Worker<'a> {
    store: &'a Store,
    me: i64,
    numbers: &'a AtomicI64,
    told: Told,
}

impl Worker<'_> {
    fn number(&self) -> i64 {
        self.numbers.fetch_add(10, Ordering::Relaxed)
    }

    fn run(&self, sql: &str, values: &[ValueRef<'_>]) -> keepwell::Result<Changes> {
        self.store.execute(sql, values, &plain())
    }

    /// One call of each kind, in an order of each thread's own.
    fn step(&mut self, round: i64) {
        self.told.calls += 1;
        match (round * 7 + self.me * 5) % 23 {
            0..=4 => self.insert(),
            5 | 6 => self.insert_returning(),
            7 => self.fails(0, "INSERT INTO t VALUES (?1, 'taken', ?2)", 2067),
            8 => self.fails(1, "INSERT OR ROLLBACK INTO t VALUES (?1, 'taken', ?2)", 2067),
            9 => self.fails(2, "INSERT INTO t VALUES (?1, 'forbidden' || ?1, ?2)", 1811),
            10 => self.fails(3, "INSERT INTO child VALUES (?1, -?1 - ?2)", 787),
            11 => self.fails(
                4,
                "INSERT INTO t SELECT ?1 + value, 'several ' || (?1 + value), iif(value = 3, NULL, ?2) FROM json_each('[0,1,3]')",
                1299,
            ),
            12 => self.keeps_what_came_before(),
            13 | 14 => self.child(),
            15..=17 => self.add(),
            18 => self.transaction(true),
            19 => self.transaction(false),
            20 => self.bulk(),
            21 => self.delete(),
            _ => self.seldom(round),
        }
    }

    fn insert(&mut self) {
        let n = self.number();
        let text = format!("text {n}");
        let changes = self.run("INSERT INTO t VALUES (?1, ?2, ?3)", &[n.into(), text.as_str().into(), self.me.into()]).unwrap();
        assert_eq!(changes, Changes { last_insert_id: n, rows_affected: 1 });
        self.finds(n, &text);
    }

    fn insert_returning(&mut self) {
        let n = self.number();
        let text = format!("text {n}");
        let sql = "INSERT INTO t SELECT ?1 + value, ?2 || '.' || value, ?3 FROM json_each('[0,1,2]') RETURNING n, s";
        let rows = self.store.query(sql, &[n.into(), text.as_str().into(), self.me.into()], &plain()).unwrap().collect().unwrap();
        for (offset, row) in rows.iter().enumerate() {
            let (n, text) = (n + offset as i64, format!("{text}.{offset}"));
            assert_eq!(row, &[Value::Integer(n), Value::Text(text.clone().into_bytes())]);
            self.finds(n, &text);
        }
        assert_eq!(rows.len(), 3);
    }

    /// A row that was answered is there at once.
    fn finds(&mut self, n: i64, text: &str) {
        let found = integers(self.store, "SELECT who FROM t WHERE n = ?1 AND s = ?2", &[n.into(), text.into()]);
        assert_eq!(found, [self.me], "row {n}");
        self.told.rows.insert(n, text.to_string());
    }

    /// A write that fails leaves nothing, and has its own error.
    fn fails(&mut self, which: usize, sql: &str, code: i32) {
        let n = self.number();
        let error = self.run(sql, &[n.into(), self.me.into()]).unwrap_err();
        assert_eq!((error.kind(), error.engine().map(|engine| engine.extended)), (Kind::Constraint, Some(code)), "{sql}: {error}");
        let left = "SELECT (SELECT count(*) FROM t WHERE n BETWEEN ?1 AND ?1 + 9) + (SELECT count(*) FROM child WHERE n = ?1)";
        assert_eq!(integers(self.store, left, &[n.into()]), [0], "{sql}");
        self.told.failures[which] += 1;
    }

    fn keeps_what_came_before(&mut self) {
        let n = self.number();
        let sql = "INSERT OR FAIL INTO t VALUES (?1, 'or fail ' || ?1, ?2), (?1 + 1, 'taken', ?2), (?1 + 2, 'never ' || ?1, ?2)";
        assert_eq!(self.run(sql, &[n.into(), self.me.into()]).unwrap_err().kind(), Kind::Constraint);
        assert_eq!(integers(self.store, "SELECT n FROM t WHERE n BETWEEN ?1 AND ?1 + 9", &[n.into()]), [n]);
        self.finds(n, &format!("or fail {n}"));
        self.told.failures[5] += 1;
    }

    fn child(&mut self) {
        let n = self.number();
        assert_eq!(self.run("INSERT INTO child VALUES (?1, 0)", &[n.into()]).unwrap().last_insert_id, n);
        self.told.children.push(n);
    }

    /// Each addition takes place once: nobody else touches the row.
    fn add(&mut self) {
        let sql = "INSERT INTO sums VALUES (?1, 1) ON CONFLICT DO UPDATE SET v = v + 1 RETURNING v";
        let rows = self.store.query(sql, &[self.me.into()], &plain()).unwrap().collect().unwrap();
        self.told.sum += 1;
        assert_eq!(rows, [[Value::Integer(self.told.sum)]]);
    }

    fn transaction(&mut self, commits: bool) {
        let tx = self.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        let numbers = [self.number(), self.number()];
        for n in numbers {
            tx.execute("INSERT INTO t VALUES (?1, 'text ' || ?1, ?2)", &[n.into(), self.me.into()], &plain()).unwrap();
            assert_eq!(
                tx.execute("INSERT INTO t VALUES (?1 + 1, 'taken', 1)", &[n.into()], &plain()).unwrap_err().kind(),
                Kind::Constraint
            );
        }
        if !commits {
            tx.rollback().unwrap();
            return assert_eq!(
                integers(self.store, "SELECT n FROM t WHERE n IN (?1, ?2)", &[numbers[0].into(), numbers[1].into()]),
                Vec::<i64>::new()
            );
        }
        tx.commit().unwrap();
        numbers.into_iter().for_each(|n| self.finds(n, &format!("text {n}")));
    }

    fn bulk(&mut self) {
        let n = self.number();
        let matrix: Vec<ValueRef<'_>> = (n..n + 10).flat_map(|n| [n.into(), self.me.into()]).collect();
        let matrix = Matrix::new(&matrix, 2, 10).unwrap();
        let changes = self.store.execute_many("INSERT INTO t VALUES (?1, 'text ' || ?1, ?2)", matrix, &plain()).unwrap();
        assert_eq!(changes, Changes { last_insert_id: n + 9, rows_affected: 10 });
        (n..n + 10).for_each(|n| self.finds(n, &format!("text {n}")));
    }

    fn delete(&mut self) {
        let Some((n, _)) = self.told.rows.pop_first() else { return };
        assert_eq!(self.run("DELETE FROM t WHERE n = ?1", &[n.into()]).unwrap(), Changes { last_insert_id: 0, rows_affected: 1 });
        assert_eq!(self.run("DELETE FROM t WHERE n = ?1", &[n.into()]).unwrap().rows_affected, 0);
        assert_eq!(integers(self.store, "SELECT n FROM t WHERE n = ?1", &[n.into()]), Vec::<i64>::new());
    }

    /// What changes the schema, or can be in no group.
    fn seldom(&mut self, round: i64) {
        match (round / 23 + self.me) % 4 {
            0 => drop(self.run("VACUUM", &[]).unwrap()),
            1 => drop(self.run("PRAGMA wal_checkpoint", &[]).unwrap()),
            _ => {
                let table = format!("own{}", self.me);
                self.run(&format!("CREATE TABLE {table}(x)"), &[]).unwrap();
                assert_eq!(self.run(&format!("INSERT INTO {table} VALUES (1), (2)"), &[]).unwrap().rows_affected, 2);
                assert_eq!(self.run(&format!("CREATE TABLE {table}(x)"), &[]).unwrap_err().kind(), Kind::Sql);
                assert_eq!(integers(self.store, &format!("SELECT count(*) FROM {table}"), &[]), [2]);
                self.run(&format!("DROP TABLE {table}"), &[]).unwrap();
            }
        }
    }
}

/// Ends the process when nobody makes progress.
fn watch(store: &Store, numbers: &AtomicI64, over: &AtomicBool) {
    let (mut before, mut since) = (0, Instant::now());
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
        let now = numbers.load(Ordering::Relaxed);
        if now != before {
            (before, since) = (now, Instant::now());
        } else if since.elapsed() > Duration::from_secs(60) {
            eprintln!("nobody makes progress: {:?}", store.stats());
            std::process::abort();
        }
    }
}

fn stress(settings: &[(&str, &str)]) {
    let seconds = std::env::var("KEEPWELL_STRESS_SECONDS").map_or(3, |text| text.parse().expect("KEEPWELL_STRESS_SECONDS"));
    let (_folder, store) = open(settings);
    let (numbers, over, failed) = (AtomicI64::new(10), AtomicBool::new(false), AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let told: Vec<Told> = std::thread::scope(|scope| {
        let (store, numbers, over, failed) = (&store, &numbers, &over, &failed);
        let work = move |me| {
            let mut worker = Worker { store, me, numbers, told: Told::default() };
            let mut rounds = 0..;
            while Instant::now() < end && failed.load(Ordering::Relaxed) == 0 {
                let step = std::panic::AssertUnwindSafe(|| worker.step(rounds.next().unwrap()));
                if let Err(panic) = std::panic::catch_unwind(step) {
                    failed.fetch_add(1, Ordering::Relaxed);
                    std::panic::resume_unwind(panic);
                }
            }
            worker.told
        };
        let threads: Vec<_> = (1..=THREADS).map(|me| scope.spawn(move || work(me))).collect();
        scope.spawn(move || watch(store, numbers, over));
        let told: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        over.store(true, Ordering::Relaxed);
        told.into_iter().map(|told| told.expect("a worker found an answer wrong")).collect()
    });
    compare(&store, &told);
    let failures = told.iter().fold([0; 6], |sum, told| std::array::from_fn(|i| sum[i] + told.failures[i]));
    let stats = store.stats();
    println!("{} calls, failures by kind {failures:?}", told.iter().map(|told| told.calls).sum::<u64>());
    println!("groups {}, writes in them {}, run again {}", stats.groups, stats.grouped, stats.replayed);
    assert!(failures.iter().all(|count| *count > 0), "each kind of failure took place");
}

/// The file is what the threads were told, and sound.
fn compare(store: &Store, told: &[Told]) {
    let expected: BTreeMap<i64, &String> = told.iter().flat_map(|told| told.rows.iter().map(|(n, text)| (*n, text))).collect();
    let rows = store.query("SELECT n, s FROM t WHERE n > 0 ORDER BY n", Params::NONE, &plain()).unwrap().collect().unwrap();
    assert_eq!(rows.len(), expected.len());
    for (row, (n, text)) in rows.iter().zip(expected) {
        assert_eq!(row, &[Value::Integer(n), Value::Text(text.clone().into_bytes())]);
    }
    let mut children: Vec<i64> = told.iter().flat_map(|told| told.children.iter().copied()).collect();
    children.sort_unstable();
    assert_eq!(integers(store, "SELECT n FROM child ORDER BY n", &[]), children);
    let sums: i64 = told.iter().map(|told| told.sum).sum();
    assert_eq!(integers(store, "SELECT sum(v) FROM sums", &[]), [sums]);
    assert_eq!(store.query("PRAGMA integrity_check", Params::NONE, &plain()).unwrap().collect().unwrap(), [[Value::Text(b"ok".to_vec())]]);
    assert!(store.query("PRAGMA foreign_key_check", Params::NONE, &plain()).unwrap().collect().unwrap().is_empty());
}

#[test]
fn every_answer_is_true_while_many_fail() {
    stress(&[]);
}

#[test]
fn every_answer_is_true_in_small_groups_that_wait_for_company() {
    stress(&[("writer.group_max", "4"), ("writer.group_delay", "1ms")]);
}
