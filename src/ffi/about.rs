//! What this library is: version, names of statuses, and a description of its ABI that bindings check when they load.

use std::ffi::{c_char, CString};
use std::fmt::Write;
use std::mem::offset_of;

use once_cell::race::OnceBox;

use super::insight_types::*;
use super::migration_types::*;
use super::types::*;
use crate::error::Kind;

// `FUNCTIONS`: the names of the exported functions, read off the generated header by build.rs.
include!(concat!(env!("OUT_DIR"), "/functions.rs"));

/// What this library can do, for bindings that work with several versions.
const FEATURES: &[&str] =
    &["sqlite", "fork-safe", "kept-snapshots", "query-into", "derived-targets", "result-cache", "migrations", "metrics", "log"];

/// The library's version, for example "0.1.0". Never NULL, never freed.
#[no_mangle]
pub extern "C" fn kw_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a status, for example "KW_BUSY"; "KW_UNKNOWN" for a number that is none. Never NULL, never freed.
#[no_mangle]
pub extern "C" fn kw_status_name(status: kw_status) -> *const c_char {
    static NAMES: OnceBox<Vec<(kw_status, CString)>> = OnceBox::new();
    let names = NAMES.get_or_init(|| {
        let errors = Kind::ALL.iter().map(|(kind, name)| (kind.number(), *name));
        let all = [(KW_OK, "KW_OK"), (KW_ROW, "KW_ROW"), (KW_DONE, "KW_DONE")].into_iter().chain(errors);
        Box::new(all.map(|(number, name)| (number, CString::new(name).unwrap_or_default())).collect())
    });
    let name = names.iter().find(|(number, _)| *number == status);
    name.map_or(c"KW_UNKNOWN".as_ptr(), |(_, name)| name.as_ptr())
}

/// A description of this library as JSON: version, functions, struct sizes and offsets, status numbers, features. Never NULL, never freed.
#[no_mangle]
pub extern "C" fn kw_abi_describe() -> *const c_char {
    static TEXT: OnceBox<CString> = OnceBox::new();
    TEXT.get_or_init(|| Box::new(CString::new(describe()).unwrap_or_default())).as_ptr()
}

macro_rules! layouts {
    ($($name:ident { $($field:ident),* $(,)? })*) => { [$(
        (stringify!($name), size_of::<$name>(), vec![$((stringify!($field), offset_of!($name, $field))),*]),
    )*] };
}

fn describe() -> String {
    let layouts = layouts! {
        kw_cell { value, length, r#type }
        kw_error { struct_size, code, engine_code, engine_extended_code, sql_offset, flags, sqlstate, message }
        kw_options {
            struct_size, flags, timeout_us, cancel, statement, param_names, tick, tick_context, cache, batch_rows, cache_ttl_ms,
        }
        kw_result { struct_size, reserved, last_insert_id, rows_affected }
        kw_write {
            struct_size, status, sql, sql_len, params, param_count, options, buffer, buffer_size, fetch, result, error,
        }
        kw_batch { struct_size, columns, rows, flags, cells }
        kw_fetch { struct_size, columns, rows, flags, columns_id, needed, more }
        kw_statement_info { struct_size, parameter_count, column_count, read_only }
        kw_stats {
            struct_size, max_open, open, in_use, idle, waiting, waits, wait_ns, opened, closed_max_idle, closed_idle_time, closed_lifetime,
            closed_broken, resets, discards, exhausted, self_deadlocks, checkpoints, log_frames,
            groups, grouped_writes, replayed_writes,
        }
        kw_cache_stats {
            struct_size, enabled, hits, misses, bypass_disabled, bypass_transaction, bypass_statement, bypass_function, bypass_table,
            bypass_under_way, bypass_schema, bypass_size, invalidated, expired, evicted, entries, bytes, max_entries, max_bytes,
        }
        kw_health {
            struct_size, can_read, can_write, healthy, message, max_open, open, in_use, idle, waiting, has_schema_version, schema_version,
            database_bytes, wal_bytes, last_error_code, last_error_reserved, last_error_at_ms, last_error,
        }
        kw_log_event {
            struct_size, level, time_us, dropped, target, target_len, message, message_len, fields, fields_len,
        }
        kw_migration { struct_size, reserved, version, description, up, up_len, down, down_len }
        kw_migrate_options { struct_size, flags, version, steps, progress, context, call }
        kw_migrate_event {
            struct_size, phase, version, direction, reserved, index, total, statement, offset, length, rows_changed, description,
            description_len, file, file_len, sql, sql_len,
        }
        kw_report_summary {
            struct_size, has_before, has_version, reserved, before, version, pending, migrations, problems, tables, duration_us,
        }
        kw_report_migration {
            struct_size, state, direction, flags, version, statements, rows_changed, duration_us, description, file, checksum, applied_at,
        }
        kw_report_problem { struct_size, has_version, version, kind, message }
        kw_report_table { struct_size, reserved, before, after, table }
        kw_rebuild_column { name, expression }
    };
    let structs = layouts.iter().map(|(name, size, fields)| {
        let offsets = fields.iter().map(|(field, offset)| format!("\"{}\":{offset}", field.trim_start_matches("r#")));
        format!("\"{name}\":{{\"size\":{size},\"offsets\":{{{}}}}}", join(offsets))
    });
    let statuses = [("KW_OK", KW_OK), ("KW_ROW", KW_ROW), ("KW_DONE", KW_DONE)].into_iter();
    let statuses = statuses.chain(Kind::ALL.iter().map(|(kind, name)| (*name, kind.number())));
    let mut text = String::new();
    let _ = write!(
        text,
        "{{\"name\":\"keepwell\",\"version\":\"{}\",\"functions\":[{}],\"structs\":{{{}}},\"statuses\":{{{}}},\"features\":[{}]}}",
        env!("CARGO_PKG_VERSION"),
        join(FUNCTIONS.iter().map(|name| format!("\"{name}\""))),
        join(structs),
        join(statuses.map(|(name, number)| format!("\"{name}\":{number}"))),
        join(FEATURES.iter().map(|name| format!("\"{name}\""))),
    );
    text
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
