//! The layouts of refinery and Flyway: `V1__name.sql`. `U1__name.sql` is an up in refinery and the undo of V1 in Flyway.

use super::folder::{Entry, Folder};
use super::piece::{refuse, Direction, Piece};
use super::{name, Reading};
use crate::error::{Error, Result};
use crate::migrate::Script;

/// The parts of such a name. The version may be empty or dotted.
pub(super) struct Name<'a> {
    pub(super) letter: char,
    version: &'a str,
    words: &'a str,
    pub(super) ending: &'a str,
}

pub(super) fn refinery(_folder: &Folder, entry: &Entry) -> Result<Reading> {
    let Some(parts) = parse(entry.base()).filter(|parts| "VU".contains(parts.letter)) else { return Ok(Reading::Other) };
    refuse_dotted(entry, &parts)?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if name::is_program(parts.ending) {
        return Err(program(entry, &parts));
    }
    if parts.ending != "sql" || parts.words.is_empty() || !parts.words.chars().all(is_word) || parts.version.is_empty() {
        return Ok(Reading::Other);
    }
    piece(entry, &parts, Direction::Up, entry.script(is_marked)?)
}

pub(super) fn flyway(folder: &Folder, entry: &Entry) -> Result<Reading> {
    refuse_callback(entry)?;
    let Some(parts) = parse(entry.base()) else { return Ok(Reading::Other) };
    refuse_other_kinds(entry, &parts)?;
    refuse_dotted(entry, &parts)?;
    if parts.version.is_empty() {
        return Ok(Reading::Other);
    }
    match parts.ending {
        "sql" => {}
        "sql.conf" if folder.find(entry.name.trim_end_matches(".conf")).is_some() => return Ok(Reading::Attached),
        ending if name::is_program(ending) => return Err(program(entry, &parts)),
        _ => return Ok(Reading::Other),
    }
    let outside = match folder.find(&format!("{}.conf", entry.name)) {
        Some(settings) => is_outside(settings)?,
        None => false,
    };
    let direction = if parts.letter == 'U' { Direction::Down } else { Direction::Up };
    piece(entry, &parts, direction, entry.script(|_| outside)?)
}

fn piece(entry: &Entry, parts: &Name, direction: Direction, script: Script) -> Result<Reading> {
    let version = name::version(&entry.name, parts.version)?;
    Ok(Reading::Pieces(vec![Piece { version, description: name::description(parts.words), direction, script }]))
}

/// The parts of a name, where it is one of these, exactly or with a version that only Flyway can read.
pub(super) fn parse(file: &str) -> Option<Name<'_>> {
    let letter = file.chars().next().filter(|letter| "VURB".contains(*letter))?;
    let (version, rest) = file[1..].split_once("__")?;
    let numbers = version.is_empty() || version.split(['.', '_']).all(|part| !part.is_empty() && name::digits(part).1.is_empty());
    let (words, mut ending) = rest.rsplit_once('.')?;
    let words = match words.strip_suffix(".sql") {
        Some(words) if ending == "conf" => {
            ending = "sql.conf";
            words
        }
        _ => words,
    };
    numbers.then_some(Name { letter, version, words, ending })
}

/// refinery's marker, a line of its own anywhere in the text.
pub(super) fn is_marked(text: &str) -> bool {
    text.lines().any(|line| {
        let comment = line.strip_prefix("--").map(|rest| rest.trim_start_matches('-'));
        comment.is_some_and(|said| said == "refinery:noTransaction" || said.strip_prefix([' ', '\t']) == Some("refinery:noTransaction"))
    })
}

/// Whether a file of settings beside a script of Flyway asks for no transaction.
fn is_outside(settings: &Entry) -> Result<bool> {
    let text = settings.text()?;
    let mut outside = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!'])) {
        let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        match (key.trim(), value.trim()) {
            ("executeInTransaction", "true") => outside = false,
            ("executeInTransaction", "false") => outside = true,
            ("executeInTransaction", other) => {
                return Err(refuse(&settings.name, format!("executeInTransaction is true or false, not {other:?}")))
            }
            ("shouldExecute", "true") => {}
            ("shouldExecute", _) => {
                let cure = "apply the migration always and delete the line, or take the migration out";
                return Err(refuse(&settings.name, format!("shouldExecute lets Flyway skip a migration, which is not done here; {cure}")));
            }
            _ => {}
        }
    }
    Ok(outside)
}

fn program(entry: &Entry, parts: &Name) -> Error {
    let Name { letter, version, words, ending } = parts;
    let cure = format!("write it as SQL in a file {letter}{version}__{words}.sql, or {}", name::IGNORE);
    refuse(&entry.name, format!("a migration written as a program (.{ending}) cannot be run here; {cure}"))
}

fn refuse_dotted(entry: &Entry, parts: &Name) -> Result<()> {
    if !parts.version.contains(['.', '_']) {
        return Ok(());
    }
    let cure = format!("give every file one whole number, in the same order (a date with time will do), or {}", name::IGNORE);
    Err(refuse(&entry.name, format!("the version {} has several parts, and versions here are whole numbers; {cure}", parts.version)))
}

fn refuse_other_kinds(entry: &Entry, parts: &Name) -> Result<()> {
    let what = match parts.letter {
        'R' => "a repeatable migration runs again whenever its text changes, which is not done here; make each change a migration `VN__name.sql`",
        'B' => "a baseline migration stands for all before it, which is not done here; keep those, or make it the first `VN__name.sql`",
        _ => return Ok(()),
    };
    Err(refuse(&entry.name, format!("{what}, or {}", name::IGNORE)))
}

/// A script such as `beforeMigrate.sql` or `afterEachMigrate__grants.sql`, which Flyway runs around the migrations.
fn refuse_callback(entry: &Entry) -> Result<()> {
    let event = entry.base().strip_prefix("before").or_else(|| entry.base().strip_prefix("after")).unwrap_or_default();
    if !event.starts_with(|c: char| c.is_ascii_uppercase()) || !event.ends_with(".sql") {
        return Ok(());
    }
    let what = "Flyway runs a callback around the migrations, which is not done here; put its SQL into a migration";
    Err(refuse(&entry.name, format!("{what}, or {}", name::IGNORE)))
}
