//! Migrations outside a transaction: what is done stays, and the history knows how far it came.

use keepwell::migrate::report::State;
use keepwell::Kind;

use crate::{versions, Database};

const VACUUM: (i64, &str, &str) =
    (2, "-- keepwell: no transaction\nCREATE TABLE b(x);\nVACUUM;\nCREATE TABLE c(x);", "DROP TABLE b; DROP TABLE c");

#[test]
fn what_cannot_be_in_a_transaction_runs_statement_by_statement() {
    for database in [Database::fresh(), Database::memory()] {
        let migrations = database.migrations(&[(1, "CREATE TABLE a(x)", ""), VACUUM, (3, "CREATE TABLE d(x)", "")]);
        let report = migrations.up(None, None).unwrap();
        assert_eq!(versions(&report), [1, 2, 3]);
        assert!(!report.migrations[1].transactional && report.migrations[1].statements == 3);
        assert_eq!(migrations.verify().unwrap().problems, []);
        assert_eq!(
            versions(
                &migrations
                    .down(Some(1), None)
                    .unwrap_err()
                    .message()
                    .contains("3")
                    .then_some(keepwell::migrate::Report::default())
                    .unwrap()
            )
            .len(),
            0
        );
    }
}

#[test]
fn one_that_stops_is_known_and_can_be_resumed_or_restarted() {
    let text = "-- keepwell: no transaction\nCREATE TABLE a(x);\nALTER TABLE a RENAME TO b;\nINSERT INTO b SELECT y FROM later;\nINSERT INTO b VALUES (9);";
    let list = [(1, text, ""), (2, "CREATE TABLE z(x)", "")];
    let database = Database::fresh();
    let error = database.migrations(&list).up(None, None).unwrap_err();
    assert!(
        error.message().contains("line 4, column") && error.message().contains("statement 3") && error.message().contains("stay"),
        "{error}"
    );
    assert!(database.has("b") && !database.has("z"));
    let error = database.migrations(&list).up(None, None).unwrap_err();
    assert!(error.kind() == Kind::Migration && error.message().contains("stopped after 2 statements"), "{error}");
    let status = database.migrations(&list).status().unwrap();
    assert_eq!((status.migrations[0].state, status.problems[0].kind.as_str()), (State::Interrupted, "interrupted"));
    database.run("CREATE TABLE later(y); INSERT INTO later VALUES (1)");
    let mut resuming = database.migrations(&list);
    resuming.set("interrupted", "resume").unwrap();
    assert_eq!(versions(&resuming.up(None, None).unwrap()), [1, 2]);
    assert_eq!(database.count("SELECT group_concat(x) = '1,9' FROM b"), 1);
    assert_eq!(database.count("SELECT statements FROM keepwell_migrations WHERE version = 1"), 4);

    let database = Database::fresh();
    database.migrations(&list).up(None, None).unwrap_err();
    database.run("DROP TABLE b; CREATE TABLE later(y)");
    let changed = [(1, "-- keepwell: no transaction\nCREATE TABLE b(x)", ""), list[1]];
    let mut resuming = database.migrations(&changed);
    resuming.set("interrupted", "resume").unwrap();
    assert!(resuming.up(None, None).unwrap_err().message().contains("its text is not the one that was interrupted"));
    let mut restarting = database.migrations(&changed);
    restarting.set("interrupted", "restart").unwrap();
    assert_eq!(versions(&restarting.up(None, None).unwrap()), [1, 2]);
    assert_eq!(restarting.status().unwrap().problems, []);
}

#[test]
fn one_can_be_marked_instead() {
    let list = [(1, "-- keepwell: no transaction\nCREATE TABLE a(x); SELECT nowhere", "")];
    let database = Database::fresh();
    database.migrations(&list).up(None, None).unwrap_err();
    database.migrations(&list).mark(1).unwrap();
    assert_eq!(database.migrations(&list).status().unwrap().migrations[0].state, State::Applied);
    assert!(versions(&database.migrations(&list).up(None, None).unwrap()).is_empty());
}

#[test]
fn a_transaction_of_its_own_is_whole_or_not_there() {
    let database = Database::fresh();
    let list = [(
        1,
        "-- keepwell: no transaction\nCREATE TABLE a(x);\nBEGIN;\nINSERT INTO a VALUES (1);\nINSERT INTO nowhere VALUES (2);\nCOMMIT;",
        "",
    )];
    database.migrations(&list).up(None, None).unwrap_err();
    assert_eq!(database.count("SELECT count(*) FROM a"), 0);
    assert_eq!(database.count("SELECT statements FROM keepwell_migrations"), 1);
    let open = [(1, "-- keepwell: no transaction\nCREATE TABLE IF NOT EXISTS a(x);\nBEGIN;\nINSERT INTO a VALUES (1);", "")];
    let mut migrations = database.migrations(&open);
    migrations.set("interrupted", "restart").unwrap();
    let error = migrations.up(None, None).unwrap_err();
    assert!(error.message().contains("left a transaction open"), "{error}");
    assert_eq!(database.count("SELECT count(*) FROM a"), 0);
}

#[test]
fn it_does_not_fit_into_one_transaction_for_all_and_is_not_tried_dry() {
    let database = Database::fresh();
    let mut migrations = database.migrations(&[(1, "CREATE TABLE a(x)", ""), VACUUM]);
    let report = migrations.dry_run().unwrap();
    assert_eq!(report.migrations[1].state, State::Skipped);
    assert!(report.problems[0].message.contains("was not tried"));
    migrations.set("transactions", "all").unwrap();
    assert!(migrations.up(None, None).unwrap_err().message().contains("transactions = all"));
    assert!(!database.has("a"));
    let mut migrations = database.migrations(&[(1, "CREATE TABLE a(x); CREATE TABLE b(x)", "")]);
    migrations.set("transactions", "none").unwrap();
    assert!(!migrations.up(None, None).unwrap().migrations[0].transactional);
    let error = Database::fresh()
        .migrations(&[(1, "-- keepwell: no transaction\n-- keepwell: foreign keys on\nSELECT 1", "")])
        .up(None, None)
        .unwrap_err();
    assert!(error.message().contains("exclude each other"), "{error}");
}

#[test]
fn a_runner_that_works_is_waited_for_and_nobody_starts_it_twice() {
    let database = Database::fresh();
    let path = database.folder.child("test.db");
    let text = "-- keepwell: no transaction\nCREATE TABLE IF NOT EXISTS a(x);\nINSERT INTO a SELECT count(*) FROM \
                (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT i FROM n);\nINSERT INTO a VALUES (2);";
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || {
                let store = keepwell::Store::open_path(path).unwrap();
                let report = store.migrations(crate::source(&[(1, text, "")])).up(None, None).unwrap();
                report.migrations.len()
            })
        })
        .collect();
    let applied: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!((applied, database.count("SELECT count(*) FROM a")), (1, 2));
    assert!(!database.folder.child("test.db-migrating").exists());
}
