//! The layout of goose: `N_name.sql` with `-- +goose Up` and `-- +goose Down`.

use super::folder::{Entry, Folder};
use super::piece::{refuse, Direction};
use super::sections::{self, Line, Marking};
use super::{name, Reading};
use crate::error::Result;

pub(super) const MARKING: Marking = Marking { up: "-- +goose Up", down: "-- +goose Down", read: line };

pub(super) fn read(_folder: &Folder, entry: &Entry) -> Result<Reading> {
    if entry.base().ends_with("_test.go") {
        return Ok(Reading::Foreign);
    }
    let Some((digits, words, ending)) = parse(entry.base()) else { return Ok(Reading::Other) };
    if ending == "go" {
        let cure = format!("write it as SQL in a file {digits}_{words}.sql, or {}", name::IGNORE);
        return Err(refuse(&entry.name, format!("a migration written in Go cannot be run here; {cure}")));
    }
    let version = name::version(&entry.name, digits)?;
    if version == 0 {
        return Err(refuse(&entry.name, format!("goose keeps version 0 for itself; give it a number from 1, or {}", name::IGNORE)));
    }
    sections::divide(entry, version, &name::description(words), &MARKING).map(Reading::Pieces)
}

/// The digits, the words and the ending of a name, where it is one of goose's.
pub(super) fn parse(file: &str) -> Option<(&str, &str, &str)> {
    let (digits, rest) = name::digits(file);
    let (words, ending) = rest.strip_prefix('_').filter(|_| !digits.is_empty())?.rsplit_once('.')?;
    ["sql", "go"].contains(&ending).then_some((digits, words, ending))
}

/// What a line says. Annotations are in any case of letters, from the line's start; `-- -- +goose Down` is one too. `StatementBegin` and `StatementEnd` help goose to find
/// where a statement ends; SQLite knows that itself.
fn line(line: &str) -> Result<Line, String> {
    if !line.trim_start().starts_with("--") {
        return Ok(Line::Sql);
    }
    let comment = line.trim().trim_start_matches(['-', ' ', '\t']);
    let Some(said) = comment.get(..6).filter(|word| word.eq_ignore_ascii_case("+goose")).map(|_| &comment[6..]) else {
        return Ok(Line::Sql);
    };
    let words: Vec<String> = said.trim_end_matches(['-', ' ']).split_whitespace().map(str::to_ascii_lowercase).collect();
    let words = words.join(" ");
    if line.starts_with([' ', '\t']) && !words.starts_with("statement") {
        return Err(format!("`{}` does not begin at the line's start, where goose looks for it; move it there", line.trim()));
    }
    match words.as_str() {
        "up" => Ok(Line::Begins { direction: Direction::Up, outside_transaction: false }),
        "down" => Ok(Line::Begins { direction: Direction::Down, outside_transaction: false }),
        "no transaction" => Ok(Line::Outside),
        "statementbegin" | "statementend" | "envsub off" | "envsubst off" => Ok(Line::Marker),
        "envsub on" | "envsubst on" => {
            Err("goose's ENVSUB ON puts environment variables into SQL, which is not done here; write the values and delete the line"
                .into())
        }
        _ => Err(format!(
            "`{}` is no annotation of goose; there are Up, Down, StatementBegin, StatementEnd, NO TRANSACTION: correct or delete it",
            line.trim()
        )),
    }
}
