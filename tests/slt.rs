//! Passes real data made elsewhere through keepwell: sqllogictest files and the Chinook script.
//!
//! The files are looked for where `KEEPWELL_TEST_DATA` points, else in `../shared/data` beside the project; without them the tests
//! say so and pass.

#[path = "slt/md5.rs"]
mod md5;
#[path = "slt/script.rs"]
mod script;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use keepwell::{Error, Kind, Params, QueryOptions, Scope, Store, Value, ValueRef};

use script::{parse, Record, Sort, What};

#[test]
fn md5_gives_the_digests_of_its_rfc() {
    let known = [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("12345678901234567890123456789012345678901234567890123456789012345678901234567890", "57edf4a22be3c955ac49da2e2107b67a"),
    ];
    for (text, digest) in known {
        assert_eq!(md5::hex(text.as_bytes()), digest);
    }
    assert_eq!(md5::hex(&[b'x'; 55]), "04364420e25c512fd958a70738aa8f72");
    assert_eq!(md5::hex(&[b'x'; 56]), "668a72d5ba17f08e62dabcafad6db14b");
}

#[test]
fn conditions_labels_and_halt_are_understood() {
    let text = "# a comment\nhash-threshold 8\n\nskipif sqlite\nstatement ok\nSELECT 1\n\nonlyif sqlite # why\nstatement error\nSELECT\n2\n\n\
                onlyif mssql\nhalt\n\nquery IT rowsort x1\nSELECT 1, 'a'\n----\n1\na\n\nquery I\nSELECT 1 WHERE 0\n----\n\nhalt\n\nnonsense\n";
    let records = parse(text, "sqlite").expect("a good file");
    assert_eq!(records.len(), 3);
    assert!(matches!(records[0], Record { line: 9, what: What::Error, .. }), "{:?}", records[0]);
    assert_eq!(records[0].sql, "SELECT\n2");
    let What::Query { types, sort: Sort::Rows, label, expected } = &records[1].what else { panic!("{:?}", records[1]) };
    assert_eq!((types.as_slice(), label.as_deref(), expected.len()), (&['I', 'T'][..], Some("x1"), 2));
    assert!(matches!(&records[2].what, What::Query { sort: Sort::None, label: None, expected, .. } if expected.is_empty()));
    assert!(parse("nonsense\n", "sqlite").is_err());
}

#[test]
fn sqllogictest_files_pass() {
    let Some(data) = test_data() else { return };
    let mut files = Vec::new();
    collect(&data.join("slt"), &mut files);
    let mut failures = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a readable file");
        let name = file.strip_prefix(&data).unwrap_or(file).display();
        let outcome = parse(&text, "sqlite").and_then(|records| {
            let (pinned, shared) = (play(&records, true)?, play(&records, false)?);
            Ok(format!("{} records: {pinned} passed on a pinned connection, {shared} on the store", records.len()))
        });
        match outcome {
            Ok(counts) => println!("{name}: {counts}"),
            Err(failure) => failures.push(format!("{name}: {failure}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_chinook_script_runs_and_its_data_answer() {
    let Some(data) = test_data() else { return };
    let Ok(script) = std::fs::read_to_string(data.join("chinook.sql")) else {
        println!("skipped: no chinook.sql in {}", data.display());
        return;
    };
    let folder = temp_dir::TempDir::new().expect("a folder");
    let store = Store::open_path(folder.path().join("chinook.db")).expect("a store");
    let options = QueryOptions::default();
    store.execute_script(&script, &options).expect("the script");
    let number = |sql: &str| match store.query(sql, Params::NONE, &options).and_then(|rows| rows.collect()).expect(sql).as_slice() {
        [row] => row[0].clone(),
        rows => panic!("{sql}: {} rows", rows.len()),
    };
    assert_eq!(number("SELECT count(*) FROM sqlite_schema WHERE type = 'table'"), Value::Integer(11));
    assert_eq!(number("SELECT count(*) FROM Track"), Value::Integer(3503));
    assert_eq!(number("SELECT count(*) FROM InvoiceLine"), Value::Integer(2240));
    assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), Value::Integer(0));
    assert_eq!(number("SELECT printf('%.2f', sum(UnitPrice * Quantity)) FROM InvoiceLine"), Value::Text(b"2328.60".to_vec()));
    assert_eq!(number("PRAGMA integrity_check"), Value::Text(b"ok".to_vec()));
    let composers = "SELECT a.Name FROM Artist a JOIN Album b USING (ArtistId) JOIN Track t USING (AlbumId) GROUP BY a.ArtistId ORDER BY count(*) DESC, 1 LIMIT 1";
    assert_eq!(number(composers), Value::Text(b"Iron Maiden".to_vec()));
    store.close(None).expect("a store that closes");
}

/// Where the data are, or a message that they are not.
fn test_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("KEEPWELL_TEST_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no test data in {}; set KEEPWELL_TEST_DATA to their folder", folder.display());
    None
}

/// All `.test` files below `folder`, in the order of their names.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            files.push(path);
        }
    }
}

/// Where a file is played.
enum Target {
    Store(Store),
    Pinned(Store, Scope),
}

impl Target {
    fn query(&self, sql: &str, params: &[ValueRef<'_>]) -> Result<Vec<Vec<Value>>, String> {
        let options = QueryOptions::default();
        let rows = match self {
            Target::Store(store) => store.query(sql, params, &options),
            Target::Pinned(_, scope) => scope.query(sql, params, &options),
        };
        rows.and_then(|rows| rows.collect()).map_err(|error| error.to_string())
    }

    /// A record is mostly one statement, but may be several.
    fn execute(&self, sql: &str) -> Result<(), Error> {
        let options = QueryOptions::default();
        match self {
            Target::Store(store) => match store.execute(sql, Params::NONE, &options) {
                Err(error) if error.kind() == Kind::Sql && error.engine().is_none() => store.execute_script(sql, &options).map(drop),
                other => other.map(drop),
            },
            Target::Pinned(_, scope) => scope.execute_script(sql, &options).map(drop),
        }
    }

    fn close(self) -> Result<(), Error> {
        match self {
            Target::Store(store) => store.close(None),
            Target::Pinned(store, scope) => scope.release().and_then(|()| store.close(None)),
        }
    }
}

/// Runs the records of one file on a fresh database file; how many passed. On a store this ends without failure at the first record
/// that only a connection of one's own can run (a temporary object).
fn play(records: &[Record], pinned: bool) -> Result<usize, String> {
    let folder = temp_dir::TempDir::new().expect("a folder");
    let store = Store::open_path(folder.path().join("test.db")).map_err(|error| error.to_string())?;
    let target = match pinned {
        true => Target::Pinned(store.clone(), store.pin(&QueryOptions::default()).map_err(|error| error.to_string())?),
        false => Target::Store(store),
    };
    let mut labels = HashMap::new();
    let mut passed = 0;
    for record in records {
        match run(&target, record, &mut labels) {
            Ok(true) => passed += 1,
            Ok(false) => break,
            Err(what) => return Err(format!("line {}: {what}\n{}", record.line, record.sql)),
        }
    }
    target.close().map_err(|error| error.to_string())?;
    Ok(passed)
}

/// Runs one record; `false`: it needs a pinned connection, and this is none.
fn run(target: &Target, record: &Record, labels: &mut HashMap<String, String>) -> Result<bool, String> {
    match &record.what {
        What::Ok => match target.execute(&record.sql) {
            Err(error) if error.kind() == Kind::Unsupported && matches!(target, Target::Store(_)) => return Ok(false),
            other => other.map_err(|error| error.to_string())?,
        },
        What::Error => {
            if target.execute(&record.sql).is_ok() {
                return Err("succeeded, where an error was expected".to_string());
            }
        }
        What::Query { types, sort, label, expected } => {
            // The format's own runner takes an error on the way for the end of the result.
            let rows = target.query(&record.sql, &[]).or_else(|error| if expected.is_empty() { Ok(Vec::new()) } else { Err(error) })?;
            let values = sorted(printed(target, &rows, types)?, types.len(), *sort);
            compare(&values, expected)?;
            let digest = digest(&values);
            let earlier = label.as_ref().and_then(|label| labels.insert(label.clone(), digest.clone()));
            if earlier.is_some_and(|earlier| earlier != digest) {
                return Err("another result than the earlier one with this label".to_string());
            }
        }
    }
    Ok(true)
}

fn printed(target: &Target, rows: &[Vec<Value>], types: &[char]) -> Result<Vec<Vec<String>>, String> {
    let row = |row: &Vec<Value>| {
        if row.len() != types.len() {
            return Err(format!("{} columns, where {} were expected", row.len(), types.len()));
        }
        row.iter().zip(types).map(|(value, kind)| print(target, value, *kind)).collect()
    };
    rows.iter().map(row).collect()
}

/// A value as the format prints it in a column of `kind`; conversions are SQLite's own.
fn print(target: &Target, value: &Value, kind: char) -> Result<String, String> {
    let convert = |expression: &str| {
        let rows = target.query(&format!("SELECT {expression}"), &[value.as_ref()])?;
        Ok::<String, String>(rows[0][0].as_ref().to_string())
    };
    Ok(match (kind, value) {
        (_, Value::Null) => "NULL".to_string(),
        ('I', Value::Integer(number)) => number.to_string(),
        ('I', _) => convert("CAST(? AS INTEGER)")?,
        ('R', _) => convert("printf('%.3f', ?)")?,
        ('T', Value::Text(text) | Value::Blob(text)) if text.is_empty() => "(empty)".to_string(),
        ('T', Value::Text(text) | Value::Blob(text)) => {
            let printable = text.iter().map(|byte| if (b' '..=b'~').contains(byte) { *byte as char } else { '@' });
            printable.collect()
        }
        ('T', Value::Integer(number)) => number.to_string(),
        ('T', _) => convert("CAST(? AS TEXT)")?,
        _ => return Err(format!("unknown column type {kind}")),
    })
}

fn sorted(mut rows: Vec<Vec<String>>, columns: usize, sort: Sort) -> Vec<String> {
    if sort == Sort::Rows {
        rows.sort();
    }
    let mut values: Vec<String> = Vec::with_capacity(rows.len() * columns);
    values.extend(rows.into_iter().flatten());
    if sort == Sort::Values {
        values.sort();
    }
    values
}

fn compare(values: &[String], expected: &[String]) -> Result<(), String> {
    if let [line] = expected {
        if let Some((count, hash)) = line.split_once(" values hashing to ") {
            let got = (values.len().to_string(), digest(values));
            return if got == (count.to_string(), hash.to_string()) {
                Ok(())
            } else {
                Err(format!("expected {line}, got {} values hashing to {}: {values:?}", got.0, got.1))
            };
        }
    }
    if values == expected {
        return Ok(());
    }
    Err(format!("expected {expected:?}, got {values:?}"))
}

fn digest(values: &[String]) -> String {
    md5::hex(values.iter().flat_map(|value| [value, "\n"]).collect::<String>().as_bytes())
}
