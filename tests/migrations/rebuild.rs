//! A table made anew: what is kept, what is refused.

use keepwell::migrate::rebuild::Rebuild;
use keepwell::migrate::Report;
use keepwell::{Kind, QueryOptions, Value};

use crate::Database;

const SHOP: &str = "CREATE TABLE item(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, price REAL, twice REAL AS (price * 2));
    CREATE TABLE sale(id INTEGER PRIMARY KEY, item INTEGER REFERENCES item ON DELETE CASCADE);
    CREATE INDEX item_name ON item(name); CREATE UNIQUE INDEX item_part ON item(price) WHERE price > 100;
    CREATE VIEW cheap AS SELECT id, name FROM item WHERE price < 10;
    CREATE TABLE log(what);
    CREATE TRIGGER item_gone AFTER DELETE ON item BEGIN INSERT INTO log VALUES ('gone; ' || old.name); END;
    CREATE TRIGGER sale_made AFTER INSERT ON sale BEGIN UPDATE item SET price = price + 1 WHERE id = new.item; END;
    INSERT INTO item(id, name, price) VALUES (1, 'a', 5), (2, NULL, 50), (90, 'z', 500); DELETE FROM item WHERE id = 90;
    INSERT INTO sale(item) VALUES (1), (1), (2);";

fn rebuild(database: &Database, table: &str, definition: &str, columns: &[(&str, &str)]) -> keepwell::Result<Report> {
    database.store.rebuild_table(&Rebuild { table, definition, columns }, &QueryOptions::default())
}

fn shop() -> Database {
    let database = Database::fresh();
    database.run(SHOP);
    database
}

#[test]
fn everything_around_the_table_is_kept() {
    let database = shop();
    let definition = "CREATE TABLE Item(id INTEGER PRIMARY KEY AUTOINCREMENT, price REAL NOT NULL, name TEXT NOT NULL CHECK (name <> ''), \
                      tax REAL DEFAULT 0.2, twice REAL AS (price * 2))";
    let report = rebuild(&database, "item", definition, &[("name", "coalesce(name, 'none')")]).unwrap();
    assert_eq!(report.operation, "rebuild");
    assert_eq!((report.tables[0].table.as_str(), report.tables[0].before, report.tables[0].after), ("item", Some(2), Some(2)));
    assert!(report.problems.iter().any(|problem| problem.message == "column tax is new and has its default"), "{report:?}");
    assert_eq!(
        database.value("SELECT group_concat(id || name || price || tax || twice) FROM item"),
        Value::Text(b"1a7.00.214.0,2none51.00.2102.0".to_vec())
    );
    for object in ["item_name", "item_part", "cheap", "item_gone", "sale_made"] {
        assert!(database.has(object), "{object}");
    }
    assert_eq!(database.count("SELECT count(*) FROM sale"), 3);
    assert_eq!(database.count("SELECT count(*) FROM cheap"), 1);
    assert_eq!(database.count("SELECT seq FROM sqlite_sequence WHERE name = 'item'"), 90);
    database.run("INSERT INTO item(name, price) VALUES ('new', 1)");
    assert_eq!(database.count("SELECT max(id) FROM item"), 91);
    database.run("DELETE FROM item WHERE id = 1");
    assert_eq!((database.count("SELECT count(*) FROM sale"), database.count("SELECT count(*) FROM log")), (1, 2));
    assert_eq!(database.count("SELECT count(*) FROM pragma_foreign_key_list('sale') WHERE \"table\" = 'item'"), 1);
    assert_eq!(database.count("PRAGMA legacy_alter_table") + database.count("PRAGMA foreign_keys"), 1);
}

#[test]
fn an_empty_table_keeps_its_mark_and_one_without_keys_its_rowids() {
    let database = Database::fresh();
    database.run("CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO a VALUES (7, 1); DELETE FROM a");
    rebuild(&database, "a", "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT)", &[]).unwrap();
    assert_eq!(database.count("INSERT INTO a(x) VALUES (1) RETURNING id"), 8);
    database.run("CREATE TABLE b(x); INSERT INTO b(rowid, x) VALUES (5, 'a'), (9, 'b')");
    rebuild(&database, "b", "CREATE TABLE b(x TEXT, y)", &[]).unwrap();
    assert_eq!(database.count("SELECT sum(rowid) FROM b"), 14);
    rebuild(&database, "b", "CREATE TABLE b(x TEXT PRIMARY KEY, y) WITHOUT ROWID, STRICT", &[]).unwrap_err();
    rebuild(&database, "b", "CREATE TABLE b(x TEXT PRIMARY KEY, y ANY) WITHOUT ROWID, STRICT", &[]).unwrap();
    assert_eq!(database.count("SELECT count(*) FROM b"), 2);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_changed() {
    let plain = "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, price REAL)";
    for (table, definition, columns, kind, said) in [
        ("item", "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL)", &[][..], Kind::Constraint, "NOT NULL"),
        ("item", "CREATE TABLE item(id INTEGER PRIMARY KEY, price REAL)", &[], Kind::Sql, "the index item_name does not fit"),
        (
            "item",
            "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT REPLACE, price REAL)",
            &[("name", "'same'")],
            Kind::Migration,
            "2 rows were copied and 1 are there",
        ),
        ("item", plain, &[("id", "id + 1000")], Kind::Constraint, "foreign keys would be violated"),
        ("item", plain, &[("colour", "1")], Kind::Migration, "colour"),
        ("item", "CREATE TABLE other(id)", &[], Kind::Migration, "the definition is of table other"),
        ("item", "CREATE TABLE IF NOT EXISTS item(id)", &[], Kind::Migration, "not one CREATE TABLE"),
        ("item", "CREATE TABLE item(id); DROP TABLE sale", &[], Kind::Sql, "the new definition"),
        ("nowhere", plain, &[], Kind::Migration, "no such table"),
        ("cheap", plain, &[], Kind::Migration, "view"),
        ("sqlite_sequence", plain, &[], Kind::Migration, "no table of the program's"),
    ] {
        let database = shop();
        let error = rebuild(&database, table, definition, columns).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(said), "{definition}: {:?} {error}", error.kind());
        assert!(error.message().contains(&format!("rebuilding table {table}")), "{error}");
        assert_eq!(database.count("SELECT count(*) FROM item, sale"), 6);
        assert_eq!(database.count("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'keepwell%'"), 0);
    }
    let database = shop();
    database.run("DROP INDEX item_name; DROP TRIGGER item_gone; DROP TRIGGER sale_made");
    let error = rebuild(&database, "item", "CREATE TABLE item(id INTEGER PRIMARY KEY, price REAL)", &[]).unwrap_err();
    assert!(error.message().contains("the view cheap does not fit"), "{error}");
}
