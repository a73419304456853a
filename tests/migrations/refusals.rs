//! What is refused, by which policy, with which cure.

use keepwell::migrate::policy::KEYS;
use keepwell::store::Operation;
use keepwell::{Kind, Params, QueryOptions, TxMode};

use crate::{versions, Database, THREE};

#[test]
fn each_doubtful_case_is_refused_with_its_cure_and_can_be_accepted() {
    let applied = [(1, "CREATE TABLE a(x)", ""), (3, "CREATE TABLE c(x)", ""), (5, "CREATE TABLE e(x)", "")];
    let one = applied[0];
    for (key, now, kind, said, then) in [
        ("changed", vec![one, (3, "CREATE TABLE c(y)", ""), applied[2]], Kind::Migration, "migration 3 \"m3\" was changed", vec![]),
        ("missing", vec![one, applied[2]], Kind::Migration, "migration 3 \"m3\" is applied", vec![]),
        ("newer", vec![one, applied[1]], Kind::SchemaNewer, "the database is newer than this program: migration 5 \"m5\"", vec![]),
        (
            "out_of_order",
            vec![one, (2, "CREATE TABLE b(x)", ""), applied[1], applied[2]],
            Kind::Migration,
            "migration 2 \"m2\" is pending, but 5 \"m5\"",
            vec![2],
        ),
    ] {
        let database = Database::fresh();
        database.migrations(&applied).up(None, None).unwrap();
        let mut migrations = database.migrations(&now);
        let error = migrations.up(None, None).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(said), "{key}: {error}");
        assert!(error.message().contains(&format!("{key} = accept")), "{key}: {error}");
        assert_eq!(migrations.plan().unwrap_err().kind(), kind);
        migrations.set(key, "accept").unwrap();
        assert_eq!(versions(&migrations.up(None, None).unwrap()), then, "{key}");
    }
}

#[test]
fn out_of_order_can_be_skipped_and_gaps_refused() {
    let database = Database::fresh();
    database.migrations(&[(1, "", ""), (5, "", "")]).up(None, None).unwrap();
    let mut migrations = database.migrations(&[(1, "", ""), (2, "", ""), (5, "", ""), (6, "", "")]);
    migrations.set("out_of_order", "skip").unwrap();
    let report = migrations.up(None, None).unwrap();
    assert_eq!((versions(&report), report.pending), (vec![6], 1));
    migrations.set("gaps", "refuse").unwrap();
    assert!(migrations.up(None, None).unwrap_err().message().contains("gap between migration 2 \"m2\" and 5 \"m5\""));
}

#[test]
fn settings_are_checked_by_name_and_value() {
    let database = Database::fresh();
    let mut migrations = database.migrations(THREE);
    for (key, _) in KEYS {
        let error = migrations.set(key, "\u{1}").err();
        assert!(error.is_none_or(|error| error.kind() == Kind::Config && error.message().contains(key)), "{key}");
    }
    let error = migrations.set("out_of_ordr", "accept").unwrap_err();
    assert!(error.message().contains("out_of_order"), "{error}");
    migrations.set("lock_timeout", "250ms").unwrap();
    migrations.set("lock_timeout", "none").unwrap();
}

#[test]
fn a_read_only_store_is_looked_at_and_not_written_to() {
    let database = Database::fresh();
    database.migrations(&THREE[..2]).up(None, None).unwrap();
    let mut config = keepwell::Config::new();
    config.load_uri(&format!("file:{}?mode=ro", database.folder.child("test.db").display())).unwrap();
    let store = keepwell::Store::open(&config).unwrap();
    let migrations = store.migrations(crate::source(THREE));
    assert_eq!(migrations.status().unwrap().pending, 1);
    assert_eq!(versions(&migrations.plan().unwrap()), [3]);
    assert_eq!(migrations.up(None, None).unwrap_err().kind(), Kind::ReadOnly);
    let read_only = QueryOptions { read_only: true, ..QueryOptions::default() };
    let error = database.migrations(THREE).run(Operation::Adopt, &read_only, &mut |_| true).unwrap_err();
    assert_eq!(error.kind(), Kind::ReadOnly);
}

#[test]
fn a_thread_that_holds_the_writer_is_told_so() {
    let database = Database::fresh();
    let tx = database.store.begin(TxMode::Write(Default::default()), &QueryOptions::default()).unwrap();
    assert_eq!(database.migrations(THREE).up(None, None).unwrap_err().kind(), Kind::SelfDeadlock);
    tx.rollback().unwrap();
    database.migrations(THREE).up(None, None).unwrap();
}

#[test]
fn another_process_is_waited_for_no_longer_than_lock_timeout() {
    let database = Database::fresh();
    let other = keepwell::Store::open_path(database.folder.child("test.db")).unwrap();
    let tx = other.begin(TxMode::Write(Default::default()), &QueryOptions::default()).unwrap();
    let mut migrations = database.migrations(THREE);
    migrations.set("lock_timeout", "50ms").unwrap();
    let error = migrations.up(None, None).unwrap_err();
    assert!(error.kind() == Kind::Timeout && error.message().contains("write lock"), "{error}");
    tx.rollback().unwrap();
    migrations.up(None, None).unwrap();
}

#[test]
fn a_deadline_and_a_token_end_a_migration_and_undo_it() {
    let database = Database::fresh();
    let endless =
        "CREATE TABLE a(x); INSERT INTO a WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0";
    let migrations = database.migrations(&[(1, endless, "")]);
    let options =
        QueryOptions { timeout: keepwell::options::Timeout::After(std::time::Duration::from_millis(50)), ..QueryOptions::default() };
    let up = Operation::Run(keepwell::store::EVERYTHING);
    assert_eq!(migrations.run(up, &options, &mut |_| true).unwrap_err().kind(), Kind::Timeout);
    let token = keepwell::cancel::CancelToken::new().unwrap();
    let options = QueryOptions { cancel: Some(token), ..QueryOptions::default() };
    let waker = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        token.cancel();
    });
    assert_eq!(migrations.run(up, &options, &mut |_| true).unwrap_err().kind(), Kind::Cancelled);
    waker.join().unwrap();
    assert!(!database.has("a"));
    database.store.execute("CREATE TABLE after(x)", Params::NONE, &QueryOptions::default()).unwrap();
}

#[test]
fn a_full_database_leaves_the_migration_undone() {
    let database = Database::with(&[("options.page_size", "4096")]);
    database.migrations(&THREE[..1]).up(None, None).unwrap();
    let filling = "CREATE TABLE big(x); PRAGMA max_page_count = 20; INSERT INTO big SELECT zeroblob(1000000)";
    let error = database.migrations(&[THREE[0], (2, filling, "")]).up(None, None).unwrap_err();
    assert!(error.kind() == Kind::Full && error.message().contains("nothing of it was kept"), "{error}");
    assert!(!database.has("big"));
    assert_eq!(database.migrations(THREE).up(None, None).unwrap().version, Some(3));
}

#[test]
fn a_closed_store_and_an_empty_set_are_what_they_are() {
    let database = Database::fresh();
    let empty = database.migrations(&[]);
    assert_eq!((empty.up(None, None).unwrap().version, empty.status().unwrap().pending), (None, 0));
    let migrations = database.migrations(THREE);
    database.store.close(None).unwrap();
    assert_eq!(migrations.up(None, None).unwrap_err().kind(), Kind::Closed);
    assert_eq!(migrations.status().unwrap_err().kind(), Kind::Closed);
}
