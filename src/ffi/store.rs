//! Stores: initialize, open, look at, close.

use std::collections::BTreeSet;
use std::ffi::c_char;
use std::time::Duration;

use crate::sync::Mutex;

use super::config::{find as find_config, required};
use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::text::{copy_out, give, null, Out};
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::instance;
use crate::process::PerProcess;
use crate::store::Store;

/// Opens the process-wide store, which is `KW_INSTANCE` from then on. Blocks while other processes hold the database, up to
/// `pool.wait_timeout`. Errors: `KW_ALREADY_INITIALIZED`, and those of `kw_open`.
#[no_mangle]
pub unsafe extern "C" fn kw_initialize(config: kw_config, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let config = find_config(config)?.lock().clone();
        instance::initialize(&config)?;
        handle::instance_changed();
        Ok(KW_OK)
    })
}

/// Gives `KW_INSTANCE` when the process-wide store is open. Errors: `KW_NOT_INITIALIZED`.
#[no_mangle]
pub unsafe extern "C" fn kw_instance(out: *mut kw_store, err: *mut kw_error) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(null("out"));
        }
        instance::get()?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, KW_INSTANCE, "out")? };
        Ok(KW_OK)
    })
}

/// Opens a store. The configuration is copied and may be freed. Blocks while other processes hold the database, up to `pool.wait_timeout`.
/// Errors: `KW_CONFIG`, `KW_CANT_OPEN`, `KW_CORRUPT` (also: not a database), `KW_READ_ONLY`, `KW_IO`, `KW_TIMEOUT`; `KW_MISUSE` for a
/// second SQLite library on the file where `options.second_sqlite` is `refuse`, which then also ends every later call.
#[no_mangle]
pub unsafe extern "C" fn kw_open(config: kw_config, out: *mut kw_store, err: *mut kw_error) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(null("out"));
        }
        let config = find_config(config)?.lock().clone();
        let store = Store::open(&config)?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, handle::insert(Object::Store(store))?, "out")? };
        Ok(KW_OK)
    })
}

/// Closes a store: admits nobody any more, waits up to `drain_us` microseconds (negative: `close_timeout` of the configuration) for what is
/// under way, ends the rest, rolls back what is open, and closes the database. The handle is gone in any case; closing it again is harmless.
/// Errors: `KW_TIMEOUT` when something had to be ended, with who that was.
#[no_mangle]
pub unsafe extern "C" fn kw_store_close(store: kw_store, drain_us: i64, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let drain = u64::try_from(drain_us).ok().map(Duration::from_micros);
        let store = if store == KW_INSTANCE {
            match instance::get() {
                Err(error) if error.kind() == Kind::NotInitialized => None,
                other => Some(other?),
            }
        } else {
            match handle::take(store, Kinds::Store)? {
                Some(Object::Store(store)) => Some(store),
                _ => None,
            }
        };
        let result = store.map_or(Ok(()), |store| store.close(drain));
        handle::instance_changed();
        result.map(|()| KW_OK)
    })
}

/// The value of one key of the configuration that the store was opened with, like `kw_config_get`. Never blocks.
#[no_mangle]
pub unsafe extern "C" fn kw_store_config(
    store: kw_store,
    key: *const c_char,
    key_len: usize,
    buffer: *mut c_char,
    buffer_size: usize,
    length: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        let key = required(key, key_len, "key")?;
        let value = handle::with_store(store, |store| store.config().text(key))?;
        copy_out(&value, buffer, buffer_size, length)?;
        Ok(KW_OK)
    })
}

/// The state of a store's pool in numbers. Never blocks for long.
#[no_mangle]
pub unsafe extern "C" fn kw_store_stats(store: kw_store, out: *mut kw_stats, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        out.write(handle::with_store(store, |store| Ok(stats(store)))?);
        Ok(KW_OK)
    })
}

fn stats(store: &Store) -> kw_stats {
    let stats = store.stats();
    let load = stats.writer.plus(stats.readers);
    kw_stats {
        struct_size: 0,
        max_open: load.capacity as u32,
        open: load.total as u32,
        in_use: load.in_use() as u32,
        idle: load.idle as u32,
        waiting: load.waiting as u32,
        waits: stats.waits,
        wait_ns: stats.wait_nanos,
        opened: stats.opened,
        closed_max_idle: stats.closed_max_idle,
        closed_idle_time: stats.closed_idle_time,
        closed_lifetime: stats.closed_lifetime,
        closed_broken: stats.closed_broken,
        resets: stats.resets,
        discards: stats.discards,
        exhausted: stats.exhausted,
        self_deadlocks: stats.self_deadlocks,
        checkpoints: stats.checkpoints,
        log_frames: stats.log_frames,
        groups: stats.groups,
        grouped_writes: stats.grouped,
        replayed_writes: stats.replayed,
    }
}

/// How many warnings there are: what the configuration gave when the store was opened, and what was noticed since, such as a second SQLite
/// library on the store's file (`options.second_sqlite`). The list only grows, by at most 16.
#[no_mangle]
pub unsafe extern "C" fn kw_store_warning_count(store: kw_store, out: *mut u32, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let count = handle::with_store(store, |store| Ok(store.warnings().count() as u32))?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, count, "out")? };
        Ok(KW_OK)
    })
}

/// A warning: the key that it is about (`options.second_sqlite: …`) and a sentence. The text stays as long as the
/// process lives.
#[no_mangle]
pub unsafe extern "C" fn kw_store_warning(
    store: kw_store,
    index: u32,
    text: *mut *const c_char,
    len: *mut usize,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let (pointer, length) = handle::with_store(store, |store| {
            let warning = store.warning(index as usize);
            let warning = warning.ok_or_else(|| Error::new(Kind::Misuse, format!("store: there is no warning {index}, counted from 0")))?;
            let warning = lasting(warning)?;
            Ok((warning.as_ptr(), warning.len()))
        })?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            give(text, pointer.cast(), "text")?;
            give(len, length, "len")?;
        }
        Ok(KW_OK)
    })
}

/// Texts that were handed out. A store that another thread closes cannot take them along; the same text is kept once.
static TEXTS: PerProcess<Mutex<BTreeSet<&'static str>>> = PerProcess::new();

fn lasting(text: &str) -> Result<&'static str> {
    let mut texts = TEXTS.get()?.lock();
    if let Some(kept) = texts.get(text) {
        return Ok(kept);
    }
    let kept: &'static str = Box::leak(text.into());
    texts.insert(kept);
    Ok(kept)
}
