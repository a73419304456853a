//! Running SQL: query, execute, execute_many, execute_script, on any target.

use std::ffi::{c_char, c_void, CStr};
use std::sync::Arc;
use std::time::Duration;

use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::rows::{Filled, Reader};
use super::text::{give, read, text, values, Out};
use super::types::*;
use crate::cancel::Caller;
use crate::driver::Changes;
use crate::error::{Error, Kind, Result};
use crate::exec::Matrix;
use crate::options::{CacheUse, QueryOptions, Timeout};
use crate::results::{Rest, Rows};
use crate::rows::{Batch, Columns};
use crate::store::{Scope, Statement, Store, TxMode};
use crate::value::Params;

/// What a target handle stands for.
pub enum Target {
    Store(Store),
    Scope(Arc<Scope>),
    /// A target with default options attached.
    Derived(Box<Target>, kw_options),
}

// SAFETY: the pointers in derived options (names, tick) are cleared when the target is made.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

/// Where a call runs.
#[derive(Clone, Copy)]
pub enum On<'a> {
    Store(&'a Store),
    Scope(&'a Scope),
}

impl<'a> On<'a> {
    pub fn store(self) -> &'a Store {
        match self {
            On::Store(store) => store,
            On::Scope(scope) => scope.store(),
        }
    }

    #[inline]
    pub fn query_first<R>(
        self,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        receive: impl FnOnce(&Arc<Columns>, &mut Batch) -> R,
    ) -> Result<(R, Option<Rest>)> {
        match self {
            On::Store(store) => store.query_first(sql, params, options, receive),
            On::Scope(scope) => scope.query_first(sql, params, options, receive),
        }
    }

    pub fn query(self, sql: &str, params: Params<'_>, options: &QueryOptions<'_>) -> Result<Rows> {
        match self {
            On::Store(store) => store.query(sql, params, options),
            On::Scope(scope) => scope.query(sql, params, options),
        }
    }

    pub fn execute(self, sql: &str, params: Params<'_>, options: &QueryOptions<'_>) -> Result<Changes> {
        match self {
            On::Store(store) => store.execute(sql, params, options),
            On::Scope(scope) => scope.execute(sql, params, options),
        }
    }

    pub fn execute_many(self, sql: &str, matrix: Matrix<'_>, options: &QueryOptions<'_>) -> Result<Changes> {
        match self {
            On::Store(store) => store.execute_many(sql, matrix, options),
            On::Scope(scope) => scope.execute_many(sql, matrix, options),
        }
    }

    pub fn execute_script(self, sql: &str, options: &QueryOptions<'_>) -> Result<Changes> {
        match self {
            On::Store(store) => store.execute_script(sql, options),
            On::Scope(scope) => scope.execute_script(sql, options),
        }
    }

    pub fn prepare(self, sql: &str, options: &QueryOptions<'_>) -> Result<Statement> {
        match self {
            On::Store(store) => store.prepare(sql, options),
            On::Scope(scope) => scope.prepare(sql, options),
        }
    }

    /// Pins a connection of a store.
    pub fn pin(self, options: &QueryOptions<'_>) -> Result<Scope> {
        match self {
            On::Store(store) => store.pin(options),
            On::Scope(_) => Err(Error::new(Kind::Misuse, "pin: a connection is pinned from a store, not from a transaction or connection")),
        }
    }

    pub fn begin(self, mode: TxMode, options: &QueryOptions<'_>) -> Result<Scope> {
        match self {
            On::Store(store) => store.begin(mode, options),
            On::Scope(scope) => scope.begin(mode, options),
        }
    }
}

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
        if raw.flags >= KW_OPTION_COLUMN_NAMES << 1 {
            return Err(Error::new(Kind::Abi, format!("options: this library does not know all of the flags {:#x}", raw.flags)));
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
            batch_rows: raw.batch_rows,
            cache: match raw.cache {
                KW_CACHE_DEFAULT => CacheUse::Default,
                KW_CACHE_USE => CacheUse::Use,
                KW_CACHE_SKIP => CacheUse::Skip,
                KW_CACHE_REFRESH => CacheUse::Refresh,
                other => return Err(Error::new(Kind::Misuse, format!("options: cache is {other}, but has to be 0 to 3"))),
            },
            cache_ttl: (raw.cache_ttl_ms > 0).then(|| Duration::from_millis(raw.cache_ttl_ms as u64)),
            caller: self.tick.as_ref().map(|tick| tick as &dyn Caller),
        })
    }

    /// The call's options over the defaults of a derived target.
    fn over(&self, defaults: &kw_options) -> Call {
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

    fn statement(&self) -> Result<Option<Arc<Statement>>> {
        match self.raw.statement {
            0 => Ok(None),
            handle => super::statement::find(handle).map(Some),
        }
    }

    /// # Safety
    /// `param_names` is NULL or points to `count` NUL-terminated texts.
    unsafe fn names(&self, count: usize) -> Result<Option<Vec<&str>>> {
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

fn first<T: Default + PartialEq>(a: T, b: T) -> T {
    if a == T::default() { b } else { a }
}

/// Runs `work` on what a target handle stands for, with the options that apply there.
#[inline]
pub fn on_target<R>(target: u64, call: &Call, work: impl FnOnce(On<'_>, &Call) -> Result<R>) -> Result<R> {
    const SCOPE: u64 = Kinds::Scope as u64;
    const DERIVED: u64 = Kinds::Derived as u64;
    match handle::kind_of(target) {
        SCOPE => {
            let scope = find_scope(target)?;
            work(On::Scope(&scope), call)
        }
        DERIVED => {
            let derived = find_derived(target)?;
            on_derived(&derived, call, work)
        }
        _ => handle::with_store(target, |store| work(On::Store(store), call)),
    }
}

fn on_derived<R>(target: &Target, call: &Call, work: impl FnOnce(On<'_>, &Call) -> Result<R>) -> Result<R> {
    match target {
        Target::Store(store) => work(On::Store(store), call),
        Target::Scope(scope) => work(On::Scope(scope), call),
        Target::Derived(base, defaults) => {
            let call = call.over(defaults);
            match &**base {
                Target::Store(store) => work(On::Store(store), &call),
                Target::Scope(scope) => work(On::Scope(scope), &call),
                Target::Derived(..) => Err(Error::new(Kind::Misuse, "target: derived from a derived target")),
            }
        }
    }
}

/// The transaction, savepoint or pinned connection behind a handle.
#[inline]
pub fn find_scope(target: u64) -> Result<Arc<Scope>> {
    handle::get(target, Kinds::Scope, |object| match object {
        Object::Scope(scope) => Some(scope.clone()),
        _ => None,
    })
}

fn find_derived(target: u64) -> Result<Arc<Target>> {
    handle::get(target, Kinds::Derived, |object| match object {
        Object::Derived(target) => Some(target.clone()),
        _ => None,
    })
}

/// What a target handle stands for, with the options attached to it.
pub fn find_target(target: u64, call: &Call) -> Result<Target> {
    match handle::kind_of(target) {
        kind if kind == Kinds::Scope as u64 => Ok(Target::Derived(Box::new(Target::Scope(find_scope(target)?)), call.attachable())),
        kind if kind == Kinds::Derived as u64 => match &*find_derived(target)? {
            Target::Derived(base, defaults) => {
                let base = match &**base {
                    Target::Store(store) => Target::Store(store.clone()),
                    Target::Scope(scope) => Target::Scope(scope.clone()),
                    Target::Derived(..) => return Err(Error::new(Kind::Misuse, "target: derived from a derived target")),
                };
                Ok(Target::Derived(Box::new(base), call.over(defaults).attachable()))
            }
            Target::Store(_) | Target::Scope(_) => Err(Error::new(Kind::Misuse, "target: not a derived target")),
        },
        _ => handle::with_store(target, |store| Ok(Target::Derived(Box::new(Target::Store(store.clone())), call.attachable()))),
    }
}

/// One request, read from the arguments that all functions of this page share.
struct Request {
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    count: usize,
    options: *const kw_options,
}

impl Request {
    /// # Safety
    /// The arguments keep the promises of the header.
    #[inline]
    unsafe fn run<R>(&self, work: impl FnOnce(On<'_>, &str, Params<'_>, &QueryOptions<'_>, &Call) -> Result<R>) -> Result<R> {
        // SAFETY: the caller's promises, for the time of the call.
        unsafe {
            let call = Call::new(self.options)?;
            let values = values(self.params, self.count)?;
            let statement = call.statement()?;
            let sql = match &statement {
                Some(statement) if self.sql.is_null() => statement.sql(),
                Some(_) => return Err(Error::new(Kind::Misuse, "sql: has to be NULL when options.statement is given")),
                None if self.sql.is_null() => return Err(super::text::null("sql")),
                None => text(self.sql, self.sql_len, "sql")?,
            };
            let names = call.names(self.count)?;
            let params = match &names {
                Some(names) => Params::named(names, &values),
                None => Params::positional(&values),
            };
            on_target(self.target, &call, |on, call| work(on, sql, params, &call.options()?, call))
        }
    }
}

/// Runs one statement and returns its rows.
///
/// A read runs on a reader; a result that fits into the first batch has given its connection back when this returns, a longer one holds
/// it until the rows are closed or read to their end. A write (INSERT … RETURNING) runs to its end on the writer and is committed when this
/// returns. Blocks while no connection is free, another process holds the lock, or the statement runs, up to the timeout.
/// Errors: `KW_SQL`, `KW_PARAMETER`, `KW_TIMEOUT`, `KW_CANCELLED`, `KW_EXHAUSTED`, `KW_SELF_DEADLOCK`, …; see the table of statuses.
#[no_mangle]
pub unsafe extern "C" fn kw_query(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    param_count: usize,
    options: *const kw_options,
    rows: *mut kw_rows,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        if rows.is_null() {
            return Err(super::text::null("rows"));
        }
        let request = Request { target, sql, sql_len, params, count: param_count, options };
        // SAFETY: the caller keeps the promises of the header.
        let reader = unsafe {
            request.run(|on, sql, params, options, call| Ok(Reader::new(on.query(sql, params, options)?, on.store(), call)?))?
        };
        let handle = reader.into_handle()?;
        // SAFETY: as above.
        unsafe { give(rows, handle, "rows")? };
        Ok(KW_OK)
    })
}

/// Runs one statement and copies its rows into the caller's memory: nothing to close when all of them fit.
///
/// The memory (8-byte aligned) gets `rows × columns` cells and behind them the bytes that they point to. When there are more rows than fit,
/// `out->more` is a rows handle with the rest. Otherwise like `kw_query`.
#[no_mangle]
pub unsafe extern "C" fn kw_query_into(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    param_count: usize,
    options: *const kw_options,
    buffer: *mut c_void,
    buffer_size: usize,
    out: *mut kw_fetch,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let request = Request { target, sql, sql_len, params, count: param_count, options };
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = Out::new(out, "out")?;
            let space = super::rows::Space::new(buffer, buffer_size)?;
            let fetch = request.run(|on, sql, params, options, call| {
                let with_names = call.has(KW_OPTION_COLUMN_NAMES);
                let (filled, rest) = on.query_first(sql, params, options, |columns, batch| Filled::first(space, columns, batch, with_names))?;
                filled.finish(rest, on.store(), call)
            })?;
            out.write(fetch);
        }
        Ok(KW_OK)
    })
}

/// Runs one statement to its end on the writer and says what it changed; committed when this returns, unless the target is a transaction.
/// Rows that it returns are dropped. `out` may be NULL. Blocks and fails like `kw_query`.
#[no_mangle]
pub unsafe extern "C" fn kw_execute(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    param_count: usize,
    options: *const kw_options,
    out: *mut kw_result,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let request = Request { target, sql, sql_len, params, count: param_count, options };
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = optional(out)?;
            let changes = request.run(|on, sql, params, options, _| on.execute(sql, params, options))?;
            write_result(out, changes);
        }
        Ok(KW_OK)
    })
}

/// Runs one statement for each of `row_count` rows of `column_count` parameters, row after row in `params`, in one transaction (a savepoint,
/// when the target is a transaction): all of them, or none. `rows_affected` is their sum. `out` may be NULL. `options.param_names`, where
/// given, names the columns.
#[no_mangle]
pub unsafe extern "C" fn kw_execute_many(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    params: *const kw_cell,
    column_count: usize,
    row_count: usize,
    options: *const kw_options,
    out: *mut kw_result,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let too_many = || Error::new(Kind::Parameter, format!("{row_count} rows of {column_count} parameters are too many for one call"));
        let count = column_count.checked_mul(row_count).ok_or_else(too_many)?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = optional(out)?;
            let named = super::text::read(options, "options")?.filter(|o| !o.param_names.is_null());
            if named.is_some() {
                return Err(Error::new(Kind::Unsupported, "execute_many: give the values in order; names are for single rows"));
            }
            let request = Request { target, sql, sql_len, params, count, options };
            let changes = request.run(|on, sql, params, options, _| {
                on.execute_many(sql, Matrix::new(params.values(), column_count, row_count)?, options)
            })?;
            write_result(out, changes);
        }
        Ok(KW_OK)
    })
}

/// Runs the statements of a script one after another; the engine finds where each one ends, so triggers, strings and comments are safe.
///
/// On a store the script is one transaction and an error undoes all of it, unless it has BEGIN and COMMIT of its own, changes settings of the
/// connection by PRAGMA, or runs VACUUM: what came before is committed then. Inside a transaction it must not end that. Rows are dropped.
/// `rows_affected` is the sum; `out` may be NULL. An error's `sql_offset` counts from the start of the script.
#[no_mangle]
pub unsafe extern "C" fn kw_execute_script(
    target: kw_target,
    sql: *const c_char,
    sql_len: usize,
    options: *const kw_options,
    out: *mut kw_result,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        unsafe {
            let out = optional(out)?;
            let request = Request { target, sql, sql_len, params: std::ptr::null(), count: 0, options };
            let changes = request.run(|on, sql, _, options, _| on.execute_script(sql, options))?;
            write_result(out, changes);
        }
        Ok(KW_OK)
    })
}

/// # Safety
/// `out` is NULL or a valid struct.
unsafe fn optional(out: *mut kw_result) -> Result<Option<Out<kw_result>>> {
    if out.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { Out::new(out, "out").map(Some) }
}

fn write_result(out: Option<Out<kw_result>>, changes: Changes) {
    if let Some(out) = out {
        let Changes { last_insert_id, rows_affected } = changes;
        out.write(kw_result { struct_size: 0, reserved: 0, last_insert_id, rows_affected });
    }
}
