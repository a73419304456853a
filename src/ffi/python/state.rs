//! What the native road knows of the interpreter it was set up in: functions, classes, helpers, column names.

use std::ffi::CStr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::api::{Api, PyObject};
use super::memo::Memo;
use super::object::{Object, Outcome, Owned, Python, Raised};
use super::page::no_error;
use super::parameters::Place;
use crate::driver::Changes;
use crate::error::Error;
use crate::ffi::guard::{copy_text, error_flags};
use crate::ffi::types::*;
use crate::rows::Columns;

/// The set-up of the package in one interpreter. Never freed: methods may run until the process ends.
pub struct Interpreter {
    pub api: &'static Api,
    pub helpers: Helpers,
    pub classes: Classes,
    columns: Memo<Address>,
}

/// A reference that is kept for ever, or as long as [`Interpreter::columns`] remembers it.
#[derive(Clone, Copy)]
pub struct Address(pub *mut PyObject);

// SAFETY: only an address; what it points to is used by threads that hold the interpreter's lock.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

/// Python functions and classes of the package that the native road calls back.
pub struct Helpers {
    /// `(code, message, engine code, extended code, SQL offset, flags, SQLSTATE) -> exception`
    pub make_error: Address,
    /// `((last insert id, rows affected)) -> Result`
    pub make_result: Address,
    /// `(params) -> tuple | dict`
    pub shape_parameters: Address,
    /// `(place, value)`; raises
    pub bad_parameter: Address,
    /// `(key)`; raises
    pub bad_name: Address,
    /// `(name, value)`; raises
    pub bad_argument: Address,
    /// `(name)`; raises
    pub bad_keyword: Address,
    /// `(row, index, columns expected)`; raises
    pub bad_row: Address,
    /// `(column, bytes)`; raises
    pub bad_text: Address,
    /// `(columns, rows) -> str`
    pub describe_rows: Address,
    /// The class of prepared statements, with a `_handle`.
    pub statement: Address,
    /// The class of cancel tokens, with a `_handle`.
    pub cancel_token: Address,
}

/// The classes that the native road makes.
pub struct Classes {
    pub target: Address,
    pub rows: Address,
}

/// The thread that Python runs signal handlers in.
static MAIN_THREAD: AtomicU64 = AtomicU64::new(0);
/// The address of the portable road's tick; 0: none.
static TICK: AtomicUsize = AtomicUsize::new(0);
/// The functions of the one Python in this process.
static API: OnceBox<Option<Api>> = OnceBox::new();
/// The interpreter they belong to, as a number; a second one inside the process takes the portable road.
static OWNER: AtomicUsize = AtomicUsize::new(0);
/// The latest set-up. A package that is imported afresh sets up afresh.
static CURRENT: AtomicPtr<Interpreter> = AtomicPtr::new(std::ptr::null_mut());

/// Remembers what the package says of its threads.
pub fn set_main_thread(thread: u64, tick: kw_tick) {
    MAIN_THREAD.store(thread, Ordering::Release);
    TICK.store(tick.map_or(0, |tick| tick as usize), Ordering::Release);
}

/// The thread that Python runs signal handlers in.
#[inline]
pub fn main_thread() -> u64 {
    MAIN_THREAD.load(Ordering::Acquire)
}

/// The portable road's tick.
pub fn portable_tick() -> kw_tick {
    // SAFETY: 0 is `None`; anything else came from a `kw_tick`, which has the same layout.
    unsafe { std::mem::transmute::<usize, kw_tick>(TICK.load(Ordering::Acquire)) }
}

/// The functions of this process's Python, when it is one that the native road can serve.
pub fn api() -> Option<&'static Api> {
    API.get_or_init(|| Box::new(Api::find())).as_ref()
}

/// Whether this interpreter may be served: the first to ask, and nobody after it.
pub fn claim(api: &Api) -> bool {
    // SAFETY: the caller was called by Python, so this thread has an interpreter.
    let interpreter = unsafe { (api.PyInterpreterState_Get)() } as usize;
    OWNER.compare_exchange(0, interpreter, Ordering::SeqCst, Ordering::SeqCst).map_or_else(|owner| owner == interpreter, |_| true)
}

/// The set-up that methods use; `None` before there is one.
#[inline]
pub fn current() -> Option<&'static Interpreter> {
    // SAFETY: null, or an address from `Box::leak` that is never freed.
    unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
}

impl Interpreter {
    /// A set-up that is not yet the current one.
    pub fn new(api: &'static Api, helpers: Helpers, classes: Classes) -> Self {
        Interpreter { api, helpers, classes, columns: Memo::new() }
    }

    /// Makes this the set-up that methods use.
    pub fn install(self) {
        CURRENT.store(Box::leak(Box::new(self)), Ordering::Release);
    }

    /// Whatever the caller gave as parameters, as a `tuple` or a `dict`.
    pub fn shape_parameters<'py>(&self, params: Object<'py>) -> Outcome<Owned<'py>> {
        let python = params.python();
        let arguments = python.tuple(1, std::iter::once(Ok(params.to_owned())))?;
        invoke(python, self.helpers.shape_parameters, &arguments)
    }

    /// Raises for a parameter that the engine has no type for.
    pub fn bad_parameter(&self, value: Object<'_>, place: Place<'_>) -> Raised {
        let python = value.python();
        self.complain(python, self.helpers.bad_parameter, || Ok([place.to_object(python)?, value.to_owned()]))
    }

    /// Raises for a key of a mapping that is no name.
    #[cold]
    pub fn bad_name(&self, key: Object<'_>) -> Raised {
        self.complain(key.python(), self.helpers.bad_name, || Ok([key.to_owned()]))
    }

    /// Raises for an argument other than the parameters.
    #[cold]
    pub fn bad_argument(&self, value: Object<'_>, name: &CStr) -> Raised {
        let python = value.python();
        self.complain(python, self.helpers.bad_argument, || Ok([python.text(name.to_bytes())?, value.to_owned()]))
    }

    /// Raises for a keyword that no method knows.
    #[cold]
    pub fn bad_keyword(&self, name: Object<'_>) -> Raised {
        self.complain(name.python(), self.helpers.bad_keyword, || Ok([name.to_owned()]))
    }

    /// The `repr()` of a result.
    pub fn describe_rows<'py>(&self, columns: Object<'py>, list: Object<'py>) -> Outcome<Owned<'py>> {
        let python = list.python();
        let arguments = python.tuple(2, [columns, list].into_iter().map(|o| Ok(o.to_owned())))?;
        invoke(python, self.helpers.describe_rows, &arguments)
    }

    /// Raises for a row that is longer or shorter than the first.
    pub fn bad_row(&self, row: Object<'_>, index: usize, expected: usize) -> Raised {
        let python = row.python();
        self.complain(python, self.helpers.bad_row, || {
            Ok([row.to_owned(), python.integer(index as i64)?, python.integer(expected as i64)?])
        })
    }

    /// Raises for text of a result that is no UTF-8, in place of the interpreter's own exception.
    #[cold]
    pub fn bad_text(&self, python: Python<'_>, text: &[u8], column: usize) -> Raised {
        python.clear();
        self.complain(python, self.helpers.bad_text, || Ok([python.integer(column as i64)?, python.bytes(text)?]))
    }

    fn complain<'py, const N: usize>(
        &self,
        python: Python<'py>,
        helper: Address,
        arguments: impl FnOnce() -> Outcome<[Owned<'py>; N]>,
    ) -> Raised {
        let call = || {
            let arguments = python.tuple(N, arguments()?.into_iter().map(Ok))?;
            invoke(python, helper, &arguments)
        };
        match call() {
            Ok(_) => python.raise_type_error(c"keepwell: a helper that has to raise returned"),
            Err(raised) => raised,
        }
    }

    /// Raises the exception class of an error of the core.
    #[cold]
    pub fn raise(&self, python: Python<'_>, error: &Error) -> Raised {
        let engine = error.engine();
        let mut fields = kw_error {
            code: error.kind().number(),
            engine_code: engine.map_or(0, |e| e.primary),
            engine_extended_code: engine.map_or(0, |e| e.extended),
            sql_offset: error.offset().and_then(|offset| i32::try_from(offset).ok()).unwrap_or(-1),
            flags: error_flags(error),
            ..no_error()
        };
        copy_text(error.sqlstate(), &mut fields.sqlstate);
        self.try_raise(python, &fields, error.message()).err().unwrap_or(Raised)
    }

    /// The same for an error that has gone through the C face.
    #[cold]
    pub fn raise_struct(&self, python: Python<'_>, error: &kw_error) -> Raised {
        let message = text_of(&error.message).to_owned();
        self.try_raise(python, error, &message).err().unwrap_or(Raised)
    }

    fn try_raise(&self, python: Python<'_>, error: &kw_error, message: &str) -> Outcome<()> {
        let fields = [
            python.integer(error.code.into()),
            python.text(message.as_bytes()),
            python.integer(error.engine_code.into()),
            python.integer(error.engine_extended_code.into()),
            python.integer(error.sql_offset.into()),
            python.integer(error.flags.into()),
            python.text(text_of(&error.sqlstate).as_bytes()),
        ];
        let exception = invoke(python, self.helpers.make_error, &python.tuple(fields.len(), fields.into_iter())?)?;
        // SAFETY: both are alive and the lock is held; the interpreter takes references of its own.
        unsafe { (python.api.PyErr_SetObject)(exception.get().class(), exception.pointer()) };
        Ok(())
    }

    /// What a statement changed, as a named tuple.
    pub fn result<'py>(&self, python: Python<'py>, changes: Changes) -> Outcome<Owned<'py>> {
        let numbers = [changes.last_insert_id, changes.rows_affected];
        let numbers = python.tuple(numbers.len(), numbers.into_iter().map(|number| python.integer(number)))?;
        invoke(python, self.helpers.make_result, &python.tuple(1, std::iter::once(Ok(numbers)))?)
    }

    /// The names of the columns as a `tuple`, made once per set of columns as long as no other set takes its place.
    #[inline]
    pub fn columns<'py>(&self, python: Python<'py>, columns: &Arc<Columns>) -> Outcome<Owned<'py>> {
        if let Some(Address(names)) = self.columns.find(columns) {
            return Ok(python.constant(names));
        }
        let names = python.tuple(columns.len(), columns.names.iter().map(|name| python.text(name.as_bytes())))?;
        if let Some(Address(old)) = self.columns.keep(columns, Address(names.get().to_owned().give())) {
            // SAFETY: a reference of ours that nobody can find any more.
            drop(unsafe { python.own(old) });
        }
        Ok(names)
    }
}

/// What calling one of the package's helpers gives.
fn invoke<'py>(python: Python<'py>, helper: Address, arguments: &Owned<'py>) -> Outcome<Owned<'py>> {
    python.constant(helper.0).get().call(python, arguments)
}

/// The text in a fixed array that ends with a NUL.
pub fn text_of(array: &[std::ffi::c_char]) -> &str {
    // SAFETY: `c_char` is a byte.
    let bytes = unsafe { std::slice::from_raw_parts(array.as_ptr().cast::<u8>(), array.len()) };
    CStr::from_bytes_until_nul(bytes).ok().and_then(|text| text.to_str().ok()).unwrap_or_default()
}

/// The value of a key of a `dict` that the package filled, kept for ever.
pub fn kept_item(dict: Object<'_>, key: &CStr) -> Outcome<Address> {
    let python = dict.python();
    // SAFETY: the dict is alive and the lock is held; the borrowed result is null or gets a reference that is never given back.
    let item = unsafe { python.view((python.api.PyDict_GetItemString)(dict.pointer(), key.as_ptr())) };
    match item {
        Some(item) => Ok(Address(item.to_owned().give())),
        None => Err(python.raise_type_error(c"keepwell: the module lacks a helper that the library needs")),
    }
}
