//! Plays `tests/conformance/*.json` through keepwell's Rust interface. The format is in `tests/conformance/README.md`.

#[path = "conformance/format.rs"]
mod format;

use std::collections::{HashMap, VecDeque};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepwell::cancel::{CancelToken, Op};
use keepwell::driver::{Changes, Mode};
use keepwell::error::Retry;
use keepwell::options::{CacheUse, Timeout};
use keepwell::store::Statement;
use keepwell::{Config, Error, Kind, Matrix, Params, QueryOptions, Rows, Scope, Store, TxMode, ValueRef};
use serde_json::Value as Json;

use format::{
    array, cells, check_failure, check_form, check_origin, check_result, check_rows, integer, placed, string, text, Cell, Failure,
};

/// What the Rust interface has, of the features that a case may need.
const FEATURES: &[&str] = &["prepare", "cancel", "thread_bound", "text_bytes"];

#[test]
fn every_case_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    for path in json_files(&folder) {
        let file: Json = serde_json::from_slice(&std::fs::read(&path).expect("a readable file")).expect("JSON");
        for case in array(&file["cases"]) {
            let name = format!("{}: {}", path.file_name().unwrap_or_default().to_string_lossy(), string(&case["name"]));
            if case.get("needs").is_some_and(|needs| array(needs).iter().any(|need| !FEATURES.contains(&string(need)))) {
                skipped += 1;
                continue;
            }
            let folder = temp_dir::TempDir::new().expect("a folder for the case");
            let outcome = catch_unwind(AssertUnwindSafe(|| play(case, folder.path()))).unwrap_or_else(|_| Err("panicked".to_string()));
            match outcome {
                Ok(()) => passed += 1,
                Err(what) => failures.push(format!("{name}: {what}")),
            }
        }
    }
    println!("conformance: {passed} passed, {} failed, {skipped} skipped", failures.len());
    assert!(failures.is_empty(), "{}\n{passed} passed, {} failed, {skipped} skipped", failures.join("\n"), failures.len());
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of the cases");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// Plays one case in its own folder.
fn play(case: &Json, folder: &Path) -> Result<(), String> {
    check_form(case)?;
    let mut world = World { dir: folder.to_string_lossy().replace('\\', "/"), ..World::default() };
    let datasource = match case.get("database").map_or("file", string) {
        "memory" => Some(":memory:"),
        "file" => Some("{dir}/case.db"),
        _ => None,
    };
    if let Some(datasource) = datasource {
        world.open("store", case.get("config"), datasource).map_err(|error| format!("opening the store: {error}"))?;
    }
    for (number, step) in array(&case["steps"]).iter().enumerate() {
        for _ in 0..step.get("times").map_or(1, integer) {
            world.step(step).map_err(|what| format!("step {number}: {what}"))?;
        }
    }
    world.finish().map_err(|error| format!("closing what was left open: {error}"))
}

/// Everything a case has opened, by name.
#[derive(Default)]
struct World {
    dir: String,
    stores: HashMap<String, (Store, Config)>,
    scopes: HashMap<String, Scope>,
    streams: HashMap<String, Stream>,
    statements: HashMap<String, Statement>,
    /// Names in the order of their opening.
    opened: Vec<String>,
}

/// An open stream, and the rows of its batch that were not asked for yet.
struct Stream {
    rows: Rows,
    waiting: VecDeque<Vec<Cell>>,
}

/// What a step gave.
#[derive(Default)]
struct Outcome {
    columns: Option<Vec<String>>,
    from_cache: Option<bool>,
    rows: Option<Vec<Vec<Cell>>>,
    changes: Option<Changes>,
}

impl World {
    /// Plays one step and compares.
    fn step(&mut self, step: &Json) -> Result<(), String> {
        match (self.act(step), step.get("error")) {
            (Ok(outcome), None) => {
                outcome.from_cache.map_or(Ok(()), |from_cache| check_origin(step, from_cache))?;
                if let Some(rows) = &outcome.rows {
                    check_rows(step, outcome.columns.as_deref(), rows)?;
                }
                outcome.changes.map_or(Ok(()), |changes| check_result(step, changes.last_insert_id, changes.rows_affected))
            }
            (Ok(_), Some(expected)) => Err(format!("succeeded, where an error was expected: {expected}")),
            (Err(error), None) => Err(format!("{} ({:?}): {error}", error.kind().name(), error.engine())),
            (Err(error), Some(expected)) => check_failure(expected, &failure(&error)),
        }
    }

    fn act(&mut self, step: &Json) -> Result<Outcome, Error> {
        let on = step.get("on").map_or("store", string);
        match string(&step["do"]) {
            "query" | "stream" => {
                let mut stream = self.stream(on, step)?;
                let rows = stream.take(usize::MAX)?;
                // The columns of an empty result are known at once, those of a statement prepared anew with its rows.
                let columns = Some(stream.rows.columns().names.clone());
                Ok(Outcome { columns, from_cache: Some(stream.rows.is_from_cache()), rows: Some(rows), changes: None })
            }
            "open_rows" => {
                let stream = self.stream(on, step)?;
                let (columns, from_cache) = (Some(stream.rows.columns().names.clone()), Some(stream.rows.is_from_cache()));
                let name = self.opening(step);
                self.streams.insert(name, stream);
                Ok(Outcome { columns, from_cache, rows: Some(Vec::new()), changes: None })
            }
            "read" => {
                let stream = self.streams.get_mut(on).ok_or_else(|| unknown(on))?;
                Ok(Outcome { rows: Some(stream.take(integer(&step["count"]) as usize)?), ..Outcome::default() })
            }
            "execute" => {
                let given = Given::read(step);
                let changes = self.target(on)?.execute(&self.sql(step)?, given.lend().params(), &options(step)?)?;
                Ok(Outcome { changes: Some(changes), ..Outcome::default() })
            }
            "execute_many" => {
                let (sql, many) = (self.sql(step)?, array(&step["many"]));
                let times = step.get("many_times").map_or(1, integer) as usize;
                let columns = many.first().map_or(0, |row| array(row).len());
                let owned: Vec<Cell> = many.iter().flat_map(cells).collect();
                let values = owned.iter().map(value).collect::<Vec<_>>().repeat(times);
                let matrix = Matrix::new(&values, columns, many.len() * times)?;
                let changes = self.target(on)?.execute_many(&sql, matrix, &options(step)?)?;
                Ok(Outcome { changes: Some(changes), ..Outcome::default() })
            }
            _ => self.handle(on, step).map(|()| Outcome::default()),
        }
    }

    /// Steps that open, end or make something.
    fn handle(&mut self, on: &str, step: &Json) -> Result<(), Error> {
        let options = options(step)?;
        match string(&step["do"]) {
            "script" => self.target(on)?.execute_script(&self.sql(step)?, &options).map(drop),
            "begin" => {
                let scope = self.target(on)?.begin(mode(step), &options)?;
                let name = self.opening(step);
                self.scopes.insert(name, scope);
                Ok(())
            }
            "pin" => {
                let scope = self.store(on)?.pin(&options)?;
                let name = self.opening(step);
                self.scopes.insert(name, scope);
                Ok(())
            }
            "commit" => self.scope(on)?.commit(),
            "rollback" => harmless(self.scope(on)?.undo()),
            "unpin" => self.scope(on)?.release(),
            "close_rows" => {
                self.streams.remove(on);
                Ok(())
            }
            "prepare" => {
                let statement = self.store(on)?.prepare(&self.sql(step)?, &options)?;
                let name = self.opening(step);
                self.statements.insert(name, statement);
                Ok(())
            }
            "finalize" => {
                self.statements.remove(on);
                Ok(())
            }
            "open" => self.open(string(&step["as"]), step.get("config"), "{dir}/case.db"),
            "close" => self.store(on)?.close(None),
            "reopen" => {
                let (store, config) = self.stores.remove(on).ok_or_else(|| unknown(on))?;
                store.close(None)?;
                drop(store);
                if step.get("config").is_some() {
                    return self.open(on, step.get("config"), "{dir}/case.db");
                }
                self.stores.insert(on.to_string(), (Store::open(&config)?, config));
                Ok(())
            }
            "write_file" => {
                std::fs::write(self.path(step), text(&step["text"])).expect("the file is written");
                Ok(())
            }
            "make_dir" => {
                std::fs::create_dir(self.path(step)).expect("the folder is made");
                Ok(())
            }
            verb => panic!("unknown do: {verb}"),
        }
    }

    fn open(&mut self, name: &str, settings: Option<&Json>, datasource: &str) -> Result<(), Error> {
        let mut config = Config::new();
        config.set("datasource", &datasource.replace("{dir}", &self.dir))?;
        for (key, value) in settings.and_then(Json::as_object).into_iter().flatten() {
            config.set(key, &string(value).replace("{dir}", &self.dir))?;
        }
        let store = Store::open(&config)?;
        self.stores.insert(name.to_string(), (store, config));
        self.opened.push(name.to_string());
        Ok(())
    }

    /// Closes what is open still, newest first.
    fn finish(mut self) -> Result<(), Error> {
        while let Some(name) = self.opened.pop() {
            self.streams.remove(&name);
            self.statements.remove(&name);
            if let Some(scope) = self.scopes.remove(&name) {
                if scope.is_pinned() {
                    scope.release()?
                } else {
                    harmless(scope.undo())?
                }
            }
            if let Some((store, _)) = self.stores.remove(&name) {
                store.close(None)?;
            }
        }
        Ok(())
    }

    fn opening(&mut self, step: &Json) -> String {
        let name = string(&step["as"]).to_string();
        self.opened.push(name.clone());
        name
    }

    fn store(&self, name: &str) -> Result<&Store, Error> {
        self.stores.get(name).map(|(store, _)| store).ok_or_else(|| unknown(name))
    }

    fn scope(&self, name: &str) -> Result<&Scope, Error> {
        self.scopes.get(name).ok_or_else(|| unknown(name))
    }

    fn target(&self, name: &str) -> Result<Target<'_>, Error> {
        match self.scopes.get(name) {
            Some(scope) => Ok(Target::Scope(scope)),
            None => self.store(name).map(Target::Store),
        }
    }

    fn path(&self, step: &Json) -> String {
        string(&step["path"]).replace("{dir}", &self.dir)
    }

    fn sql(&self, step: &Json) -> Result<String, Error> {
        match step.get("statement") {
            Some(name) => self.statements.get(string(name)).map(|st| st.sql().to_string()).ok_or_else(|| unknown(string(name))),
            None => Ok(String::from_utf8(placed(text(&step["sql"]), &self.dir)).expect("SQL in UTF-8")),
        }
    }

    fn stream(&self, on: &str, step: &Json) -> Result<Stream, Error> {
        let given = Given::read(step);
        let rows = self.target(on)?.query(&self.sql(step)?, given.lend().params(), &options(step)?)?;
        Ok(Stream { rows, waiting: VecDeque::new() })
    }
}

impl Stream {
    fn take(&mut self, count: usize) -> Result<Vec<Vec<Cell>>, Error> {
        while self.waiting.len() < count {
            let Some(batch) = self.rows.next_batch(&Op::unbounded())? else { break };
            self.waiting.extend((0..batch.rows()).map(|row| batch.row(row).map(owned).collect()));
        }
        Ok(self.waiting.drain(..count.min(self.waiting.len())).collect())
    }
}

/// A store or a scope: the same calls on both.
enum Target<'a> {
    Store(&'a Store),
    Scope(&'a Scope),
}

impl Target<'_> {
    fn query(&self, sql: &str, params: Params<'_>, options: &QueryOptions<'_>) -> Result<Rows, Error> {
        match self {
            Target::Store(store) => store.query(sql, params, options),
            Target::Scope(scope) => scope.query(sql, params, options),
        }
    }

    fn execute(&self, sql: &str, params: Params<'_>, options: &QueryOptions<'_>) -> Result<Changes, Error> {
        match self {
            Target::Store(store) => store.execute(sql, params, options),
            Target::Scope(scope) => scope.execute(sql, params, options),
        }
    }

    fn execute_many(&self, sql: &str, matrix: Matrix<'_>, options: &QueryOptions<'_>) -> Result<Changes, Error> {
        match self {
            Target::Store(store) => store.execute_many(sql, matrix, options),
            Target::Scope(scope) => scope.execute_many(sql, matrix, options),
        }
    }

    fn execute_script(&self, sql: &str, options: &QueryOptions<'_>) -> Result<Changes, Error> {
        match self {
            Target::Store(store) => store.execute_script(sql, options),
            Target::Scope(scope) => scope.execute_script(sql, options),
        }
    }

    fn begin(&self, mode: TxMode, options: &QueryOptions<'_>) -> Result<Scope, Error> {
        match self {
            Target::Store(store) => store.begin(mode, options),
            Target::Scope(scope) => scope.begin(mode, options),
        }
    }
}

/// The parameters of a step: values and, if they have any, their names.
struct Given {
    values: Vec<Cell>,
    names: Option<Vec<String>>,
}

/// The same in the form that a call takes.
struct Lent<'a> {
    values: Vec<ValueRef<'a>>,
    names: Option<Vec<&'a str>>,
}

impl Given {
    fn read(step: &Json) -> Given {
        match step.get("named").and_then(Json::as_object) {
            Some(named) => Given { values: named.values().map(format::cell).collect(), names: Some(named.keys().cloned().collect()) },
            None => Given { values: step.get("params").map_or(Vec::new(), cells), names: None },
        }
    }

    fn lend(&self) -> Lent<'_> {
        let names = self.names.as_ref().map(|names| names.iter().map(String::as_str).collect());
        Lent { values: self.values.iter().map(value).collect(), names }
    }
}

impl Lent<'_> {
    fn params(&self) -> Params<'_> {
        match &self.names {
            Some(names) => Params::named(names, &self.values),
            None => Params::positional(&self.values),
        }
    }
}

fn value(cell: &Cell) -> ValueRef<'_> {
    match cell {
        Cell::Null => ValueRef::Null,
        Cell::Integer(v) => ValueRef::Integer(*v),
        Cell::Real(v) => ValueRef::Real(*v),
        Cell::Text(v) => ValueRef::Text(v),
        Cell::Blob(v) => ValueRef::Blob(v),
    }
}

fn owned(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(v) => Cell::Integer(v),
        ValueRef::Real(v) => Cell::Real(v),
        ValueRef::Text(v) => Cell::Text(v.to_vec()),
        ValueRef::Blob(v) => Cell::Blob(v.to_vec()),
    }
}

fn options(step: &Json) -> Result<QueryOptions<'static>, Error> {
    let mut options = QueryOptions::default();
    for (key, value) in step.get("options").and_then(Json::as_object).into_iter().flatten() {
        match key.as_str() {
            "timeout_ms" => options.timeout = Timeout::After(Duration::from_millis(integer(value) as u64)),
            "read_only" => options.read_only = value == &Json::Bool(true),
            "prepared" => options.unprepared = value == &Json::Bool(false),
            "batch_rows" => options.batch_rows = integer(value) as u32,
            "cache" => options.cache = cache_use(string(value)),
            "cancelled" => {
                let token = CancelToken::new()?;
                token.cancel();
                options.cancel = Some(token);
            }
            other => panic!("unknown option: {other}"),
        }
    }
    Ok(options)
}

fn cache_use(word: &str) -> CacheUse {
    match word {
        "use" => CacheUse::Use,
        "skip" => CacheUse::Skip,
        "refresh" => CacheUse::Refresh,
        other => panic!("unknown use of the cache: {other}"),
    }
}

fn mode(step: &Json) -> TxMode {
    match step.get("mode").map_or("default", string) {
        "default" | "immediate" => TxMode::Write(Mode::Immediate),
        "deferred" => TxMode::Write(Mode::Deferred),
        "exclusive" => TxMode::Write(Mode::Exclusive),
        "read_only" => TxMode::ReadOnly,
        other => panic!("unknown mode: {other}"),
    }
}

/// Rolling back what has ended is harmless; the Rust interface says that it had ended.
fn harmless(result: Result<(), Error>) -> Result<(), Error> {
    result.or_else(|error| if error.kind() == Kind::TxEnded { Ok(()) } else { Err(error) })
}

/// In Rust a handle that was closed cannot be named any more; the runner answers for it.
fn unknown(name: &str) -> Error {
    Error::new(Kind::InvalidHandle, format!("{name}: nothing is open under this name"))
}

fn failure(error: &Error) -> Failure {
    Failure {
        kind: error.kind().name().to_string(),
        engine: error.engine().map(|code| (code.primary, code.extended)),
        offset: error.offset(),
        retryable: matches!(error.retry(), Retry::Statement | Retry::Transaction),
        message: error.message().to_string(),
    }
}
