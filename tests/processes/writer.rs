//! One of the writers of writers.py, in Rust: see there for what it does and says.

use std::io::BufRead;
use std::time::Duration;

use keepwell::driver::Mode;
use keepwell::options::Timeout;
use keepwell::{Config, Kind, Matrix, QueryOptions, Result, Store, TxMode, ValueRef};

const INSERT: &str = "INSERT INTO w(process, thread, sequence, part, parts) VALUES (?, ?, ?, ?, ?)";

struct Writer<'a> {
    store: &'a Store,
    process: &'a str,
    thread: i64,
}

impl Writer<'_> {
    fn row(&self, sequence: i64, part: i64, parts: i64) -> [ValueRef<'_>; 5] {
        [self.process.into(), self.thread.into(), sequence.into(), part.into(), parts.into()]
    }

    fn single(&self, sequence: i64, timeout: Timeout) -> Result<()> {
        self.store.execute(INSERT, &self.row(sequence, 0, 1), &QueryOptions { timeout, ..Default::default() }).map(drop)
    }

    fn transaction(&self, sequence: i64) -> Result<()> {
        let options = QueryOptions::default();
        let tx = self.store.begin(TxMode::Write(Mode::Immediate), &options)?;
        for part in 0..3 {
            tx.execute(INSERT, &self.row(sequence, part, 3), &options)?;
        }
        tx.commit()
    }

    fn many(&self, sequence: i64) -> Result<()> {
        let values: Vec<_> = (0..5).flat_map(|part| self.row(sequence, part, 5)).collect();
        self.store.execute_many(INSERT, Matrix::new(&values, 5, 5)?, &QueryOptions::default()).map(drop)
    }

    fn operation(&self, sequence: i64) -> Result<()> {
        match sequence % 8 {
            0 => self.transaction(sequence),
            4 => self.many(sequence),
            6 => match self.single(sequence, Timeout::After(Duration::from_millis(3))) {
                Err(error) if error.kind() == Kind::Timeout => {
                    println!("refused {} {sequence}", self.thread);
                    Ok(())
                }
                other => other,
            },
            _ => self.single(sequence, Timeout::Default),
        }
    }

    fn work(&self, operations: i64) {
        for sequence in 0..operations {
            if let Err(error) = self.operation(sequence) {
                eprintln!("{}, thread {}, operation {sequence}: {error}", self.process, self.thread);
                std::process::exit(1);
            }
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, process, threads, operations, synchronous] = &arguments[..] else { std::process::exit(2) };
    let (threads, operations): (i64, i64) = (threads.parse().expect("a number"), operations.parse().expect("a number"));
    let mut config = Config::new();
    config.load_uri(path)?;
    config.set("query.timeout", "60s")?;
    config.set("options.synchronous", synchronous)?;
    let store = Store::open(&config)?;
    println!("ready");
    let _ = std::io::stdin().lock().read_line(&mut String::new());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let store = &store;
            scope.spawn(move || Writer { store, process, thread }.work(operations));
        }
    });
    store.close(None)?;
    println!("done");
    Ok(())
}
