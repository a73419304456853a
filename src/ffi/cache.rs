//! The cache of results: look at it, clear it.

use super::guard::guard;
use super::handle;
use super::text::Out;
use super::types::*;
use crate::store::Store;

/// The cache of results in numbers. Never blocks for long.
#[no_mangle]
pub unsafe extern "C" fn kw_store_cache_stats(store: kw_store, out: *mut kw_cache_stats, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        out.write(handle::with_store(store, |store| Ok(stats(store)))?);
        Ok(KW_OK)
    })
}

/// Forgets all results of the cache. Rows that somebody holds stay valid. Correctness never asks for it; it gives memory back.
#[no_mangle]
pub unsafe extern "C" fn kw_store_cache_clear(store: kw_store, err: *mut kw_error) -> kw_status {
    guard(err, || {
        handle::with_store(store, |store| {
            store.cache_clear();
            Ok(())
        })?;
        Ok(KW_OK)
    })
}

fn stats(store: &Store) -> kw_cache_stats {
    let stats = store.cache_stats();
    // In the order of `Bypass::ALL`.
    let [disabled, transaction, statement, function, table, under_way, schema, size] = stats.bypasses;
    kw_cache_stats {
        struct_size: 0,
        enabled: u32::from(stats.max_entries > 0),
        hits: stats.hits,
        misses: stats.misses,
        bypass_disabled: disabled,
        bypass_transaction: transaction,
        bypass_statement: statement,
        bypass_function: function,
        bypass_table: table,
        bypass_under_way: under_way,
        bypass_schema: schema,
        bypass_size: size,
        invalidated: stats.invalidated,
        expired: stats.expired,
        evicted: stats.evicted,
        entries: stats.entries,
        bytes: stats.bytes,
        max_entries: stats.max_entries,
        max_bytes: stats.max_bytes,
    }
}
