//! A kept result copied to the caller by the shortest way: no operation, no parameters in the core's form, no share in the result.

use std::ffi::{c_char, CStr};

use super::call::{ttl, NO_OPTIONS};
use super::fill::{copy_whole, Space};
use super::handle::{self, Kinds};
use super::text::value;
use super::types::*;
use crate::error::Result;
use crate::options::CacheUse;
use crate::store::{Key, Shortcut};
use crate::value::ValueRef;

/// Results of more bytes are not copied while others wait for the cache.
const LARGE: usize = 4096;
/// Calls with more parameters take the usual way.
const FEW: usize = 8;

/// What a call asks for, as [`super::query`] has it.
pub struct Asked {
    pub target: kw_target,
    pub sql: *const c_char,
    pub sql_len: usize,
    pub params: *const kw_cell,
    pub count: usize,
}

/// Looks for a kept result and copies it into `space` if all of it fits.
///
/// # Safety
/// The arguments keep the promises of the header.
#[inline]
pub unsafe fn hit(asked: &Asked, options: *const kw_options, space: Space) -> Result<Shortcut<kw_fetch>> {
    // SAFETY: the caller's promise: NULL, or a struct that begins with its size.
    let options = unsafe {
        match options.cast::<u32>().as_ref() {
            None => &NO_OPTIONS,
            Some(size) if *size as usize == size_of::<kw_options>() => &*options,
            Some(_) => return Ok(Shortcut::Nothing),
        }
    };
    let is_store = asked.target == KW_INSTANCE || handle::kind_of(asked.target) == Kinds::Store as u64;
    if !is_store || !is_plain(options) || asked.count > FEW || asked.sql.is_null() || (asked.params.is_null() && asked.count > 0) {
        return Ok(Shortcut::Nothing);
    }
    let cache = if options.cache == KW_CACHE_USE { CacheUse::Use } else { CacheUse::Default };
    let ttl = ttl(options);
    handle::with_store(asked.target, |store| {
        // SAFETY: the caller's promises.
        let key = || unsafe { key(asked) };
        store.shortcut(cache, ttl, key, |whole| (whole.size() <= LARGE).then(|| copy_whole(space, whole)).flatten())
    })
}

/// What the result is found by; `None` where a parameter is wrong. SQL that is no UTF-8 is found nowhere.
///
/// # Safety
/// As [`hit`]; neither pointer is NULL where something is read from it.
#[inline]
unsafe fn key(asked: &Asked) -> Option<Key> {
    let mut values = [ValueRef::Null; FEW];
    // SAFETY: by contract.
    unsafe {
        let sql = match asked.sql_len {
            KW_NUL_TERMINATED => CStr::from_ptr(asked.sql).to_bytes(),
            length => std::slice::from_raw_parts(asked.sql.cast::<u8>(), length),
        };
        for (index, place) in values[..asked.count].iter_mut().enumerate() {
            *place = value(&*asked.params.add(index), asked.params, index).ok()?;
        }
        Some(Key::of(sql, values[..asked.count].iter().copied(), false, &[]))
    }
}

/// Whether the options ask for nothing but the cache, a timeout (which a hit does not take), and what concerns running alone.
fn is_plain(options: &kw_options) -> bool {
    const RUNNING: u32 = KW_OPTION_READ_ONLY | KW_OPTION_UNPREPARED | KW_OPTION_NO_WRITER | KW_OPTION_UNBOUND | KW_OPTION_CACHED;
    options.flags & !RUNNING == 0
        && options.cancel == 0
        && options.statement == 0
        && options.param_names.is_null()
        && options.tick.is_none()
        && options.cache_ttl_ms >= 0
        && matches!(options.cache, KW_CACHE_DEFAULT | KW_CACHE_USE)
}
