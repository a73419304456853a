//! Opening what can be opened, and saying why the rest can not.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use keepwell::driver::Mode;
use keepwell::{Config, Kind, Matrix, Params, QueryOptions, Store, TxMode, Value, ValueRef};

fn open(source: &str) -> keepwell::Result<Store> {
    let mut config = Config::new();
    config.set("datasource", source)?;
    Store::open(&config)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn what_is_no_database_is_refused_with_the_reason() {
    let folder = temp_dir::TempDir::new().unwrap();
    let junk = folder.path().join("junk.db");
    fs::write(&junk, vec![b'x'; 8192]).unwrap();
    let short = folder.path().join("short.db");
    fs::write(&short, "not a database at all").unwrap();
    for (source, kind, says) in [
        (text(folder.path()), Kind::CantOpen, "directory"),
        (text(&junk), Kind::Corrupt, "no SQLite database"),
        (text(&short), Kind::Corrupt, "no SQLite database"),
        (format!("file:{}?mode=rw", text(&folder.path().join("missing.db"))), Kind::CantOpen, "does not exist"),
        (format!("file:{}?mode=ro", text(&folder.path().join("missing.db"))), Kind::CantOpen, "does not exist"),
        (text(&folder.path().join("no/such/folder/t.db")), Kind::CantOpen, "folder"),
    ] {
        let error = open(&source).err().unwrap_or_else(|| panic!("{source} was opened"));
        assert_eq!(error.kind(), kind, "{source}: {error}");
        assert!(error.message().contains(says), "{source}: {error}");
    }
    assert_eq!(fs::read(&junk).unwrap(), vec![b'x'; 8192], "left as it was");
}

#[test]
fn a_store_opened_to_read_reads_and_does_not_write() {
    let folder = temp_dir::TempDir::new().unwrap();
    let path = text(&folder.path().join("t.db"));
    let options = QueryOptions::default();
    let store = open(&path).unwrap();
    store.execute_script("CREATE TABLE t(n); INSERT INTO t VALUES (1)", &options).unwrap();
    let reader = open(&format!("file:{path}?mode=ro")).unwrap();
    assert_eq!(reader.query("SELECT n FROM t", Params::NONE, &options).unwrap().collect().unwrap(), vec![vec![Value::Integer(1)]]);
    store.execute("UPDATE t SET n = 2", Params::NONE, &options).unwrap();
    assert_eq!(reader.query("SELECT n FROM t", Params::NONE, &options).unwrap().collect().unwrap(), vec![vec![Value::Integer(2)]]);
    assert_eq!(reader.execute("DELETE FROM t", Params::NONE, &options).unwrap_err().kind(), Kind::ReadOnly);
    let health = reader.health(&options);
    assert!(health.can_read && !health.can_write && health.healthy && health.problem.is_empty(), "{health:?}");
    store.close(None).unwrap();
    reader.close(None).unwrap();
    let still = open(&format!("file:{path}?mode=ro&immutable=1")).unwrap();
    assert_eq!(still.query("SELECT n FROM t", Params::NONE, &options).unwrap().collect().unwrap(), vec![vec![Value::Integer(2)]]);
}

#[test]
fn settings_take_and_other_journal_modes_work_on_one_connection() {
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = Config::new();
    config.set("datasource", &text(&folder.path().join("t.db"))).unwrap();
    for (key, value) in [
        ("options.journal_mode", "delete"),
        ("options.synchronous", "full"),
        ("options.page_size", "8192"),
        ("options.auto_vacuum", "incremental"),
        ("options.foreign_keys", "off"),
        ("options.cache_size", "8MiB"),
        ("options.secure_delete", "on"),
        ("options.recursive_triggers", "on"),
        ("options.temp_store", "memory"),
    ] {
        config.set(key, value).unwrap();
    }
    let store = Store::open(&config).unwrap();
    let options = QueryOptions::default();
    store.execute("CREATE TABLE t(n)", Params::NONE, &options).unwrap();
    for (pragma, value) in [
        ("journal_mode", Value::Text(b"delete".to_vec())),
        ("synchronous", Value::Integer(2)),
        ("page_size", Value::Integer(8192)),
        ("auto_vacuum", Value::Integer(2)),
        ("foreign_keys", Value::Integer(0)),
        ("cache_size", Value::Integer(-8192)),
        ("secure_delete", Value::Integer(1)),
        ("recursive_triggers", Value::Integer(1)),
        ("temp_store", Value::Integer(2)),
        ("trusted_schema", Value::Integer(0)),
    ] {
        let rows = store.query(&format!("PRAGMA {pragma}"), Params::NONE, &options).unwrap().collect().unwrap();
        assert_eq!(rows, vec![vec![value]], "{pragma}");
    }
    assert_eq!(store.stats().readers.capacity, 0, "readers and writer would exclude each other");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || {
                for _ in 0..20 {
                    store.execute("INSERT INTO t VALUES (1)", Params::NONE, &QueryOptions::default()).unwrap();
                    store.query("SELECT count(*) FROM t", Params::NONE, &QueryOptions::default()).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    let all = store.query("SELECT count(*) FROM t", Params::NONE, &options).unwrap().collect().unwrap();
    assert_eq!(all, vec![vec![Value::Integer(80)]]);
}

#[test]
fn a_full_database_is_an_error_and_the_store_goes_on() {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open(&text(&folder.path().join("t.db"))).unwrap();
    let options = QueryOptions::default();
    store.execute("CREATE TABLE t(b)", Params::NONE, &options).unwrap();
    let pinned = store.pin(&options).unwrap();
    pinned.execute("PRAGMA max_page_count = 20", Params::NONE, &options).unwrap();
    let error = pinned.execute("INSERT INTO t VALUES (zeroblob(1000000))", Params::NONE, &options).unwrap_err();
    assert_eq!((error.kind(), error.engine().unwrap().primary), (Kind::Full, 13));
    pinned.execute("INSERT INTO t VALUES (1)", Params::NONE, &options).unwrap();
    pinned.release().unwrap();
    store.execute("INSERT INTO t VALUES (zeroblob(1000000))", Params::NONE, &options).unwrap();
}

#[test]
fn a_memory_store_is_gone_when_it_closes_and_not_before() {
    let mut config = Config::new();
    config.load_uri(":memory:").unwrap();
    for (key, value) in [("pool.idle_timeout", "1ms"), ("pool.max_lifetime", "10ms"), ("pool.health_check_interval", "10ms")] {
        config.set(key, value).unwrap();
    }
    let (one, two) = (Store::open(&config).unwrap(), Store::open(&config).unwrap());
    let options = QueryOptions::default();
    one.execute("CREATE TABLE t(n)", Params::NONE, &options).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert!(one.query("SELECT * FROM t", Params::NONE, &options).is_ok(), "timers do not reach it");
    assert_eq!(two.query("SELECT * FROM t", Params::NONE, &options).err().unwrap().kind(), Kind::Sql, "another store is another database");
    one.close(None).unwrap();
}

#[test]
fn there_are_no_temporary_databases() {
    // SQLite takes an empty name for a database that is deleted when its one connection closes. A store has several connections.
    for source in ["", "file:", "file:?mode=rwc", "file://"] {
        let error = open(source).err().unwrap();
        assert_eq!(error.kind(), Kind::Config, "{source:?}: {error}");
    }
    assert!(open("").err().unwrap().message().contains(":memory:"), "the cure is in the message");
}

/// The writes that there are, each with its name.
fn writes(store: &Store) -> Vec<(&'static str, keepwell::Result<()>)> {
    let (options, row) = (QueryOptions::default(), [ValueRef::from(1)]);
    let insert = "INSERT INTO t VALUES (?)";
    vec![
        ("execute", store.execute(insert, &row, &options).map(drop)),
        ("query", store.query("INSERT INTO t VALUES (?) RETURNING n", &row, &options).map(drop)),
        ("execute_many", store.execute_many(insert, Matrix::new(&row, 1, 1).unwrap(), &options).map(drop)),
        ("execute_script", store.execute_script("INSERT INTO t VALUES (1)", &options).map(drop)),
        ("create", store.execute("CREATE TABLE u(n)", Params::NONE, &options).map(drop)),
        ("begin", store.begin(TxMode::Write(Mode::Immediate), &options).and_then(|tx| tx.execute(insert, &row, &options).map(drop))),
        ("pin", store.pin(&options).and_then(|pinned| pinned.execute(insert, &row, &options).map(drop))),
    ]
}

#[test]
fn a_store_opened_to_read_follows_another_process_and_refuses_every_write() {
    let folder = temp_dir::TempDir::new().unwrap();
    let path = text(&folder.path().join("t.db"));
    open(&path).unwrap().execute_script("CREATE TABLE t(n); INSERT INTO t VALUES (0)", &QueryOptions::default()).unwrap();
    let reader = open(&format!("file:{path}?mode=ro")).unwrap();
    let count = || reader.query("SELECT count(*) FROM t", Params::NONE, &QueryOptions::default()).unwrap().collect().unwrap()[0][0].clone();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["writer_in_another_process", "--exact", "--ignored", "--nocapture"])
        .env("KEEPWELL_TEST_FILE", &path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (mut ask, mut answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    for rows in 2..=50 {
        writeln!(ask, "write").unwrap();
        answers.by_ref().map(Result::unwrap).find(|line| line.ends_with("written")).expect("an answer");
        assert_eq!(count(), Value::Integer(rows));
    }
    for (name, result) in writes(&reader) {
        assert_eq!(result.unwrap_err().kind(), Kind::ReadOnly, "{name}");
    }
    drop(ask);
    answers.for_each(drop);
    assert!(child.wait().unwrap().success());
    assert_eq!(count(), Value::Integer(50));
    reader.close(None).unwrap();
}

#[test]
#[ignore = "run by a_store_opened_to_read_follows_another_process_and_refuses_every_write"]
fn writer_in_another_process() {
    let store = open(&std::env::var("KEEPWELL_TEST_FILE").unwrap()).unwrap();
    for _ in std::io::stdin().lock().lines() {
        store.execute("INSERT INTO t VALUES (1)", Params::NONE, &QueryOptions::default()).unwrap();
        println!("written");
    }
    store.close(None).unwrap();
}

#[test]
fn a_store_opened_to_read_creates_no_database_and_leaves_the_file_as_it_was() {
    let folder = temp_dir::TempDir::new().unwrap();
    let path = text(&folder.path().join("t.db"));
    let files = || fs::read_dir(folder.path()).unwrap().map(|entry| text(&entry.unwrap().path())).collect::<Vec<_>>();
    assert_eq!(open(&format!("file:{path}?mode=ro")).err().unwrap().kind(), Kind::CantOpen);
    assert_eq!(files(), [""; 0]);
    open(&path).unwrap().execute_script("CREATE TABLE t(n); INSERT INTO t VALUES (0)", &QueryOptions::default()).unwrap();
    let before = fs::read(&path).unwrap();
    let reader = open(&format!("file:{path}?mode=ro")).unwrap();
    assert!(reader.query("SELECT n FROM t", Params::NONE, &QueryOptions::default()).is_ok());
    assert!(writes(&reader).iter().all(|(_, result)| result.is_err()));
    reader.close(None).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    // A read-only connection has to share the wal-index with writers, and SQLite does not let it remove its files: an empty log may stay.
    let log = format!("{path}-wal");
    assert!(fs::metadata(&log).map_or(0, |log| log.len()) == 0);
    assert!(files().iter().all(|file| [&path, &log, &format!("{path}-shm")].contains(&file)), "{:?}", files());
}
