//! The demo in Rust: load a fifth of a dependency graph, ask about it from several threads, meet each kind of error, write beside others.
//!
//! ```text
//! demo FILE SCHEMA GRAPH    loads GRAPH (see graph.py) into the database FILE and reports
//! demo FILE --together N    N transactions in each of four threads, beside the other programs
//! demo FILE --totals        what all programs wrote together
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use keepwell::cancel::CancelToken;
use keepwell::driver::Mode;
use keepwell::options::Timeout;
use keepwell::{Config, Error, Kind, Matrix, Params, QueryOptions, Result, Scope, Store, TxMode, Value, ValueRef};

const LANGUAGE: &str = "Rust";
const THREADS: i64 = 4;
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
const WRITE: TxMode = TxMode::Write(Mode::Immediate);

fn open_store(path: &str) -> Result<Store> {
    let mut config = Config::new();
    config.load_uri(path)?;
    config.pool.max_open = 8;
    config.set("query.timeout", "30s")?;
    Store::open(&config)
}

/// A program's own error, where one of keepwell's would do as well.
fn require(condition: bool, what: &str) -> Result<()> {
    if condition {
        Ok(())
    } else {
        Err(Error::new(Kind::Misuse, what))
    }
}

fn read_file(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::new(Kind::Io, format!("{path}: {error}")))
}

/// The only value of a query that returns one integer.
fn integer(rows: keepwell::Rows) -> Result<i64> {
    match rows.collect()?.as_slice() {
        [row] => row[0].as_ref().as_i64().ok_or_else(|| Error::new(Kind::Type, "the query gave no integer")),
        _ => Err(Error::new(Kind::Misuse, "the query gave not just one row")),
    }
}

/// This program's share of the graph, as parameters row after row.
fn read_share<'a>(graph: &'a str, run: i64) -> (Vec<ValueRef<'a>>, Vec<ValueRef<'a>>, Vec<ValueRef<'a>>) {
    let number = |text: &str| ValueRef::from(text.parse::<i64>().unwrap_or_default());
    let (mut licences, mut packages, mut edges) = (vec![], vec![], vec![]);
    for line in graph.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["package", id, name, version, licence, features, targets, LANGUAGE] => {
                licences.push(licence.into());
                packages.extend([number(id), name.into(), version.into(), licence.into(), number(features), number(targets), run.into()]);
            }
            ["edge", package, dependency, kind, LANGUAGE] => edges.extend([number(package), number(dependency), kind.into()]),
            _ => {} // another program's
        }
    }
    (licences, packages, edges)
}

fn load(store: &Store, path: &str) -> Result<()> {
    let options = QueryOptions::default();
    let graph = read_file(path)?;
    let tx = store.begin(WRITE, &options)?;
    let run = tx.execute("INSERT INTO run(language) VALUES (?)", &[LANGUAGE.into()], &options)?.last_insert_id;
    let (licences, packages, edges) = read_share(&graph, run);
    let insert = |sql, values, columns| tx.execute_many(sql, Matrix::new(values, columns, values.len() / columns)?, &options);
    insert("INSERT INTO licence(name) VALUES (?) ON CONFLICT DO NOTHING", &licences, 1)?;
    insert(
        "INSERT INTO package(id, name, version, licence_id, features, targets, run_id) \
         SELECT ?1, ?2, ?3, licence.id, ?5, ?6, ?7 FROM licence WHERE licence.name = ?4",
        &packages,
        7,
    )?;
    insert("INSERT INTO edge(package_id, dependency_id, kind) VALUES (?, ?, ?)", &edges, 3)?;

    // A transaction inside a transaction is a savepoint: a try that fails takes nothing else with it.
    let savepoint = tx.begin(WRITE, &options)?;
    savepoint.execute("UPDATE package SET features = 0", Params::NONE, &options)?;
    let Err(refusal) = savepoint.execute("INSERT INTO edge VALUES (1000000, 1, 'normal')", Params::NONE, &options) else {
        return require(false, "the foreign key should have refused this");
    };
    savepoint.rollback()?;
    tx.commit()?;

    let count = |table: &str| integer(store.query(&format!("SELECT count(*) FROM {table}"), Params::NONE, &options)?);
    let (loaded, needed) = (packages.len() / 7, edges.len() / 3);
    println!("  loaded     {loaded} packages and {needed} dependencies; the file has {} and {} now", count("package")?, count("edge")?);
    println!("  savepoint  undone after: {refusal}");
    Ok(())
}

/// A transaction that is dropped without a commit leaves no trace.
fn change_and_roll_back(store: &Store) -> Result<()> {
    const COUNT: &str = "SELECT count(*) FROM edge";
    let options = QueryOptions::default();
    let count = || integer(store.query(COUNT, Params::NONE, &options)?);
    let before = count()?;
    let tx = store.begin(WRITE, &options)?;
    tx.execute("DELETE FROM edge", Params::NONE, &options)?;
    let inside = integer(tx.query(COUNT, Params::NONE, &options)?)?;
    drop(tx);
    let after = count()?;
    require(inside == 0 && after == before, "the rollback did not restore the dependencies")?;
    println!("  rollback   {before} dependencies, {inside} after DELETE, {after} after the rollback\n");
    Ok(())
}

const QUESTIONS: [(&str, i64); 3] = [
    (
        "SELECT licence.name AS licence, count(*) AS packages FROM package JOIN licence ON licence.id = licence_id \
         GROUP BY licence.id ORDER BY packages DESC, licence LIMIT ?",
        4,
    ),
    (
        r#"SELECT name || ' ' || version AS "most depended upon",
                  (SELECT count(DISTINCT package_id) FROM edge WHERE dependency_id = package.id) AS directly, count(*) AS "in all"
           FROM needs JOIN package ON package.id = needs.dependency_id
           GROUP BY package.id ORDER BY "in all" DESC, directly DESC, name LIMIT ?"#,
        4,
    ),
    (
        r#"WITH RECURSIVE chain(id, steps, path) AS (
             SELECT id, 0, name FROM package UNION ALL
             SELECT dependency_id, steps + 1, path || ' > ' || package.name
             FROM chain JOIN edge ON edge.package_id = chain.id JOIN package ON package.id = dependency_id)
           SELECT steps, path AS "deepest chain" FROM chain ORDER BY steps DESC, path LIMIT ?"#,
        1,
    ),
];

/// Lays a result out as a table, numbers to the right.
fn table(rows: keepwell::Rows) -> Result<String> {
    let names = rows.columns().names.clone();
    let rows = rows.collect()?;
    let width = |column: usize| {
        let values = rows.iter().map(|row| row[column].as_ref().to_string().chars().count());
        values.chain([names[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let number = |column: usize| rows.iter().all(|row| matches!(row[column], Value::Integer(_)));
    let cell = |column: usize, text: String| match number(column) {
        true => format!("  {text:>0$}", widths[column]),
        false => format!("  {text:<0$}", widths[column]),
    };
    let line = |cells: Vec<String>| cells.concat().trim_end().to_owned() + "\n";
    let head = line(names.iter().enumerate().map(|(i, name)| cell(i, name.clone())).collect());
    let body = rows.iter().map(|row| line(row.iter().enumerate().map(|(i, value)| cell(i, value.as_ref().to_string())).collect()));
    Ok(head + &body.collect::<String>())
}

/// Asks all questions at the same time: a store is shared freely between threads.
fn report(store: &Store) -> Result<()> {
    let ask = |(sql, limit): (&str, i64)| table(store.query(sql, &[limit.into()], &QueryOptions::default())?);
    thread::scope(|scope| {
        let threads = QUESTIONS.map(|question| scope.spawn(move || ask(question)));
        threads.into_iter().try_for_each(|answer| {
            println!("{}", answer.join().expect("the thread does not panic")?);
            Ok(())
        })
    })
}

/// Shows an error that had to come, as a program sees it: match on the kind, print the rest.
fn show<T>(what: &str, expected: Kind, result: Result<T>) -> Result<()> {
    let Err(error) = result else { return require(false, &format!("{what}: this should have failed")) };
    if error.kind() != expected {
        return Err(error.context(what));
    }
    let engine = error.engine().map_or(String::new(), |code| format!(", engine {} ({})", code.primary, code.extended));
    let place = error.offset().map_or(String::new(), |offset| format!(", byte {offset}"));
    println!("  {what:<22} Kind::{:?}{engine}{place}\n      {error}", error.kind());
    Ok(())
}

fn show_errors(store: &Store, path: &str) -> Result<()> {
    let options = QueryOptions::default();
    println!("  Errors as a Rust program sees them:");
    show("wrong SQL", Kind::Sql, store.query("SELECT name FORM package", Params::NONE, &options))?;
    let twice = "INSERT INTO run SELECT * FROM run";
    show("a constraint", Kind::Constraint, store.execute(twice, Params::NONE, &options))?;
    let two = "SELECT id FROM package WHERE name = ? AND version = ?";
    show("a missing parameter", Kind::Parameter, store.query(two, &["libc".into()], &options))?;

    let soon = QueryOptions { timeout: Timeout::After(Duration::from_millis(50)), ..options };
    show("a timeout", Kind::Timeout, store.query(ENDLESS, Params::NONE, &soon))?;

    let token = CancelToken::new()?;
    let cancelled = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            token.cancel();
        });
        store.query(ENDLESS, Params::NONE, &QueryOptions { cancel: Some(token), ..options })
    });
    token.free();
    show("a cancelled call", Kind::Cancelled, cancelled)?;

    let read_only = QueryOptions { read_only: true, ..options };
    show("a write, read-only", Kind::ReadOnly, store.execute("DELETE FROM edge", Params::NONE, &read_only))?;

    let tx = store.begin(WRITE, &options)?;
    let waiting = store.execute("DELETE FROM edge", Params::NONE, &options); // the transaction was meant, not the store
    tx.rollback()?;
    show("a wait for oneself", Kind::SelfDeadlock, waiting)?;

    let closed = open_store(path)?;
    closed.close(None)?;
    show("a closed store", Kind::Closed, closed.query("SELECT 1", Params::NONE, &options))?;
    show("a misspelled setting", Kind::Config, Config::new().set("pool.max_opne", "8"))?;
    println!();
    Ok(())
}

/// One commit: the counter and its note. Dropped on an error, the transaction rolls back.
fn count_one(store: &Store, thread: i64) -> Result<()> {
    let options = QueryOptions::default();
    let tx: Scope = store.begin(WRITE, &options)?;
    tx.execute("UPDATE counter SET value = value + 1 WHERE name = 'commits'", Params::NONE, &options)?;
    let note = "INSERT INTO note(run_id, thread) SELECT id, ? FROM run WHERE language = ?";
    tx.execute(note, &[thread.into(), LANGUAGE.into()], &options)?;
    tx.commit()
}

fn together(store: &Store, transactions: i64) -> Result<()> {
    let options = QueryOptions::default();
    let ask = |sql: &str| integer(store.query(sql, Params::NONE, &options)?);
    let promise = "UPDATE run SET promised = promised + ? WHERE language = ?";
    store.execute(promise, &[(THREADS * transactions).into(), LANGUAGE.into()], &options)?;
    while ask("SELECT count(*) FROM run WHERE promised = 0")? > 0 {
        thread::sleep(Duration::from_millis(2)); // until all programs are there
    }
    let again = AtomicU32::new(0);
    let work = |thread: i64| -> Result<()> {
        for _ in 0..transactions {
            while let Err(error) = count_one(store, thread) {
                if !error.is_retryable() {
                    return Err(error);
                }
                again.fetch_add(1, Ordering::Relaxed);
            }
            // Whatever the others do meanwhile, one query sees one state.
            let difference =
                integer(store.query("SELECT value - (SELECT count(*) FROM note) FROM counter", Params::NONE, &QueryOptions::default())?)?;
            require(difference == 0, "a snapshot was torn")?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|i| scope.spawn(move || work(i))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("the thread does not panic"))
    })?;
    println!("  {LANGUAGE:<8} {THREADS} threads committed {transactions} transactions each; {} were run again", again.into_inner());
    Ok(())
}

fn totals(store: &Store) -> Result<()> {
    let sql = "SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge), (SELECT sum(promised) FROM run), \
               (SELECT value FROM counter), (SELECT count(*) FROM note), (SELECT count(*) FROM hand_over), \
               (SELECT * FROM pragma_integrity_check)";
    let row = store.query(sql, Params::NONE, &QueryOptions::default())?.collect()?.remove(0);
    let [_, _, promised, counter, notes, _, integrity] = &row[..] else { return require(false, "seven columns were asked for") };
    let numbers: String = row[..6].iter().map(|number| format!("{:>14}", number.as_ref().to_string())).collect();
    println!("  {LANGUAGE:<8}{numbers}  {}", integrity.as_ref());
    require(promised == counter && counter == notes, "the totals differ")?;
    require(integrity.as_ref().as_str() == Some("ok"), "the file is damaged")
}

fn run(args: &[&str]) -> Result<()> {
    let usage = "usage: demo FILE SCHEMA GRAPH | FILE --together N | FILE --totals";
    let Some((path, rest)) = args.split_first() else { return require(false, usage) };
    let store = open_store(path)?;
    match rest {
        ["--together", count] => together(&store, count.parse().map_err(|_| Error::new(Kind::Misuse, usage))?)?,
        ["--totals"] => totals(&store)?,
        [schema, graph] => {
            println!("Rust, by the crate keepwell {}\n", env!("CARGO_PKG_VERSION"));
            store.execute_script(&read_file(schema)?, &QueryOptions::default())?;
            load(&store, graph)?;
            change_and_roll_back(&store)?;
            report(&store)?;
            show_errors(&store, path)?;
        }
        _ => require(false, usage)?,
    }
    store.close(None)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        eprintln!("demo: {error}");
        std::process::exit(1);
    }
}
