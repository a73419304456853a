//! A [sqllogictest](https://sqlite.org/sqllogictest) file as data: its records in order, with their line numbers.

/// How the values of a result are sorted before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    None,
    Rows,
    Values,
}

/// One record of a file.
#[derive(Debug)]
pub struct Record {
    pub line: usize,
    pub sql: String,
    pub what: What,
}

/// What a record expects.
#[derive(Debug)]
pub enum What {
    Ok,
    Error,
    Query { types: Vec<char>, sort: Sort, label: Option<String>, expected: Vec<String> },
}

/// Reads the records that are meant for `engine`, up to `halt`.
///
/// # Errors
/// Names the line that is none of the format.
pub fn parse(text: &str, engine: &str) -> Result<Vec<Record>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut records = Vec::new();
    let mut wanted = true;
    let mut at = 0;
    while at < lines.len() {
        let line = at + 1;
        let words: Vec<&str> = lines[at].split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        at += 1;
        match words.as_slice() {
            [] | ["hash-threshold", _] => {}
            ["skipif", name, ..] => wanted &= !name.eq_ignore_ascii_case(engine),
            ["onlyif", name, ..] => wanted &= name.eq_ignore_ascii_case(engine),
            ["halt", ..] if wanted => return Ok(records),
            ["halt", ..] => wanted = true,
            ["statement" | "query", rest @ ..] => {
                let end = at + lines[at..].iter().take_while(|l| !l.is_empty()).count();
                let record = record(line, words[0], rest, &lines[at..end])?;
                if wanted {
                    records.push(record);
                }
                wanted = true;
                at = end;
            }
            _ => return Err(format!("line {line}: unknown record: {}", lines[line - 1])),
        }
    }
    Ok(records)
}

fn record(line: usize, verb: &str, rest: &[&str], body: &[&str]) -> Result<Record, String> {
    let split = body.iter().position(|l| *l == "----");
    let sql = body[..split.unwrap_or(body.len())].join("\n");
    let expected = split.map_or(Vec::new(), |at| body[at + 1..].iter().map(ToString::to_string).collect());
    let what = match (verb, rest) {
        ("statement", ["ok", ..]) => What::Ok,
        (_, ["error", ..]) => What::Error,
        ("query", [types, more @ ..]) => {
            let (sort, label) = match more {
                [] => (Sort::None, None),
                ["nosort", label @ ..] => (Sort::None, label.first()),
                ["rowsort", label @ ..] => (Sort::Rows, label.first()),
                ["valuesort", label @ ..] => (Sort::Values, label.first()),
                label => (Sort::None, label.first()),
            };
            What::Query { types: types.chars().collect(), sort, label: label.map(ToString::to_string), expected }
        }
        _ => return Err(format!("line {line}: unknown {verb} {rest:?}")),
    };
    Ok(Record { line, sql, what })
}
