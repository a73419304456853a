//! The layouts, as tables: which names and texts are migrations, which are mistakes, and what the errors say.

use std::fs;
use std::path::Path;

use temp_dir::TempDir;

use super::{name, Format};
use crate::error::{Error, Kind, Result};
use crate::migrate::file::File;
use crate::migrate::text;
use crate::migrate::{Migration, Source};

const GOOSE: &str = "-- +goose Up\nCREATE TABLE a(x);\n-- +goose Down\nDROP TABLE a;\n";
const DBMATE: &str = "-- migrate:up\nCREATE TABLE a(x);\n-- migrate:down\nDROP TABLE a;\n";

/// Names and texts.
type Files<'a> = [(&'a str, &'a str)];

fn source(format: Option<Format>, files: &Files, ignore: &[&str]) -> Result<Source> {
    let files = files.iter().map(|(name, text)| File { name: name.to_string(), bytes: text.as_bytes().into() }).collect();
    let ignore: Vec<String> = ignore.iter().map(|name| name.to_string()).collect();
    Source::files(files, format, &ignore)
}

fn read(format: Format, files: &Files) -> Source {
    source(Some(format), files, &[]).unwrap_or_else(|e| panic!("{} {files:?}: {e}", format.name()))
}

fn refused(format: Option<Format>, files: &Files) -> Error {
    source(format, files, &[]).err().unwrap_or_else(|| panic!("{format:?} {files:?} is accepted"))
}

/// The text of a file of this name that is right in its format.
fn right_text(format: Format) -> &'static str {
    match format {
        Format::Goose => GOOSE,
        Format::Dbmate => DBMATE,
        _ => "SELECT 1;",
    }
}

fn assert_says(error: &Error, parts: &[&str]) {
    for part in parts {
        assert!(error.message().contains(part), "{part:?} is not in: {error}");
    }
}

fn shape(migration: &Migration) -> (i64, &str, bool) {
    (migration.version, &migration.description, migration.down.is_some())
}

#[test]
fn a_name_gives_version_and_description() {
    let table: &[(Format, &str, i64, &str)] = &[
        (Format::Keepwell, "1_create_users.up.sql", 1, "create users"),
        (Format::Keepwell, "000012_a.b.up.sql", 12, "a.b"),
        (Format::Keepwell, "20240102030405_x.up.sql", 20240102030405, "x"),
        (Format::Keepwell, "0_x.up.sql", 0, "x"),
        (Format::Keepwell, "9223372036854775807_x.up.sql", i64::MAX, "x"),
        (Format::GolangMigrate, "1_name.up..sql", 1, "name"),
        (Format::GolangMigrate, "1_name.up.psqlite", 1, "name"),
        (Format::GolangMigrate, "1_name.up.txt", 1, "name"),
        (Format::GolangMigrate, "1_name.up.sqlite3", 1, "name"),
        (Format::GolangMigrate, "1_.up.sql", 1, ""),
        (Format::GolangMigrate, "1_a.down.b.up.sql", 1, "a.down.b"),
        (Format::GolangMigrate, "1_re-index all.up.sql", 1, "re index all"),
        (Format::Goose, "00001_create_users.sql", 1, "create users"),
        (Format::Goose, "20240102030405_a.b.sql", 20240102030405, "a.b"),
        (Format::Dbmate, "20240102030405_create_users.sql", 20240102030405, "create users"),
        (Format::Dbmate, "20240102-create-users.sql", 20240102, "create users"),
        (Format::Dbmate, "3.sql", 3, ""),
        (Format::Dbmate, "3x.sql", 3, "x"),
        (Format::Sqlx, "20240102030405_create_users.sql", 20240102030405, "create users"),
        (Format::Sqlx, "1_a.up.sql", 1, "a"),
        (Format::Refinery, "V1__create_users.sql", 1, "create users"),
        (Format::Refinery, "U2__grün.sql", 2, "grün"),
        (Format::Refinery, "sub/deeper/V3__a.sql", 3, "a"),
        (Format::Flyway, "V001__create_users.sql", 1, "create users"),
        (Format::Flyway, "V20240102__re-index of all.sql", 20240102, "re index of all"),
        (Format::Flyway, "V4__.sql", 4, ""),
        (Format::Flyway, "common/V5__x__y.sql", 5, "x  y"),
        (Format::Diesel, "2020-01-02-030405_create_users/up.sql", 20200102030405, "create users"),
        (Format::Diesel, "20151219180527_create-users/up.sql", 20151219180527, "create users"),
        (Format::Diesel, "00000000000000_diesel_initial_setup/up.sql", 0, "diesel initial setup"),
        (Format::Diesel, "7/up.sql", 7, ""),
        (Format::RusqliteMigration, "01-friend-car/up.sql", 1, "friend car"),
    ];
    for (format, file, version, description) in table {
        let source = read(*format, &[(file, right_text(*format))]);
        assert_eq!(source.migrations.len(), 1, "{file}");
        let migration = &source.migrations[0];
        assert_eq!((migration.version, migration.description.as_str()), (*version, *description), "{file}");
        assert_eq!(migration.up.file, *file);
        assert_eq!(&migration.up.raw[..], right_text(*format).as_bytes(), "{file}");
        assert!(source.ignored.is_empty(), "{file}");
        assert_eq!(source.format, Some(*format));
    }
}

#[test]
fn a_name_that_is_nearly_right_is_an_error_that_spells_it_right() {
    let table: &[(Format, &str, &str)] = &[
        (Format::Keepwell, "0012-name.up.sql", "rename it to 0012_name.up.sql"),
        (Format::Keepwell, "12name.sql", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12_name.sql", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12_name.up.sq", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12_name.up.sqll", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12_name.up.SQL", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12_name.UP.sql", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12_name.Down.sql", "rename it to 12_name.down.sql"),
        (Format::Keepwell, "12_name.down", "rename it to 12_name.down.sql"),
        (Format::Keepwell, "12_name.up.", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12.name.up.sql", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "12 name.up.sql", "rename it to 12_name.up.sql"),
        (Format::Keepwell, " 12_name.up.sql", "rename it to 12_name.up.sql"),
        (Format::Keepwell, "V2_name.sql", "rename it to 2_name.up.sql"),
        (Format::Keepwell, "3_x.up.sql~", "delete it"),
        (Format::Keepwell, "3_x.up.sql.orig", "delete it"),
        (Format::Keepwell, "3_x.up.sql.bak", "delete it"),
        (Format::Keepwell, "#3_x.up.sql#", "delete it"),
        (Format::Keepwell, "3_x.up.orig", "delete it"),
        (Format::Keepwell, "-1_x.up.sql", "rename it"),
        (Format::Keepwell, "1.2_x.up.sql", "rename it"),
        (Format::Keepwell, "name.up.sql", "rename it"),
        (Format::Keepwell, "3", "rename it"),
        (Format::Keepwell, "12_postmigrate.go", "a program cannot be run here: write it as SQL in 12_postmigrate.up.sql"),
        (Format::Sqlx, "12_seed.py", "write it as SQL in 12_seed.sql"),
        (Format::GolangMigrate, "12-name.down.sql", "rename it to 12_name.down.sql"),
        (Format::Goose, "12name.sql", "rename it to 12_name.sql"),
        (Format::Goose, "12-name.sql", "rename it to 12_name.sql"),
        (Format::Goose, "12_name.SQL", "rename it to 12_name.sql"),
        (Format::Goose, "12_name.sq", "rename it to 12_name.sql"),
        (Format::Goose, "12_name", "rename it to 12_name.sql"),
        (Format::Goose, "V12__name.sql", "rename it to 12_name.sql"),
        (Format::Goose, "12_name.sql.bak", "delete it"),
        (Format::Dbmate, "12_name.SQL", "rename it to 12_name.sql"),
        (Format::Dbmate, "12_name.sql~", "delete it"),
        (Format::Sqlx, "12-name.sql", "rename it to 12_name.sql"),
        (Format::Sqlx, "12_name.UP.sql", "rename it to 12_name.up.sql"),
        (Format::Sqlx, "12_name.down..sql", "rename it to 12_name.down.sql"),
        (Format::Sqlx, "12_name.Sql", "rename it to 12_name.sql"),
        (Format::Refinery, "V2_name.sql", "rename it to V2__name.sql"),
        (Format::Refinery, "v2__name.sql", "rename it to V2__name.sql"),
        (Format::Refinery, "u2__name.sql", "rename it to U2__name.sql"),
        (Format::Refinery, "V2__a-b.sql", "rename it to V2__a_b.sql"),
        (Format::Refinery, "V2__name.SQL", "rename it to V2__name.sql"),
        (Format::Refinery, "V_2__name.sql", "rename it to V2__name.sql"),
        (Format::Refinery, "2_name.sql", "rename it to V2__name.sql"),
        (Format::Refinery, "R__name.sql", "rename it"),
        (Format::Refinery, "sub/V2_name.sql", "rename it to V2__name.sql"),
        (Format::Flyway, "V2_name.sql", "rename it to V2__name.sql"),
        (Format::Flyway, "v2__name.sql", "rename it to V2__name.sql"),
        (Format::Flyway, "V2-name.sql", "rename it to V2__name.sql"),
        (Format::Flyway, "V__name.sql", "rename it"),
        (Format::Flyway, "V2__name.sq", "rename it to V2__name.sql"),
        (Format::Flyway, "V2__name.conf", "rename it"),
        (Format::Flyway, "2__name.down.sql", "rename it to U2__name.sql"),
        (Format::Flyway, "V2__name.sql.orig", "delete it"),
        (Format::Flyway, "r__name.sql", "rename it"),
        (Format::Diesel, "1_name.sql", "rename it to 1_name/up.sql"),
        (Format::RusqliteMigration, "1_name.down.sql", "rename it to 1-name/down.sql"),
    ];
    for (format, file, cure) in table {
        let error = refused(Some(*format), &[(file, right_text(*format))]);
        assert_eq!(error.kind(), Kind::Migration, "{error}");
        assert_says(&error, &[file, cure, "policy `ignore`", format.name(), "wants"]);
        let source = source(Some(*format), &[(file, "x")], &[file]).unwrap();
        assert_eq!((source.migrations.len(), source.ignored.as_slice()), (0, &[file.to_string()][..]), "{file}");
    }
}

#[test]
fn a_suggested_name_is_itself_right() {
    let names = ["0012-name.up.sql", "12name.sql", "V2_a b.sql", "u3__x.Down.SQL", "4.x.up.sq", "5"];
    for (format, _) in Format::ALL {
        for wrong in names {
            let Some(right) = name::near_miss(Some(format), wrong).message().split("rename it to ").nth(1).map(str::to_string) else {
                continue;
            };
            let right = right.split(", or ").next().unwrap().to_string();
            match source(Some(format), &[(&right, right_text(format))], &[]) {
                Ok(source) => assert_eq!(source.migrations.len(), 1, "{}: {right}", format.name()),
                Err(e) => assert!(e.message().contains("undone but not done"), "{}: {right}: {e}", format.name()),
            }
        }
    }
}

#[test]
fn other_files_are_ignored_and_listed_but_for_those_with_a_dot() {
    let others = [
        ("README.md", ""),
        ("atlas.sum", ""),
        ("embed.go", ""),
        ("mod.rs", ""),
        ("schema.sql", ""),
        ("up.txt", ""),
        ("views.sql", ""),
        (".gitkeep", ""),
        (".3_x.up.sql.swp", ""),
        ("..data/1_a.up.sql", ""),
    ];
    for (format, _) in Format::ALL {
        let source = read(format, &others);
        assert!(source.migrations.is_empty());
        assert_eq!(
            source.ignored,
            ["README.md", "atlas.sum", "embed.go", "mod.rs", "schema.sql", "up.txt", "views.sql"],
            "{}",
            format.name()
        );
    }
}

#[test]
fn a_subfolder_is_one_ignored_name_in_a_flat_format() {
    let source = read(Format::Keepwell, &[("1_a.up.sql", ""), ("old/1_b.up.sql", ""), ("old/2_c.up.sql", ""), ("postgres/x.sql", "")]);
    assert_eq!(source.ignored, ["old/", "postgres/"]);
    assert_eq!(source.migrations.len(), 1);
}

#[test]
fn the_policy_ignores_by_name_by_path_and_by_subfolder() {
    let files = [("1_a/up.sql", ""), ("2_b/up.sql", ""), ("2_b/up.sql~", ""), ("2_b/notes/x", ""), ("3x/up.sql", ""), ("4x.sql", "")];
    let source = source(Some(Format::Diesel), &files, &["2_b/up.sql~", "3x/", "4x.sql"]).unwrap();
    assert_eq!(source.migrations.iter().map(|m| m.version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(source.ignored, ["2_b/notes/x", "2_b/up.sql~", "3x/up.sql", "4x.sql"]);
}

#[test]
fn ups_and_downs_are_brought_together_by_version_and_sorted_by_number() {
    let files = [
        ("10_ten.up.sql", "10"),
        ("9_nine.up.sql", "9"),
        ("009_renamed.down.sql", "-9"),
        ("1_one.down.sql", "-1"),
        ("0001_one.up.sql", "1"),
    ];
    let source = read(Format::Keepwell, &files);
    let shapes: Vec<_> = source.migrations.iter().map(shape).collect();
    assert_eq!(shapes, [(1, "one", true), (9, "nine", true), (10, "ten", false)]);
    let down = source.migrations[1].down.as_ref().unwrap();
    assert_eq!((down.sql.as_str(), down.file.as_str(), down.line), ("-9", "009_renamed.down.sql", 1));
}

#[test]
fn every_format_has_its_down() {
    let table: &[(Format, &Files)] = &[
        (Format::Keepwell, &[("1_a.up.sql", "U;"), ("1_a.down.sql", "D;")]),
        (Format::GolangMigrate, &[("1_a.up..sql", "U;"), ("1_a.down..sql", "D;")]),
        (Format::Goose, &[("1_a.sql", "-- +goose Up\nU;\n-- +goose Down\nD;")]),
        (Format::Dbmate, &[("1_a.sql", "-- migrate:up\nU;\n-- migrate:down\nD;")]),
        (Format::Sqlx, &[("1_a.up.sql", "U;"), ("1_a.down.sql", "D;")]),
        (Format::Flyway, &[("V1__a.sql", "U;"), ("U1__a.sql", "D;")]),
        (Format::Diesel, &[("1_a/up.sql", "U;"), ("1_a/down.sql", "D;")]),
        (Format::RusqliteMigration, &[("1-a/up.sql", "U;"), ("1-a/down.sql", "D;")]),
    ];
    for (format, files) in table {
        let source = read(*format, files);
        assert_eq!(source.migrations.len(), 1, "{}", format.name());
        let migration = &source.migrations[0];
        assert_eq!(shape(migration), (1, "a", true), "{}", format.name());
        assert_eq!(migration.up.sql.trim(), "U;");
        assert_eq!(migration.down.as_ref().unwrap().sql.trim(), "D;");
    }
    let source = read(Format::Refinery, &[("V1__a.sql", "U;"), ("U2__a.sql", "D;")]);
    assert_eq!(source.migrations.iter().map(shape).collect::<Vec<_>>(), [(1, "a", false), (2, "a", false)]);
}

#[test]
fn a_down_without_an_up_is_an_error() {
    let table = [
        (Format::Keepwell, "3_x.down.sql"),
        (Format::Sqlx, "3_x.down.sql"),
        (Format::Flyway, "U3__x.sql"),
        (Format::Diesel, "3_x/down.sql"),
    ];
    for (format, file) in table {
        assert_says(&refused(Some(format), &[(file, "")]), &[file, "migration 3", "undone but not done", "add it"]);
    }
}

#[test]
fn a_version_that_is_there_twice_is_an_error_that_names_both_files() {
    let table = [
        (Format::Keepwell, "1_x.up.sql", "001_y.up.sql"),
        (Format::Keepwell, "1_x.up.sql", "1_x.up..sql"),
        (Format::Goose, "1_x.sql", "001_y.sql"),
        (Format::Dbmate, "1_x.sql", "1-x.sql"),
        (Format::Sqlx, "1_x.sql", "1_x.up.sql"),
        (Format::Refinery, "V1__x.sql", "U1__y.sql"),
        (Format::Flyway, "V1__x.sql", "sub/V01__x.sql"),
        (Format::Diesel, "2020-01-01-000000_x/up.sql", "20200101000000_y/up.sql"),
        (Format::RusqliteMigration, "1-x/up.sql", "01-x/up.sql"),
    ];
    for (format, one, other) in table {
        let error = refused(Some(format), &[(one, right_text(format)), (other, right_text(format))]);
        assert_eq!(error.kind(), Kind::Migration);
        assert_says(&error, &[one, other, "twice", "rename one of them"]);
    }
}

#[test]
fn an_order_that_the_tool_would_not_have_is_an_error() {
    let table = [
        (Format::Diesel, "2_b/up.sql", "10_a/up.sql"),
        (Format::Diesel, "2024-03-13_b/up.sql", "2024-03-06-170000_a/up.sql"),
        (Format::Dbmate, "9_b.sql", "10_a.sql"),
    ];
    for (format, lower, higher) in table {
        let error = refused(Some(format), &[(higher, right_text(format)), (lower, right_text(format))]);
        assert_says(&error, &[lower, higher, "as text", "same number of digits"]);
    }
    for (format, lower, higher) in [(Format::Goose, "9_b.sql", "10_a.sql"), (Format::RusqliteMigration, "2-b/up.sql", "10-a/up.sql")] {
        let source = read(format, &[(higher, right_text(format)), (lower, right_text(format))]);
        assert_eq!(source.migrations[0].up.file, lower);
    }
}

#[test]
fn a_version_beyond_64_bits_is_an_error() {
    for (format, file) in [(Format::Keepwell, "9223372036854775808_x.up.sql"), (Format::Flyway, "V99999999999999999999__x.sql")] {
        assert_says(&refused(Some(format), &[(file, "")]), &[file, "too big", "9223372036854775807"]);
    }
}

#[test]
fn what_a_tool_would_do_and_keepwell_does_not_is_an_error_with_the_cure() {
    let table: &[(Format, &str, &str, &[&str])] = &[
        (Format::Goose, "00002_x.go", "package m", &["Go", "00002_x.sql"]),
        (Format::Goose, "0_x.sql", GOOSE, &["version 0"]),
        (Format::Goose, "1_x.sql", "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${X}';", &["line 2", "ENVSUB", "write the values"]),
        (Format::Refinery, "V2__x.rs", "", &["program", "V2__x.sql"]),
        (Format::Refinery, "V1.1__x.sql", "", &["1.1", "whole number"]),
        (Format::Flyway, "V2__x.java", "", &["program", "V2__x.sql"]),
        (Format::Flyway, "R__views.sql", "", &["repeatable", "VN__name.sql"]),
        (Format::Flyway, "V1_1__x.sql", "", &["1_1", "whole number"]),
        (Format::Flyway, "V1.1__x.sql", "", &["1.1", "whole number"]),
        (Format::Flyway, "V2.1__x.sql.conf", "", &["2.1", "whole number"]),
        (Format::Flyway, "B5__x.sql", "", &["baseline"]),
        (Format::Flyway, "beforeMigrate.sql", "", &["callback"]),
        (Format::Flyway, "afterEachMigrate__grants.sql", "", &["callback"]),
        (Format::Flyway, "V1__x.sql.conf", "executeInTransaction=false", &["looks like a migration"]),
        (Format::RusqliteMigration, "0-x/up.sql", "", &["from 1"]),
        (Format::RusqliteMigration, "1_x/up.sql", "", &["`N-name/up.sql`"]),
        (Format::Diesel, "1-x/up.sql", "", &["`N_name/up.sql`", "whole number"]),
        (Format::Diesel, "initial/up.sql", "", &["`N_name/up.sql`"]),
        (Format::Diesel, "1_x/", "", &["no up.sql"]),
        (Format::Diesel, "1_x/up.SQL", "", &["rename it to up.sql"]),
        (Format::Diesel, "1_x/Down.sql", "", &["rename it to down.sql"]),
        (Format::Diesel, "1_x/up.sql~", "", &["delete it"]),
        (Format::Diesel, "1_x/README.md", "", &["no up.sql"]),
    ];
    for (format, file, text, parts) in table {
        let error = refused(Some(*format), &[(file, text)]);
        assert_eq!(error.kind(), Kind::Migration, "{error}");
        assert_says(&error, parts);
        assert_says(&error, &[file.split('/').next().unwrap()]);
    }
}

#[test]
fn a_file_of_other_purpose_beside_migrations_is_no_mistake() {
    let table: &[(Format, &Files, &[&str])] = &[
        (Format::Goose, &[("1_x.sql", GOOSE), ("00002_x_test.go", ""), ("main.go", "")], &["00002_x_test.go", "main.go"]),
        (Format::Flyway, &[("V1__x.sql", ""), ("V1__x.sql.conf", "executeInTransaction=true"), ("flyway.conf", "")], &["flyway.conf"]),
        (Format::Diesel, &[("1_x/up.sql", ""), ("1_x/README.md", ""), ("1_x/metadata.toml", "")], &["1_x/README.md"]),
        (Format::Diesel, &[("1_x/up.sql", ""), ("seeds/users.sql", ""), ("1_x/seed/up.sql", "")], &["1_x/seed/up.sql", "seeds/"]),
        (Format::Keepwell, &[("1_x.up.sql", ""), ("b64.go", ""), ("v2.md", "")], &["b64.go", "v2.md"]),
        (Format::Refinery, &[("V1__x.sql", ""), ("mod.rs", ""), ("sub/README", "")], &["mod.rs", "sub/README"]),
    ];
    for (format, files, ignored) in table {
        let source = read(*format, files);
        assert_eq!(source.migrations.len(), 1, "{files:?}");
        assert_eq!(source.ignored, *ignored);
    }
}

#[test]
fn a_section_begins_behind_its_marker_and_knows_its_line() {
    let text = "-- About users.\n\n-- +goose Up\n-- +goose StatementBegin\nCREATE TABLE a(x);\n-- +goose StatementEnd\n\n-- +goose Down\n\nDROP TABLE a;\n";
    let source = read(Format::Goose, &[("1_a.sql", text)]);
    let (up, down) = (&source.migrations[0].up, source.migrations[0].down.as_ref().unwrap());
    assert_eq!((up.line, up.sql.as_str()), (4, "-- +goose StatementBegin\nCREATE TABLE a(x);\n-- +goose StatementEnd\n\n"));
    assert_eq!((down.line, down.sql.as_str()), (9, "\nDROP TABLE a;\n"));
    assert_eq!(&down.raw[..], text.as_bytes());
    let windows = text.replace('\n', "\r\n");
    let source = read(Format::Goose, &[("1_a.sql", &format!("\u{feff}{windows}"))]);
    let up_again = &source.migrations[0].up;
    assert_eq!((up_again.line, text::checksum(&up_again.sql)), (4, text::checksum(&up.sql)));
}

#[test]
fn goose_annotations_are_read_as_goose_reads_them() {
    let accepted: &[(&str, bool, bool)] = &[
        ("-- +goose Up", false, false),
        ("-- +goose up\n-- +goose DOWN", true, false),
        ("--+goose Up\n--   +goose   Down  ", true, false),
        ("-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;\n-- +goose Down", true, true),
        ("-- +goose Up\n-- +goose NO TRANSACTION --\nVACUUM;", false, true),
        ("-- -- +goose Up\nSELECT 1;\n-- -- +goose Down\nSELECT 2;", true, false),
        ("-- keepwell: no transaction\n-- +goose Up\nVACUUM;", false, true),
        ("-- +goose Up\n-- keepwell: no transaction\nVACUUM;", false, true),
        ("-- +goose Up\n-- +goose ENVSUB OFF\n-- only comments", false, false),
        ("-- +goose Up\n-- we write +goose Down nowhere\nSELECT 1;", false, false),
        ("-- +goose Up\n  -- +goose StatementBegin\nSELECT 1;\n  -- +goose StatementEnd", false, false),
    ];
    for (text, has_down, outside) in accepted {
        let source = read(Format::Goose, &[("1_a.sql", text)]);
        let migration = &source.migrations[0];
        assert_eq!((migration.down.is_some(), migration.up.outside_transaction), (*has_down, *outside), "{text}");
        assert_eq!(migration.down.as_ref().is_some_and(|down| down.outside_transaction), *has_down && *outside, "{text}");
    }
}

#[test]
fn sections_in_disorder_are_errors_with_file_and_line() {
    let table: &[(Format, &str, &[&str])] = &[
        (Format::Goose, "SELECT 1;", &["line 1", "-- +goose Up"]),
        (Format::Goose, "-- nothing\n", &["no line `-- +goose Up`"]),
        (Format::Goose, "", &["no line `-- +goose Up`"]),
        (Format::Goose, "\nSELECT 1;\n-- +goose Up\n", &["line 2", "move it below"]),
        (Format::Goose, "-- +goose Down\n-- +goose Up", &["line 1", "put the up first"]),
        (Format::Goose, "-- +goose Up\n-- +goose Up", &["line 2", "second `-- +goose Up`"]),
        (Format::Goose, "-- +goose Up\n-- +goose Down\n-- +goose Down", &["line 3", "second `-- +goose Down`"]),
        (Format::Goose, "-- +goose Up\n-- +goose Dwon", &["line 2", "no annotation"]),
        (Format::Goose, "-- +goose Up\n  -- +goose Down", &["line 2", "line's start"]),
        (Format::Dbmate, "SELECT 1;", &["line 1", "-- migrate:up"]),
        (Format::Dbmate, "SELECT 1;\n-- migrate:up\n", &["line 1", "move it below"]),
        (Format::Dbmate, "-- migrate:down\n-- migrate:up", &["line 1", "put the up first"]),
        (Format::Dbmate, "-- migrate:up\n-- migrate:down\n-- migrate:up", &["line 3", "second `-- migrate:up`"]),
        (Format::Dbmate, "-- migrate:up\n-- migrate:dwon", &["line 2", "no marker"]),
        (Format::Dbmate, "-- migrate: up\nA;", &["line 1", "no marker"]),
        (Format::Dbmate, "-- migrate:up\n -- migrate:down", &["line 2", "line's start"]),
        (Format::Dbmate, "-- migrate:up transaction:flase", &["line 1", "transaction:flase"]),
    ];
    for (format, text, parts) in table {
        let error = refused(Some(*format), &[("1_a.sql", text)]);
        assert_eq!(error.kind(), Kind::Migration, "{error}");
        assert_says(&error, parts);
        assert_says(&error, &["1_a.sql"]);
    }
}

#[test]
fn dbmate_markers_have_options_for_each_direction() {
    let table = [
        ("-- migrate:up\nA;\n-- migrate:down\nB;", false, false),
        ("--migrate:up transaction:false\nA;\n--  migrate:down\nB;", true, false),
        ("-- migrate:up\r\nA;\r\n-- migrate:down transaction:false\r\nB;\r\n", false, true),
        ("-- migrate:up transaction:true\nA;\n-- migrate:down\n-- keepwell: no transaction\nB;", false, true),
        ("-- migrate:up\nA;\n-- migrate:down (not easily undone) transaction:false\n", false, true),
        ("-- keepwell: no transaction\n-- migrate:up\nA;\n-- migrate:down\nB;", true, true),
    ];
    for (text, up, down) in table {
        let source = read(Format::Dbmate, &[("1_a.sql", text)]);
        let migration = &source.migrations[0];
        assert_eq!((migration.up.outside_transaction, migration.down.as_ref().unwrap().outside_transaction), (up, down), "{text}");
    }
    assert!(read(Format::Dbmate, &[("1_a.sql", "-- migrate:up\nA;")]).migrations[0].down.is_none());
}

#[test]
fn a_migration_is_outside_a_transaction_where_its_tool_or_keepwell_says_so() {
    let table: &[(Format, &Files, bool)] = &[
        (Format::Keepwell, &[("1_a.up.sql", "-- keepwell: no transaction\nVACUUM;")], true),
        (Format::Keepwell, &[("1_a.up.sql", "-- no-transaction\nVACUUM;")], false),
        (Format::Sqlx, &[("1_a.sql", "-- no-transaction\nVACUUM;")], true),
        (Format::Sqlx, &[("1_a.up.sql", "\u{feff}-- no-transaction, because of VACUUM\nVACUUM;")], true),
        (Format::Sqlx, &[("1_a.sql", "\n-- no-transaction\nVACUUM;")], false),
        (Format::Sqlx, &[("1_a.sql", "-- keepwell: no transaction\nVACUUM;")], true),
        (Format::Refinery, &[("V1__a.sql", "VACUUM;\n-- refinery:noTransaction\n")], true),
        (Format::Refinery, &[("V1__a.sql", "-- refinery:noTransaction please\nVACUUM;")], false),
        (Format::Flyway, &[("V1__a.sql", "VACUUM;"), ("V1__a.sql.conf", "# why\nexecuteInTransaction = false\n")], true),
        (Format::Flyway, &[("V1__a.sql", "VACUUM;"), ("V1__a.sql.conf", "executeInTransaction=true")], false),
        (Format::Flyway, &[("V1__a.sql", "-- keepwell: no transaction\n"), ("V1__a.sql.conf", "encoding=UTF-8")], true),
        (Format::Diesel, &[("1_a/up.sql", "VACUUM;"), ("1_a/metadata.toml", "# x\nrun_in_transaction = false # y\n")], true),
        (Format::Diesel, &[("1_a/up.sql", "VACUUM;"), ("1_a/metadata.toml", "[table]\nrun_in_transaction = false\n")], false),
        (Format::Diesel, &[("1_a/up.sql", "VACUUM;"), ("1_a/metadata.toml", "run_in_transaction = true\n")], false),
        (Format::Diesel, &[("1_a/up.sql", "VACUUM;")], false),
    ];
    for (format, files, outside) in table {
        assert_eq!(read(*format, files).migrations[0].up.outside_transaction, *outside, "{} {files:?}", format.name());
    }
}

#[test]
fn settings_that_cannot_be_followed_are_errors() {
    let table: &[(Format, &Files, &[&str])] = &[
        (Format::Flyway, &[("V1__a.sql", ""), ("V1__a.sql.conf", "executeInTransaction=no")], &["V1__a.sql.conf", "true or false"]),
        (Format::Flyway, &[("V1__a.sql", ""), ("V1__a.sql.conf", "shouldExecute=${x}==y")], &["V1__a.sql.conf", "shouldExecute"]),
        (Format::Diesel, &[("1_a/up.sql", ""), ("1_a/metadata.toml", "run_in_transaction = 0")], &["1_a/metadata.toml", "true or false"]),
    ];
    for (format, files, parts) in table {
        assert_says(&refused(Some(*format), files), parts);
    }
}

#[test]
fn foreign_keys_are_enforced_where_the_first_lines_ask_for_it() {
    let text = "-- keepwell: foreign keys on\nSELECT 1;";
    assert!(read(Format::Sqlx, &[("1_a.sql", text)]).migrations[0].up.enforces_foreign_keys);
    let sections = format!("-- +goose Up\nSELECT 1;\n-- +goose Down\n{text}");
    let source = read(Format::Goose, &[("1_a.sql", &sections)]);
    assert!(!source.migrations[0].up.enforces_foreign_keys);
    assert!(source.migrations[0].down.as_ref().unwrap().enforces_foreign_keys);
}

#[test]
fn a_file_of_two_directions_is_never_run_as_one() {
    let table = [
        (Format::Keepwell, "1_a.up.sql"),
        (Format::Sqlx, "1_a.sql"),
        (Format::Flyway, "V1__a.sql"),
        (Format::Refinery, "V1__a.sql"),
        (Format::Diesel, "1_a/up.sql"),
    ];
    for (format, file) in table {
        assert_says(&refused(Some(format), &[(file, GOOSE)]), &[file, "line 3", "goose", "would run together"]);
        assert_says(&refused(Some(format), &[(file, DBMATE)]), &[file, "line 3", "dbmate", "would run together"]);
    }
    let marks =
        ["-- +migrate Down", "--+goose down", "-- migrate: down", "-- Down Migration", "---- create above / drop below ----", "--//@UNDO"];
    for mark in marks {
        assert_says(&refused(Some(Format::Sqlx), &[("1_a.sql", &format!("A;\n{mark}\nB;"))]), &["line 2", "would run together"]);
        read(Format::Sqlx, &[("1_a.sql", &format!("A;\n{mark}\n-- B;\n"))]);
    }
    read(Format::Sqlx, &[("1_a.sql", "A;\n-- downgrade is not possible\n-- there is no down migration\n-- migrate:download\nB;")]);
}

#[test]
fn placeholders_are_left_alone() {
    let source = read(Format::Flyway, &[("V1__a.sql", "INSERT INTO a VALUES('${user}');")]);
    assert_eq!(source.migrations[0].up.sql, "INSERT INTO a VALUES('${user}');");
}

#[test]
fn text_is_utf_8_with_or_without_a_mark_and_whatever_its_line_ends() {
    let lf = read(Format::Keepwell, &[("1_a.up.sql", "A;\nB;\n")]);
    let crlf = read(Format::Keepwell, &[("1_a.up.sql", "\u{feff}A;\r\nB;\r\n")]);
    assert_eq!(crlf.migrations[0].up.sql, "A;\r\nB;\r\n");
    assert_eq!(&crlf.migrations[0].up.raw[..3], b"\xef\xbb\xbf");
    assert_eq!(text::checksum(&lf.migrations[0].up.sql), text::checksum(&crlf.migrations[0].up.sql));
}

#[test]
fn other_encodings_are_errors_with_file_and_line() {
    let table: &[(&[u8], &str)] = &[
        (b"A;\nB'\xe4';", "line 2: byte 6"),
        (b"\xff\xfeA\0;\0", "UTF-16"),
        (b"\xfe\xff\0A\0;", "UTF-16"),
        (b"\xff\xfe\0\0A\0\0\0", "UTF-32"),
        (b"A;\n\nB\0;", "line 3: byte 6"),
    ];
    for (bytes, part) in table {
        let file = File { name: "1_a.up.sql".into(), bytes: (*bytes).into() };
        let error = Source::files(vec![file], Some(Format::Keepwell), &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Encoding, "{error}");
        assert_says(&error, &["1_a.up.sql", part]);
    }
}

#[test]
fn an_up_without_statements_is_a_migration() {
    for text in ["", "\n", "-- nothing yet\n"] {
        assert_eq!(read(Format::Keepwell, &[("1_a.up.sql", text)]).migrations[0].up.sql, text);
    }
}

#[test]
fn the_format_is_detected_where_it_shows() {
    let table: &[(&Files, Option<Format>)] = &[
        (&[], None),
        (&[("README.md", ""), ("schema.sql", ""), ("old/x", "")], None),
        (&[("1_a.up.sql", ""), ("1_a.down.sql", "")], Some(Format::Keepwell)),
        (&[("1_a.up..sql", ""), ("schema.sql", "")], Some(Format::Keepwell)),
        (&[("1_a.up.sql", ""), ("2_b.up.sql", "-- no-transaction\nVACUUM;")], Some(Format::Sqlx)),
        (&[("1_a.sql", GOOSE), ("2_b.sql", "-- +goose up\n")], Some(Format::Goose)),
        (&[("1_a.sql", DBMATE), ("2-b.sql", DBMATE)], Some(Format::Dbmate)),
        (&[("1_a.sql", ""), ("2_b.sql", "SELECT 1;")], Some(Format::Sqlx)),
        (&[("V1__a.sql", ""), ("V2__b.sql", "")], Some(Format::Flyway)),
        (&[("V1__a.sql", ""), ("common/V2__b.sql", "")], Some(Format::Flyway)),
        (&[("V1__a.sql", ""), ("V2__b.sql", "-- refinery:noTransaction\nVACUUM;")], Some(Format::Refinery)),
        (&[("1_a/up.sql", ""), ("2_b/up.sql", "")], Some(Format::Diesel)),
        (&[("2020-01-01-000000_a/up.sql", ""), ("00000000000000_init/up.sql", "")], Some(Format::Diesel)),
        (&[("2024-03-13_a/up.sql", ""), ("20240413_b/up.sql", "")], Some(Format::Diesel)),
        (&[("1-a/up.sql", ""), ("02-b_c/up.sql", "")], Some(Format::RusqliteMigration)),
    ];
    for (files, format) in table {
        let found = source(None, files, &[]).unwrap_or_else(|e| panic!("{files:?}: {e}"));
        assert_eq!(found.format, *format, "{files:?}");
        assert_eq!(found.migrations.is_empty(), format.is_none(), "{files:?}");
    }
    assert_eq!(source(None, &[("README.md", ""), ("old/x", ""), ("old/y", "")], &[]).unwrap().ignored, ["README.md", "old/"]);
}

#[test]
fn a_format_in_doubt_is_asked_for() {
    let table: &[(&Files, &[&str])] = &[
        (&[("V1__a.sql", ""), ("U1__a.sql", "")], &["U1__a.sql", "undoes", "flyway or refinery"]),
        (&[("1_a.up.sql", ""), ("V1__a.sql", "")], &["1_a.up.sql (keepwell)", "V1__a.sql (flyway)", "give the format"]),
        (&[("1_a.sql", GOOSE), ("2_b.sql", "SELECT 1;")], &["1_a.sql (goose)", "2_b.sql (sqlx)"]),
        (&[("1_a.sql", GOOSE), ("2_b.sql", DBMATE)], &["1_a.sql (goose)", "2_b.sql (dbmate)"]),
        (&[("1_a/up.sql", ""), ("2-b/up.sql", "")], &["1_a/up.sql (diesel)", "2-b/up.sql (rusqlite_migration)"]),
        (&[("1_a/up.sql", ""), ("1_a.up.sql", "")], &["1_a/up.sql (diesel)", "1_a.up.sql (keepwell)"]),
        (&[("1-init.sql", "SELECT 1;")], &["1-init.sql", "of no format", "N_name.up.sql", "policy `ignore`"]),
        (&[("v1__a.sql", "")], &["v1__a.sql", "policy `ignore`"]),
        (&[("initial/up.sql", "")], &["initial/up.sql", "policy `ignore`"]),
        (&[("1_a.up.sql", ""), ("2-b.up.sql", "")], &["2-b.up.sql", "rename it to 2_b.up.sql"]),
        (&[("1_a.sql", "x"), ("2_b.sql~", "")], &["2_b.sql~", "delete it"]),
        (&[("V1__a.sql", ""), ("R__v.sql", "")], &["R__v.sql", "repeatable"]),
        (&[("V1__a.sql", ""), ("V2__b.rs", "")], &["V2__b.rs", "program"]),
        (&[("00001_a.go", "")], &["00001_a.go", "Go"]),
        (&[("1_a.up.sql", GOOSE)], &["1_a.up.sql", "goose"]),
        (&[("1_a.up.sql", ""), ("2_postmigrate.go", "")], &["2_postmigrate.go", "a program cannot be run"]),
    ];
    for (files, parts) in table {
        let error = refused(None, files);
        assert_eq!(error.kind(), Kind::Migration, "{error}");
        assert_says(&error, parts);
    }
}

#[test]
fn a_list_is_sorted_and_its_versions_are_checked() {
    let migration = |version, description: &str| Migration::new(version, description, "SELECT 1", None);
    let source = Source::list(vec![migration(10, "c"), migration(0, "a"), migration(9, "b").with_down("SELECT 2")]).unwrap();
    assert_eq!(source.migrations.iter().map(shape).collect::<Vec<_>>(), [(0, "a", false), (9, "b", true), (10, "c", false)]);
    assert_eq!((source.format, source.ignored.len()), (None, 0));
    assert!(Source::list(Vec::new()).unwrap().migrations.is_empty());
    assert_says(&Source::list(vec![migration(3, "a"), migration(3, "b")]).unwrap_err(), &["version 3", "\"a\"", "\"b\"", "another number"]);
    assert_says(&Source::list(vec![migration(-1, "a")]).unwrap_err(), &["-1", "\"a\"", "negative"]);
    let error = Source::list(vec![Migration::new(1, "a", "SELECT 1;\0", None)]).unwrap_err();
    assert_eq!(error.kind(), Kind::Encoding);
}

#[test]
fn every_format_is_found_by_its_name() {
    for (format, name) in Format::ALL {
        assert_eq!((format.name(), Format::from_name(name)), (name, Some(format)));
    }
    assert_eq!(Format::from_name("liquibase"), None);
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_folder_on_disk_is_read_as_files_in_memory_are() {
    let table: &[&Files] = &[
        &[("1_a.up.sql", "A;"), ("1_a.down.sql", "B;"), ("README.md", ""), ("old/9_x.up.sql", ""), (".git/x", "")],
        &[("1_a/up.sql", "A;"), ("1_a/metadata.toml", ""), ("1_a/notes/x/y.txt", ""), ("seeds/a.sql", "")],
        &[("V1__a.sql", "A;"), ("x/y/z/V2__b.sql", "B;"), ("x/y/README", "")],
        &[("1_a.sql", GOOSE), ("embed.go", "")],
    ];
    for files in table {
        let folder = TempDir::new().unwrap();
        files.iter().for_each(|(name, text)| write(folder.path(), name, text));
        let on_disk = Source::folder(folder.path(), None, &[]).unwrap();
        let in_memory = source(None, files, &[]).unwrap();
        assert_eq!(on_disk.migrations, in_memory.migrations);
        assert_eq!(on_disk.format, in_memory.format);
        let given = Source::folder(folder.path(), on_disk.format, &[]).unwrap();
        assert_eq!(given.migrations, in_memory.migrations);
    }
}

#[test]
fn an_error_about_a_folder_names_it() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let error = Source::folder(&missing, None, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::CantOpen);
    assert_says(&error, &[missing.to_str().unwrap(), "no folder"]);
    write(folder.path(), "file", "");
    let error = Source::folder(&folder.path().join("file"), None, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::CantOpen);
    write(folder.path(), "12name.up.sql", "");
    let error = Source::folder(folder.path(), Some(Format::Keepwell), &[]).unwrap_err();
    assert_says(&error, &[folder.path().to_str().unwrap(), "12name.up.sql", "12_name.up.sql"]);
}

#[test]
fn an_empty_folder_is_an_empty_source() {
    let folder = TempDir::new().unwrap();
    let source = Source::folder(folder.path(), None, &[]).unwrap();
    assert_eq!((source.migrations.len(), source.format, source.ignored.len()), (0, None, 0));
}

#[test]
fn an_empty_subfolder_named_as_a_migration_is_an_error() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "1_a/up.sql", "");
    fs::create_dir(folder.path().join("2_b")).unwrap();
    assert_says(&Source::folder(folder.path(), None, &[]).unwrap_err(), &["2_b", "no up.sql"]);
    assert_eq!(Source::folder(folder.path(), None, &["2_b".to_string()]).unwrap().ignored, ["2_b/"]);
}

#[cfg(unix)]
#[test]
fn links_lead_to_files_but_not_to_folders() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "..data/1_a.up.sql", "A;");
    std::os::unix::fs::symlink("..data/1_a.up.sql", folder.path().join("1_a.up.sql")).unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("parent")).unwrap();
    let source = Source::folder(folder.path(), None, &[]).unwrap();
    assert_eq!((source.migrations[0].up.sql.as_str(), source.ignored.as_slice()), ("A;", &["parent/".to_string()][..]));
    std::os::unix::fs::symlink("nowhere", folder.path().join("2_b.up.sql")).unwrap();
    let error = Source::folder(folder.path(), None, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert_says(&error, &["2_b.up.sql"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_an_error_where_it_was_meant_as_a_migration() {
    use std::os::unix::ffi::OsStrExt;
    let folder = TempDir::new().unwrap();
    write(folder.path(), "1_a.up.sql", "");
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"notes\xff.txt")), "").unwrap();
    assert_eq!(Source::folder(folder.path(), None, &[]).unwrap().ignored, ["notes\u{fffd}.txt"]);
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"2_b\xff.up.sql")), "").unwrap();
    assert_says(&Source::folder(folder.path(), None, &[]).unwrap_err(), &["2_b", "not UTF-8"]);
}

#[test]
fn a_thousand_files_are_read_once_each() {
    let folder = TempDir::new().unwrap();
    for version in 1..=500 {
        write(folder.path(), &format!("{version:05}_step.up.sql"), "CREATE TABLE a(x);\n");
        write(folder.path(), &format!("{version:05}_step.down.sql"), "DROP TABLE a;\n");
    }
    let source = Source::folder(folder.path(), None, &[]).unwrap();
    assert_eq!(source.migrations.len(), 500);
    assert!(source.migrations.iter().all(|migration| migration.down.is_some()));
}
