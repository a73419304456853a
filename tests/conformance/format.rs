//! The format of the conformance files (README.md beside this file): reading texts and values, comparing results and errors.

use serde_json::Value as Json;

/// A value of a case: equal only when type and content are equal, doubles by their bits.
#[derive(Clone)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl PartialEq for Cell {
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) => true,
            (Cell::Integer(a), Cell::Integer(b)) => a == b,
            (Cell::Real(a), Cell::Real(b)) => a.to_bits() == b.to_bits(),
            (Cell::Text(a), Cell::Text(b)) | (Cell::Blob(a), Cell::Blob(b)) => a == b,
            _ => false,
        }
    }
}

/// Short enough for a failure line: long texts are cut.
impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |bytes: &[u8]| bytes[..bytes.len().min(60)].to_vec();
        match self {
            Cell::Null => write!(f, "null"),
            Cell::Integer(v) => write!(f, "i:{v}"),
            Cell::Real(v) => write!(f, "r:{v:?}"),
            Cell::Text(v) => write!(f, "t:{:?}({})", String::from_utf8_lossy(&cut(v)), v.len()),
            Cell::Blob(v) => write!(f, "b:{:02x?}({})", cut(v), v.len()),
        }
    }
}

/// Rows of cells.
pub type Rows = Vec<Vec<Cell>>;

/// What a runner knows about an error, in the words of the format.
pub struct Failure {
    pub kind: String,
    pub engine: Option<(i32, i32)>,
    pub offset: Option<u32>,
    pub retryable: bool,
    pub message: String,
}

/// Expands a *text*.
pub fn text(json: &Json) -> Vec<u8> {
    match json {
        Json::String(plain) => plain.clone().into_bytes(),
        Json::Object(form) => match form.iter().next().map(|(k, v)| (k.as_str(), v)) {
            Some(("repeat", spec)) => text(&spec[0]).repeat(integer(&spec[1]) as usize),
            Some(("join", parts)) => array(parts).iter().flat_map(text).collect(),
            Some(("hex", digits)) => hex(string(digits).as_bytes()),
            Some(("each", spec)) => {
                let (template, glue) = (string(&spec[0]), string(&spec[3]));
                let numbers = integer(&spec[1])..=integer(&spec[2]);
                let parts: Vec<String> = numbers.map(|n| template.replace('#', &n.to_string())).collect();
                parts.join(glue).into_bytes()
            }
            _ => panic!("not a text: {json}"),
        },
        _ => panic!("not a text: {json}"),
    }
}

/// Reads a value.
pub fn cell(json: &Json) -> Cell {
    let Some(form) = json.as_object() else {
        assert!(json.is_null(), "not a value: {json}");
        return Cell::Null;
    };
    assert_eq!(form.len(), 1, "not a value: {json}");
    let (tag, content) = form.iter().next().expect("one key");
    match tag.as_str() {
        "i" => Cell::Integer(string(content).parse().expect("an integer")),
        "r" => Cell::Real(string(content).parse().expect("a double")),
        "t" => Cell::Text(text(content)),
        "b" => Cell::Blob(hex(&text(content))),
        "x" => Cell::Text(hex(string(content).as_bytes())),
        _ => panic!("not a value: {json}"),
    }
}

/// Reads an array of values.
pub fn cells(json: &Json) -> Vec<Cell> {
    array(json).iter().map(cell).collect()
}

/// Reads an array of arrays of values.
pub fn rows(json: &Json) -> Rows {
    array(json).iter().map(cells).collect()
}

/// Replaces `{dir}`.
pub fn placed(bytes: Vec<u8>, dir: &str) -> Vec<u8> {
    match String::from_utf8(bytes) {
        Ok(plain) => plain.replace("{dir}", dir).into_bytes(),
        Err(other) => other.into_bytes(),
    }
}

pub fn array(json: &Json) -> &[Json] {
    json.as_array().unwrap_or_else(|| panic!("not an array: {json}"))
}

pub fn string(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("not a string: {json}"))
}

pub fn integer(json: &Json) -> i64 {
    json.as_i64().unwrap_or_else(|| panic!("not an integer: {json}"))
}

fn hex(digits: &[u8]) -> Vec<u8> {
    let digit = |d: u8| (d as char).to_digit(16).expect("a hexadecimal digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn differ(what: &str, expected: impl std::fmt::Debug, got: impl std::fmt::Debug) -> Result<(), String> {
    Err(format!("{what}: expected {expected:?}, got {got:?}"))
}

/// Compares where a result came from with what the step expects.
pub fn check_origin(step: &Json, from_cache: bool) -> Result<(), String> {
    match step.get("from_cache") {
        Some(expected) if expected.as_bool() != Some(from_cache) => differ("from_cache", expected, from_cache),
        _ => Ok(()),
    }
}

/// Compares a result with what the step expects of rows.
pub fn check_rows(step: &Json, columns: Option<&[String]>, got: &[Vec<Cell>]) -> Result<(), String> {
    if let (Some(names), Some(columns)) = (step.get("columns"), columns) {
        let names: Vec<&str> = array(names).iter().map(string).collect();
        if names != columns {
            return differ("columns", names, columns);
        }
    }
    if let Some(expected) = step.get("rows") {
        same_rows(&rows(expected), got)?;
    }
    if let Some(expected) = step.get("rows_unordered") {
        let sorted = |mut rows: Rows| {
            rows.sort_by_key(|row| format!("{row:?}"));
            rows
        };
        same_rows(&sorted(rows(expected)), &sorted(got.to_vec()))?;
    }
    if let Some(count) = step.get("row_count") {
        if integer(count) as usize != got.len() {
            return differ("row_count", integer(count), got.len());
        }
    }
    for (key, row) in [("first", got.first()), ("last", got.last())] {
        if let Some(expected) = step.get(key) {
            let expected = cells(expected);
            if row != Some(&expected) {
                return differ(key, expected, row);
            }
        }
    }
    check_sums(step, got)
}

fn same_rows(expected: &[Vec<Cell>], got: &[Vec<Cell>]) -> Result<(), String> {
    if expected.len() != got.len() {
        return differ("rows", format!("{} rows {expected:?}", expected.len()), format!("{} rows {got:?}", got.len()));
    }
    match expected.iter().zip(got).position(|(a, b)| a != b) {
        Some(index) => differ(&format!("row {index}"), &expected[index], &got[index]),
        None => Ok(()),
    }
}

fn check_sums(step: &Json, got: &[Vec<Cell>]) -> Result<(), String> {
    let Some(sums) = step.get("sums") else { return Ok(()) };
    for (column, expected) in array(sums).iter().enumerate().filter(|(_, e)| !e.is_null()) {
        let integers = got.iter().map(|row| match row[column] {
            Cell::Integer(v) => i128::from(v),
            _ => 0,
        });
        let sum = integers.sum::<i128>().to_string();
        if sum != string(expected) {
            return differ(&format!("sum of column {column}"), string(expected), sum);
        }
    }
    Ok(())
}

/// Compares what a write reported with what the step expects.
pub fn check_result(step: &Json, last_insert_id: i64, rows_affected: i64) -> Result<(), String> {
    if let Some(expected) = step.get("last_insert_id") {
        if string(expected) != last_insert_id.to_string() {
            return differ("last_insert_id", string(expected), last_insert_id);
        }
    }
    if let Some(expected) = step.get("rows_affected") {
        if integer(expected) != rows_affected {
            return differ("rows_affected", integer(expected), rows_affected);
        }
    }
    Ok(())
}

/// Compares an error with the `error` of a step.
pub fn check_failure(expected: &Json, got: &Failure) -> Result<(), String> {
    let full = format!("{} {:?} at {:?}: {}", got.kind, got.engine, got.offset, got.message);
    let kinds: Vec<&str> = match &expected["kind"] {
        Json::Null => vec![],
        Json::Array(kinds) => kinds.iter().map(string).collect(),
        kind => vec![string(kind)],
    };
    if !kinds.is_empty() && !kinds.contains(&got.kind.as_str()) {
        return differ("error.kind", kinds, full);
    }
    let numbers = [
        ("engine_code", i64::from(got.engine.map_or(0, |e| e.0))),
        ("engine_extended_code", i64::from(got.engine.map_or(0, |e| e.1))),
        ("sql_offset", got.offset.map_or(-1, i64::from)),
    ];
    for (key, number) in numbers {
        if expected.get(key).is_some_and(|e| integer(e) != number) {
            return differ(&format!("error.{key}"), &expected[key], full);
        }
    }
    if expected.get("retryable").is_some_and(|e| e.as_bool() != Some(got.retryable)) {
        return differ("error.retryable", &expected["retryable"], full);
    }
    let message = got.message.to_ascii_lowercase();
    for part in expected.get("message_has").map_or(&[][..], array) {
        if !message.contains(&string(part).to_ascii_lowercase()) {
            return differ("error.message_has", string(part), full);
        }
    }
    Ok(())
}

const CASE: &[&str] = &["name", "database", "config", "needs", "steps"];
const RUN: &[&str] = &["on", "sql", "statement", "params", "named", "options"];
const FROM: &[&str] = &["columns", "from_cache"];
const ROWS: &[&str] = &["rows", "rows_unordered", "row_count", "first", "last", "sums"];
const RESULT: &[&str] = &["last_insert_id", "rows_affected"];
const ERROR: &[&str] = &["kind", "engine_code", "engine_extended_code", "sql_offset", "retryable", "message_has"];

/// The keys that each `do` may have, beside `do`, `times` and `error`.
const STEPS: &[(&str, &[&[&str]])] = &[
    ("query", &[RUN, FROM, ROWS]),
    ("stream", &[RUN, FROM, ROWS]),
    ("execute", &[RUN, RESULT]),
    ("execute_many", &[&["on", "sql", "many", "many_times", "options"], RESULT]),
    ("script", &[&["on", "sql", "options"]]),
    ("begin", &[&["on", "as", "mode", "options"]]),
    ("commit", &[&["on"]]),
    ("rollback", &[&["on"]]),
    ("pin", &[&["on", "as", "options"]]),
    ("unpin", &[&["on"]]),
    ("open_rows", &[RUN, FROM, &["as"]]),
    ("read", &[&["on", "count"], ROWS]),
    ("close_rows", &[&["on"]]),
    ("prepare", &[&["on", "as", "sql", "options"]]),
    ("finalize", &[&["on"]]),
    ("derive", &[&["on", "as", "options"]]),
    ("open", &[&["as", "config"]]),
    ("close", &[&["on"]]),
    ("reopen", &[&["on", "config"]]),
    ("write_file", &[&["path", "text"]]),
    ("make_dir", &[&["path"]]),
];

/// Refuses keys and verbs that the format does not have, so that no expectation is passed over because it is misspelt.
pub fn check_form(case: &Json) -> Result<(), String> {
    let strange = |object: &Json, known: &dyn Fn(&str) -> bool| {
        let keys = object.as_object().into_iter().flat_map(|o| o.keys());
        let strange: Vec<&String> = keys.filter(|key| !known(key)).collect();
        if strange.is_empty() {
            Ok(())
        } else {
            Err(format!("unknown keys {strange:?} in {object}"))
        }
    };
    strange(case, &|key| CASE.contains(&key))?;
    for step in array(&case["steps"]) {
        let verb = string(&step["do"]);
        let groups = STEPS.iter().find(|(name, _)| *name == verb).ok_or_else(|| format!("unknown do: {verb}"))?.1;
        let common = ["do", "times", "error"];
        strange(step, &|key| common.contains(&key) || groups.iter().any(|group| group.contains(&key)))?;
        strange(step.get("error").unwrap_or(&Json::Null), &|key| ERROR.contains(&key))?;
    }
    Ok(())
}
