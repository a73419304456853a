//! The write-ahead log under load: it stays short whoever reads, and who keeps it long is named.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keepwell::{Config, Params, QueryOptions, Store, TxMode};

/// `options.wal_autocheckpoint` in these tests.
const DUE: u64 = 500;
/// A log of this many frames is begun anew: see `src/pool/log.rs`.
const LONG: u64 = 4 * DUE;

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn open() -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = Config::new();
    config.set("datasource", &folder.path().join("t.db").to_string_lossy()).unwrap();
    config.set("options.wal_autocheckpoint", &DUE.to_string()).unwrap();
    config.set("pool.max_open", "8").unwrap();
    let store = Store::open(&config).unwrap();
    store.execute("CREATE TABLE t(n INTEGER PRIMARY KEY, pad TEXT)", Params::NONE, &plain()).unwrap();
    (folder, store)
}

fn write(store: &Store) {
    store.execute("INSERT INTO t(pad) VALUES (hex(zeroblob(300)))", Params::NONE, &plain()).unwrap();
}

/// A result of several batches, whose reader holds its snapshot from the first to the last.
fn read_much(store: &Store) {
    let rows = store.query("SELECT n, pad FROM t ORDER BY n DESC LIMIT 2000", Params::NONE, &plain()).unwrap();
    assert!(rows.collect().unwrap().len() <= 2000);
}

fn read_little(store: &Store) {
    store.query("SELECT pad FROM t WHERE n = 7", Params::NONE, &plain()).unwrap();
}

/// Runs `work` in `threads` threads until somebody says stop.
fn repeat<'s>(scope: &'s std::thread::Scope<'s, '_>, threads: usize, stop: &'s AtomicBool, store: &'s Store, work: fn(&Store)) {
    for _ in 0..threads {
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                work(store);
            }
        });
    }
}

fn frames(store: &Store) -> u64 {
    store.stats().log_frames
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_log_stays_short_under_writers_and_readers_that_never_pause() {
    // Eight writers, streams and point reads: at every moment somebody reads from the log, and nothing but the maintenance can begin it anew.
    let (_folder, store) = open();
    let stop = AtomicBool::new(false);
    let (mut largest, mut begun_anew, mut last) = (0, 0, 0);
    std::thread::scope(|scope| {
        repeat(scope, 8, &stop, &store, write);
        repeat(scope, 2, &stop, &store, read_much);
        repeat(scope, 2, &stop, &store, read_little);
        let end = Instant::now() + Duration::from_secs(30);
        while begun_anew < 10 && Instant::now() < end {
            let now = frames(&store);
            begun_anew += u64::from(now < last);
            largest = largest.max(now);
            last = now;
            std::thread::sleep(Duration::from_micros(200));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(begun_anew, 10, "the log was begun anew, and had at most {largest} frames");
    assert!(largest < 100 * LONG, "the log grew to {largest} frames");
    store.close(None).unwrap();
}

#[test]
fn a_reader_that_keeps_the_log_long_is_named_and_the_log_is_short_again_after_it() {
    let (_folder, store) = open();
    let snapshot = store.begin(TxMode::ReadOnly, &plain()).unwrap();
    let count = "SELECT count(*) /* who reads for so long */ FROM t";
    drop(snapshot.query(count, Params::NONE, &plain()).unwrap());
    until("a log that can not be begun anew", || {
        write(&store);
        frames(&store) > 2 * LONG && store.health(&plain()).problem.contains("could not be begun anew")
    });
    let health = store.health(&plain());
    assert!(health.can_read && health.can_write);
    assert!(health.problem.contains("who reads for so long") && health.problem.contains("transaction"), "{}", health.problem);

    snapshot.rollback().unwrap();
    until("a log that is short again", || {
        write(&store);
        frames(&store) < LONG
    });
    until("a health without a problem", || store.health(&plain()).problem.is_empty());
    store.close(None).unwrap();
}

#[test]
fn writers_go_on_while_a_reader_keeps_the_log_long() {
    // The writer is held for a moment now and then to try; nobody waits for the reader.
    let (_folder, store) = open();
    let snapshot = store.begin(TxMode::ReadOnly, &plain()).unwrap();
    let read = |sql| snapshot.query(sql, Params::NONE, &plain()).unwrap().collect().unwrap()[0][0].as_ref().as_i64().unwrap();
    assert_eq!(read("SELECT count(*) FROM t"), 0);
    for _ in 0..4 * LONG {
        write(&store);
    }
    assert_eq!(read("SELECT count(*) FROM t"), 0, "the snapshot is what it was");
    assert!(frames(&store) >= 4 * LONG, "nothing of a log that is read is thrown away");
    snapshot.rollback().unwrap();
    store.close(None).unwrap();
}

/// One write each millisecond: the log need not become long to be begun anew.
#[test]
fn a_log_that_grows_slowly_is_begun_anew_when_a_copy_is_due() {
    let (_folder, store) = open();
    let mut largest = 0;
    for _ in 0..3 * LONG {
        write(&store);
        largest = largest.max(frames(&store));
        std::thread::sleep(Duration::from_micros(500));
    }
    assert!(largest < LONG, "{largest} frames, although {DUE} are enough");
}
