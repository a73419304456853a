//! What a store tells of itself: metrics, health, costs of statements, plans and advice.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::guard::{copy_text, guard};
use super::handle;
use super::insight_types::*;
use super::query::sql_of;
use super::rows::Reader;
use super::text::{copy_out, give, null, Out};
use super::types::*;
use crate::driver::Role;
use crate::error::{Error, Kind, Result};
use crate::metrics::report::{Cost, Order};
use crate::metrics::text::Format;
use crate::options::QueryOptions;
use crate::results::Rows;
use crate::rows::{Batch, Columns, Held};
use crate::store::{Health, Store};
use crate::value::ValueRef;

/// All metrics of a store as text (`KW_METRICS_PROMETHEUS`, `KW_METRICS_OPENMETRICS`), with the label `store`. `length` is that of all of it,
/// without the NUL; what does not fit is cut: call again with more room. Blocks for a look at the database file where the last one is older
/// than `metrics.collect_interval`, but waits for nobody.
#[no_mangle]
pub unsafe extern "C" fn kw_metrics_text(
    store: kw_store,
    format: u32,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let format = match format {
            KW_METRICS_PROMETHEUS => Format::Prometheus,
            KW_METRICS_OPENMETRICS => Format::OpenMetrics,
            other => {
                return Err(Error::new(
                    Kind::Misuse,
                    format!("format: {other} is none; there are KW_METRICS_PROMETHEUS and KW_METRICS_OPENMETRICS"),
                ))
            }
        };
        let text = handle::with_store(store, |store| store.metrics_text(format))?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { copy_out(&text, buffer, size, length)? };
        Ok(KW_OK)
    })
}

/// Where a store serves its metrics by HTTP (`metrics.listen`): `127.0.0.1:9187`, with the port that was taken; empty where it does not.
#[no_mangle]
pub unsafe extern "C" fn kw_metrics_address(
    store: kw_store,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let address = handle::with_store(store, |store| Ok(store.metrics_address().map(|address| address.to_string())))?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { copy_out(&address.unwrap_or_default(), buffer, size, length)? };
        Ok(KW_OK)
    })
}

/// For a binding whose callers wait for connections in a line of its own, outside of the library: so many more (or, negative, less) wait now for
/// a connection of this role (`KW_ROLE_READER`, `KW_ROLE_WRITER`). They are in the store's numbers then: queue depths, `kw_stats`, health.
#[no_mangle]
pub unsafe extern "C" fn kw_store_waiting(store: kw_store, role: u32, change: i64, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let role = self::role(role)?;
        handle::with_store(store, |store| store.waiting_outside(role, change))?;
        Ok(KW_OK)
    })
}

/// For such a binding: a wait is over that took so many nanoseconds, with `KW_OK` for a caller that goes on, or with what it got instead of a
/// connection: `KW_EXHAUSTED`, `KW_TIMEOUT`, `KW_CANCELLED`, `KW_CLOSED`, or `KW_SELF_DEADLOCK` where there was no wait. Counted as if the
/// library had made the caller wait. Errors: `KW_MISUSE` for any other status.
#[no_mangle]
pub unsafe extern "C" fn kw_store_waited(store: kw_store, role: u32, wait_ns: u64, ended: kw_status, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let role = self::role(role)?;
        let kind = Kind::from_number(ended);
        if ended != KW_OK && kind.is_none() {
            return Err(Error::new(Kind::Misuse, format!("ended: {ended} is the number of no error")));
        }
        handle::with_store(store, |store| store.waited_outside(role, Duration::from_nanos(wait_ns), kind))?;
        Ok(KW_OK)
    })
}

fn role(number: u32) -> Result<Role> {
    match number {
        KW_ROLE_READER => Ok(Role::Reader),
        KW_ROLE_WRITER => Ok(Role::Writer),
        other => Err(Error::new(Kind::Misuse, format!("role: {other} is none; there are KW_ROLE_READER and KW_ROLE_WRITER"))),
    }
}

/// Tries whether the store can read and write now (the write is begun and rolled back). Blocks like `kw_query`: give it a timeout.
/// Returns `KW_OK` also when the store is unwell; `out` says so. A store opened to read only is not expected to write.
#[no_mangle]
pub unsafe extern "C" fn kw_store_health(
    store: kw_store,
    options: *const kw_options,
    out: *mut kw_health,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let (out, call) = unsafe { (Out::new(out, "out")?, Call::new(options)?) };
        let health = handle::with_store(store, |store| Ok(store.health(&call.options()?)))?;
        out.write(describe(&health));
        Ok(KW_OK)
    })
}

fn describe(health: &Health) -> kw_health {
    let (mut message, mut last_error) = ([0; 512], [0; 512]);
    copy_text(&health.problem, &mut message);
    copy_text(health.last_error.as_ref().map_or("", |error| &error.message), &mut last_error);
    let pool = &health.pool;
    kw_health {
        struct_size: 0,
        can_read: health.can_read.into(),
        can_write: health.can_write.into(),
        healthy: health.healthy.into(),
        message,
        max_open: pool.max_open as u32,
        open: pool.open as u32,
        in_use: pool.in_use as u32,
        idle: pool.idle as u32,
        waiting: pool.waiting as u32,
        has_schema_version: health.schema_version.is_some().into(),
        schema_version: health.schema_version.unwrap_or_default(),
        database_bytes: health.database_bytes.unwrap_or_default(),
        wal_bytes: health.wal_bytes.unwrap_or_default(),
        last_error_code: health.last_error.as_ref().map_or(KW_OK, |error| error.code),
        last_error_reserved: 0,
        last_error_at_ms: health.last_error.as_ref().map_or(0, |error| error.at_ms),
        last_error,
    }
}

/// What `kw_store_health` says as a JSON object: healthy, can_read, can_write, problem, pool, schema_version, database_bytes, wal_bytes,
/// last_error. `length` is that of all of it, without the NUL; what does not fit is cut.
#[no_mangle]
pub unsafe extern "C" fn kw_store_health_json(
    store: kw_store,
    options: *const kw_options,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let call = unsafe { Call::new(options)? };
        let health = handle::with_store(store, |store| Ok(store.health(&call.options()?)))?;
        // SAFETY: as above.
        unsafe { copy_out(&health.to_json(), buffer, size, length)? };
        Ok(KW_OK)
    })
}

/// What each statement has cost, most of `order` (`KW_BY_TOTAL`, …) first and no more than `limit` of them (0: all), as rows: sql, kind (read,
/// write), calls, errors, total_seconds, mean_seconds, worst_seconds, rows (returned, or changed), full_scans (calls that went through a whole
/// table), scanned_rows, automatic_indexes (calls for which the engine made an index of its own), sorts. At most `metrics.statements` are
/// known; those that have cost least go first, and their sum is the last row, with NULL for sql. Close the rows.
#[no_mangle]
pub unsafe extern "C" fn kw_statement_report(store: kw_store, order: u32, limit: u32, rows: *mut kw_rows, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let order =
            *ORDERS.get(order as usize).ok_or_else(|| Error::new(Kind::Misuse, format!("order: {order} is none; see KW_BY_TOTAL")))?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            hand_out(store, &Call::new(std::ptr::null())?, rows, |store| {
                let costs = store.statement_report(order);
                let most = if limit == 0 { costs.len() } else { limit as usize };
                Ok(table(COSTS, 1, costs.iter().take(most).map(cost)))
            })
        }
    })
}

const ORDERS: [Order; 6] = [Order::Total, Order::Calls, Order::Mean, Order::Worst, Order::Rows, Order::Scanned];

const COSTS: &[&str] = &[
    "sql",
    "kind",
    "calls",
    "errors",
    "total_seconds",
    "mean_seconds",
    "worst_seconds",
    "rows",
    "full_scans",
    "scanned_rows",
    "automatic_indexes",
    "sorts",
];

fn cost(cost: &Cost) -> [ValueRef<'_>; 12] {
    let count = |number: u64| ValueRef::Integer(number as i64);
    let seconds = |nanos: u64| ValueRef::Real(nanos as f64 / 1e9);
    [
        cost.sql.as_ref().map_or(ValueRef::Null, |sql| ValueRef::Text(sql.as_bytes())),
        ValueRef::Text(if cost.writes { b"write" } else { b"read" }),
        count(cost.calls),
        count(cost.errors),
        seconds(cost.nanos),
        seconds(cost.mean_nanos()),
        seconds(cost.worst_nanos),
        count(cost.rows),
        count(cost.full_scans),
        count(cost.scanned_rows),
        count(cost.automatic_indexes),
        count(cost.sorts),
    ]
}

/// Begins the report of statements anew.
#[no_mangle]
pub unsafe extern "C" fn kw_statement_report_reset(store: kw_store, err: *mut kw_error) -> kw_status {
    guard(err, || {
        handle::with_store(store, |store| {
            store.reset_statement_report();
            Ok(KW_OK)
        })
    })
}

/// How the engine would run one statement, as rows: id, parent, detail (<https://sqlite.org/eqp.html>). It is not run; parameters count as
/// NULL. Blocks for a reader like `kw_query`. Close the rows. Errors: `KW_SQL`, `KW_TIMEOUT`, ….
#[no_mangle]
pub unsafe extern "C" fn kw_explain(
    store: kw_store,
    sql: *const c_char,
    sql_len: usize,
    options: *const kw_options,
    rows: *mut kw_rows,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        study(store, sql, sql_len, options, rows, |store, sql, options| {
            let nodes = store.explain(sql, options)?;
            let cells = nodes
                .iter()
                .map(|node| [ValueRef::Integer(node.id), ValueRef::Integer(node.parent), ValueRef::Text(node.detail.as_bytes())]);
            Ok(table(&["id", "parent", "detail"], 2, cells))
        })
    })
}

/// The indexes that would help one statement, most useful first, at most three, as rows: table, index_sql (the CREATE INDEX), before and
/// after (the plan without and with it). They are tried on a copy of the schema in memory, where the engine's own planner decides; the
/// database is not changed. Takes some milliseconds, for very large schemas and joins some hundred; the timeout ends it. Blocks for a reader
/// like `kw_query`. Close the rows. Errors: as `kw_explain`.
#[no_mangle]
pub unsafe extern "C" fn kw_advise(
    store: kw_store,
    sql: *const c_char,
    sql_len: usize,
    options: *const kw_options,
    rows: *mut kw_rows,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        study(store, sql, sql_len, options, rows, |store, sql, options| {
            let advice = store.advise(sql, options)?;
            let cells = advice.iter().map(|advice| {
                [&advice.table, &advice.index_sql, &advice.before, &advice.after].map(|text| ValueRef::Text(text.as_bytes()))
            });
            Ok(table(&["table", "index_sql", "before", "after"], 3, cells))
        })
    })
}

/// Gives rows that `make` makes of a statement to the caller.
///
/// # Safety
/// The arguments keep the promises of the header.
unsafe fn study(
    store: kw_store,
    sql: *const c_char,
    sql_len: usize,
    options: *const kw_options,
    out: *mut kw_rows,
    make: impl FnOnce(&Store, &str, &QueryOptions<'_>) -> Result<Rows>,
) -> Result<kw_status> {
    // SAFETY: the caller's promises.
    unsafe {
        let (sql, call) = (sql_of(sql, sql_len, None)?, Call::new(options)?);
        hand_out(store, &call, out, |store| make(store, sql, &call.options()?))
    }
}

/// Gives rows that `make` makes to the caller.
///
/// # Safety
/// `out` is NULL or valid for a write.
unsafe fn hand_out(store: kw_store, call: &Call, out: *mut kw_rows, make: impl FnOnce(&Store) -> Result<Rows>) -> Result<kw_status> {
    if out.is_null() {
        return Err(null("rows"));
    }
    let reader = handle::with_store(store, |store| Reader::new(make(store)?, store, call))?;
    let handle = reader.into_handle()?;
    // SAFETY: the caller's promise.
    unsafe { give(out, handle, "rows")? };
    Ok(KW_OK)
}

/// Rows that no statement gave. `number` tells these columns from others.
fn table<'a, const N: usize>(names: &[&str], number: u64, rows: impl IntoIterator<Item = [ValueRef<'a>; N]>) -> Rows {
    let mut batch = Batch::new(N);
    for row in rows {
        row.into_iter().for_each(|value| batch.push(value));
        batch.end_row();
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let columns = Columns { id: u64::MAX - number, decltypes: vec![None; names.len()], names };
    Rows::new(Arc::new(columns), Held::Own(batch), None)
}
