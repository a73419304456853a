//! A copy of a whole database into a new file, made by SQLite's online backup. <https://sqlite.org/backup.html>

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::Connection as Sqlite;

use super::convert;
use crate::cancel::Op;
use crate::error::{Error, Kind, Result};

/// Pages copied between two looks at the operation: a few milliseconds' worth.
const PAGES: i32 = 1024;

/// Copies what `from` sees now. A read transaction around all of it keeps writers from making SQLite begin again.
pub fn to_file(from: &Sqlite, path: &Path, op: &Op<'_>) -> Result<()> {
    let what = format!("copying the database to {}", path.display());
    if path.exists() {
        return Err(Error::new(Kind::CantOpen, format!("{what}: the file exists already; it is not overwritten")));
    }
    let failed = |error| convert::from_rusqlite(error, &what);
    let mut to = Sqlite::open(path).map_err(failed)?;
    let alone = from.is_autocommit();
    if alone {
        from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    }
    let result = pages(from, &mut to, op, &what);
    if alone {
        from.execute_batch("ROLLBACK").map_err(failed)?;
    }
    drop(to);
    if result.is_err() {
        let _ = std::fs::remove_file(path);
    }
    result
}

fn pages(from: &Sqlite, to: &mut Sqlite, op: &Op<'_>, what: &str) -> Result<()> {
    let failed = |error| convert::from_rusqlite(error, what);
    let backup = Backup::new(from, to).map_err(failed)?;
    loop {
        op.check(what)?;
        match backup.step(PAGES).map_err(failed)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked => std::thread::sleep(op.slice(std::time::Duration::from_millis(2))),
            _ => {}
        }
    }
}
