//! A store with a table, and its metrics as numbers by name and labels.

use std::collections::BTreeMap;

use keepwell::metrics::text::Format;
use keepwell::{Config, Params, QueryOptions, Store};
use temp_dir::TempDir;

pub struct Bench {
    pub folder: TempDir,
    pub store: Store,
}

/// The series of a text, by what stands before the value, without the label `store`.
pub struct Series(BTreeMap<String, f64>);

impl Bench {
    pub fn new() -> Bench {
        Bench::with(&[])
    }

    pub fn with(settings: &[(&str, &str)]) -> Bench {
        let folder = TempDir::new().unwrap();
        let store = open(&folder, settings).unwrap();
        let bench = Bench { folder, store };
        bench.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, name TEXT, n INTEGER)");
        bench
    }

    pub fn execute(&self, sql: &str) -> i64 {
        self.store.execute(sql, Params::NONE, &QueryOptions::default()).unwrap().rows_affected
    }

    pub fn rows(&self, sql: &str) -> usize {
        self.store.query(sql, Params::NONE, &QueryOptions::default()).unwrap().collect().unwrap().len()
    }

    pub fn series(&self) -> Series {
        series(&self.store)
    }

    /// What a series has grown by while `work` was done.
    pub fn growth(&self, names: &[&str], work: impl FnOnce()) -> Vec<f64> {
        let before = self.series();
        work();
        let after = self.series();
        names.iter().map(|name| after.get(name) - before.get(name)).collect()
    }
}

pub fn open(folder: &TempDir, settings: &[(&str, &str)]) -> keepwell::Result<Store> {
    let mut config = Config::new();
    config.set("datasource", folder.child("t.db").to_str().unwrap())?;
    settings.iter().try_for_each(|(key, value)| config.set(key, value))?;
    Store::open(&config)
}

pub fn series(store: &Store) -> Series {
    read(&store.metrics_text(Format::Prometheus).unwrap())
}

pub fn read(text: &str) -> Series {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    Series(
        lines
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                (without_store(name), value.parse().unwrap())
            })
            .collect(),
    )
}

fn without_store(name: &str) -> String {
    let (name, labels) = name.split_once('{').unwrap();
    let rest: Vec<&str> = labels.trim_end_matches('}').split("\",").filter(|label| !label.starts_with("store=")).collect();
    if rest.is_empty() {
        return name.to_string();
    }
    format!("{name}{{{}\"}}", rest.join("\",").trim_end_matches('"'))
}

impl Series {
    /// 0 where there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
