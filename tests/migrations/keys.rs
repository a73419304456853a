//! Foreign keys and rows: what a migration must not lose.

use keepwell::Kind;

use crate::Database;

const FAMILY: &str = "CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent ON DELETE CASCADE);
    INSERT INTO parent VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (10, 1), (11, 1), (12, 2);";

fn family() -> Database {
    let database = Database::fresh();
    database.run(FAMILY);
    database
}

fn up(database: &Database, text: &str) -> keepwell::Result<()> {
    database.migrations(&[(1, text, "")]).up(None, None).map(drop)
}

const REBUILD: &str = "CREATE TABLE parent_new(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO parent_new SELECT id, name FROM parent; DROP TABLE parent; ALTER TABLE parent_new RENAME TO parent;";

#[test]
fn a_rebuild_keeps_the_children_however_it_is_dressed() {
    let dressed = [
        REBUILD.to_string(),
        format!("PRAGMA foreign_keys = OFF; {REBUILD} PRAGMA foreign_keys = ON;"),
        format!("PRAGMA foreign_keys = OFF; BEGIN; {REBUILD} COMMIT; PRAGMA foreign_keys = ON;"),
        format!("BEGIN; PRAGMA foreign_keys = OFF; {REBUILD} PRAGMA foreign_key_check; COMMIT; PRAGMA foreign_keys = ON;"),
        format!("PRAGMA defer_foreign_keys = ON; {REBUILD}"),
    ];
    for text in dressed {
        let database = family();
        up(&database, &text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(database.count("SELECT count(*) FROM child"), 3, "{text}");
        assert_eq!(database.count("SELECT count(*) FROM pragma_foreign_key_check"), 0, "{text}");
        assert_eq!(database.count("PRAGMA foreign_keys"), 1);
        database.store.execute("INSERT INTO child VALUES (13, 9)", keepwell::Params::NONE, &Default::default()).unwrap_err();
        database.run("DELETE FROM parent WHERE id = 1");
        assert_eq!(database.count("SELECT count(*) FROM child"), 1, "cascades work again");
    }
}

#[test]
fn a_rebuild_written_the_wrong_way_fails_and_loses_nothing() {
    for (text, why) in [
        ("ALTER TABLE parent RENAME TO old; CREATE TABLE parent(id INTEGER PRIMARY KEY, name); INSERT INTO parent SELECT * FROM old; DROP TABLE old", "old"),
        ("CREATE TABLE n(id INTEGER PRIMARY KEY, name); INSERT INTO n SELECT * FROM parent WHERE id = 1; DROP TABLE parent; ALTER TABLE n RENAME TO parent", "1 violations"),
        ("DROP TABLE parent", "parent"),
        ("DELETE FROM parent", "3 violations"),
        ("UPDATE parent SET id = id + 100", "3 violations"),
        ("INSERT INTO child VALUES (20, 77)", "1 violations"),
        ("DROP TABLE parent; CREATE TABLE parent(id INTEGER, name)", "parent"),
    ] {
        let database = family();
        let error = up(&database, text).unwrap_err();
        assert_eq!(error.kind(), Kind::Constraint, "{text}: {error}");
        assert!(error.message().contains("foreign keys would be violated") && error.message().contains(why), "{text}: {error}");
        assert_eq!((database.count("SELECT count(*) FROM child"), database.count("SELECT count(*) FROM parent")), (3, 2), "{text}");
        assert!(!database.has("keepwell_migrations"));
    }
}

#[test]
fn the_marker_keeps_foreign_keys_on_and_a_drop_that_cascades_is_an_alarm() {
    let database = family();
    let error = up(&database, &format!("-- keepwell: foreign keys on\n{REBUILD}")).unwrap_err();
    assert!(error.message().contains("would delete 3 rows of other tables"), "{error}");
    assert_eq!(database.count("SELECT count(*) FROM child"), 3);
    up(&database, "-- keepwell: foreign keys on\nDELETE FROM parent WHERE id = 1").unwrap();
    assert_eq!(database.count("SELECT count(*) FROM child"), 1, "a cascade that a statement asks for is done");
    let list = [
        (1, "-- keepwell: foreign keys on\nDELETE FROM parent WHERE id = 1", ""),
        (2, REBUILD, ""),
        (3, "-- keepwell: foreign keys on\nDELETE FROM parent", ""),
    ];
    database.migrations(&list).up(None, None).unwrap();
    assert_eq!(database.count("SELECT count(*) FROM child"), 0);
    assert_eq!(database.count("PRAGMA foreign_keys"), 1);
}

#[test]
fn violations_that_were_there_before_are_not_a_migrations_fault() {
    let database = Database::with(&[("options.foreign_keys", "off")]);
    database.run(FAMILY);
    database.run("INSERT INTO child VALUES (30, 99)");
    let path = database.folder.child("test.db");
    let store = keepwell::Store::open_path(path).unwrap();
    let again = Database { store, folder: keepwell_folder() };
    up(&again, &format!("{REBUILD} INSERT INTO child VALUES (31, 1)")).unwrap();
    let error = again
        .migrations(&[(1, &format!("{REBUILD} INSERT INTO child VALUES (31, 1)"), ""), (2, "INSERT INTO child VALUES (32, 98)", "")])
        .up(None, None)
        .unwrap_err();
    assert!(error.message().contains("1 violations, the first in row 32 of table child"), "{error}");
    assert_eq!(again.count("SELECT count(*) FROM child WHERE parent = 99"), 1);
}

fn keepwell_folder() -> temp_dir::TempDir {
    temp_dir::TempDir::new().unwrap()
}

#[test]
fn a_store_that_does_not_enforce_foreign_keys_does_not_check_them() {
    let database = Database::with(&[("options.foreign_keys", "off")]);
    database.run(FAMILY);
    up(&database, "DELETE FROM parent").unwrap();
    assert_eq!(database.count("SELECT count(*) FROM child"), 3);
    assert_eq!(database.count("PRAGMA foreign_keys"), 0);
}

#[test]
fn all_in_one_transaction_checks_each_migration() {
    let database = family();
    let mut migrations = database.migrations(&[(1, REBUILD, ""), (2, "DELETE FROM parent", "")]);
    migrations.set("transactions", "all").unwrap();
    let error = migrations.up(None, None).unwrap_err();
    assert!(error.message().contains("migration 2") && error.kind() == Kind::Constraint, "{error}");
    assert_eq!(database.count("SELECT count(*) FROM parent"), 2);
}
