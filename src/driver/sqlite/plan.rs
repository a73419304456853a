//! What is known of a statement once it is prepared, and why one could not be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::connection::Shared;
use super::gauge::Calm;
use super::raw::{Failure, Raw, Statement};
use super::statements::Entry;
use super::watch::Recorder;
use super::{brief, convert};
use crate::driver::Plan;
use crate::error::{Error, Kind};
use crate::lead::Lead;
use crate::rows::Columns;

/// Why a statement could not be prepared: the policy's reason goes before the engine's "not authorized".
pub fn prepare_error(failure: Failure, refused: Option<String>, sql: &str) -> Error {
    match refused {
        Some(reason) => {
            let kind = if reason.contains("transaction calls") { Kind::Misuse } else { Kind::Unsupported };
            Error::new(kind, format!("{}: {reason}", brief(sql))).with_engine(failure.primary, failure.extended)
        }
        None => convert::error(failure, &brief(sql)),
    }
}

/// Reads a statement's plan again where SQLite has prepared it anew inside step, which it does before the first row. Other statements
/// that are prepared inside step (of virtual tables, VACUUM) are none of its business, but what a write has changed is not known any more.
/// To be asked before the statement is reset, so that this ends with its transaction.
#[cold]
pub fn heard_in_step(entry: &mut Entry, raw: &Raw, recorder: &Recorder, shared: &Shared) {
    if entry.plan.footprint.may_write() {
        raw.ledger().write(None);
    }
    let anew = entry.statement.prepared_anew();
    if anew == entry.anew {
        return recorder.ignore();
    }
    entry.anew = anew;
    entry.cost.calm = Calm::default();
    if entry.plan.footprint.outside_transaction {
        // Known by asking for nothing while it is prepared; what was heard is of its work.
        return recorder.ignore();
    }
    entry.plan = plan_of(&entry.statement, entry.plan.sql.clone(), recorder, shared);
}

/// Reads off a statement, just prepared, what there is to know of it.
pub fn plan_of(statement: &Statement, sql: Arc<str>, recorder: &Recorder, shared: &Shared) -> Arc<Plan> {
    let count = statement.column_count();
    let columns = Columns {
        id: shared.ids.fetch_add(1, Ordering::Relaxed),
        names: (0..count).map(|i| statement.column_name(i)).collect(),
        decltypes: (0..count).map(|i| statement.column_decltype(i)).collect(),
    };
    let mut footprint = recorder.finish(statement.is_read_only(), statement.is_explain());
    // What does nothing because of its IF NOT EXISTS asks for nothing either.
    footprint.outside_transaction = footprint.outside_transaction && Lead::of(&sql).word == "VACUUM";
    Arc::new(Plan {
        sql,
        footprint,
        effects: OnceBox::new(),
        ground: OnceBox::new(),
        columns: Arc::new(columns),
        parameters: (1..=statement.parameter_count()).map(|i| statement.parameter_name(i)).collect(),
        noticed: AtomicBool::new(false),
    })
}

/// The error for a second statement where one is expected: says where it begins.
pub fn several(sql: &str, end: usize) -> Error {
    let start = end + sql[end..].bytes().take_while(u8::is_ascii_whitespace).count();
    let message = format!(
        "{}: one statement is expected, but another begins at byte {start}: {}; use a script for several",
        brief(&sql[..end]),
        brief(&sql[start..])
    );
    Error::new(Kind::Sql, message).at(u32::try_from(start).ok())
}
