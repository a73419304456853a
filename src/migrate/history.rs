//! The history of a database: which migrations were applied and undone, when and by whom, in its table `keepwell_migrations`.
//!
//! Rows are only ever added, in the transaction of what they tell about; the newest row of a version says how it stands. The one exception
//! is the row of a migration outside a transaction, which counts its statements while it runs. Checks of the columns would be compiled anew
//! for each row, as every migration changes the schema: they are made when the table is read.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ask::{self, Answer};
use super::plan::Step;
use super::report::Direction;
use super::text;
use super::{Migration, Policy, Script};
use crate::driver::Connection;
use crate::error::{Error, Kind, Result};
use crate::value::ValueRef;

/// The name of the table.
pub const TABLE: &str = "keepwell_migrations";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS keepwell_migrations(
  id INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  description TEXT NOT NULL,
  direction TEXT NOT NULL,
  outcome TEXT NOT NULL,
  statements INTEGER NOT NULL,
  position INTEGER NOT NULL DEFAULT 0,
  checksum TEXT NOT NULL,
  raw_checksum TEXT NOT NULL,
  down_sql TEXT,
  down_marks TEXT NOT NULL,
  who TEXT NOT NULL,
  host TEXT NOT NULL,
  program TEXT NOT NULL,
  engine TEXT NOT NULL,
  started_at TEXT NOT NULL,
  duration_us INTEGER NOT NULL,
  schema_hash TEXT
)";
/// Whether a database has a history, and the newest version that is applied by it.
pub const EXISTS: &str = "SELECT 1 FROM sqlite_schema WHERE name = 'keepwell_migrations' AND type = 'table'";
pub const NEWEST: &str = "SELECT max(version) FROM keepwell_migrations AS newest WHERE outcome = 'done' AND direction <> 'down' AND id = \
                      (SELECT max(id) FROM keepwell_migrations WHERE version = newest.version AND outcome = 'done')";
const READ: &str = "SELECT id, version, description, direction, outcome, statements, checksum, down_sql IS NOT NULL, started_at, \
                    duration_us, who, host, program, engine, schema_hash, position FROM keepwell_migrations ORDER BY id";
const INSERT: &str = "INSERT INTO keepwell_migrations(version, description, direction, outcome, statements, checksum, raw_checksum, \
                      down_sql, down_marks, who, host, program, engine, started_at, duration_us, schema_hash) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', ?, 'unixepoch'), ?, ?)";
const COUNT: &str = "UPDATE keepwell_migrations SET statements = ?, position = ? WHERE id = ?";
const SETTLE: &str = "UPDATE keepwell_migrations SET outcome = ?, statements = ?, duration_us = ?, schema_hash = ? WHERE id = ?";
const DOWN: &str = "SELECT down_sql, down_marks FROM keepwell_migrations WHERE id = ?";

/// How the versions of a database stand.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By version; what was undone is not in it.
    pub applied: BTreeMap<i64, Applied>,
    /// Of which only a part has run.
    pub running: Option<Applied>,
    /// Whether the table is there and has rows.
    pub begun: bool,
    /// The schema after the newest row.
    pub schema_hash: Option<String>,
}

/// The newest row of a version.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    pub id: i64,
    pub version: i64,
    pub description: String,
    pub direction: Direction,
    /// Statements that have run.
    pub statements: i64,
    /// Where in its text the next one begins, in bytes.
    pub position: i64,
    pub checksum: String,
    /// Whether the history holds the text that undoes it.
    pub has_down: bool,
    pub started_at: String,
    pub duration_us: i64,
    pub who: String,
    pub host: String,
    pub program: String,
    pub engine: String,
}

impl State {
    /// The newest version that is applied.
    pub fn newest(&self) -> Option<i64> {
        self.applied.keys().next_back().copied()
    }

    /// Reads the history; a database without one has none applied.
    pub fn read(connection: &mut dyn Connection) -> Result<State> {
        if ask::integer(connection, EXISTS, &[])?.is_none() {
            return Ok(State::default());
        }
        let answer = ask::rows(connection, READ, &[]).map_err(|error| error.context(format!("reading the history in {TABLE}")))?;
        let mut state = State { begun: answer.rows() > 0, ..State::default() };
        for row in 0..answer.rows() {
            state.hear(&answer, row)?;
        }
        Ok(state)
    }

    /// Takes a step in that has just been done.
    pub fn take(&mut self, step: Step, migration: &Migration) {
        self.begun = true;
        if step.direction == Direction::Down {
            self.applied.remove(&step.version);
            return;
        }
        let (description, checksum) = (migration.description.clone(), migration.up.checksum());
        let applied = Applied { version: step.version, description, direction: step.direction, checksum, ..Applied::default() };
        self.applied.insert(step.version, applied);
    }

    fn hear(&mut self, answer: &Answer, row: usize) -> Result<()> {
        let number = |column| answer.get(row, column).as_i64().unwrap_or_default();
        let text = |column| ask::text(answer, row, column);
        let direction = match text(3).as_str() {
            "up" => Direction::Up,
            "down" => Direction::Down,
            "baseline" => Direction::Baseline,
            "adopt" => Direction::Adopt,
            other => return Err(Error::new(Kind::Migration, format!("{TABLE}: row {} has the unknown direction {other:?}", number(0)))),
        };
        let entry = Applied {
            id: number(0),
            version: number(1),
            description: text(2),
            direction,
            statements: number(5),
            position: number(15),
            checksum: text(6),
            has_down: number(7) != 0,
            started_at: text(8),
            duration_us: number(9),
            who: text(10),
            host: text(11),
            program: text(12),
            engine: text(13),
        };
        self.settle(entry, &text(4));
        let hash = text(14);
        if !hash.is_empty() {
            self.schema_hash = Some(hash);
        }
        Ok(())
    }

    /// Takes a row in, the newest so far.
    fn settle(&mut self, entry: Applied, outcome: &str) {
        match outcome {
            "running" => self.running = Some(entry),
            "done" if entry.direction == Direction::Down => {
                self.applied.remove(&entry.version);
            }
            "done" => {
                self.applied.insert(entry.version, entry);
            }
            _ => {}
        }
    }
}

/// What is written about one migration.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub migration: &'a Migration,
    pub direction: Direction,
    pub statements: u64,
    pub duration: Duration,
    pub schema_hash: Option<&'a str>,
}

/// Makes the table where there is none.
pub fn create(connection: &mut dyn Connection) -> Result<()> {
    ask::run(connection, CREATE, &[]).map_err(|error| error.context(format!("creating {TABLE}")))
}

/// Who writes the history.
pub struct Author {
    who: String,
    program: String,
    host: String,
    engine: String,
}

impl Author {
    /// This process, under the names that the policy gives.
    pub fn new(policy: &Policy) -> Author {
        Author {
            who: policy.who.clone(),
            program: policy.program.clone(),
            host: hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            engine: format!("SQLite {}, keepwell {}", crate::driver::sqlite::version(), env!("CARGO_PKG_VERSION")),
        }
    }
}

/// Adds a row that says `outcome`.
pub fn add(connection: &mut dyn Connection, entry: &Entry<'_>, outcome: &str, author: &Author) -> Result<()> {
    let Entry { migration, direction, .. } = entry;
    let script = &migration.up;
    let (checksum, raw) = (script.checksum(), script.raw_checksum());
    let down = migration.down.as_ref();
    let marks = down.map_or(String::new(), Script::marks);
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(entry.duration);
    let text = |text: &'static str| ValueRef::Text(text.as_bytes());
    let values = [
        ValueRef::Integer(migration.version),
        ValueRef::Text(migration.description.as_bytes()),
        text(word(*direction)),
        ValueRef::Text(outcome.as_bytes()),
        ValueRef::Integer(entry.statements as i64),
        ValueRef::Text(checksum.as_bytes()),
        ValueRef::Text(raw.as_bytes()),
        down.map_or(ValueRef::Null, |down| ValueRef::Text(down.sql.as_bytes())),
        ValueRef::Text(marks.as_bytes()),
        ValueRef::Text(author.who.as_bytes()),
        ValueRef::Text(author.host.as_bytes()),
        ValueRef::Text(author.program.as_bytes()),
        ValueRef::Text(author.engine.as_bytes()),
        ValueRef::Real(began.as_secs_f64()),
        ValueRef::Integer(entry.duration.as_micros() as i64),
        entry.schema_hash.map_or(ValueRef::Null, |hash| ValueRef::Text(hash.as_bytes())),
    ];
    ask::run(connection, INSERT, &values).map_err(|error| error.context(format!("writing to {TABLE}")))
}

/// The id of the newest row.
pub fn newest(connection: &mut dyn Connection) -> Result<i64> {
    ask::integer(connection, "SELECT max(id) FROM keepwell_migrations", &[]).map(Option::unwrap_or_default)
}

/// Says that `statements` of a running migration are done, up to `position` in its text.
pub fn count(connection: &mut dyn Connection, id: i64, statements: u64, position: usize) -> Result<()> {
    ask::run(connection, COUNT, &[statements as i64, position as i64, id].map(ValueRef::Integer))
}

/// Ends the row of a running migration.
pub fn settle(connection: &mut dyn Connection, id: i64, entry: &Entry<'_>, outcome: &'static str) -> Result<()> {
    let values = [
        ValueRef::Text(outcome.as_bytes()),
        ValueRef::Integer(entry.statements as i64),
        ValueRef::Integer(entry.duration.as_micros() as i64),
        entry.schema_hash.map_or(ValueRef::Null, |hash| ValueRef::Text(hash.as_bytes())),
        ValueRef::Integer(id),
    ];
    ask::run(connection, SETTLE, &values)
}

/// The text that undoes a migration, as it was when that was applied.
pub fn down_of(connection: &mut dyn Connection, applied: &Applied) -> Result<Option<Script>> {
    let answer = ask::rows(connection, DOWN, &[ValueRef::Integer(applied.id)])?;
    if answer.rows() == 0 || answer.get(0, 0).is_null() {
        return Ok(None);
    }
    Ok(Some(Script::stored(ask::text(&answer, 0, 0), &ask::text(&answer, 0, 1))))
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
        Direction::Baseline => "baseline",
        Direction::Adopt => "adopt",
    }
}

impl Script {
    /// The identity of the text, see [`text::checksum`].
    pub fn checksum(&self) -> String {
        if self.checksum.is_empty() {
            return text::checksum(&self.sql);
        }
        self.checksum.clone()
    }

    /// SHA-256 of the whole file, or of the text where there is no file.
    pub fn raw_checksum(&self) -> String {
        text::raw_checksum(if self.raw.is_empty() { self.sql.as_bytes() } else { &self.raw })
    }

    /// How it has to be run, as the history keeps it.
    fn marks(&self) -> String {
        let marks = [(self.outside_transaction, "no transaction"), (self.enforces_foreign_keys, "foreign keys on")];
        marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect::<Vec<_>>().join(", ")
    }

    /// A text out of the history.
    fn stored(sql: String, marks: &str) -> Script {
        Script {
            sql,
            file: "its text in the history".to_string(),
            line: 1,
            outside_transaction: marks.contains("no transaction"),
            enforces_foreign_keys: marks.contains("foreign keys on"),
            ..Script::default()
        }
    }
}
