//! The shortest useful program: open, create, write in a transaction, read.
//!
//! `cargo run --example quickstart`

use keepwell::driver::Mode;
use keepwell::{Params, QueryOptions, Result, Store, TxMode};

fn main() -> Result<()> {
    let path = std::env::temp_dir().join(format!("keepwell-quickstart-{}.db", std::process::id()));
    let store = Store::open_path(&path)?;
    let options = QueryOptions::default();
    store.execute(
        "CREATE TABLE IF NOT EXISTS track (id INTEGER PRIMARY KEY, title TEXT NOT NULL, seconds INTEGER)",
        Params::NONE,
        &options,
    )?;

    let tx = store.begin(TxMode::Write(Mode::Immediate), &options)?;
    for (title, seconds) in [("Blue in Green", 337), ("So What", 565)] {
        tx.execute("INSERT INTO track (title, seconds) VALUES (?, ?)", &[title.into(), seconds.into()], &options)?;
    }
    tx.commit()?;

    let mut rows = store.query("SELECT title, seconds FROM track WHERE seconds > ? ORDER BY title", &[300.into()], &options)?;
    while let Some(batch) = rows.next_batch(&keepwell::cancel::Op::unbounded())? {
        for row in 0..batch.rows() {
            println!("{} ({} s)", batch.get(row, 0), batch.get(row, 1));
        }
    }

    match store.execute("INSERT INTO track (title) VALUES (NULL)", Params::NONE, &options) {
        Err(error) => println!("refused, as it should be: {} ({:?})", error, error.kind()),
        Ok(_) => unreachable!("the title is NOT NULL"),
    }
    store.close(None)?;
    std::fs::remove_file(path).map_err(|e| keepwell::Error::new(keepwell::Kind::Io, e.to_string()))
}
