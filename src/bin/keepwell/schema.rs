//! The schema by itself: written down, and a table of it made anew.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use keepwell::migrate::rebuild::Rebuild;
use keepwell::migrate::Report;
use keepwell::{Error, Kind, Result};

use super::arguments::Common;
use super::database::{self, Need};
use super::output::Output;

/// Writes the schema to a file, or to standard output.
pub fn dump(common: &Common, file: Option<&Path>, output: &Output) -> Result<()> {
    let schema = database::with(common, Need::Look, output, |store, options| store.schema_dump(options))?;
    let Some(file) = file else {
        let text = if output.json { serde_json::json!({ "operation": "dump", "schema": schema }).to_string() + "\n" } else { schema };
        return output.write(&text);
    };
    fs::write(file, schema).map_err(|error| failed("dump", file, error))?;
    let name = file.display().to_string();
    output.say(|| serde_json::json!({ "operation": "dump", "file": name }).to_string(), || format!("{name}\n"))
}

/// Makes a table anew by the definition in a file.
pub fn rebuild(common: &Common, table: &str, definition: &Path, columns: &[(String, String)], output: &Output) -> Result<Report> {
    let definition = read(definition).map_err(|error| failed("rebuild", definition, error))?;
    let columns: Vec<(&str, &str)> = columns.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let rebuild = Rebuild { table, definition: &definition, columns: &columns };
    database::with(common, Need::Change, output, |store, options| store.rebuild_table(&rebuild, options))
}

/// A file's text; `-` is standard input.
fn read(file: &Path) -> io::Result<String> {
    if file != Path::new("-") {
        return fs::read_to_string(file);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn failed(what: &str, file: &Path, error: io::Error) -> Error {
    Error::new(Kind::Io, format!("{what}: {}: {error}", file.display())).with_source(error)
}
