//! The options of one call, read from the caller's struct.

use std::ffi::{c_void, CStr};
use std::sync::Arc;
use std::time::Duration;

use super::handle;
use super::text::{read, Lent};
use super::types::*;
use crate::cancel::Caller;
use crate::error::{Error, Kind, Result};
use crate::options::{CacheUse, QueryOptions, Timeout};
use crate::store::Statement;

/// The caller's tick behind the core's face.
#[derive(Clone, Copy)]
pub struct Tick {
    function: unsafe extern "C" fn(*mut c_void) -> i32,
    context: *mut c_void,
}

// SAFETY: the caller promises that the tick may be called on whatever thread makes the call it was given for.
unsafe impl Send for Tick {}

impl Caller for Tick {
    fn tick(&self) -> bool {
        // SAFETY: the caller promises a function that may be called with its context for as long as the call (or its rows) lasts.
        unsafe { (self.function)(self.context) != 0 }
    }
}

/// The options of one call, read.
pub struct Call {
    raw: kw_options,
    tick: Option<Tick>,
}

impl Call {
    /// # Safety
    /// `options` is NULL or a valid struct.
    #[inline]
    pub unsafe fn new(options: *const kw_options) -> Result<Call> {
        // SAFETY: the caller's promise; a zeroed struct of options is valid.
        let raw = unsafe { read(options, "options")?.unwrap_or_else(|| std::mem::zeroed()) };
        Ok(Call::from_raw(raw))
    }

    fn from_raw(raw: kw_options) -> Call {
        Call { raw, tick: raw.tick.map(|function| Tick { function, context: raw.tick_context }) }
    }

    /// The flags of the call.
    pub fn has(&self, flag: u32) -> bool {
        self.raw.flags & flag != 0
    }

    /// The caller's tick.
    pub fn tick(&self) -> Option<Tick> {
        self.tick
    }

    /// The options as the core wants them.
    #[inline]
    pub fn options(&self) -> Result<QueryOptions<'_>> {
        let raw = &self.raw;
        if raw.flags >= KW_OPTION_CACHED << 1 {
            return Err(Error::new(Kind::Abi, format!("options: this library does not know all of the flags {:#x}", raw.flags)));
        }
        if raw.cache_ttl_ms < 0 {
            return Err(Error::new(Kind::Misuse, format!("options: cache_ttl_ms is {}, but has to be 0 or more", raw.cache_ttl_ms)));
        }
        Ok(QueryOptions {
            timeout: match raw.timeout_us {
                0 => Timeout::Default,
                negative if negative < 0 => Timeout::None,
                micros => Timeout::After(Duration::from_micros(micros as u64)),
            },
            cancel: if raw.cancel == 0 { None } else { Some(handle::cancel_token(raw.cancel)?) },
            read_only: self.has(KW_OPTION_READ_ONLY),
            unprepared: self.has(KW_OPTION_UNPREPARED),
            no_writer: self.has(KW_OPTION_NO_WRITER),
            unbound: self.has(KW_OPTION_UNBOUND),
            only_cached: self.has(KW_OPTION_CACHED),
            whole: self.has(KW_OPTION_WHOLE),
            batch_rows: raw.batch_rows,
            cache: match raw.cache {
                KW_CACHE_DEFAULT => CacheUse::Default,
                KW_CACHE_USE => CacheUse::Use,
                KW_CACHE_SKIP => CacheUse::Skip,
                KW_CACHE_REFRESH => CacheUse::Refresh,
                other => return Err(Error::new(Kind::Misuse, format!("options: cache is {other}, but has to be 0 to 3"))),
            },
            cache_ttl: ttl(raw),
            caller: self.tick.as_ref().map(|tick| tick as &dyn Caller),
        })
    }

    /// The call's options over the defaults of a derived target.
    pub fn over(&self, defaults: &kw_options) -> Call {
        let mut raw = self.raw;
        raw.flags |= defaults.flags;
        raw.timeout_us = first(raw.timeout_us, defaults.timeout_us);
        raw.cancel = first(raw.cancel, defaults.cancel);
        raw.cache = first(raw.cache, defaults.cache);
        raw.batch_rows = first(raw.batch_rows, defaults.batch_rows);
        raw.cache_ttl_ms = first(raw.cache_ttl_ms, defaults.cache_ttl_ms);
        Call::from_raw(raw)
    }

    /// What can be attached to a target: all but what points into the memory of one call.
    pub fn attachable(&self) -> kw_options {
        kw_options { statement: 0, param_names: std::ptr::null(), tick: None, tick_context: std::ptr::null_mut(), ..self.raw }
    }

    /// The prepared statement of the call.
    pub fn statement(&self) -> Result<Option<Arc<(Statement, Lent)>>> {
        match self.raw.statement {
            0 => Ok(None),
            handle => super::statement::find(handle).map(Some),
        }
    }

    /// The names of the parameters.
    ///
    /// # Safety
    /// `param_names` is NULL or points to `count` NUL-terminated texts, valid as long as the result is used.
    pub unsafe fn names<'n>(&self, count: usize) -> Result<Option<Vec<&'n str>>> {
        if self.raw.param_names.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        let pointers = unsafe { std::slice::from_raw_parts(self.raw.param_names, count) };
        let names = pointers.iter().map(|name| {
            if name.is_null() {
                return Err(super::text::null("param_names"));
            }
            // SAFETY: the caller's promise.
            let name = unsafe { CStr::from_ptr(*name) };
            name.to_str().map_err(|_| Error::new(Kind::Encoding, "param_names: a name is not UTF-8"))
        });
        names.collect::<Result<_>>().map(Some)
    }
}

/// How long a kept result may serve, where the call says so.
#[inline]
pub fn ttl(raw: &kw_options) -> Option<Duration> {
    (raw.cache_ttl_ms > 0).then(|| Duration::from_millis(raw.cache_ttl_ms as u64))
}

fn first<T: Default + PartialEq>(a: T, b: T) -> T {
    if a == T::default() {
        b
    } else {
        a
    }
}
