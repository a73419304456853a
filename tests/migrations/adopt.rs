//! Adopting histories that the real tools wrote; see `tools/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use keepwell::migrate::{Format, Source};
use keepwell::store::Migrations;
use keepwell::{Result, Value};
use temp_dir::TempDir;

use super::{versions, Database};

/// A tool: its folder, its name in messages, the formats that its folder is read with, its versions.
struct Tool {
    folder: &'static str,
    name: &'static str,
    formats: &'static [Option<Format>],
    versions: [i64; 4],
    /// Whether its history has checksums.
    sums: bool,
}

const NUMBERS: [i64; 4] = [1, 2, 3, 4];
const DATES: [i64; 4] = [20240101090000, 20240102090000, 20240215183000, 20240301120000];

const fn tool(folder: &'static str, name: &'static str, formats: &'static [Option<Format>], versions: [i64; 4], sums: bool) -> Tool {
    Tool { folder, name, formats, versions, sums }
}

const TOOLS: &[Tool] = &[
    tool("golang-migrate", "golang-migrate", &[None, Some(Format::GolangMigrate)], NUMBERS, false),
    tool("goose", "goose", &[None, Some(Format::Goose)], NUMBERS, false),
    tool("dbmate", "dbmate", &[None, Some(Format::Dbmate)], DATES, false),
    tool("rails", "Rails", &[None], DATES, false),
    tool("sqlx", "sqlx", &[None, Some(Format::Sqlx)], DATES, true),
    tool("refinery", "refinery", &[None, Some(Format::Refinery)], NUMBERS, true),
    tool("flyway", "Flyway", &[None, Some(Format::Flyway)], NUMBERS, true),
    tool("diesel", "Diesel", &[None, Some(Format::Diesel)], DATES, false),
    tool("rusqlite_migration", "rusqlite_migration", &[None, Some(Format::RusqliteMigration)], NUMBERS, false),
];

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrations/tools")
}

/// A database with what a tool left.
fn history(file: &str) -> Database {
    let database = Database::fresh();
    database.run(&fs::read_to_string(tools().join(file)).unwrap());
    database
}

impl Tool {
    fn history(&self, file: &str) -> Database {
        history(&format!("{}/{file}.sql", self.folder))
    }

    fn path(&self) -> PathBuf {
        tools().join(self.folder).join("migrations")
    }

    fn source(&self, format: Option<Format>) -> Source {
        Source::folder(&self.path(), format, &[]).unwrap_or_else(|error| panic!("{}: {error}", self.folder))
    }

    /// Its folder, in a place where it can be changed.
    fn copy(&self) -> TempDir {
        let folder = TempDir::new().unwrap();
        copy(&self.path(), folder.path());
        folder
    }
}

fn find(name: &str) -> &'static Tool {
    TOOLS.iter().find(|tool| tool.folder == name).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for item in fs::read_dir(from).unwrap().map(|item| item.unwrap()) {
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

/// The names in a folder of which one part is this.
fn names(folder: &Path, part: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_str().unwrap().contains(part)).collect()
}

fn with(mut migrations: Migrations, key: &str, value: &str) -> Migrations {
    migrations.set(key, value).unwrap();
    migrations
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &[&str]) {
    let message = result.unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

#[test]
fn a_whole_history() {
    for tool in TOOLS {
        for format in tool.formats {
            let database = tool.history("history");
            let migrations = database.store.migrations(tool.source(*format));
            refused(migrations.up(None, None), &[tool.name, "adopt"]);
            let report = migrations.adopt().unwrap_or_else(|error| panic!("{} {format:?}: {error}", tool.folder));
            assert_eq!(versions(&report), tool.versions, "{}", tool.folder);
            assert!(report.adopted_from.unwrap().contains(tool.name));
            assert!(migrations.up(None, None).unwrap().migrations.is_empty());
            assert!(migrations.adopt().unwrap().migrations.is_empty());
            let verified = migrations.verify().unwrap();
            assert!(verified.problems.is_empty(), "{}: {:?}", tool.folder, verified.problems);
            assert_eq!(database.count("SELECT count(*) FROM person"), 4);
        }
    }
}

#[test]
fn a_part_of_a_history() {
    for tool in TOOLS {
        for format in tool.formats {
            let database = tool.history("partial");
            let migrations = database.store.migrations(tool.source(*format));
            refused(migrations.up(None, None), &[tool.name]);
            assert!(!database.has("log"));
            let report = migrations.adopt().unwrap();
            assert_eq!((versions(&report).as_slice(), report.pending), (&tool.versions[..2], 2), "{}", tool.folder);
            assert_eq!(versions(&migrations.up(None, None).unwrap()), tool.versions[2..]);
            assert!(migrations.adopt().unwrap().migrations.is_empty());
            assert_eq!(
                database.value("SELECT what FROM log WHERE person_id = 4"),
                Value::Text("added; by trigger".into()),
                "{}",
                tool.folder
            );
            assert_eq!(database.value("SELECT name FROM person WHERE id = 4"), Value::Text("Grace".into()));
        }
    }
}

/// What keepwell has adopted, it can undo and do again, where the tool has texts for that.
#[test]
fn an_adopted_migration_is_undone() {
    for tool in TOOLS.iter().filter(|tool| !["refinery", "flyway"].contains(&tool.folder)) {
        let database = tool.history("history");
        let migrations = database.store.migrations(tool.source(None));
        migrations.adopt().unwrap();
        let undone = migrations.down(Some(0), None).unwrap();
        assert_eq!(versions(&undone).len(), 4, "{}", tool.folder);
        assert!(!database.has("person"));
        assert_eq!(versions(&migrations.up(None, None).unwrap()), tool.versions);
    }
}

#[test]
fn a_changed_file() {
    for tool in TOOLS {
        let folder = tool.copy();
        let file = names(folder.path(), "people").into_iter().find(|path| !path.to_str().unwrap().contains(".down.")).unwrap();
        let file = if file.is_dir() { file.join("up.sql") } else { file };
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("'Ada'", "'Eda'")).unwrap();
        for format in tool.formats {
            let database = tool.history("history");
            let migrations = database.store.migrations(Source::folder(folder.path(), *format, &[]).unwrap());
            if tool.sums {
                refused(migrations.adopt(), &["people", "was changed", tool.name, "changed = accept"]);
                assert!(!database.has("keepwell_migrations"));
            }
            assert_eq!(versions(&with(migrations, "changed", "accept").adopt().unwrap()), tool.versions);
        }
    }
}

/// refinery's feature `int8-versions` gives other checksums.
#[test]
fn refinery_with_long_versions() {
    let tool = find("refinery");
    let database = history("refinery/int8.sql");
    assert_eq!(versions(&database.store.migrations(tool.source(None)).adopt().unwrap()), NUMBERS);
}

/// Flyway sums lines without their ends; sqlx and refinery sum all bytes, as does keepwell for them.
#[test]
fn changed_line_ends() {
    for tool in TOOLS.iter().filter(|tool| tool.sums) {
        for (end, kind) in [("\n", "LF"), ("\r", "CR")] {
            let folder = tool.copy();
            let file = names(folder.path(), "visits").into_iter().find(|path| !path.to_str().unwrap().contains(".down.")).unwrap();
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.contains("\r\n"), "{}: the line ends of {} were lost", tool.folder, file.display());
            fs::write(&file, text.replace("\r\n", end)).unwrap();
            let database = tool.history("history");
            let adopted = database.store.migrations(Source::folder(folder.path(), None, &[]).unwrap()).adopt();
            match tool.folder {
                "flyway" => assert_eq!(versions(&adopted.unwrap()), NUMBERS, "{kind}"),
                _ => refused(adopted, &["visits", "was changed"]),
            }
        }
    }
}

#[test]
fn a_version_without_a_file() {
    for tool in TOOLS {
        let folder = tool.copy();
        for path in names(folder.path(), "age") {
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        let database = tool.history("history");
        let migrations = database.store.migrations(Source::folder(folder.path(), None, &[]).unwrap());
        // rusqlite_migration keeps a number only.
        if tool.folder == "rusqlite_migration" {
            refused(migrations.adopt(), &["4 migrations", "the source has 3", "newer program"]);
            continue;
        }
        refused(migrations.adopt(), &[tool.name, "not there", &tool.versions[3].to_string(), "missing = accept"]);
        let migrations = with(migrations, "missing", "accept");
        assert_eq!(versions(&migrations.adopt().unwrap()), tool.versions[..3], "{}", tool.folder);
        assert!(migrations.up(None, None).unwrap().migrations.is_empty());
    }
}

#[test]
fn a_dirty_history() {
    let tool = find("golang-migrate");
    let database = tool.history("dirty");
    let migrations = database.store.migrations(tool.source(None));
    refused(migrations.up(None, None), &["golang-migrate"]);
    let words = ["schema_migrations", "dirty flag", "version 5", "stopped inside", "`force`"];
    refused(migrations.adopt(), &words);
    refused(with(with(migrations, "missing", "accept"), "changed", "accept").adopt(), &words);
    // Undoing the first one failed.
    database.run("UPDATE schema_migrations SET version = -1");
    refused(database.store.migrations(tool.source(None)).adopt(), &["dirty flag", "version -1"]);
}

#[test]
fn a_failed_migration() {
    for (folder, table, words) in [("sqlx", "_sqlx_migrations", "sqlx stopped"), ("flyway", "flyway_schema_history", "`repair`")] {
        let tool = find(folder);
        let database = tool.history("history");
        database.run(&format!("UPDATE {table} SET success = 0 WHERE version = {}", tool.versions[3]));
        refused(database.store.migrations(tool.source(None)).adopt(), &[table, &tool.versions[3].to_string(), "success = 0", words]);
    }
}

#[test]
fn a_migration_that_goose_has_undone() {
    let tool = find("goose");
    for older in ["", "INSERT INTO goose_db_version(version_id, is_applied) VALUES (4, 1), (4, 0)"] {
        // 3.30 deletes the row; a second row that says that it is undone counts too.
        let database = tool.history("down");
        database.run(older);
        let migrations = database.store.migrations(tool.source(None));
        assert_eq!(versions(&migrations.adopt().unwrap()), [1, 2, 3], "{older}");
        assert_eq!(versions(&migrations.up(None, None).unwrap()), [4]);
    }
}

/// goose's table has a row before the first migration.
#[test]
fn a_fresh_table_is_no_history() {
    let tool = find("goose");
    let database = Database::fresh();
    database.run(
        "CREATE TABLE goose_db_version(id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER, is_applied INTEGER, tstamp TIMESTAMP);
         INSERT INTO goose_db_version(version_id, is_applied) VALUES (0, 1);
         CREATE TABLE schema_migrations(version uint64, dirty bool);",
    );
    let migrations = database.store.migrations(tool.source(None));
    refused(migrations.adopt(), &["no history of another tool"]);
    assert_eq!(versions(&migrations.up(None, None).unwrap()), NUMBERS);
}

/// golang-migrate, dbmate and Rails call their table alike.
#[test]
fn schema_migrations_by_its_columns() {
    let golang = find("golang-migrate").source(None);
    for (table, rows, name) in [
        ("version uint64, dirty bool", "(2, 0)", "golang-migrate"),
        ("VERSION INTEGER, Dirty BOOLEAN", "(2, 'false')", "golang-migrate"),
        ("version varchar(128) PRIMARY KEY", "('1'), ('2')", "dbmate"),
        ("version varchar NOT NULL PRIMARY KEY", "('0001'), ('0002')", "Rails"),
    ] {
        let database = Database::fresh();
        database.run(&format!("CREATE TABLE schema_migrations({table}); INSERT INTO schema_migrations VALUES {rows}"));
        let migrations = database.store.migrations(golang.clone());
        refused(migrations.up(None, None), &[name, "schema_migrations"]);
        let report = migrations.adopt().unwrap();
        assert_eq!(versions(&report), [1, 2], "{table}");
        assert!(report.adopted_from.unwrap().contains(name));
    }
    // Ecto's is not known.
    let database = Database::fresh();
    database.run("CREATE TABLE schema_migrations(version bigint, inserted_at text); INSERT INTO schema_migrations VALUES (1, '')");
    refused(database.store.migrations(golang).adopt(), &["no history of another tool"]);
}

#[test]
fn several_histories() {
    let (refinery, goose) = (find("refinery"), find("goose"));
    for format in refinery.formats {
        let database = refinery.history("history");
        database.run("CREATE TABLE schema_migrations(version uint64, dirty bool); INSERT INTO schema_migrations VALUES (1, 0)");
        // The folder's layout decides.
        let report = database.store.migrations(refinery.source(*format)).adopt().unwrap();
        assert_eq!(versions(&report), NUMBERS);
        assert!(report.adopted_from.unwrap().contains("refinery"));
    }
    let database = refinery.history("history");
    database.run("CREATE TABLE schema_migrations(version uint64, dirty bool); INSERT INTO schema_migrations VALUES (1, 0)");
    refused(database.store.migrations(goose.source(None)).adopt(), &["several histories", "schema_migrations", "refinery_schema_history"]);
}

#[test]
fn histories_that_cannot_be_adopted() {
    let alembic = history("alembic/history.sql");
    let mut all = vec![("Alembic", alembic)];
    for (name, sql) in [
        (
            "Django",
            "CREATE TABLE django_migrations(id INTEGER PRIMARY KEY, app TEXT, name TEXT, applied DATETIME);
                    INSERT INTO django_migrations VALUES (1, 'auth', '0001_initial', '2024-01-01')",
        ),
        (
            "Prisma",
            "CREATE TABLE _prisma_migrations(id TEXT PRIMARY KEY, checksum TEXT, finished_at DATETIME, migration_name TEXT, logs TEXT,
                        rolled_back_at DATETIME, started_at DATETIME, applied_steps_count INTEGER);
                    INSERT INTO _prisma_migrations(id) VALUES ('a')",
        ),
        (
            "Knex",
            "CREATE TABLE knex_migrations(id INTEGER PRIMARY KEY, name TEXT, batch INTEGER, migration_time DATETIME);
                  INSERT INTO knex_migrations VALUES (1, 'a.js', 1, 0)",
        ),
        (
            "Drizzle",
            "CREATE TABLE __drizzle_migrations(id INTEGER PRIMARY KEY, hash TEXT, created_at NUMERIC);
                     INSERT INTO __drizzle_migrations VALUES (1, 'a', 0)",
        ),
        (
            "Entity Framework",
            "CREATE TABLE __EFMigrationsHistory(MigrationId TEXT PRIMARY KEY, ProductVersion TEXT);
                              INSERT INTO __EFMigrationsHistory VALUES ('20240101_a', '8')",
        ),
    ] {
        let database = Database::fresh();
        database.run(sql);
        all.push((name, database));
    }
    for (name, database) in all {
        let migrations = database.store.migrations(find("golang-migrate").source(None));
        refused(migrations.up(None, None), &[name, "baseline"]);
        refused(migrations.adopt(), &[name, "no numbers", "mark a baseline"]);
        assert!(!database.has("keepwell_migrations"));
    }
}

/// A program's own table is not taken for a history by columns that are common.
#[test]
fn tables_of_the_program() {
    let database = Database::fresh();
    database.run(
        "CREATE TABLE file(id INTEGER PRIMARY KEY, hash TEXT, created_at TEXT); INSERT INTO file VALUES (1, 'a', '');
         CREATE TABLE format(version INTEGER); INSERT INTO format VALUES (3);",
    );
    assert_eq!(versions(&database.store.migrations(find("goose").source(None)).up(None, None).unwrap()), NUMBERS);
}

/// What the messages advise must be possible.
#[test]
fn the_cure_of_a_baseline() {
    for database in [history("alembic/history.sql"), find("golang-migrate").history("partial")] {
        let migrations = database.store.migrations(find("golang-migrate").source(None));
        assert_eq!(versions(&migrations.baseline(2).unwrap()), [1, 2]);
    }
}

/// Databases of Flyway 13.12.1 and ActiveRecord 6.1 themselves.
#[test]
fn what_flyway_and_rails_themselves_left_is_adopted() {
    let adopt = |file: &str| {
        let folder = file.split('/').next().unwrap();
        let database = history(file);
        let source = Source::folder(&tools().join(folder).join("migrations"), None, &[]).unwrap();
        let migrations = database.store.migrations(source);
        migrations.adopt().map(|report| report.migrations.iter().map(|line| line.version).collect::<Vec<i64>>())
    };
    let rails = [20240301120000, 20240302120000, 20240303120000, 20240304120000];
    for (file, expected) in [
        ("flyway-real/history.sql", &[1, 2, 3, 4, 5][..]),
        ("flyway-real/partial.sql", &[1, 2]),
        ("flyway-real/baseline.sql", &[1, 2]),
        ("flyway-real/baseline_and_more.sql", &[1, 2, 3, 4, 5]),
        ("flyway-real/deleted.sql", &[1, 2, 3, 4, 5]),
        ("flyway-real/repeatable.sql", &[1, 2, 3, 4, 5]),
        ("rails-real/history.sql", &rails),
        ("rails-real/partial.sql", &rails[..2]),
    ] {
        assert_eq!(adopt(file).unwrap_or_else(|error| panic!("{file}: {error}")), expected, "{file}");
    }
    assert!(adopt("flyway-real/failed.sql").unwrap_err().message().contains("success = 0"));
    assert!(adopt("rails-real/all_down.sql").unwrap_err().message().contains("no history"));
}
