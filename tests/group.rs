//! Writes that share a transaction: what each of them gets, whatever the others do.

use std::process::Command;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use keepwell::cancel::CancelToken;
use keepwell::driver::{Changes, Mode};
use keepwell::options::Timeout;
use keepwell::store::{Done, Wants, Write};
use keepwell::{Config, Kind, Params, QueryOptions, Result, Scope, Store, TxMode, Value};

type Work<R> = Box<dyn FnOnce(&Store) -> R + Send>;

const TABLES: &str = "
    CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT UNIQUE);
    CREATE TABLE child(n INTEGER PRIMARY KEY, t INTEGER REFERENCES t(n) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER guard BEFORE INSERT ON t WHEN new.s = 'forbidden' BEGIN SELECT RAISE(ROLLBACK, 'forbidden text'); END;";

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

fn begin(store: &Store) -> Scope {
    store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap()
}

fn all(store: &Store, sql: &str) -> Vec<Vec<Value>> {
    store.query(sql, Params::NONE, &plain()).unwrap().collect().unwrap()
}

fn numbers(store: &Store, sql: &str) -> Vec<i64> {
    all(store, sql).iter().map(|row| row[0].as_ref().as_i64().unwrap()).collect()
}

/// Runs the statements in threads that queue up in this order behind an open transaction, so that the first of them leads all.
fn together(store: &Store, statements: &[&str]) -> Vec<Result<Changes>> {
    let works = statements.iter().map(|sql| move |store: &Store| store.execute(sql, Params::NONE, &plain())).collect();
    queued(store, works)
}

fn queued<R: Send>(store: &Store, works: Vec<impl FnOnce(&Store) -> R + Send>) -> Vec<R> {
    queued_then(store, works, || {})
}

/// `then` runs once the line has been let go.
fn queued_then<R: Send>(store: &Store, works: Vec<impl FnOnce(&Store) -> R + Send>, then: impl FnOnce()) -> Vec<R> {
    let tx = begin(store);
    std::thread::scope(|scope| {
        let line: Vec<ScopedJoinHandle<'_, R>> = works
            .into_iter()
            .enumerate()
            .map(|(number, work)| {
                let thread = scope.spawn(move || work(store));
                wait_for_line(store, number + 1);
                thread
            })
            .collect();
        tx.rollback().unwrap();
        then();
        line.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn wait_for_line(store: &Store, length: usize) {
    while store.stats().writer.waiting != length {
        std::thread::yield_now();
    }
}

fn kinds(results: &[Result<Changes>]) -> Vec<Option<Kind>> {
    results.iter().map(|result| result.as_ref().err().map(keepwell::Error::kind)).collect()
}

#[test]
fn waiting_writes_share_one_transaction_and_each_gets_its_own_numbers() {
    let (_folder, store) = open(&[]);
    let statements = ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (5, 'b'), (6, 'c')", "UPDATE t SET s = s || '!'"];
    let results: Vec<Changes> = together(&store, &statements).into_iter().map(Result::unwrap).collect();
    assert_eq!(results[0], Changes { last_insert_id: 1, rows_affected: 1 });
    assert_eq!(results[1], Changes { last_insert_id: 6, rows_affected: 2 });
    assert_eq!(results[2], Changes { last_insert_id: 0, rows_affected: 3 });
    let stats = store.stats();
    assert_eq!((stats.groups, stats.grouped, stats.replayed), (1, 3, 0));
}

#[test]
fn a_group_is_no_larger_than_configured_and_none_at_all_when_it_is_off() {
    let inserts =
        ["INSERT INTO t(s) VALUES (1)", "INSERT INTO t(s) VALUES (2)", "INSERT INTO t(s) VALUES (3)", "INSERT INTO t(s) VALUES (4)"];
    for (setting, value, groups) in [("writer.group_max", "2", (2, 4)), ("writer.group_commit", "off", (0, 0))] {
        let (_folder, store) = open(&[(setting, value)]);
        assert!(together(&store, &inserts).iter().all(Result::is_ok));
        assert_eq!((store.stats().groups, store.stats().grouped), groups, "{setting}={value}");
        assert_eq!(numbers(&store, "SELECT CAST(s AS INTEGER) FROM t ORDER BY n"), [1, 2, 3, 4], "in the order of arrival");
    }
}

#[test]
fn a_failing_write_leaves_the_others_alone() {
    let (_folder, store) = open(&[]);
    let results = together(
        &store,
        &[
            "INSERT INTO t VALUES (1, 'a')",
            "INSERT INTO t VALUES (2, 'a')",
            "INSERT INTO nowhere VALUES (1)",
            "INSERT OR FAIL INTO t VALUES (3, 'c'), (4, 'a'), (5, 'e')",
            "INSERT INTO t VALUES (6, 'f')",
        ],
    );
    assert_eq!(kinds(&results), [None, Some(Kind::Constraint), Some(Kind::Sql), Some(Kind::Constraint), None]);
    assert_eq!(numbers(&store, "SELECT n FROM t ORDER BY n"), [1, 3, 6], "FAIL keeps what came before, as it does alone");
    assert_eq!((store.stats().groups, store.stats().replayed), (1, 0));
}

#[test]
fn a_write_that_ends_the_transaction_takes_nobody_with_it() {
    let forms = ["INSERT OR ROLLBACK INTO t VALUES (9, 'a')", "INSERT INTO t VALUES (9, 'forbidden')"];
    for form in forms {
        let (_folder, store) = open(&[]);
        let statements = ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'a')", form, "INSERT INTO t VALUES (4, 'd')"];
        let results = together(&store, &statements);
        assert_eq!(kinds(&results), [None, Some(Kind::Constraint), Some(Kind::Constraint), None], "{form}");
        assert_eq!(results[0].as_ref().unwrap(), &Changes { last_insert_id: 1, rows_affected: 1 });
        assert_eq!(numbers(&store, "SELECT n FROM t ORDER BY n"), [1, 4]);
        assert_eq!(store.stats().replayed, 2);
    }
}

#[test]
fn a_deferred_violation_is_the_error_of_its_own_write_alone() {
    let (_folder, store) = open(&[]);
    let results = together(
        &store,
        &[
            "INSERT INTO t VALUES (1, 'a')",
            "INSERT INTO child VALUES (1, 1)",
            "INSERT INTO child VALUES (2, 99)",
            "INSERT INTO t VALUES (99, 'too late')",
        ],
    );
    assert_eq!(kinds(&results), [None, None, Some(Kind::Constraint), None]);
    assert_eq!(results[2].as_ref().unwrap_err().engine().unwrap().extended, 787, "SQLITE_CONSTRAINT_FOREIGNKEY");
    assert_eq!(numbers(&store, "SELECT n FROM child"), [1]);
    assert_eq!(numbers(&store, "SELECT n FROM t ORDER BY n"), [1, 99]);
}

#[test]
fn what_can_not_be_in_a_transaction_runs_by_itself_in_its_turn() {
    let (_folder, store) = open(&[]);
    let results = together(&store, &["INSERT INTO t VALUES (1, 'a')", "VACUUM", "PRAGMA wal_checkpoint", "INSERT INTO t VALUES (2, 'b')"]);
    assert_eq!(kinds(&results), [None; 4]);
    assert_eq!(numbers(&store, "SELECT n FROM t ORDER BY n"), [1, 2]);
}

#[test]
fn a_vacuum_that_is_prepared_anew_still_runs_by_itself() {
    let (_folder, store) = open(&[]);
    store.execute("VACUUM", Params::NONE, &plain()).unwrap();
    // SQLite prepares everything anew after a change of the schema was undone.
    let tx = begin(&store);
    tx.execute("CREATE TABLE other(x)", Params::NONE, &plain()).unwrap();
    tx.rollback().unwrap();
    store.execute("VACUUM", Params::NONE, &plain()).unwrap();
    assert_eq!(kinds(&together(&store, &["INSERT INTO t VALUES (1, 'a')", "VACUUM"])), [None, None]);
}

#[test]
fn what_fails_when_it_is_prepared_anew_spoils_no_counts_of_the_next() {
    let (_folder, store) = open(&[]);
    let insert = |n: i64| store.execute("INSERT INTO t(n) VALUES (?1)", &[n.into()], &plain()).unwrap();
    insert(1);
    store.execute("CREATE TABLE other(x)", Params::NONE, &plain()).unwrap();
    store.execute("CREATE TABLE other(x)", Params::NONE, &plain()).unwrap_err();
    // Prepared anew here, and counted by what was known before; the next one by what was heard now.
    assert_eq!(insert(2), Changes { last_insert_id: 2, rows_affected: 1 });
    assert_eq!(insert(3), Changes { last_insert_id: 3, rows_affected: 1 });
}

#[test]
fn returning_rows_reach_the_thread_that_asked() {
    let (_folder, store) = open(&[]);
    let works = (0..6)
        .map(|number: i64| {
            move |store: &Store| {
                let values = [number.into(), "text".into()];
                let sql = "INSERT INTO t VALUES (?1, ?2 || ?1) RETURNING n, s";
                store.query(sql, &values, &plain()).unwrap().collect().unwrap()
            }
        })
        .collect();
    for (number, rows) in queued(&store, works).into_iter().enumerate() {
        assert_eq!(rows, [[Value::Integer(number as i64), Value::Text(format!("text{number}").into_bytes())]]);
    }
    assert_eq!((store.stats().groups, store.stats().grouped), (1, 6));
}

/// Runs long, and writes.
const LONG: &str = "INSERT INTO t(s) SELECT i FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c)";

#[test]
fn a_write_that_runs_into_its_deadline_is_undone_and_the_others_run_again() {
    let (_folder, store) = open(&[]);
    let insert = |sql: &'static str, timeout| move |store: &Store| store.execute(sql, Params::NONE, &QueryOptions { timeout, ..plain() });
    let soon = Timeout::After(Duration::from_millis(300));
    let works: Vec<Work<Result<Changes>>> = vec![
        Box::new(insert("INSERT INTO t VALUES (1, 'a')", Timeout::Default)),
        Box::new(insert(LONG, soon)),
        Box::new(insert("INSERT INTO t VALUES (2, 'b')", Timeout::Default)),
    ];
    let results = queued(&store, works);
    assert_eq!(kinds(&results), [None, Some(Kind::Timeout), None]);
    assert_eq!(numbers(&store, "SELECT n FROM t ORDER BY n"), [1, 2]);
}

#[test]
fn a_cancelled_write_is_undone_and_the_leader_runs_again() {
    let (_folder, store) = open(&[]);
    let token = CancelToken::new().unwrap();
    let long = move |store: &Store| store.execute(LONG, Params::NONE, &QueryOptions { cancel: Some(token), ..plain() });
    let short = |store: &Store| store.execute("INSERT INTO t VALUES (1, 'a')", Params::NONE, &plain());
    let works: Vec<Work<Result<Changes>>> = vec![Box::new(short), Box::new(long)];
    let results = queued_then(&store, works, || {
        wait_for_line(&store, 0);
        token.cancel();
    });
    assert_eq!(kinds(&results), [None, Some(Kind::Cancelled)]);
    assert_eq!(numbers(&store, "SELECT n FROM t"), [1]);
    token.free();
}

/// Runs for ever, and writes nothing: interrupting it leaves the transaction as it was.
const ENDLESS: &str = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c";

#[test]
fn what_was_stopped_is_not_run_again_with_the_others() {
    let (_folder, store) = open(&[]);
    let insert = |sql: &'static str, timeout| move |store: &Store| store.execute(sql, Params::NONE, &QueryOptions { timeout, ..plain() });
    let soon = Timeout::After(Duration::from_millis(300));
    let works: Vec<Work<Result<Changes>>> = vec![
        Box::new(insert("INSERT INTO t VALUES (1, 'a')", Timeout::Default)),
        Box::new(insert(ENDLESS, soon)),
        Box::new(insert("INSERT OR ROLLBACK INTO t VALUES (2, 'a')", Timeout::Default)),
    ];
    assert_eq!(kinds(&queued(&store, works)), [None, Some(Kind::Timeout), Some(Kind::Constraint)]);
    assert_eq!(numbers(&store, "SELECT n FROM t"), [1]);
}

#[test]
fn a_failure_is_told_only_when_what_it_came_from_is_durable() {
    let (_folder, store) = open(&[]);
    // Running it again takes long enough for the one that failed to look.
    let slow = "INSERT INTO t SELECT 1, 'a' FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300000) \
                SELECT count(*) FROM c)";
    let mut works: Vec<Work<i64>> = vec![Box::new(|store| store.execute(slow, Params::NONE, &plain()).unwrap().rows_affected)];
    works.push(Box::new(|store| store.execute("INSERT INTO t VALUES (2, 'b')", Params::NONE, &plain()).unwrap().rows_affected));
    works.push(Box::new(|store| {
        let error = store.execute("INSERT OR ROLLBACK INTO t VALUES (3, 'a')", Params::NONE, &plain()).unwrap_err();
        assert_eq!(error.kind(), Kind::Constraint);
        numbers(store, "SELECT count(*) FROM t WHERE s = 'a'")[0]
    }));
    assert_eq!(queued(&store, works), [1; 3], "who was told that there is a row finds it");
}

#[test]
fn nobody_who_is_done_waits_for_a_long_write_behind() {
    for first_of_two in [true, false] {
        let (_folder, store) = open(&[]);
        let token = CancelToken::new().unwrap();
        let quick = |sql: &'static str, last: bool| {
            move |store: &Store| {
                let result = store.execute(sql, Params::NONE, &plain());
                if last {
                    token.cancel();
                }
                result
            }
        };
        let long = move |store: &Store| {
            let options = QueryOptions { cancel: Some(token), timeout: Timeout::After(Duration::from_secs(60)), ..plain() };
            store.execute(LONG, Params::NONE, &options)
        };
        let works: Vec<Work<Result<Changes>>> = vec![
            Box::new(quick("INSERT INTO t VALUES (1, 'a')", first_of_two)),
            Box::new(quick("INSERT INTO t VALUES (2, 'b')", !first_of_two)),
            Box::new(long),
        ];
        let results = queued(&store, works);
        assert_eq!(kinds(&results), [None, None, Some(Kind::Cancelled)], "the quick ones were answered while the long one ran");
        assert_eq!(numbers(&store, "SELECT n FROM t ORDER BY n"), [1, 2]);
        token.free();
    }
}

#[test]
fn what_needs_no_lock_does_not_wait_for_that_of_another_process() {
    let (folder, store) = open(&[("options.busy_timeout", "100ms")]);
    let other = Store::open_path(folder.path().join("t.db")).unwrap();
    let waits = |sql: &'static str, values: Vec<Value>| {
        let values: Vec<_> = values.iter().map(Value::as_ref).collect();
        let line = store.pin(&plain()).unwrap();
        let lock = begin(&other);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| store.execute(sql, &values[..], &plain()));
            wait_for_line(&store, 1);
            let behind = scope.spawn(|| store.execute("INSERT INTO t(s) VALUES (NULL)", Params::NONE, &plain()));
            wait_for_line(&store, 2);
            line.release().unwrap();
            let result = first.join().unwrap();
            let _ = behind.join().unwrap();
            lock.rollback().unwrap();
            result.map_err(|error| error.kind())
        })
    };
    assert_eq!(waits("SELECT 1", vec![]), Ok(Changes::default()));
    assert_eq!(waits("PRAGMA user_version", vec![]), Ok(Changes::default()));
    assert_eq!(waits("garbage", vec![]), Err(Kind::Sql));
    assert_eq!(waits("INSERT INTO t(s) VALUES (?)", vec![]), Err(Kind::Parameter));
    assert_eq!(waits("BEGIN", vec![]), Err(Kind::Misuse));
    assert_eq!(waits("INSERT INTO t VALUES (7, 'seven')", vec![]), Err(Kind::Busy), "this one needs it");
}

#[test]
fn the_wait_for_a_connection_is_over_once_the_write_runs() {
    let (_folder, store) = open(&[("pool.wait_timeout", "200ms")]);
    let long =
        "INSERT INTO t(s) SELECT i FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400000) SELECT i FROM c)";
    let results = together(&store, &["INSERT INTO t VALUES (1000000, 'a')", long]);
    assert_eq!(kinds(&results), [None, None], "although it took longer than pool.wait_timeout");
}

#[test]
fn a_transaction_in_line_is_not_overtaken_by_writes_behind_it() {
    let (_folder, store) = open(&[]);
    let write = |store: &Store| {
        store.execute("INSERT INTO t(s) VALUES ((SELECT count(*) FROM t) || 'w')", Params::NONE, &plain()).unwrap().last_insert_id
    };
    let transaction = |store: &Store| {
        let tx = begin(store);
        let id = tx.execute("INSERT INTO t(s) VALUES ((SELECT count(*) FROM t) || 't')", Params::NONE, &plain()).unwrap().last_insert_id;
        tx.commit().unwrap();
        id
    };
    let works: Vec<Work<i64>> =
        vec![Box::new(write), Box::new(write), Box::new(transaction), Box::new(write), Box::new(transaction), Box::new(write)];
    assert_eq!(queued(&store, works), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_closing_store_ends_writes_in_line_with_a_clear_error() {
    let (_folder, store) = open(&[]);
    let tx = begin(&store);
    let write = |store: &Store| store.execute("INSERT INTO t(s) VALUES (1)", Params::NONE, &plain());
    std::thread::scope(|scope| {
        let store = &store;
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(move || write(store))).collect();
        wait_for_line(store, 3);
        let close = scope.spawn(move || store.close(Some(Duration::from_secs(20))));
        waiting.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().unwrap_err().kind(), Kind::Closed));
        tx.rollback().unwrap();
        close.join().unwrap().unwrap();
    });
}

/// A file system of one megabyte, gone when dropped. `None` where the system does not let this process mount one.
struct SmallDisk(temp_dir::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let folder = temp_dir::TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_the_error_of_the_writes_that_do_not_fit() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: mounting a small file system takes root");
        return;
    };
    let store = Store::open_path(disk.0.path().join("t.db")).unwrap();
    store.execute_script(TABLES, &plain()).unwrap();
    let large = "INSERT INTO t VALUES (2, hex(randomblob(450000)))";
    for round in 0..3 {
        let small = |n: i64| format!("INSERT INTO t VALUES ({}, 'small {round} {n}')", 10 * round + n);
        let results = together(&store, &[&small(3), large, &small(4)]);
        assert_eq!(kinds(&results), [None, Some(Kind::Full), None], "{results:?}");
    }
    assert_eq!(numbers(&store, "SELECT n FROM t ORDER BY n"), [3, 4, 13, 14, 23, 24]);
    assert_eq!(all(&store, "PRAGMA integrity_check"), [[Value::Text(b"ok".to_vec())]]);
    store.close(None).unwrap();
}

fn write(sql: &'static str) -> Write<'static> {
    Write { sql, params: Params::NONE, wants: Wants::Changes, options: plain() }
}

fn changed(results: Vec<Result<Done>>) -> Vec<Result<Changes>> {
    let changes = |done| match done {
        Done::Changes(changes) => changes,
        Done::Rows(..) => panic!("rows were not asked for"),
    };
    results.into_iter().map(|result| result.map(changes)).collect()
}

#[test]
fn writes_of_one_caller_and_those_that_wait_behind_share_a_transaction() {
    let (_folder, store) = open(&[]);
    let ours = ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'a')", "INSERT INTO t VALUES (3, 'c')"];
    let works: Vec<Work<Vec<Result<Changes>>>> = vec![
        Box::new(move |store| changed(store.execute_together(&ours.map(write)))),
        Box::new(|store| vec![store.execute("UPDATE t SET s = s || '!'", Params::NONE, &plain())]),
    ];
    let results = queued(&store, works);
    assert_eq!(kinds(&results[0]), [None, Some(Kind::Constraint), None]);
    assert_eq!(results[0][2].as_ref().unwrap().last_insert_id, 3);
    assert_eq!(results[1][0].as_ref().unwrap().rows_affected, 2);
    assert_eq!((store.stats().groups, store.stats().grouped), (1, 4));
}

#[test]
fn the_rest_of_a_callers_writes_go_on_after_one_ended_the_transaction() {
    for setting in [("writer.group_max", "64"), ("writer.group_max", "2"), ("writer.group_commit", "off")] {
        let (_folder, store) = open(&[setting]);
        let results = changed(store.execute_together(&[
            write("INSERT INTO t VALUES (1, 'a')"),
            write("INSERT INTO t VALUES (2, 'forbidden')"),
            write("INSERT INTO child VALUES (1, 77)"),
            write("VACUUM"),
            write("INSERT INTO child VALUES (2, 1)"),
        ]));
        assert_eq!(kinds(&results), [None, Some(Kind::Constraint), Some(Kind::Constraint), None, None], "{setting:?}");
        assert_eq!(numbers(&store, "SELECT n FROM t UNION ALL SELECT n FROM child"), [1, 2], "{setting:?}");
    }
}

#[test]
fn who_has_to_stop_leaves_the_wait_of_all() {
    let (_folder, store) = open(&[]);
    let token = CancelToken::new().unwrap();
    let tx = begin(&store);
    let waits = store.stats().waits;
    let waits_for_the_time = |nth: u64| {
        while store.stats().waits != waits + nth {
            std::thread::yield_now();
        }
    };
    let results = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let cancelled = Write { options: QueryOptions { cancel: Some(token), ..plain() }, ..write("INSERT INTO t(n) VALUES (1)") };
            changed(store.execute_together(&[cancelled, write("INSERT INTO t(n) VALUES (2)")]))
        });
        waits_for_the_time(1);
        token.cancel();
        waits_for_the_time(2); // for the other one alone
        token.reset();
        tx.rollback().unwrap();
        waiting.join().unwrap()
    });
    token.free();
    assert_eq!(kinds(&results), [Some(Kind::Cancelled), None]);
    assert_eq!(numbers(&store, "SELECT n FROM t"), [2]);
}
