//! Configurations: a builder, so that a new key never changes the ABI.

use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

use crate::sync::Mutex;

use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::text::{copy_out, give, text};
use super::types::*;
use crate::config::Config;
use crate::error::Result;

/// The configuration behind a handle.
pub fn find(config: kw_config) -> Result<Arc<Mutex<Config>>> {
    handle::get(config, Kinds::Config, |object| match object {
        Object::Config(config) => Some(config.clone()),
        _ => None,
    })
}

/// A configuration with every key at its default. Free it with `kw_config_free`; a store that was opened with it does not need it.
#[no_mangle]
pub unsafe extern "C" fn kw_config_new(out: *mut kw_config, err: *mut kw_error) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(super::text::null("out"));
        }
        let handle = handle::insert(Object::Config(Arc::new(Mutex::new(Config::new()))))?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, handle, "out")? };
        Ok(KW_OK)
    })
}

/// Changes one configuration, all or nothing.
fn change(config: kw_config, work: impl FnOnce(&mut Config) -> Result<()>) -> Result<kw_status> {
    let config = find(config)?;
    let mut config = config.lock();
    let mut changed = config.clone();
    work(&mut changed)?;
    *config = changed;
    Ok(KW_OK)
}

/// Sets one key (`pool.max_open`, `options.synchronous`, …; the README lists them) from text. Errors: `KW_CONFIG`, with the nearest right
/// key, or the value and its range.
#[no_mangle]
pub unsafe extern "C" fn kw_config_set(
    config: kw_config,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    err: *mut kw_error,
) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        let (key, value) = (required(key, key_len, "key")?, required(value, value_len, "value")?);
        change(config, |config| config.set(key, value))
    })
}

/// The value of one key as text that `kw_config_set` takes, in the key's unit: set, or the default; empty for a data source that is not set.
///
/// As much as fits goes into the buffer of `buffer_size` bytes, with a NUL at its end (nothing, where the size is 0). `length` is that of
/// the whole value without its NUL: where it is not less than `buffer_size`, call again with more room. Errors: `KW_CONFIG`, with the
/// nearest right key.
#[no_mangle]
pub unsafe extern "C" fn kw_config_get(
    config: kw_config,
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
        let value = find(config)?.lock().text(key)?;
        copy_out(&value, buffer, buffer_size, length)?;
        Ok(KW_OK)
    })
}

/// Reads YAML text; keys that it does not name stay as they are. Errors: `KW_CONFIG`, with the line.
#[no_mangle]
pub unsafe extern "C" fn kw_config_load_yaml(config: kw_config, yaml: *const c_char, yaml_len: usize, err: *mut kw_error) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        let yaml = required(yaml, yaml_len, "yaml")?;
        change(config, |config| config.load_yaml(yaml))
    })
}

/// Reads a YAML file. Errors: `KW_CONFIG`, with file and line; `KW_IO`.
#[no_mangle]
pub unsafe extern "C" fn kw_config_load_file(config: kw_config, path: *const c_char, path_len: usize, err: *mut kw_error) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        let path = required(path, path_len, "path")?;
        change(config, |config| config.load_file(Path::new(path)))
    })
}

/// Sets the data source: a path, a URI (`file:app.db?mode=rwc`), or `:memory:`. Errors: `KW_CONFIG`.
#[no_mangle]
pub unsafe extern "C" fn kw_config_load_uri(config: kw_config, uri: *const c_char, uri_len: usize, err: *mut kw_error) -> kw_status {
    // SAFETY: the caller keeps the promises of the header.
    guard(err, || unsafe {
        let uri = required(uri, uri_len, "uri")?;
        change(config, |config| config.load_uri(uri))
    })
}

/// # Safety
/// As [`text`].
pub unsafe fn required<'a>(pointer: *const c_char, length: usize, what: &str) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(super::text::null(what));
    }
    // SAFETY: the caller's promise.
    unsafe { text(pointer, length, what) }
}

/// Frees a configuration. Harmless for one that is freed already.
#[no_mangle]
pub unsafe extern "C" fn kw_config_free(config: kw_config) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::take(config, Kinds::Config)?;
        Ok(KW_OK)
    })
}
