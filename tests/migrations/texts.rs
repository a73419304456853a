//! The text of a migration: where its statements end, what it may hold, where its errors are.

use keepwell::migrate::{Migration, Source};
use keepwell::Kind;

use crate::{versions, Database};

#[test]
fn the_engine_finds_where_statements_end() {
    let trigger = "CREATE TRIGGER g AFTER INSERT ON a BEGIN UPDATE a SET x = ';'; DELETE FROM a WHERE x = 'b;--'; END;";
    for (what, text, statements) in [
        ("a trigger", format!("CREATE TABLE a(x);{trigger}"), 2),
        ("strings and quoted names", "CREATE TABLE \"a;b\"(x DEFAULT 'it''s; -- /*'); INSERT INTO [a;b] VALUES (';')".to_string(), 2),
        ("comments", "-- one; two\nCREATE TABLE a(x /* ; */); /* ; \n ; */ -- end;".to_string(), 1),
        ("a common table expression", "CREATE TABLE a(x); WITH c(i) AS (VALUES (1), (2)) INSERT INTO a SELECT i FROM c".to_string(), 2),
        ("no last semicolon", "CREATE TABLE a(x)".to_string(), 1),
        ("CR LF and a byte order mark", "\u{feff}CREATE TABLE a(x);\r\nINSERT INTO a\r\nVALUES (1);\r\n".to_string(), 2),
        ("many semicolons", ";;CREATE TABLE a(x);;;\n;".to_string(), 1),
        ("only comments", "-- nothing\n/* here */".to_string(), 0),
        ("nothing", String::new(), 0),
    ] {
        let database = Database::fresh();
        let report = database.migrations(&[(1, &text, "")]).up(None, None).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(report.migrations[0].statements, statements, "{what}");
    }
}

#[test]
fn five_megabytes_in_one_line_are_a_migration_like_any_other() {
    let database = Database::fresh();
    let mut text = "CREATE TABLE a(x, y);".to_string();
    while text.len() < 5_000_000 {
        text.push_str("INSERT INTO a VALUES (1, 'abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz');");
    }
    let rows = text.matches("INSERT").count() as i64;
    let report = database.migrations(&[(1, &text, "")]).up(None, None).unwrap();
    assert_eq!((report.migrations[0].rows_changed, database.count("SELECT count(*) FROM a")), (rows, rows));
    let wrong = format!("{text}SELECT nowhere");
    let error = database.migrations(&[(1, &text, ""), (2, &wrong.replace("TABLE a", "TABLE b"), "")]).up(None, None).unwrap_err();
    let column = wrong.len() - "nowhere".len() + 1;
    assert!(error.message().contains(&format!("line 1, column {column}, statement {}", rows + 2)), "{error}");
}

#[test]
fn an_error_names_migration_line_column_and_statement_and_leaves_nothing() {
    let database = Database::fresh();
    let seven = "CREATE TABLE a(x UNIQUE);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\nCREATE INDEX i ON a(x);\n\
                 CREATE TABLE b(y);\nINSERT INTO b VALUES (1);\n  INSERT INTO ä VALUES (2); INSERT INTO b VALUES (3);";
    let error = database.migrations(&[(3, seven, "")]).up(None, None).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (Kind::Sql, keepwell::error::Outcome::RolledBack));
    assert!(error.message().starts_with("migration 3 \"m3\": its text, line 7, column 3, statement 7: "), "{error}");
    assert!(error.message().ends_with("nothing of it was kept"), "{error}");
    assert_eq!(database.count("SELECT count(*) FROM sqlite_schema"), 0);
    let error = database.migrations(&[(3, "CREATE TABLE ä(x);\nSELECT 'ä', y FROM ä", "")]).up(None, None).unwrap_err();
    assert!(error.message().contains("line 2, column 13, statement 2: "), "{error}");
    let error = database.migrations(&[(3, "CREATE TABLE a(x UNIQUE); INSERT INTO a VALUES (1), (1)", "")]).up(None, None).unwrap_err();
    assert_eq!(error.kind(), Kind::Constraint);
    let error = database.migrations(&[(1, "SELECT ?", "")]).up(None, None).unwrap_err();
    assert_eq!(error.kind(), Kind::Parameter);
}

#[test]
fn begin_and_commit_are_hoisted_where_they_fit_and_refused_where_they_do_not() {
    let note = |text: &str| {
        let database = Database::fresh();
        let report = database.migrations(&[(1, text, "")]).up(None, None).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(database.has("a"), "{text}");
        report.problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join(" ")
    };
    for text in [
        "BEGIN; CREATE TABLE a(x); COMMIT;",
        "-- first\nbegin immediate transaction;\nCREATE TABLE a(x);\nEND TRANSACTION",
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE a(x);\nCOMMIT;\nPRAGMA foreign_keys=ON;",
        "BEGIN; CREATE TABLE a(x); COMMIT; BEGIN; INSERT INTO a VALUES (1); COMMIT /* ; */;",
    ] {
        assert!(note(text).contains("BEGIN and COMMIT were left out"), "{text}");
    }
    assert_eq!(note("SAVEPOINT s; CREATE TABLE a(x); INSERT INTO a VALUES (1); ROLLBACK TO s; CREATE TABLE a(x); RELEASE s"), "");
    for (text, wrong) in [
        ("BEGIN; CREATE TABLE a(x)", "BEGIN without COMMIT"),
        ("CREATE TABLE a(x); COMMIT; CREATE TABLE b(x)", "COMMIT without BEGIN"),
        ("BEGIN; BEGIN; COMMIT; COMMIT", "BEGIN inside BEGIN"),
        ("CREATE TABLE a(x); ROLLBACK", "ROLLBACK"),
    ] {
        let database = Database::fresh();
        let error = database.migrations(&[(1, text, "")]).up(None, None).unwrap_err();
        assert!(
            error.kind() == Kind::Migration && error.message().contains(wrong) && error.message().contains("no transaction"),
            "{error}"
        );
        assert!(!database.has("a"), "{text}");
    }
}

#[test]
fn pragmas_are_run_left_out_or_refused_and_never_silently_wrong() {
    let database = Database::fresh();
    let text = "PRAGMA user_version = 7; PRAGMA application_id = 9; PRAGMA legacy_alter_table = ON; PRAGMA table_info(a); PRAGMA foreign_keys = OFF";
    let report = database.migrations(&[(1, text, ""), (2, "CREATE TABLE a(x)", "")]).up(None, None).unwrap();
    assert_eq!(database.count("PRAGMA user_version"), 7);
    assert!(report.problems.iter().any(|problem| problem.message.contains("PRAGMA foreign_keys was left out")), "{report:?}");
    assert_eq!(database.count("PRAGMA foreign_keys"), 1);
    for pragma in [
        "journal_mode = DELETE",
        "page_size = 8192",
        "auto_vacuum = FULL",
        "synchronous = OFF",
        "encoding = 'UTF-16'",
        "locking_mode = EXCLUSIVE",
    ] {
        let text = format!("CREATE TABLE b(x);\nPRAGMA {pragma};");
        let error = database.migrations(&[(1, "", ""), (2, "", ""), (3, &text, "")]).with_policy(accepting()).up(None, None).unwrap_err();
        assert!(error.message().contains("line 2, column 1, statement 2"), "{pragma}: {error}");
        assert!(!database.has("b"), "{pragma}");
    }
    let error = database.migrations(&[(3, "VACUUM", "")]).with_policy(accepting()).up(None, None).unwrap_err();
    assert!(error.message().contains("-- keepwell: no transaction"), "{error}");
    let error = database.migrations(&[(3, "ATTACH 'x.db' AS x", "")]).with_policy(accepting()).up(None, None).unwrap_err();
    assert!(error.message().contains("-- keepwell: no transaction"), "{error}");
}

fn accepting() -> keepwell::migrate::Policy {
    let mut policy = keepwell::migrate::Policy::default();
    ["changed", "missing", "newer"].iter().for_each(|key| policy.set(key, "accept").unwrap());
    policy
}

#[test]
fn line_ends_and_a_byte_order_mark_do_not_change_who_a_migration_is() {
    let database = Database::fresh();
    let list = |text: &str| Source::list(vec![Migration::new(1, "x", text, None)]).unwrap();
    database.store.migrations(list("CREATE TABLE a(x);\nSELECT 1;\n")).up(None, None).unwrap();
    let other = database.store.migrations(list("\u{feff}CREATE TABLE a(x);\r\nSELECT 1;\r\n"));
    assert!(versions(&other.up(None, None).unwrap()).is_empty());
    assert_eq!(other.verify().unwrap().problems, []);
    let changed = database.store.migrations(list("CREATE TABLE a(x);\nSELECT 2;\n"));
    assert!(changed.up(None, None).unwrap_err().message().contains("was changed after it was applied"));
}

#[test]
fn a_nul_is_refused() {
    assert_eq!(Source::list(vec![Migration::new(1, "x", "SELECT 1\0; SELECT 2", None)]).unwrap_err().kind(), Kind::Encoding);
}

#[test]
fn settings_of_one_migration_do_not_reach_the_next() {
    let database = Database::fresh();
    let list = [
        (1, "CREATE TABLE a(x); CREATE VIEW v AS SELECT x FROM a; PRAGMA legacy_alter_table = ON", ""),
        (2, "CREATE TEMP TABLE t(x); INSERT INTO t VALUES (1)", ""),
        (3, "ALTER TABLE a RENAME TO b; CREATE TABLE t(y)", ""),
    ];
    database.migrations(&list).up(None, None).unwrap();
    assert!(database.has("t"), "in the main database, beside none that is temporary");
    assert_eq!(database.count("SELECT count(*) FROM v"), 0);
}
