//! Changes of the schema, and tables that are more than rows: what is kept never outlives what its names meant.

use keepwell::driver::Mode;
use keepwell::{Params, QueryOptions, TxMode};

use crate::bench::{cached, everywhere, in_files, plain, T, U};

#[test]
fn a_table_that_was_dropped_and_made_again_is_another_one() {
    everywhere(|bench| {
        for again in [
            "CREATE TABLE t(n, s)",
            "CREATE VIEW t AS SELECT 5 AS n, 'view' AS s",
            "CREATE VIRTUAL TABLE t USING fts5(n, s)",
            "CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT)",
        ] {
            bench.settles(T);
            bench.script(if again.contains("fts5") { "DROP VIEW t" } else { "DROP TABLE t" });
            assert!(bench.store.query(T, Params::NONE, &crate::bench::cached()).is_err(), "there is no such table now");
            bench.run(again);
            bench.settles(T);
            if !again.contains("VIEW") {
                bench.run("INSERT INTO t VALUES (7, 'seven')");
                bench.moved(T);
                bench.run("INSERT INTO t VALUES (8, 'eight')");
                bench.moved(T);
            }
            if again.contains("fts5") {
                bench.script("DROP TABLE t; CREATE TABLE t(n, s)");
            }
        }
    });
}

#[test]
fn all_columns_means_those_of_today() {
    everywhere(|bench| {
        let sql = "SELECT * FROM t ORDER BY n";
        bench.settles(sql);
        bench.run("ALTER TABLE t ADD COLUMN added DEFAULT 'new'");
        bench.settles(sql);
        let rows = bench.store.query(sql, Params::NONE, &crate::bench::cached()).unwrap();
        assert_eq!((rows.is_from_cache(), rows.columns().names.len()), (true, 3));
        bench.run("ALTER TABLE t RENAME COLUMN added TO renamed");
        bench.settles(sql);
        assert_eq!(bench.store.query(sql, Params::NONE, &crate::bench::cached()).unwrap().columns().names[2], "renamed");
    });
}

#[test]
fn rowids_do_not_survive_a_vacuum() {
    everywhere(|bench| {
        bench.script("INSERT INTO u VALUES ('a'), ('b'), ('c'); DELETE FROM u WHERE n = 'a'");
        let sql = "SELECT rowid, n FROM u ORDER BY rowid";
        bench.settles(sql);
        let before = bench.truth(sql, &[]);
        bench.run("VACUUM");
        assert_ne!(bench.truth(sql, &[]), before, "VACUUM gives new rowids");
        bench.settles(sql);
        bench.run("VACUUM");
        bench.settles(sql);
        bench.hits(sql);
    });
}

#[test]
fn the_engines_own_tables_move_with_every_commit() {
    everywhere(|bench| {
        bench.run("CREATE TABLE counted(n INTEGER PRIMARY KEY AUTOINCREMENT, v)");
        let sequence = "SELECT seq FROM sqlite_sequence WHERE name = 'counted'";
        let schema = "SELECT count(*) FROM sqlite_master";
        for n in 1..4 {
            bench.run("INSERT INTO counted(v) VALUES (1)");
            bench.settles(sequence);
            bench.settles(schema);
            assert_eq!(bench.truth(sequence, &[])[0][0], keepwell::Value::Integer(n));
        }
        bench.run("INSERT INTO t VALUES (3, 'three')");
        bench.moved(schema);
        bench.run("UPDATE sqlite_sequence SET seq = 70");
        bench.moved(sequence);
        bench.run("INSERT INTO counted(v) VALUES (1)");
        bench.moved(sequence);
    });
}

#[test]
fn a_search_index_moves_with_every_commit_and_so_do_its_shadows() {
    everywhere(|bench| {
        bench.script("CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('one two')");
        let search = "SELECT rowid FROM f WHERE f MATCH 'two' ORDER BY rowid";
        let shadow = "SELECT count(*) FROM f_content";
        for sql in ["INSERT INTO f VALUES ('two three')", "UPDATE f SET body = 'four' WHERE rowid = 1", "DELETE FROM f WHERE rowid = 1"] {
            bench.settles(search);
            bench.settles(shadow);
            bench.warm();
            bench.run(sql);
            bench.moved(search);
            bench.moved(shadow);
            bench.settles(T);
        }
        bench.run("INSERT INTO f(f) VALUES ('optimize')");
        bench.settles(search);
    });
}

#[test]
fn a_spatial_index_moves_with_every_commit() {
    everywhere(|bench| {
        bench.script("CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); INSERT INTO r VALUES (1, 0, 1)");
        let sql = "SELECT id FROM r WHERE x0 >= 0 ORDER BY id";
        bench.settles(sql);
        bench.run("INSERT INTO r VALUES (2, 2, 3)");
        bench.moved(sql);
        bench.run("DELETE FROM r WHERE id = 1");
        bench.moved(sql);
    });
}

/// How many versions of the schema making `x` a search index takes.
fn steps_of_an_index() -> i64 {
    let scratch = rusqlite::Connection::open_in_memory().unwrap();
    scratch.execute_batch(INDEX).unwrap();
    scratch.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap()
}

const INDEX: &str = "CREATE VIRTUAL TABLE x USING fts5(body)";

/// Another process makes, under a name that this connection knew as a plain table, a virtual one: at the same version of the schema.
#[test]
fn a_name_is_not_remembered_from_a_schema_that_was_rolled_back() {
    in_files(|bench| {
        let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        tx.execute("CREATE TABLE x(body)", Params::NONE, &plain()).unwrap();
        for n in 1..steps_of_an_index() {
            tx.execute(&format!("CREATE TABLE x{n}(body)"), Params::NONE, &plain()).unwrap();
        }
        tx.execute("INSERT INTO x VALUES ('plain')", Params::NONE, &plain()).unwrap();
        tx.rollback().unwrap();
        bench.stranger().execute_batch(INDEX).unwrap();
        let shadow = "SELECT count(*) FROM x_content";
        for text in ["one", "two", "three"] {
            bench.settles(shadow);
            bench.store.execute("INSERT INTO x VALUES (?)", &[text.into()], &plain()).unwrap();
            bench.moved(shadow);
        }
    });
}

/// A statement that SQLite prepared anew may have changed anything; the one after it is known again.
#[test]
fn after_a_change_of_the_schema_writes_soon_move_their_table_alone_again() {
    everywhere(|bench| {
        bench.run("INSERT INTO u VALUES (1)");
        bench.run("CREATE TABLE third(n)");
        bench.warm();
        bench.run("INSERT INTO u VALUES (1)");
        bench.warm();
        bench.run("INSERT INTO u VALUES (1)");
        bench.moved(U);
        bench.hits(T);
    });
}

/// SQLite prepares such a join anew for each value of its parameter; that is no reason not to keep its results.
#[test]
fn a_query_that_is_prepared_anew_as_it_runs_is_kept() {
    everywhere(|bench| {
        bench.run("INSERT INTO u VALUES (1), (2)");
        bench.run("CREATE TABLE w(n INTEGER PRIMARY KEY, v)");
        let sql = "SELECT t.s, w.v FROM t JOIN w USING(n) WHERE n = ?1";
        for n in [1, 2, 3] {
            assert!(!bench.ask_with(sql, &[n.into()], &cached()));
        }
        for n in [1, 2, 3] {
            assert!(bench.ask_with(sql, &[n.into()], &cached()), "{n}");
        }
        bench.run("INSERT INTO w VALUES (2, 'two')");
        for n in [1, 2, 3] {
            assert!(!bench.ask_with(sql, &[n.into()], &cached()), "{n}");
        }
        bench.settles(T);
        bench.run("ALTER TABLE t ADD COLUMN added");
        bench.moved("SELECT * FROM t");
    });
}

#[test]
fn a_trigger_that_came_after_a_statement_was_prepared_is_followed() {
    everywhere(|bench| {
        let insert = "INSERT INTO t VALUES (NULL, 'again')";
        bench.run(insert);
        bench.run("CREATE TRIGGER also AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.n); END");
        for _ in 0..3 {
            bench.warm();
            bench.run(insert);
            bench.moved(T);
            bench.moved(U);
        }
        bench.run("DROP TRIGGER also");
        for _ in 0..2 {
            bench.warm();
            bench.run(insert);
            bench.settles(T);
        }
        bench.hits(U);
    });
}

/// The same, where the statement is prepared anew in the middle of a transaction that knows of other changes already.
#[test]
fn a_trigger_of_ones_own_transaction_is_followed() {
    everywhere(|bench| {
        let insert = "INSERT INTO t VALUES (NULL, 'again')";
        bench.run(insert);
        bench.warm();
        let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        tx.execute(insert, Params::NONE, &plain()).unwrap();
        tx.execute("CREATE TRIGGER also AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.n); END", Params::NONE, &plain()).unwrap();
        tx.execute(insert, Params::NONE, &plain()).unwrap();
        tx.commit().unwrap();
        bench.settles(T);
        bench.settles(U);
    });
}

#[test]
fn a_temporary_table_shadows_on_its_own_connection_alone() {
    everywhere(|bench| {
        bench.warm();
        let pin = bench.store.pin(&plain()).unwrap();
        pin.execute_script("CREATE TEMP TABLE t(n, s); INSERT INTO temp.t VALUES (99, 'temporary')", &plain()).unwrap();
        let asks = QueryOptions { cache: keepwell::options::CacheUse::Use, ..plain() };
        for _ in 0..2 {
            let rows = pin.query(T, Params::NONE, &asks).unwrap();
            assert!(!rows.is_from_cache());
            assert_eq!(rows.collect().unwrap()[0][0], keepwell::Value::Integer(99));
        }
        pin.execute("INSERT INTO main.t VALUES (3, 'three')", Params::NONE, &plain()).unwrap();
        pin.execute("DELETE FROM t", Params::NONE, &plain()).unwrap();
        drop(pin);
        bench.settles(T);
        bench.settles(U);
    });
}

#[test]
fn an_attached_database_is_read_past_the_cache_and_the_own_file_under_another_name_is_noticed() {
    in_files(|bench| {
        bench.warm();
        let pin = bench.store.pin(&plain()).unwrap();
        let asks = crate::bench::cached();
        for n in [1, 2] {
            let sql = format!("ATTACH ':memory:' AS other; CREATE TABLE other.o(n); INSERT INTO o VALUES ({n})");
            pin.execute_script(&sql, &plain()).unwrap();
            let rows = pin.query("SELECT n FROM o", Params::NONE, &asks).unwrap();
            assert!(!rows.is_from_cache());
            assert_eq!(rows.collect().unwrap(), [[keepwell::Value::Integer(n)]]);
            pin.execute_script("DETACH other", &plain()).unwrap();
        }
        pin.execute("ATTACH ? AS again", &[bench.path().to_str().unwrap().into()], &plain()).unwrap();
        pin.execute("INSERT INTO again.t VALUES (3, 'three')", Params::NONE, &plain()).unwrap();
        drop(pin);
        bench.settles(T);
    });
}
