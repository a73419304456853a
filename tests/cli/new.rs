//! The files of a new migration.

use super::stage::Stage;

fn made(files: &[(&str, &str)], arguments: &[&str]) -> Vec<String> {
    let stage = Stage::with(files);
    stage.done(&[&["new", "add it"], arguments].concat());
    stage.files().into_iter().filter(|name| !files.iter().any(|(old, _)| old == name)).collect()
}

#[test]
fn the_first_one_makes_the_folder_and_needs_no_database() {
    let stage = Stage::new();
    let ran = super::stage::Ran::of(stage.bare(&["new", "create people"]).output().unwrap());
    assert_eq!(ran.out, "migrations/0001_create_people.up.sql\nmigrations/0001_create_people.down.sql\n");
    assert_eq!(stage.files(), ["0001_create_people.down.sql", "0001_create_people.up.sql"]);
    assert!(!stage.has("app.db"));
}

#[test]
fn the_number_follows_the_folders_habit() {
    let sql = "SELECT 1;";
    assert_eq!(made(&[("007_a.up.sql", sql)], &[]), ["008_add_it.down.sql", "008_add_it.up.sql"]);
    assert_eq!(made(&[("9_a.up.sql", sql)], &[]), ["10_add_it.down.sql", "10_add_it.up.sql"]);
    let by_time = made(&[("20200131120000_a.up.sql", sql)], &[]);
    assert!(by_time[0].len() == "20200131120000_add_it.down.sql".len() && by_time[0].as_str() > "2026", "{by_time:?}");
    assert_eq!(made(&[("20200131120000_a.up.sql", sql)], &["--sequential"])[0], "20200131120001_add_it.down.sql");
    assert_eq!(made(&[("99991231235959_a.up.sql", sql)], &[])[0], "99991231235960_add_it.down.sql");
    assert_eq!(made(&[("1_a.up.sql", sql)], &["--timestamp"])[0].len(), "20200131120000_add_it.down.sql".len());
}

#[test]
fn folders_of_goose_and_dbmate_get_one_file_that_is_read_again() {
    for (text, marker) in [("-- +goose Up\nSELECT 1;\n", "-- +goose Down"), ("-- migrate:up\nSELECT 1;\n", "-- migrate:down")] {
        let stage = Stage::with(&[("001_first.sql", text)]);
        stage.done(&["new", "second"]);
        assert_eq!(stage.files(), ["001_first.sql", "002_second.sql"]);
        assert!(std::fs::read_to_string(stage.path("migrations/002_second.sql")).unwrap().contains(marker));
        assert_eq!(stage.json(0, &["plan"])["migrations"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn other_layouts_refuse_with_the_cure() {
    let stage = Stage::with(&[("V1__first.sql", "SELECT 1;")]);
    let error = stage.json(1, &["new", "second", "--format", "flyway"]);
    assert_eq!(error["error"]["kind"], "KW_UNSUPPORTED");
    assert!(error["error"]["message"].as_str().unwrap().contains("VN__name.sql"));
}

#[test]
fn names_that_cannot_be_one_are_wrong_usage() {
    let stage = Stage::new();
    for name in ["", "a/b", "../up", "a.up.sql"] {
        stage.expect(2, &["new", name]);
    }
    assert!(!stage.has("migrations"));
}

#[test]
fn nothing_is_overwritten_and_half_a_migration_is_taken_back() {
    let stage = Stage::new();
    // A name that the folder does not read as a migration, since the policy leaves it alone.
    stage.write("migrations/0001_a.down.sql", "mine");
    let ran = stage.expect(1, &["new", "a", "--set", "ignore=0001_a.down.sql"]);
    assert!(ran.err.contains("0001_a.down.sql"), "{ran:?}");
    assert_eq!(stage.files(), ["0001_a.down.sql"]);
    assert_eq!(std::fs::read_to_string(stage.path("migrations/0001_a.down.sql")).unwrap(), "mine");
}

#[test]
fn the_report_names_the_files() {
    let report = Stage::new().json(0, &["new", "a"]);
    assert_eq!(report["files"][1], "migrations/0001_a.down.sql");
}
