//! The sections of a file that holds both directions, divided by lines that mark where each begins.

use super::folder::Entry;
use super::piece::{refuse, refuse_line, Direction, Piece};
use crate::error::Result;
use crate::migrate::text::Marks;

/// What a line of such a file says to the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing: it is SQL or a comment.
    Sql,
    /// A section begins behind it.
    Begins { direction: Direction, outside_transaction: bool },
    /// No section can run inside a transaction.
    Outside,
    /// A marker without a meaning here.
    Marker,
}

/// A tool's way of marking.
pub(super) struct Marking {
    /// The line that begins the up, for messages.
    pub(super) up: &'static str,
    /// The line that begins the down, for messages.
    pub(super) down: &'static str,
    /// What a line says, or why it says nothing that the tool knows.
    pub(super) read: fn(&str) -> Result<Line, String>,
}

/// Where a section begins. Its text is from `start`, behind its marker line, to the `marker` of the next section.
struct Section {
    direction: Direction,
    outside_transaction: bool,
    marker: usize,
    start: usize,
    line: usize,
}

/// The sections of a file, and whether all of them are outside a transaction.
#[derive(Default)]
struct Sections {
    found: Vec<Section>,
    outside: bool,
}

/// The directions that a file holds.
///
/// # Errors
/// [`crate::error::Kind::Migration`] with file and line, for a missing or second up or down, SQL before the up, and unknown markers.
pub(super) fn divide(entry: &Entry, version: i64, description: &str, marking: &Marking) -> Result<Vec<Piece>> {
    let text = entry.text()?;
    let sections = find(&entry.name, &text, marking)?;
    let Some(first) = sections.found.first() else {
        return Err(refuse(&entry.name, format!("there is no line `{}`; put it before the first statement", marking.up)));
    };
    let header = Marks::of(&text[..first.marker]);
    let ends = sections.found.iter().skip(1).map(|next| next.marker).chain([text.len()]);
    let pieces = sections.found.iter().zip(ends).map(|(section, end)| {
        let sql = text[section.start..end].to_string();
        let marks = Marks::of(&sql).or(header).or(Marks::outside(sections.outside || section.outside_transaction));
        let script = entry.part(sql, section.line, marks)?;
        Ok(Piece { version, description: description.to_string(), direction: section.direction, script })
    });
    pieces.collect()
}

fn find(file: &str, text: &str, marking: &Marking) -> Result<Sections> {
    let mut sections = Sections::default();
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let (marker, number) = (offset, index + 1);
        offset += line.len();
        match (marking.read)(line).map_err(|what| refuse_line(file, number, what))? {
            Line::Begins { direction, outside_transaction } => {
                refuse_order(file, number, &sections.found, direction, marking)?;
                sections.found.push(Section { direction, outside_transaction, marker, start: offset, line: number + 1 });
            }
            Line::Outside => sections.outside = true,
            Line::Marker => {}
            Line::Sql if sections.found.is_empty() && !is_comment(line) => {
                return Err(refuse_line(file, number, format!("this is before `{}` and would not run; move it below", marking.up)));
            }
            Line::Sql => {}
        }
    }
    Ok(sections)
}

/// A file is one up, then at most one down.
fn refuse_order(file: &str, line: usize, found: &[Section], direction: Direction, marking: &Marking) -> Result<()> {
    let what = match (direction, found) {
        (Direction::Up, []) => return Ok(()),
        (Direction::Down, [up]) if up.direction == Direction::Up => return Ok(()),
        (Direction::Down, []) => format!("`{}` comes before `{}`; put the up first", marking.down, marking.up),
        (Direction::Up, _) => format!("a second `{}`; make it a migration of its own", marking.up),
        (Direction::Down, _) => format!("a second `{}`; bring the two together", marking.down),
    };
    Err(refuse_line(file, line, what))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with("--")
}

/// Whether a line of `text` begins a direction.
pub(super) fn begins(text: &str, marking: &Marking, wanted: Direction) -> Option<usize> {
    let is_wanted = |line: &str| matches!((marking.read)(line), Ok(Line::Begins { direction, .. }) if direction == wanted);
    text.lines().position(is_wanted).map(|index| index + 1)
}

/// How tools mark the beginning of a down, in small letters with single blanks.
const DOWNS: [&str; 9] = [
    "+goose down",
    "migrate:down",
    "migrate: down",
    "+migrate down",
    "down migration",
    "rambler down",
    "@undo",
    "//@undo",
    "create above / drop below",
];

/// Refuses a text that a layout of one direction in each file would run as a whole, although it marks a down with statements below.
///
/// # Errors
/// [`crate::error::Kind::Migration`] with file and line.
pub(super) fn refuse_two_directions(file: &str, text: &str) -> Result<()> {
    let mut lines = text.lines().enumerate();
    let Some((index, line)) = lines.find(|(_, line)| marks_down(line)) else { return Ok(()) };
    if lines.all(|(_, line)| is_comment(line)) {
        return Ok(());
    }
    let cure = "give the format of the tool that reads such files (goose, dbmate), or move what is below to a file of its own";
    Err(refuse_line(file, index + 1, format!("`{}` begins a down, which would run together with the up; {cure}", line.trim())))
}

fn marks_down(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("--") else { return false };
    let said = comment.trim_matches(['-', ' ', '\t']).split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
    DOWNS.iter().any(|down| said.strip_prefix(down).is_some_and(ends))
}
