//! The arguments of `query`, `execute` and their like, as the interpreter passes them to a builtin.

use super::api::PyObject;
use super::object::{Object, Outcome, Python, Raised};
use super::state::Interpreter;
use crate::ffi::call::NO_OPTIONS;
use crate::ffi::types::*;

/// The raw arguments of a `METH_FASTCALL | METH_KEYWORDS` call.
pub struct Call<'py> {
    python: Python<'py>,
    first: *const *mut PyObject,
    positions: usize,
    keywords: Option<Object<'py>>,
}

impl<'py> Call<'py> {
    /// Wraps what the interpreter passed.
    ///
    /// # Safety
    /// The three values are those of one call that lasts for `'py`.
    pub unsafe fn new(python: Python<'py>, first: *const *mut PyObject, positions: isize, keywords: *mut PyObject) -> Self {
        // SAFETY: by contract: null, or a tuple that lives as long as the call.
        Call { python, first, positions: positions.max(0) as usize, keywords: unsafe { python.view(keywords) } }
    }

    /// The positional argument at `index`.
    #[inline]
    pub fn position(&self, index: usize) -> Option<Object<'py>> {
        // SAFETY: the array has `positions` entries, each alive for the call.
        (index < self.positions).then(|| unsafe { self.python.view(*self.first.add(index)) }).flatten()
    }

    /// Exactly `N` positional arguments, of a builtin that only the package calls.
    pub fn exactly<const N: usize>(&self) -> Outcome<[Object<'py>; N]> {
        let all: Option<Vec<_>> = (0..N).map(|index| self.position(index)).collect();
        let all = all.filter(|_| self.positions == N).and_then(|all| all.try_into().ok());
        all.ok_or_else(|| self.python.raise_type_error(c"keepwell: wrong number of arguments inside the package"))
    }

    /// The keyword arguments, in the order given.
    #[inline]
    fn keywords(&self) -> impl Iterator<Item = Outcome<(Object<'py>, Object<'py>)>> + '_ {
        let count = self.keywords.map_or(0, Object::tuple_len);
        (0..count).map(move |index| {
            let name = self.keywords.ok_or(Raised)?.tuple_item(index)?;
            // SAFETY: the values follow the positional arguments in the same array, one per name.
            let value = unsafe { self.python.view(*self.first.add(self.positions + index)) }.ok_or(Raised)?;
            Ok((name, value))
        })
    }
}

/// What to run.
#[derive(Clone, Copy)]
pub enum Command<'py> {
    Text(&'py str),
    /// The handle of a prepared statement.
    Prepared(u64),
}

/// The arguments of one call: `(sql, params=(), *, timeout=None, read_only=False, cache=None, cancel=None)`.
pub struct Arguments<'py> {
    pub command: Command<'py>,
    pub params: Option<Object<'py>>,
    pub options: kw_options,
}

impl<'py> Arguments<'py> {
    /// Sorts the arguments; raises `TypeError` for a missing, surplus or unknown one.
    #[inline]
    pub fn read(interpreter: &Interpreter, call: &Call<'py>) -> Outcome<Self> {
        let (mut sql, mut params) = (call.position(0), call.position(1));
        let mut options = NO_OPTIONS;
        if call.keywords.is_some() {
            for pair in call.keywords() {
                let (name, value) = pair?;
                if name.is_text(c"params") && params.is_none() {
                    params = Some(value);
                } else if name.is_text(c"sql") && sql.is_none() {
                    sql = Some(value);
                } else {
                    set(interpreter, &mut options, name, value)?;
                }
            }
        }
        if call.positions > 2 {
            return Err(call
                .python
                .raise_type_error(c"at most two positional arguments, sql and params: pass parameters as one tuple, list or dict"));
        }
        let sql = sql.ok_or_else(|| call.python.raise_type_error(c"missing the argument 'sql'"))?;
        Ok(Arguments { command: Command::read(interpreter, sql)?, params, options })
    }
}

impl<'py> Command<'py> {
    /// Reads what the caller gave for `sql`.
    #[inline]
    pub fn read(interpreter: &Interpreter, sql: Object<'py>) -> Outcome<Self> {
        let python = sql.python();
        if sql.is_a(python.api.PyUnicode_Type) {
            let utf8 = sql.as_utf8().map_err(|_| {
                python.clear();
                interpreter.bad_argument(sql, c"sql")
            })?;
            // SAFETY: the UTF-8 form of a `str` is UTF-8.
            Ok(Command::Text(unsafe { std::str::from_utf8_unchecked(utf8) }))
        } else if sql.is_a(interpreter.helpers.statement.0) {
            Ok(Command::Prepared(handle_of(sql)?))
        } else {
            Err(interpreter.bad_argument(sql, c"sql"))
        }
    }
}

/// The options of a call inside the package: `()`, or `(timeout in µs, flags, cancel, cache, cache's age in ms)`.
pub fn packed_options(tuple: Object<'_>) -> Outcome<kw_options> {
    let mut options = NO_OPTIONS;
    if tuple.tuple_len() == 5 {
        let number = |index| tuple.tuple_item(index)?.as_i64().map(Option::unwrap_or_default);
        options.timeout_us = number(0)?;
        options.flags = number(1)? as u32;
        options.cancel = tuple.tuple_item(2)?.as_u64()?;
        options.cache = number(3)? as i32;
        options.cache_ttl_ms = number(4)?;
    }
    Ok(options)
}

fn handle_of(object: Object<'_>) -> Outcome<u64> {
    object.attribute(c"_handle")?.get().as_u64()
}

fn set(interpreter: &Interpreter, options: &mut kw_options, name: Object<'_>, value: Object<'_>) -> Outcome<()> {
    if name.is_text(c"timeout") {
        options.timeout_us = timeout(interpreter, value)?;
    } else if name.is_text(c"read_only") {
        options.flags |= if value.is_true()? { KW_OPTION_READ_ONLY } else { 0 };
    } else if name.is_text(c"cache") {
        (options.cache, options.cache_ttl_ms) = cache(interpreter, value)?;
    } else if name.is_text(c"cancel") {
        options.cancel = token(interpreter, value)?;
    } else {
        return Err(interpreter.bad_keyword(name));
    }
    Ok(())
}

/// Seconds as microseconds: 0 for `None` (the store's own), negative for infinity (none).
fn timeout(interpreter: &Interpreter, value: Object<'_>) -> Outcome<i64> {
    if value.is_none() {
        return Ok(0);
    }
    match value.as_f64() {
        Ok(f64::INFINITY) => Ok(-1),
        // A cast of a float saturates.
        Ok(seconds) if seconds >= 0.0 => Ok(((seconds * 1e6) as i64).max(1)),
        _ => {
            value.python().clear();
            Err(interpreter.bad_argument(value, c"timeout"))
        }
    }
}

/// `None`, `True`, `False`, `"refresh"`, or the seconds that a result may serve: with the age in milliseconds, 0 for none.
fn cache(interpreter: &Interpreter, value: Object<'_>) -> Outcome<(i32, i64)> {
    let python = value.python();
    let api = python.api;
    let constants = [(api._Py_NoneStruct, KW_CACHE_DEFAULT), (api._Py_TrueStruct, KW_CACHE_USE), (api._Py_FalseStruct, KW_CACHE_SKIP)];
    if let Some((_, number)) = constants.into_iter().find(|(object, _)| *object == value.pointer()) {
        return Ok((number, 0));
    }
    if value.is_a(api.PyUnicode_Type) {
        return if value.is_text(c"refresh") { Ok((KW_CACHE_REFRESH, 0)) } else { Err(interpreter.bad_argument(value, c"cache")) };
    }
    match value.as_f64() {
        // A cast of a float saturates.
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok((KW_CACHE_USE, ((seconds * 1e3) as i64).max(1))),
        _ => {
            python.clear();
            Err(interpreter.bad_argument(value, c"cache"))
        }
    }
}

fn token(interpreter: &Interpreter, value: Object<'_>) -> Outcome<u64> {
    if value.is_none() {
        return Ok(0);
    }
    if !value.is_a(interpreter.helpers.cancel_token.0) {
        return Err(interpreter.bad_argument(value, c"cancel"));
    }
    handle_of(value)
}
