//! Cancelling and deadlines where it matters at which moment they strike: after a commit, in a busy wait, in a tick that panics.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keepwell::cancel::{Caller, CancelToken};
use keepwell::driver::Mode;
use keepwell::options::Timeout;
use keepwell::{Config, Kind, Params, QueryOptions, Scope, Store, TxMode, Value};

fn open_at(path: &std::path::Path) -> Store {
    let mut config = Config::new();
    config.set("datasource", &path.to_string_lossy()).unwrap();
    Store::open(&config).unwrap()
}

fn open() -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open_at(&folder.path().join("t.db"));
    store.execute("CREATE TABLE t(n INTEGER PRIMARY KEY, s)", Params::NONE, &plain()).unwrap();
    (folder, store)
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn begin(store: &Store) -> Scope {
    store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap()
}

fn count(store: &Store) -> i64 {
    match store.query("SELECT count(*) FROM t", Params::NONE, &plain()).unwrap().collect().unwrap()[0][0] {
        Value::Integer(n) => n,
        ref other => panic!("{other:?}"),
    }
}

fn wait_for_line(store: &Store, length: usize) {
    while store.stats().writer.waiting != length {
        std::thread::yield_now();
    }
}

/// Cancels the call's token when the call is told for the n-th time that it waits or runs long.
struct CancelsAt {
    calls: AtomicU32,
    nth: u32,
    token: CancelToken,
}

impl CancelsAt {
    fn new(nth: u32) -> Self {
        CancelsAt { calls: AtomicU32::new(0), nth, token: CancelToken::new().unwrap() }
    }

    fn options(&self) -> QueryOptions<'_> {
        QueryOptions { cancel: Some(self.token), caller: Some(self), ..plain() }
    }
}

impl Caller for CancelsAt {
    fn before_wait(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.nth {
            self.token.cancel();
        }
    }
}

/// Thousands of steps without a jump: SQLite looks at the progress handler only when the statement is over and committed.
fn straight(number: i64) -> String {
    format!("INSERT INTO t VALUES ({number}, {})", vec!["abs(random())"; 900].join(" || "))
}

#[test]
fn a_cancellation_right_after_the_commit_does_not_deny_it() {
    let (_folder, store) = open();
    let caller = CancelsAt::new(1);
    let result = store.execute(&straight(1), Params::NONE, &caller.options());
    assert_eq!(caller.calls.load(Ordering::Relaxed), 1, "it was cancelled after the last step");
    assert_eq!(count(&store), 1);
    assert_eq!(result.unwrap().rows_affected, 1);
}

#[test]
fn a_cancellation_after_the_last_step_in_a_transaction_does_not_deny_the_statement() {
    let (_folder, store) = open();
    let caller = CancelsAt::new(1);
    let tx = begin(&store);
    let result = tx.execute(&straight(1), Params::NONE, &caller.options());
    assert_eq!(caller.calls.load(Ordering::Relaxed), 1, "it was cancelled after the last step");
    assert_eq!(result.unwrap().rows_affected, 1);
    tx.commit().unwrap();
    assert_eq!(count(&store), 1);
}

#[test]
fn a_cancellation_after_the_last_step_in_a_group_does_not_deny_the_write() {
    let (_folder, store) = open();
    let caller = CancelsAt::new(2);
    let tx = begin(&store);
    let result = std::thread::scope(|scope| {
        let (store, caller) = (&store, &caller);
        let leader = scope.spawn(move || store.execute(&straight(1), Params::NONE, &caller.options()));
        wait_for_line(store, 1);
        let follower = scope.spawn(move || store.execute("INSERT INTO t VALUES (2, '')", Params::NONE, &plain()));
        wait_for_line(store, 2);
        tx.rollback().unwrap();
        follower.join().unwrap().unwrap();
        leader.join().unwrap()
    });
    assert_eq!(caller.calls.load(Ordering::Relaxed), 2, "it was cancelled after the last step");
    assert_eq!(count(&store), 2);
    assert_eq!(result.unwrap().rows_affected, 1);
}

/// Panics when the call is told for the n-th time that it waits or runs long.
struct PanicsAt {
    calls: AtomicU32,
    nth: u32,
}

impl Caller for PanicsAt {
    fn before_wait(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.nth {
            std::panic::resume_unwind(Box::new("the caller's own"));
        }
    }
}

/// A call whose caller panics at that moment: the panic reaches the caller, and what it was.
fn panicking(store: &Store, nth: u32, sql: &str) -> bool {
    let caller = PanicsAt { calls: AtomicU32::new(0), nth };
    let options = QueryOptions { caller: Some(&caller), ..plain() };
    let call = std::panic::AssertUnwindSafe(|| store.execute(sql, Params::NONE, &options));
    std::panic::catch_unwind(call).is_err_and(|panic| panic.downcast_ref() == Some(&"the caller's own"))
}

fn insert(store: &Store, number: i64) -> keepwell::Result<()> {
    store.execute("INSERT INTO t VALUES (?1, 'row ' || ?1)", &[number.into()], &plain()).map(drop)
}

#[test]
fn a_caller_that_panics_during_its_statement_undoes_it_and_nobody_waits_for_ever() {
    let (_folder, store) = open();
    let endless = "INSERT INTO t SELECT i, '' FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c)";
    assert!(panicking(&store, 5, endless));
    insert(&store, 1).unwrap();
    assert_eq!(count(&store), 1);
    assert_eq!(store.stats().discards, 1);
}

#[test]
fn a_caller_that_panics_in_line_leaves_it() {
    let (_folder, store) = open();
    let tx = begin(&store);
    std::thread::scope(|scope| {
        assert!(scope.spawn(|| panicking(&store, 1, "INSERT INTO t VALUES (1, 'never')")).join().unwrap());
    });
    assert_eq!(store.stats().writer.waiting, 0);
    tx.rollback().unwrap();
    insert(&store, 2).unwrap();
    assert_eq!(count(&store), 1);
}

#[test]
fn a_leader_that_panics_answers_those_whose_writes_it_had_and_leaves_the_others_in_line() {
    let (_folder, store) = open();
    let tx = begin(&store);
    std::thread::scope(|scope| {
        let store = &store;
        // Told in line, after its write, and when its write is run again because the next one ended the transaction.
        let leader = scope.spawn(move || panicking(store, 3, &straight(1)));
        wait_for_line(store, 1);
        let conflict = move || store.execute("INSERT OR ROLLBACK INTO t VALUES (1, '')", Params::NONE, &plain());
        let served = scope.spawn(conflict);
        wait_for_line(store, 2);
        let behind = scope.spawn(move || insert(store, 2));
        wait_for_line(store, 3);
        tx.rollback().unwrap();
        assert!(leader.join().unwrap());
        assert_eq!(served.join().unwrap().unwrap_err().kind(), Kind::Panic);
        behind.join().unwrap().unwrap();
    });
    assert_eq!(count(&store), 2, "the leader's own write was committed before its caller was told");
}

/// Two stores on one file are as strange to each other as two processes, but for the lock of their -shm.
fn beside(work: impl FnOnce(&Store)) {
    let (folder, store) = open();
    let other = open_at(&folder.path().join("t.db"));
    let holder = begin(&other);
    work(&store);
    assert_eq!(count(&store), 0);
    holder.execute("INSERT INTO t VALUES (1, 'held')", Params::NONE, &plain()).unwrap();
    holder.commit().unwrap();
    store.execute("INSERT INTO t VALUES (2, 'free again')", Params::NONE, &plain()).unwrap();
    assert_eq!(count(&store), 2);
}

type Call = fn(&Store, &QueryOptions<'_>) -> keepwell::Result<()>;

/// Every way to the file's write lock.
const WRITES: [Call; 5] = [
    |store, options| store.execute("INSERT INTO t VALUES (5, 'x')", Params::NONE, options).map(drop),
    |store, options| store.query("INSERT INTO t VALUES (5, 'x') RETURNING n", Params::NONE, options).map(drop),
    |store, options| store.begin(TxMode::Write(Mode::Immediate), options).map(drop),
    |store, options| store.execute_script("INSERT INTO t VALUES (5, 'x')", options).map(drop),
    |store, options| store.pin(options)?.execute("INSERT INTO t VALUES (5, 'x')", Params::NONE, options).map(drop),
];

#[test]
fn a_deadline_ends_the_wait_for_the_lock_of_another() {
    beside(|store| {
        for write in WRITES {
            // The holder lets go only after this has returned.
            let soon = QueryOptions { timeout: Timeout::After(Duration::from_millis(50)), ..plain() };
            let error = write(store, &soon).unwrap_err();
            assert_eq!(error.kind(), Kind::Timeout, "{error}");
        }
    });
}

#[test]
fn a_token_ends_the_wait_for_the_lock_of_another() {
    beside(|store| {
        for write in WRITES {
            // Nobody else holds the writer: the first wait is the busy one, and goes on for ever.
            let caller = CancelsAt::new(3);
            let options = QueryOptions { timeout: Timeout::After(Duration::from_secs(1000)), ..caller.options() };
            let error = write(store, &options).unwrap_err();
            assert_eq!(error.kind(), Kind::Cancelled, "{error}");
            assert!(caller.calls.load(Ordering::Relaxed) >= 3);
        }
    });
}

#[test]
fn another_thread_ends_the_wait_for_the_lock_of_another() {
    beside(|store| {
        let token = CancelToken::new().unwrap();
        std::thread::scope(|scope| {
            let long = Timeout::After(Duration::from_secs(1000));
            let call = move || WRITES[0](store, &QueryOptions { timeout: long, cancel: Some(token), ..plain() }).unwrap_err().kind();
            // One waits for the file's lock, the other one in line behind it.
            let calls = [scope.spawn(call), scope.spawn(call)];
            wait_for_line(store, 1);
            token.cancel();
            calls.into_iter().for_each(|call| assert_eq!(call.join().unwrap(), Kind::Cancelled));
        });
    });
}
