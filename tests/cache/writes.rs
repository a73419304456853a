//! Writes of this store, by every route: what they change is seen, what they do not touch stays a hit.

use keepwell::driver::Mode;
use keepwell::store::{Wants, Write};
use keepwell::{Kind, Matrix, Params, TxMode};

use crate::bench::{everywhere, plain, Bench, T, U};

const FAMILY: &str = "
    CREATE TABLE parent(n INTEGER PRIMARY KEY, name TEXT UNIQUE);
    CREATE TABLE child(n INTEGER PRIMARY KEY, parent REFERENCES parent(n) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE grandchild(n INTEGER PRIMARY KEY, child REFERENCES child(n) ON DELETE CASCADE);
    CREATE TABLE loose(n INTEGER PRIMARY KEY, parent REFERENCES parent(n) DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO parent VALUES (1, 'one'), (2, 'two');
    INSERT INTO child VALUES (10, 1), (20, 2);
    INSERT INTO grandchild VALUES (100, 10), (200, 20);";
const CHILDREN: &str = "SELECT n, parent FROM child ORDER BY n";
const GRANDCHILDREN: &str = "SELECT count(*) FROM grandchild";

/// One write of `t` by some route: it is seen, and `u` is left alone.
fn moves_t_alone(bench: &Bench, write: impl FnOnce(&Bench)) {
    bench.warm();
    write(bench);
    bench.hits(U);
    bench.moved(T);
}

/// Something that changes nothing.
fn moves_nothing(bench: &Bench, act: impl FnOnce(&Bench)) {
    bench.warm();
    act(bench);
    bench.hits(U);
    bench.hits(T);
}

#[test]
fn a_repeat_is_a_hit_until_its_table_is_written_and_other_tables_leave_it_alone() {
    everywhere(|bench| {
        bench.moved(T);
        moves_t_alone(bench, |bench| bench.run("INSERT INTO t VALUES (3, 'three')"));
        moves_t_alone(bench, |bench| bench.run("UPDATE t SET s = 'two!' WHERE n = 2"));
        moves_t_alone(bench, |bench| bench.run("DELETE FROM t WHERE n = 1"));
        moves_t_alone(bench, |bench| bench.run("INSERT INTO t VALUES (2, 'due') ON CONFLICT DO UPDATE SET s = excluded.s"));
        moves_t_alone(bench, |bench| bench.run("REPLACE INTO t VALUES (2, 'zwei')"));
        moves_t_alone(bench, |bench| bench.run("INSERT INTO t SELECT n + 10, s FROM t"));
    });
}

#[test]
fn a_delete_of_everything_is_seen_although_no_row_is_reported() {
    everywhere(|bench| moves_t_alone(bench, |bench| bench.run("DELETE FROM t")));
}

#[test]
fn a_table_without_rowids_moves_like_any_other() {
    everywhere(|bench| {
        bench.run("CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID");
        for sql in ["INSERT INTO w VALUES ('a', 1)", "REPLACE INTO w VALUES ('a', 2)", "UPDATE w SET k = 'b'", "DELETE FROM w"] {
            bench.settles("SELECT k, v FROM w");
            moves_nothing(bench, |bench| bench.run(sql));
            bench.moved("SELECT k, v FROM w");
        }
    });
}

#[test]
fn a_write_that_finds_no_row_and_a_commit_of_nothing_leave_hits_alone() {
    let bench = &Bench::new();
    moves_nothing(bench, |bench| bench.run("UPDATE t SET s = 'x' WHERE n = 77"));
    moves_nothing(bench, |bench| bench.run("INSERT OR IGNORE INTO t VALUES (1, 'x')"));
    moves_nothing(bench, |bench| bench.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap().commit().unwrap());
    moves_nothing(bench, |bench| {
        let tx = bench.store.begin(TxMode::Write(Mode::Deferred), &plain()).unwrap();
        tx.execute("DELETE FROM t WHERE n = 77", Params::NONE, &plain()).unwrap();
        tx.commit().unwrap();
    });
}

#[test]
fn what_was_rolled_back_leaves_hits_alone() {
    let bench = &Bench::new();
    moves_nothing(bench, |bench| {
        let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        tx.execute("DELETE FROM t", Params::NONE, &plain()).unwrap();
        tx.rollback().unwrap();
    });
    moves_nothing(bench, |bench| {
        let sql = "INSERT INTO t VALUES (3, 'three'), (1, 'taken')";
        assert_eq!(bench.store.execute(sql, Params::NONE, &plain()).unwrap_err().kind(), Kind::Constraint);
    });
    moves_nothing(bench, |bench| {
        let sql = "INSERT OR ROLLBACK INTO t VALUES (3, 'three'), (1, 'taken')";
        assert_eq!(bench.store.execute(sql, Params::NONE, &plain()).unwrap_err().kind(), Kind::Constraint);
    });
    // Nothing of it clings to the next commit of this connection.
    bench.run("INSERT INTO u VALUES (1)");
    bench.hits(T);
}

#[test]
fn what_a_savepoint_undid_may_be_moved_and_what_it_left_is() {
    everywhere(|bench| {
        bench.warm();
        let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        tx.execute("INSERT INTO t VALUES (3, 'three')", Params::NONE, &plain()).unwrap();
        let inner = tx.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        inner.execute("INSERT INTO u VALUES (3)", Params::NONE, &plain()).unwrap();
        inner.rollback().unwrap();
        tx.commit().unwrap();
        bench.moved(T);
        bench.settles(U);
        moves_t_alone(bench, |bench| bench.run("INSERT INTO t VALUES (4, 'four')"));
    });
}

#[test]
fn a_transaction_moves_what_it_wrote_when_it_commits_and_not_before() {
    let bench = &Bench::new();
    bench.warm();
    let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
    tx.execute("INSERT INTO t VALUES (3, 'three')", Params::NONE, &plain()).unwrap();
    bench.hits(T);
    tx.execute("DELETE FROM t WHERE n = 1", Params::NONE, &plain()).unwrap();
    tx.commit().unwrap();
    bench.hits(U);
    bench.moved(T);
}

#[test]
fn an_insert_or_fail_that_errors_has_committed_what_came_before() {
    everywhere(|bench| {
        for n in [3, 4] {
            bench.warm();
            let sql = format!("INSERT OR FAIL INTO t VALUES ({n}, 'stays'), (1, 'taken')");
            assert_eq!(bench.store.execute(&sql, Params::NONE, &plain()).unwrap_err().kind(), Kind::Constraint);
            bench.moved(T);
            bench.settles(U);
        }
        // The log's hook has still to tell of the commit before: this one must not be taken for it.
        bench.run("UPDATE t SET s = 'x' WHERE n = 77");
        moves_t_alone(bench, |bench| bench.run("INSERT INTO t VALUES (5, 'five')"));
    });
}

#[test]
fn a_commit_that_fails_moves_nothing_and_the_next_one_what_it_should() {
    let bench = &Bench::new();
    bench.script(FAMILY);
    bench.settles("SELECT n FROM loose");
    moves_nothing(bench, |bench| {
        let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        tx.execute("INSERT INTO loose VALUES (1, 77)", Params::NONE, &plain()).unwrap();
        assert_eq!(tx.commit().unwrap_err().kind(), Kind::Constraint);
        bench.hits("SELECT n FROM loose");
        tx.execute("UPDATE loose SET parent = 1", Params::NONE, &plain()).unwrap();
        tx.commit().unwrap();
    });
    bench.moved("SELECT n FROM loose");
    moves_nothing(bench, |bench| {
        let sql = "INSERT INTO loose VALUES (2, 77)";
        assert_eq!(bench.store.execute(sql, Params::NONE, &plain()).unwrap_err().kind(), Kind::Constraint);
    });
    bench.hits("SELECT n FROM loose");
}

/// `max_page_count` stands for a full disk: the statement fails with SQLITE_FULL, in the middle of what it does.
#[test]
fn a_full_database_moves_nothing_and_the_next_commit_what_it_should() {
    everywhere(|bench| {
        bench.warm();
        let pin = bench.store.pin(&plain()).unwrap();
        pin.execute_script("PRAGMA max_page_count = 8", &plain()).unwrap();
        for sql in ["INSERT INTO t SELECT 100 + value, hex(zeroblob(9000)) FROM json_each('[1,2,3,4,5,6,7,8]')"; 2] {
            assert_eq!(pin.execute(sql, Params::NONE, &plain()).unwrap_err().kind(), Kind::Full);
        }
        pin.execute("UPDATE t SET s = 'small' WHERE n = 1", Params::NONE, &plain()).unwrap();
        drop(pin);
        bench.moved(T);
        moves_t_alone(bench, |bench| bench.run("INSERT INTO t VALUES (6, 'six')"));
    });
}

#[test]
fn rows_of_a_returning_are_committed_however_many_of_them_are_read() {
    everywhere(|bench| {
        let sql = "INSERT INTO t SELECT ?1 + value, 'returned' FROM json_each('[0,1,2]') RETURNING n";
        moves_t_alone(bench, |bench| drop(bench.store.query(sql, &[100.into()], &plain()).unwrap()));
        moves_t_alone(bench, |bench| {
            let mut rows = bench.store.query(sql, &[200.into()], &plain()).unwrap();
            assert!(rows.next_batch(&keepwell::cancel::Op::unbounded()).unwrap().is_some());
        });
        moves_t_alone(bench, |bench| assert_eq!(bench.store.execute(sql, &[300.into()], &plain()).unwrap().rows_affected, 3));
        moves_t_alone(bench, |bench| bench.script("DELETE FROM t WHERE n >= 300 RETURNING n"));
    });
}

#[test]
fn triggers_and_views_move_what_they_write() {
    everywhere(|bench| {
        bench.script(
            "CREATE TABLE log(what); CREATE VIEW v AS SELECT n FROM t;
             CREATE TRIGGER told AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.n); END;
             CREATE TRIGGER through INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.n, 'through v'); END;",
        );
        for sql in ["INSERT INTO t VALUES (3, 'three')", "INSERT INTO v VALUES (4)"] {
            let logged = "SELECT count(*) FROM log";
            bench.settles(logged);
            bench.settles("SELECT count(*) FROM v");
            moves_t_alone(bench, |bench| bench.run(sql));
            bench.moved(logged);
            bench.moved("SELECT count(*) FROM v");
        }
    });
}

#[test]
fn a_cascade_moves_children_and_grandchildren() {
    everywhere(|bench| {
        bench.script(FAMILY);
        bench.settles(CHILDREN);
        bench.settles(GRANDCHILDREN);
        moves_nothing(bench, |bench| bench.run("UPDATE parent SET n = 3 WHERE n = 1"));
        bench.moved(CHILDREN);
        moves_nothing(bench, |bench| bench.run("DELETE FROM parent WHERE n = 3"));
        bench.moved(CHILDREN);
        bench.moved(GRANDCHILDREN);
    });
}

#[test]
fn a_replace_that_removes_a_row_by_another_key_cascades_too() {
    everywhere(|bench| {
        bench.script(FAMILY);
        bench.settles(CHILDREN);
        bench.settles(GRANDCHILDREN);
        moves_nothing(bench, |bench| bench.run("REPLACE INTO parent VALUES (9, 'one')"));
        bench.moved(CHILDREN);
        bench.moved(GRANDCHILDREN);
    });
}

#[test]
fn many_rows_and_scripts_move_what_they_write() {
    everywhere(|bench| {
        let values: Vec<_> = (10..20).map(keepwell::ValueRef::Integer).collect();
        moves_t_alone(bench, |bench| {
            let matrix = Matrix::new(&values, 1, values.len()).unwrap();
            assert_eq!(bench.store.execute_many("INSERT INTO t VALUES (?, 'many')", matrix, &plain()).unwrap().rows_affected, 10);
        });
        moves_t_alone(bench, |bench| bench.script("DELETE FROM t WHERE n = 10; UPDATE t SET s = 'more' WHERE n = 11"));
        moves_t_alone(bench, |bench| bench.script("BEGIN; INSERT INTO t VALUES (30, 'own'); COMMIT; SELECT 1"));
        moves_t_alone(bench, |bench| bench.script("SAVEPOINT a; INSERT INTO t VALUES (31, 'own'); RELEASE a"));
    });
}

#[test]
fn writes_that_share_a_transaction_move_each_what_it_wrote() {
    let bench = &Bench::new();
    bench.run("CREATE TABLE third(n)");
    let write = |sql| Write { sql, params: Params::NONE, wants: Wants::Changes, options: plain() };
    bench.settles("SELECT n FROM third");
    moves_t_alone(bench, |bench| {
        let writes = [
            write("INSERT INTO t VALUES (3, 'three')"),
            write("INSERT INTO t VALUES (1, 'taken')"),
            write("INSERT INTO third VALUES (1)"),
            write("INSERT INTO nowhere VALUES (1)"),
        ];
        let done = bench.store.execute_together(&writes);
        assert_eq!(done.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false]);
        assert_eq!(bench.store.stats().groups, 1);
    });
    bench.moved("SELECT n FROM third");
    bench.warm();
    let writes = [write("INSERT INTO t VALUES (4, 'four')"), write("INSERT OR ROLLBACK INTO t VALUES (1, 'taken')"), write("VACUUM")];
    assert_eq!(bench.store.execute_together(&writes).iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    bench.warm();
}

#[test]
fn writes_by_hand_on_a_pinned_connection_move_what_they_write() {
    everywhere(|bench| {
        moves_t_alone(bench, |bench| {
            let pin = bench.store.pin(&plain()).unwrap();
            pin.execute("INSERT INTO t VALUES (3, 'three')", Params::NONE, &plain()).unwrap();
        });
        moves_t_alone(bench, |bench| {
            let pin = bench.store.pin(&plain()).unwrap();
            pin.execute_script("BEGIN; DELETE FROM t WHERE n = 3; COMMIT", &plain()).unwrap();
        });
        let pin = bench.store.pin(&plain()).unwrap();
        pin.execute_script("BEGIN; DELETE FROM t", &plain()).unwrap();
        drop(pin);
        bench.settles(T);
    });
}

/// A connection reads one statement while it writes with another: both have the same snapshot or better.
#[test]
fn a_write_beside_a_half_read_result_of_its_connection_is_seen() {
    everywhere(|bench| {
        bench.warm();
        let pin = bench.store.pin(&plain()).unwrap();
        let long = "SELECT a.value FROM json_each('[1,2,3,4,5,6,7,8,9]') a, json_each('[1,2,3,4,5,6,7,8,9]') b, t, t t2, t t3";
        let rows = pin.query(long, Params::NONE, &keepwell::QueryOptions { batch_rows: 1, ..plain() }).unwrap();
        assert!(!rows.is_complete());
        pin.execute("INSERT INTO t VALUES (3, 'three')", Params::NONE, &plain()).unwrap();
        drop((rows, pin));
        bench.moved(T);
        bench.settles(U);
    });
}

#[test]
fn a_table_that_serves_a_join_by_columns_alone_is_rested_on() {
    everywhere(|bench| {
        bench.script(
            "CREATE TABLE owner(id INTEGER PRIMARY KEY, name TEXT);
             CREATE TABLE pet(name TEXT, id INTEGER, UNIQUE(id));
             CREATE VIEW owned AS SELECT owner.name FROM owner JOIN pet USING (id);
             INSERT INTO owner VALUES (1, 'Ada'), (2, 'Bob'); INSERT INTO pet VALUES ('Rex', 1)",
        );
        let queries = [
            "SELECT count(*) FROM owner JOIN pet USING (id)",
            "SELECT owner.rowid FROM owner NATURAL JOIN (SELECT id FROM pet)",
            "SELECT 1 FROM owner JOIN pet USING (id)",
            "SELECT count(*) FROM owned",
            "SELECT name FROM owned WHERE name < 'C'",
        ];
        queries.iter().for_each(|sql| bench.settles(sql));
        bench.run("INSERT INTO pet VALUES ('Tom', 2)");
        queries.iter().for_each(|sql| bench.moved(sql));
        bench.run("DELETE FROM pet WHERE id = 1");
        queries.iter().for_each(|sql| bench.moved(sql));
        bench.run("INSERT INTO u VALUES (77)");
        queries.iter().for_each(|sql| bench.hits(sql));
    });
}
