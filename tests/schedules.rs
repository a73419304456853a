//! Two callers step by step: what each does and sees, in the order of the lines. The left column is one thread, the right one another.

use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::{Scope as Threads, ScopedJoinHandle};
use std::time::Duration;

use keepwell::cancel::CancelToken;
use keepwell::driver::Mode;
use keepwell::{Config, Kind, Params, QueryOptions, Result, Scope, Store, TxMode, Value};

/// What one caller has in its hands.
struct Hands<'a> {
    store: &'a Store,
    tx: Option<Scope>,
}

type Step<'a> = Box<dyn FnOnce(&mut Hands<'a>) + Send + 'a>;

/// A caller: a thread that does one step after another.
struct Caller<'scope, 'a> {
    steps: Option<Sender<Step<'a>>>,
    done: Receiver<()>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope, 'a: 'scope> Caller<'scope, 'a> {
    fn new(threads: &'scope Threads<'scope, '_>, store: &'a Store) -> Self {
        let ((steps, next), (ended, done)) = (channel::<Step<'a>>(), channel());
        let thread = threads.spawn(move || {
            let mut hands = Hands { store, tx: None };
            for step in next {
                step(&mut hands);
                if ended.send(()).is_err() {
                    return;
                }
            }
        });
        Caller { steps: Some(steps), done, thread: Some(thread) }
    }

    /// A step that has ended before the next line begins.
    fn does(&self, step: impl FnOnce(&mut Hands<'a>) + Send + 'a) {
        self.begins(step);
        self.ends();
    }

    /// A step that goes on while the following lines happen.
    fn begins(&self, step: impl FnOnce(&mut Hands<'a>) + Send + 'a) {
        self.steps.as_ref().unwrap().send(Box::new(step)).unwrap();
    }

    fn ends(&self) {
        self.done.recv_timeout(Duration::from_secs(60)).expect("the step ends");
    }

    /// The step that was begun can not have ended: it waits in the writer's line, alone.
    fn waits(&self, store: &Store) {
        while store.stats().writer.waiting != 1 {
            assert!(self.done.try_recv().is_err(), "it should wait");
            std::thread::yield_now();
        }
    }
}

impl Drop for Caller<'_, '_> {
    fn drop(&mut self) {
        self.steps.take();
        let ended = self.thread.take().map(ScopedJoinHandle::join);
        assert!(std::thread::panicking() || ended.unwrap().is_ok());
    }
}

impl Hands<'_> {
    fn begin(&mut self, mode: Mode) {
        self.tx = Some(self.store.begin(TxMode::Write(mode), &plain()).unwrap());
    }

    fn insert(&self, n: i64) -> Result<()> {
        let sql = "INSERT INTO t VALUES (?)";
        let params = [n.into()];
        match &self.tx {
            Some(tx) => tx.execute(sql, &params, &plain()).map(drop),
            None => self.store.execute(sql, &params, &plain()).map(drop),
        }
    }

    fn sees(&self, rows: &[i64]) {
        let sql = "SELECT n FROM t ORDER BY n";
        let found = match &self.tx {
            Some(tx) => tx.query(sql, Params::NONE, &plain()),
            None => self.store.query(sql, Params::NONE, &plain()),
        };
        let found: Vec<i64> = found.unwrap().collect().unwrap().iter().map(|row| row[0].as_ref().as_i64().unwrap()).collect();
        assert_eq!(found, rows);
    }

    fn commit(&mut self) {
        self.tx.take().unwrap().commit().unwrap();
    }

    fn roll_back(&mut self) {
        self.tx.take().unwrap().rollback().unwrap();
    }
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn open_at(path: &std::path::Path) -> Store {
    let mut config = Config::new();
    config.set("datasource", &path.to_string_lossy()).unwrap();
    Store::open(&config).unwrap()
}

fn open() -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open_at(&folder.path().join("t.db"));
    store.execute("CREATE TABLE t(n INTEGER PRIMARY KEY)", Params::NONE, &plain()).unwrap();
    (folder, store)
}

#[test]
#[rustfmt::skip]
fn a_transaction_waits_for_the_one_before_it_and_sees_what_that_committed() {
    let (_folder, store) = &open();
    std::thread::scope(|threads| {
        let (left, right) = (Caller::new(threads, store), Caller::new(threads, store));
        left.does(|l| l.begin(Mode::Immediate));
        left.does(|l| l.insert(1).unwrap());
                                                        right.begins(|r| r.begin(Mode::Immediate));
                                                        right.waits(store);
        left.does(|l| l.insert(2).unwrap());
        left.does(Hands::commit);
                                                        right.ends();
                                                        right.does(|r| r.sees(&[1, 2]));
                                                        right.does(|r| r.insert(3).unwrap());
        left.does(|l| l.sees(&[1, 2]));
                                                        right.does(Hands::commit);
        left.does(|l| l.sees(&[1, 2, 3]));
    });
}

#[test]
#[rustfmt::skip]
fn a_single_write_waits_for_an_open_transaction_and_is_done_whatever_becomes_of_that() {
    let (_folder, store) = &open();
    std::thread::scope(|threads| {
        let (left, right) = (Caller::new(threads, store), Caller::new(threads, store));
        left.does(|l| l.begin(Mode::Immediate));
        left.does(|l| l.insert(1).unwrap());
                                                        right.begins(|r| r.insert(2).unwrap());
                                                        right.waits(store);
        left.does(Hands::roll_back);
                                                        right.ends();
        left.does(|l| l.sees(&[2]));
    });
}

#[test]
#[rustfmt::skip]
fn a_write_that_is_cancelled_in_line_is_never_done() {
    let (_folder, store) = &open();
    let token = CancelToken::new().unwrap();
    std::thread::scope(|threads| {
        let (left, right) = (Caller::new(threads, store), Caller::new(threads, store));
        let write = move |r: &mut Hands<'_>| {
            let options = QueryOptions { cancel: Some(token), ..plain() };
            let error = r.store.execute("INSERT INTO t VALUES (2)", Params::NONE, &options).unwrap_err();
            assert_eq!(error.kind(), Kind::Cancelled);
        };
        left.does(|l| l.begin(Mode::Immediate));
                                                        right.begins(write);
                                                        right.waits(store);
        left.does(move |_| token.cancel());
                                                        right.ends();
        left.does(|l| l.insert(1).unwrap());
        left.does(Hands::commit);
                                                        right.does(|r| r.insert(3).unwrap());
        left.does(|l| l.sees(&[1, 3]));
    });
    token.free();
}

/// The right column is another store on the same file, as another process would have.
#[test]
#[rustfmt::skip]
fn a_deferred_transaction_that_read_before_another_commit_can_not_write_any_more() {
    let (folder, store) = &open();
    let other = &open_at(&folder.path().join("t.db"));
    std::thread::scope(|threads| {
        let (left, right) = (Caller::new(threads, store), Caller::new(threads, other));
        let refused = |l: &mut Hands<'_>| assert_eq!(l.insert(2).unwrap_err().kind(), Kind::Conflict);
        left.does(|l| l.begin(Mode::Deferred));
        left.does(|l| l.sees(&[]));
                                                        right.does(|r| r.insert(1).unwrap());
        left.does(|l| l.sees(&[]));
        left.does(refused);
        left.does(Hands::roll_back);
        left.does(|l| l.begin(Mode::Immediate));
        left.does(|l| l.sees(&[1]));
        left.does(|l| l.insert(2).unwrap());
                                                        right.does(|r| r.sees(&[1]));
        left.does(Hands::commit);
                                                        right.does(|r| r.sees(&[1, 2]));
    });
}

/// The left column keeps the file's lock; the right one waits for it, as for another process, and its deadline or token ends that.
#[test]
#[rustfmt::skip]
fn a_busy_wait_ends_with_the_lock_the_deadline_or_the_token() {
    let (folder, store) = &open();
    let other = &open_at(&folder.path().join("t.db"));
    let token = CancelToken::new().unwrap();
    std::thread::scope(|threads| {
        let (left, right) = (Caller::new(threads, store), Caller::new(threads, other));
        let late = |r: &mut Hands<'_>| {
            let soon = keepwell::options::Timeout::After(Duration::from_millis(30));
            let options = QueryOptions { timeout: soon, ..plain() };
            let error = r.store.execute("INSERT INTO t VALUES (2)", Params::NONE, &options).unwrap_err();
            assert_eq!((error.kind(), error.engine().map(|code| code.primary)), (Kind::Timeout, Some(5)), "5 is SQLITE_BUSY");
        };
        let cancelled = move |r: &mut Hands<'_>| {
            let options = QueryOptions { cancel: Some(token), ..plain() };
            let error = r.store.execute("INSERT INTO t VALUES (3)", Params::NONE, &options).unwrap_err();
            assert_eq!(error.kind(), Kind::Cancelled);
        };
        left.does(|l| l.begin(Mode::Immediate));
        left.does(|l| l.insert(1).unwrap());
                                                        right.does(late);
                                                        right.begins(cancelled);
        left.does(move |_| token.cancel());
                                                        right.ends();
                                                        right.begins(|r| r.insert(4).unwrap());
        left.does(Hands::commit);
                                                        right.ends();
        left.does(|l| l.sees(&[1, 4]));
    });
    token.free();
}

#[test]
#[rustfmt::skip]
fn a_read_only_transaction_sees_one_state_to_its_end() {
    let (_folder, store) = &open();
    std::thread::scope(|threads| {
        let (left, right) = (Caller::new(threads, store), Caller::new(threads, store));
        let begin = |l: &mut Hands<'_>| l.tx = Some(l.store.begin(TxMode::ReadOnly, &plain()).unwrap());
                                                        right.does(|r| r.insert(1).unwrap());
        left.does(begin);
        left.does(|l| l.sees(&[1]));
                                                        right.does(|r| r.insert(2).unwrap());
        left.does(|l| l.sees(&[1]));
        left.does(|l| assert_eq!(l.insert(3).unwrap_err().kind(), Kind::ReadOnly));
        left.does(Hands::roll_back);
        left.does(|l| l.sees(&[1, 2]));
    });
    assert_eq!(store.query("PRAGMA integrity_check", Params::NONE, &plain()).unwrap().collect().unwrap(), [[Value::Text(b"ok".to_vec())]]);
}
