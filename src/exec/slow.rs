//! The log of slow calls: what ran, where its time went, and how the engine ran it.

use log::Level;

use super::Matrix;
use crate::driver::{tree, Connection, Cursor};
use crate::text::head;
use crate::value::{Params, ValueRef};

/// The target of these events in the log.
const TARGET: &str = "keepwell::slow";
/// A longer statement is cut in the log: a view keeps so many events, however large.
const LONGEST: usize = 2_000;
/// The same with the values of its parameters in it.
const LONGEST_SHOWN: usize = 8_000;

/// Tells the log of a slow run, before its use ends.
#[cold]
pub fn log(connection: &mut dyn Connection, cursor: Cursor, params: Given<'_>) {
    let (Some((meter, _)), Some(spent)) = (connection.gauge(), connection.spent(cursor)) else { return };
    if !log::log_enabled!(target: TARGET, Level::Warn) {
        return;
    }
    let (store, show) = (meter.store.clone(), meter.show_params);
    let Ok(sql) = connection.plan(cursor).map(|plan| plan.sql.clone()) else { return };
    let scans = connection.scans(cursor);
    let params = match params {
        Given::Many(matrix) => format!("{} rows of {}", matrix.rows, matrix.columns),
        Given::Once(_) | Given::Before if show => {
            connection.expanded(cursor).map(|text| head(&text, LONGEST_SHOWN).trim().to_string()).unwrap_or_default()
        }
        Given::Once(params) => describe(params),
        Given::Before => String::new(),
    };
    // What changes the schema has no plan, and cannot be explained once it has run.
    let plan = connection.explain(&sql).map(|nodes| tree(&nodes)).unwrap_or_default();
    let execution = spent.nanos.saturating_sub(spent.queue_nanos + spent.busy_nanos);
    let ms = |nanos: u64| nanos as f64 / 1e6;
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let text = head(&sql, LONGEST).trim();
    log::warn!(
        target: TARGET,
        store = &*store,
        sql = text,
        params = params.as_str(),
        plan = plan.as_str(),
        duration_seconds = seconds(spent.nanos),
        queue_seconds = seconds(spent.queue_nanos),
        busy_seconds = seconds(spent.busy_nanos),
        execution_seconds = seconds(execution),
        rows_returned = spent.returned,
        rows_changed = spent.changed,
        rows_scanned = scans.steps,
        automatic_index = scans.automatic > 0,
        sorted = scans.sorts > 0,
        failed = spent.failed;
        "slow: {:.1} ms (queue {:.1} ms, busy {:.1} ms, execution {:.1} ms), {} rows returned, {} changed, {} scanned{}: {text}",
        ms(spent.nanos),
        ms(spent.queue_nanos),
        ms(spent.busy_nanos),
        ms(execution),
        spent.returned,
        spent.changed,
        scans.steps,
        if spent.failed { ", failed" } else { "" },
    );
}

/// What a run was given.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    Once(Params<'a>),
    Many(Matrix<'a>),
    /// By an earlier call, of whose result this one has fetched more; or nothing, in a script.
    Before,
}

/// Types and lengths: `1: integer, 2: text of 12 bytes, name: NULL`.
fn describe(params: Params<'_>) -> String {
    let one = |(index, value): (usize, &ValueRef<'_>)| {
        let name = params.names().map_or_else(|| (index + 1).to_string(), |names| names[index].to_string());
        match value {
            ValueRef::Null => format!("{name}: NULL"),
            ValueRef::Integer(_) => format!("{name}: integer"),
            ValueRef::Real(_) => format!("{name}: real"),
            ValueRef::Text(text) => format!("{name}: text of {} bytes", text.len()),
            ValueRef::Blob(blob) => format!("{name}: blob of {} bytes", blob.len()),
        }
    };
    const MOST: usize = 50;
    let mut all: Vec<String> = params.values().iter().enumerate().take(MOST).map(one).collect();
    if params.values().len() > MOST {
        all.push(format!("… {} in all", params.values().len()));
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_told_by_type_and_length_alone() {
        let values = [ValueRef::Null, ValueRef::Integer(7), ValueRef::Text(b"secret"), ValueRef::Blob(b"xy"), ValueRef::Real(1.5)];
        let text = describe(Params::positional(&values));
        assert_eq!(text, "1: NULL, 2: integer, 3: text of 6 bytes, 4: blob of 2 bytes, 5: real");
        assert_eq!(describe(Params::named(&[":id"], &values[1..2])), ":id: integer");
        assert!(describe(Params::positional(&[ValueRef::Null; 60])).ends_with("… 60 in all"));
    }
}
