//! What a query gave, by whatever road it was asked; two of them can be compared.

use keepwell::{Kind, Params, QueryOptions, Store, Value, ValueRef};
use rusqlite::types::Value as Raw;

/// A query with its parameters.
#[derive(Debug, Clone)]
pub struct Query {
    pub sql: String,
    pub values: Vec<Value>,
    pub names: Option<Vec<String>>,
    /// The order of the rows is defined.
    pub ordered: bool,
    /// Its result depends on more than the database: it must never come from the cache, and is not compared.
    pub impure: bool,
}

#[derive(Debug, Clone)]
pub enum Answer {
    /// Of the raw connection the declared types are not known.
    Rows { columns: Vec<String>, types: Option<Vec<Option<String>>>, rows: Vec<Vec<Value>>, hit: bool },
    /// A lock was in the way: nothing can be said.
    Busy,
    /// The message is for the report.
    Failed(#[allow(dead_code)] String),
}

impl Query {
    pub fn plain(sql: impl Into<String>) -> Query {
        Query { sql: sql.into(), values: Vec::new(), names: None, ordered: false, impure: false }
    }

    pub fn with(sql: impl Into<String>, values: Vec<Value>) -> Query {
        Query { values, ..Query::plain(sql) }
    }

    /// Asks a store or a scope: `run` is its `query`.
    pub fn ask(&self, run: impl FnOnce(&str, Params<'_>) -> keepwell::Result<keepwell::Rows>) -> Answer {
        let values: Vec<ValueRef<'_>> = self.values.iter().map(Value::as_ref).collect();
        let names: Option<Vec<&str>> = self.names.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let params = match &names {
            Some(names) => Params::named(names, &values),
            None => Params::positional(&values),
        };
        let result = run(&self.sql, params).and_then(|rows| {
            let (columns, hit) = (rows.columns().clone(), rows.is_from_cache());
            let (names, types) = (columns.names.clone(), Some(columns.decltypes.clone()));
            rows.collect().map(|rows| Answer::Rows { columns: names, types, rows, hit })
        });
        result.unwrap_or_else(|error| match error.kind() {
            Kind::Busy | Kind::Timeout | Kind::Exhausted => Answer::Busy,
            _ => Answer::Failed(error.to_string()),
        })
    }

    pub fn ask_store(&self, store: &Store, options: &QueryOptions<'_>) -> Answer {
        self.ask(|sql, params| store.query(sql, params, options))
    }

    /// Asks SQLite itself.
    pub fn ask_raw(&self, connection: &rusqlite::Connection) -> Answer {
        match self.try_raw(connection) {
            Ok(answer) => answer,
            Err(rusqlite::Error::SqliteFailure(error, _)) if is_lock(error) => Answer::Busy,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    fn try_raw(&self, connection: &rusqlite::Connection) -> rusqlite::Result<Answer> {
        let mut statement = connection.prepare(&self.sql)?;
        for (index, value) in self.values.iter().enumerate() {
            let at = match &self.names {
                Some(names) => statement.parameter_index(&format!(":{}", names[index]))?.unwrap_or(0),
                None => index + 1,
            };
            statement.raw_bind_parameter(at, to_raw(value))?;
        }
        let mut found = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            // As many as the row has: the statement may have been prepared anew for it.
            let width = row.as_ref().column_count();
            found.push((0..width).map(|column| row.get_ref(column).map(from_raw)).collect::<rusqlite::Result<Vec<_>>>()?);
        }
        drop(rows);
        // After the first step: until then a statement shows the columns of an older schema.
        let columns = statement.column_names().map(str::to_string).collect();
        Ok(Answer::Rows { columns, types: None, rows: found, hit: false })
    }
}

impl Answer {
    pub fn is_hit(&self) -> bool {
        matches!(self, Answer::Rows { hit: true, .. })
    }

    pub fn into_rows(self) -> Vec<Vec<Value>> {
        match self {
            Answer::Rows { rows, .. } => rows,
            _ => Vec::new(),
        }
    }

    /// `None` where nothing can be said.
    pub fn agrees(&self, other: &Answer, ordered: bool) -> Option<bool> {
        match (self, other) {
            (Answer::Busy, _) | (_, Answer::Busy) => None,
            (Answer::Failed(_), Answer::Failed(_)) => Some(true),
            (Answer::Rows { columns, types, rows, .. }, Answer::Rows { columns: others, types: kinds, rows: theirs, .. }) => {
                let same = rows == theirs || (!ordered && sorted(rows) == sorted(theirs));
                let typed_alike = types.is_none() || kinds.is_none() || types == kinds;
                Some(columns == others && typed_alike && same)
            }
            _ => Some(false),
        }
    }
}

fn sorted(rows: &[Vec<Value>]) -> Vec<String> {
    let mut lines: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    lines.sort();
    lines
}

fn is_lock(error: rusqlite::ffi::Error) -> bool {
    matches!(error.code, rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
}

fn to_raw(value: &Value) -> Raw {
    match value {
        Value::Null => Raw::Null,
        Value::Integer(i) => Raw::Integer(*i),
        Value::Real(f) => Raw::Real(*f),
        Value::Text(bytes) => Raw::Text(String::from_utf8_lossy(bytes).into_owned()),
        Value::Blob(bytes) => Raw::Blob(bytes.clone()),
    }
}

fn from_raw(value: rusqlite::types::ValueRef<'_>) -> Value {
    match value {
        rusqlite::types::ValueRef::Null => Value::Null,
        rusqlite::types::ValueRef::Integer(i) => Value::Integer(i),
        rusqlite::types::ValueRef::Real(f) => Value::Real(f),
        rusqlite::types::ValueRef::Text(text) => Value::Text(text.to_vec()),
        rusqlite::types::ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    }
}
