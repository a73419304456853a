//! What is kept and what is not: by the statement's kind, its functions, its tables, and its parameters.

use keepwell::store::Bypass;
use keepwell::{Params, QueryOptions, Value, ValueRef};

use crate::bench::{cached, everywhere, plain, Bench, T};

/// How many queries went past the cache for this reason.
fn bypasses(bench: &Bench, reason: Bypass) -> u64 {
    bench.stats().bypasses[reason as usize]
}

/// None of these is ever kept, and each is counted under this reason.
fn goes_past(bench: &Bench, reason: Bypass, queries: &[&str]) {
    for sql in queries {
        let before = bypasses(bench, reason);
        for _ in 0..3 {
            let rows = bench.store.query(sql, Params::NONE, &cached()).unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert!(!rows.is_from_cache(), "{sql}");
        }
        assert_eq!(bypasses(bench, reason) - before, 3, "{sql}: {:?}", bench.stats());
    }
}

#[test]
fn what_depends_on_more_than_the_database_is_not_kept() {
    everywhere(|bench| {
        bench.run("INSERT INTO t VALUES (3, 'now')");
        let queries = [
            "SELECT random()",
            "SELECT hex(randomblob(4)) FROM t",
            "SELECT datetime('now')",
            "SELECT datetime(s) FROM t WHERE n = 3",
            "SELECT n FROM t WHERE date(s) > '2000-01-01'",
            "SELECT strftime('%s')",
            "SELECT CURRENT_TIMESTAMP",
            "SELECT n FROM t WHERE s < CURRENT_DATE",
            "SELECT changes()",
            "SELECT total_changes()",
            "SELECT last_insert_rowid()",
            "SELECT sqlite_source_id()",
            "SELECT n FROM t ORDER BY random()",
            "SELECT (SELECT max(random()) FROM t)",
            "WITH x AS (SELECT unixepoch(s) AS at FROM t) SELECT at FROM x",
        ];
        goes_past(bench, Bypass::Function, &queries);
        bench.run("CREATE VIEW clock AS SELECT julianday('now') AS now");
        goes_past(bench, Bypass::Function, &["SELECT now FROM clock"]);
    });
}

#[test]
fn functions_of_their_arguments_alone_are_kept() {
    everywhere(|bench| {
        for sql in [
            "SELECT upper(s), length(s), s LIKE 'o%', s GLOB 't*', coalesce(s, 1), substr(s, 1, 1) FROM t",
            "SELECT count(*), sum(n), avg(n), min(n), max(n), group_concat(s, ', ') FROM t",
            "SELECT row_number() OVER (ORDER BY n), lag(n) OVER (ORDER BY n) FROM t",
            "SELECT s -> '$', json_extract('{\"a\": 1}', '$.a'), json_object('n', n) FROM t WHERE json_valid(s)",
            "SELECT iif(n = 1, 'a', 'b'), CASE n WHEN 1 THEN 'a' END, CAST(s AS BLOB), round(n / 3.0, 2) FROM t",
            "SELECT printf('%05d', n), quote(s), typeof(s), hex(s), nullif(n, 1), abs(-n) FROM t",
            "VALUES (1, 'a'), (2, 'b')",
        ] {
            bench.settles(sql);
        }
    });
}

#[test]
fn only_a_single_select_is_kept() {
    let bench = &Bench::new();
    goes_past(
        bench,
        Bypass::Statement,
        &[
            "EXPLAIN SELECT n FROM t",
            "EXPLAIN QUERY PLAN SELECT n FROM t",
            "PRAGMA user_version",
            "PRAGMA table_info(t)",
            "INSERT INTO u VALUES (1) RETURNING n",
            "DELETE FROM u",
            "CREATE TABLE IF NOT EXISTS u(n)",
        ],
    );
}

#[test]
fn table_valued_functions_that_look_at_the_engine_are_not_kept() {
    everywhere(|bench| {
        goes_past(
            bench,
            Bypass::Table,
            &[
                "SELECT name FROM pragma_table_list",
                "SELECT count(*) FROM pragma_table_list",
                "SELECT name FROM pragma_table_info('t')",
                "SELECT count(*) FROM pragma_table_info('t')",
                "SELECT user_version FROM pragma_user_version",
                "SELECT count(*) FROM pragma_compile_options",
                "SELECT t.n FROM t, pragma_data_version",
            ],
        );
        let dbstat = bench.store.query("SELECT count(*) FROM dbstat", Params::NONE, &cached());
        if dbstat.is_ok() {
            goes_past(bench, Bypass::Table, &["SELECT count(*) FROM dbstat", "SELECT sum(pgsize) FROM dbstat"]);
        }
    });
}

#[test]
fn table_valued_functions_of_their_arguments_are_kept() {
    everywhere(|bench| {
        bench.script("CREATE TABLE docs(body); INSERT INTO docs VALUES ('[1,2]')");
        bench.settles("SELECT value FROM json_each('[1,2,3]')");
        bench.settles("SELECT count(*) FROM json_tree('[1,2,3]')");
        let sql = "SELECT value FROM docs, json_each(docs.body)";
        bench.settles(sql);
        bench.run("UPDATE docs SET body = '[1,2,3]'");
        bench.moved(sql);
        bench.run("CREATE TABLE json_each(value)");
        bench.settles("SELECT value FROM json_each");
        bench.run("INSERT INTO json_each VALUES (5)");
        bench.moved("SELECT value FROM json_each");
    });
}

#[test]
fn a_name_of_the_query_itself_is_no_table() {
    everywhere(|bench| {
        let own = "WITH u AS (SELECT 1 UNION ALL SELECT 2) SELECT count(*) FROM u";
        let other = "WITH elsewhere AS (SELECT n FROM t) SELECT count(*) FROM elsewhere";
        let counts = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5) SELECT count(*) FROM c";
        for sql in [own, other, counts, "SELECT count(*) FROM (SELECT 1)", "SELECT EXISTS (SELECT 1 FROM u)"] {
            bench.settles(sql);
        }
        bench.run("INSERT INTO t VALUES (3, 'three')");
        bench.moved(other);
        bench.hits(counts);
        bench.run("CREATE TABLE elsewhere(n)");
        bench.settles(other);
        bench.settles("SELECT EXISTS (SELECT 1 FROM u)");
        bench.run("INSERT INTO u VALUES (5)");
        bench.moved("SELECT EXISTS (SELECT 1 FROM u)");
        bench.settles(own);
    });
}

#[test]
fn a_table_that_only_joins_by_its_columns_is_followed() {
    everywhere(|bench| {
        bench.script(
            "CREATE TABLE a(id INTEGER PRIMARY KEY, x); CREATE TABLE b(id INTEGER PRIMARY KEY, y);
             INSERT INTO a VALUES (1, 1), (2, 2); INSERT INTO b VALUES (1, 1);
             CREATE VIEW pairs AS SELECT count(*) AS many FROM a NATURAL JOIN b; CREATE VIEW outer_pairs AS SELECT * FROM pairs;
             CREATE VIRTUAL TABLE words USING fts5(y);",
        );
        let joins = [
            "SELECT count(*) FROM a NATURAL JOIN b",
            "SELECT 1 FROM a JOIN \"B\" USING (id)",
            "SELECT 1 FROM a left join [b] using(id) WHERE EXISTS (SELECT 1 FROM a NATURAL JOIN 'b')",
            "SELECT EXISTS (SELECT 1 FROM a /* it's */ NATURAL JOIN b WHERE id = 2)",
            "SELECT many FROM pairs",
            "SELECT count(many) FROM outer_pairs",
            "WITH w AS (SELECT 1 FROM a NATURAL FULL JOIN b) SELECT count(*) FROM w",
        ];
        for change in ["INSERT INTO b VALUES (2, 2)", "DELETE FROM a WHERE id = 1", "UPDATE b SET id = 7 WHERE id = 2"] {
            joins.iter().for_each(|sql| bench.settles(sql));
            bench.run("INSERT INTO t VALUES (NULL, 'unrelated')");
            joins.iter().for_each(|sql| bench.hits(sql));
            bench.run(change);
            joins.iter().for_each(|sql| bench.moved(sql));
        }
        // Nobody tells which virtual table it is.
        bench.never_hits("SELECT 1 FROM b NATURAL JOIN words");
        bench.never_hits("SELECT 1 FROM (SELECT 'main' AS schema) NATURAL JOIN pragma_table_list");
    });
}

#[test]
fn names_are_compared_without_case() {
    everywhere(|bench| {
        for sql in ["SELECT N, S FROM T", "SELECT count(*) FROM \"T\"", "SELECT 1 FROM main.[T] LIMIT 1", "SELECT EXISTS (SELECT * FROM T)"]
        {
            bench.settles(sql);
            bench.run("INSERT INTO main.T VALUES (NULL, 'more')");
            bench.moved(sql);
        }
    });
}

#[test]
fn parameters_that_print_alike_have_results_of_their_own() {
    everywhere(|bench| {
        let values = [ValueRef::Integer(1), 1.0.into(), "1".into(), ValueRef::Blob(b"1"), ValueRef::Null, 0.0.into(), (-0.0).into()];
        for value in values {
            assert!(!bench.ask_with("SELECT typeof(?1), quote(?1)", &[value], &cached()), "{value:?}");
        }
        for value in values {
            assert!(bench.ask_with("SELECT typeof(?1), quote(?1)", &[value], &cached()), "{value:?}");
        }
        let ask = |names: &[&str]| {
            let rows = bench.store.query("SELECT :a, :b", Params::named(names, &values[..2]), &cached()).unwrap();
            (rows.is_from_cache(), rows.collect().unwrap())
        };
        let (one, real) = (Value::Integer(1), Value::Real(1.0));
        assert_eq!(ask(&["a", "b"]), (false, vec![vec![one.clone(), real.clone()]]));
        assert_eq!(ask(&["b", "a"]), (false, vec![vec![real.clone(), one.clone()]]));
        assert_eq!(ask(&["a", "b"]), (true, vec![vec![one, real]]));
    });
}

#[test]
fn transactions_and_pinned_connections_neither_use_nor_fill_the_cache() {
    everywhere(|bench| {
        bench.settles(T);
        let tx = bench.store.begin(keepwell::TxMode::Write(Default::default()), &plain()).unwrap();
        tx.execute("INSERT INTO t VALUES (3, 'three')", Params::NONE, &plain()).unwrap();
        for _ in 0..2 {
            let rows = tx.query(T, Params::NONE, &cached()).unwrap();
            assert!(!rows.is_from_cache());
            assert_eq!(rows.collect().unwrap().len(), 3);
        }
        tx.rollback().unwrap();
        bench.settles(T);
        let pin = bench.store.pin(&plain()).unwrap();
        assert!(!pin.query(T, Params::NONE, &cached()).unwrap().is_from_cache());
        drop(pin);
        bench.hits(T);
        assert_eq!(bypasses(bench, Bypass::Transaction), 3);
    });
}

#[test]
fn errors_are_not_kept() {
    everywhere(|bench| {
        let sql = "SELECT abs(n) FROM u";
        bench.run("INSERT INTO u VALUES (-9223372036854775808)");
        for _ in 0..2 {
            assert!(bench.store.query(sql, Params::NONE, &cached()).is_err());
            assert!(bench.store.query("SELECT * FROM nowhere", Params::NONE, &cached()).is_err());
            assert!(bench.store.query("SELECT ?", Params::NONE, &cached()).is_err());
        }
        bench.run("DELETE FROM u");
        bench.moved(sql);
    });
}

#[test]
fn an_oversize_result_is_refused_and_right() {
    let bench = &Bench::with(&[("cache.max_bytes", "64KiB")]);
    let sql = "SELECT i, printf('%01000d', i) FROM (SELECT value AS i FROM json_each('[1,2,3,4,5,6,7,8,9]')) ORDER BY i";
    bench.never_hits(sql);
    bench.never_hits_with(sql, &QueryOptions { batch_rows: 2, ..cached() });
    assert_eq!(bypasses(bench, Bypass::Size), 6);
    let many = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) SELECT i FROM c";
    bench.never_hits(many);
    assert_eq!(bypasses(bench, Bypass::Size), 9);
    assert_eq!(bench.stats().entries, 0);
}
