//! Setting the native road up, and what both roads have to be told about the interpreter.

use std::ffi::{c_void, CStr, CString};

use super::api::{Api, PyObject, FASTCALL_KEYWORDS, NO_ARGUMENTS};
use super::class;
use super::object::{Object, Outcome, Owned, Python, Raised};
use super::state::{self, kept_item, Address, Classes, Helpers, Interpreter};
use super::{gil, kept_rows, rows, stream, target};
use crate::error::{Error, Kind};
use crate::ffi::guard::guard;
use crate::ffi::types::*;

/// Part of the Python package: makes the classes and functions of its native road in the interpreter that calls this with its lock held.
/// `namespace` is a Python dict with the package's helpers, which gets `Target`, `Rows`, `fetch_rows`, `tidy` and `leave`.
/// Answers `KW_UNSUPPORTED` in an interpreter that hides its functions, has no global lock, or is not the first to ask.
#[no_mangle]
pub unsafe extern "C" fn kw_python_module(namespace: *mut c_void) -> kw_status {
    guard(std::ptr::null_mut(), || {
        if namespace.is_null() {
            return Err(crate::ffi::text::null("namespace"));
        }
        let unsupported = || Error::new(Kind::Unsupported, "python: this interpreter cannot be served natively");
        let api = state::api().ok_or_else(unsupported)?;
        // SAFETY: the package calls this through ctypes.PyDLL, which holds the lock.
        let python = unsafe { Python::assume(api) };
        if !class::has_plain_heads(python) || !state::claim(api) {
            return Err(unsupported());
        }
        // SAFETY: the package passes a dict that it holds.
        let namespace = unsafe { python.view(namespace.cast()) }.ok_or_else(unsupported)?;
        // An exception stays set; PyDLL raises it.
        Ok(set_up(api, python, namespace).map_or(KW_ERROR, |()| KW_OK))
    })
}

/// Part of the Python package: says which thread runs Python's signal handlers, and the tick that the portable road calls there.
#[no_mangle]
pub unsafe extern "C" fn kw_python_settings(main_thread: u64, tick: kw_tick) -> kw_status {
    guard(std::ptr::null_mut(), || {
        state::set_main_thread(main_thread, tick);
        Ok(KW_OK)
    })
}

fn set_up(api: &'static Api, python: Python<'_>, namespace: Object<'_>) -> Outcome<()> {
    let helpers = Helpers {
        make_error: kept_item(namespace, c"make_error")?,
        make_result: kept_item(namespace, c"make_result")?,
        shape_parameters: kept_item(namespace, c"shape_parameters")?,
        bad_parameter: kept_item(namespace, c"bad_parameter")?,
        bad_name: kept_item(namespace, c"bad_name")?,
        bad_argument: kept_item(namespace, c"bad_argument")?,
        bad_keyword: kept_item(namespace, c"bad_keyword")?,
        bad_row: kept_item(namespace, c"bad_row")?,
        bad_text: kept_item(namespace, c"bad_text")?,
        describe_rows: kept_item(namespace, c"describe_rows")?,
        statement: kept_item(namespace, c"Statement")?,
        cancel_token: kept_item(namespace, c"CancelToken")?,
    };
    let doc = |name| doc(namespace, name);
    let (class, query, query_one) = (doc(c"doc_target")?, doc(c"doc_query")?, doc(c"doc_query_one")?);
    let (query_value, execute, rows_doc) = (doc(c"doc_query_value")?, doc(c"doc_execute")?, doc(c"doc_rows")?);
    let docs = target::Docs { class: &class, query: &query, query_one: &query_one, query_value: &query_value, execute: &execute };
    let classes = Classes { target: target::make(python, &docs)?, rows: rows::make(python, &rows_doc)? };
    let fetch = builtin(python, c"fetch_rows", stream::fetch as *const (), FASTCALL_KEYWORDS)?;
    let tidy = builtin(python, c"tidy", tidy as *const (), NO_ARGUMENTS)?;
    let leave = builtin(python, c"leave", leave as *const (), NO_ARGUMENTS)?;
    for (name, object) in [(c"Target", classes.target), (c"Rows", classes.rows)] {
        namespace.set_item(name, &python.constant(object.0))?;
    }
    namespace.set_item(c"fetch_rows", &fetch)?;
    namespace.set_item(c"tidy", &tidy)?;
    namespace.set_item(c"leave", &leave)?;
    Interpreter::new(api, helpers, classes).install();
    Ok(())
}

fn builtin<'py>(python: Python<'py>, name: &'static CStr, function: *const (), flags: i32) -> Outcome<Owned<'py>> {
    let table = vec![class::method(name, function, flags, c"")].leak();
    // SAFETY: the definition lives for ever; without a self and a module the function is called with null for them.
    unsafe { python.own((python.api.PyCFunction_NewEx)(table.as_mut_ptr(), std::ptr::null_mut(), std::ptr::null_mut())) }
}

/// `tidy()`: gives back the rows of results that have left their cache.
unsafe extern "C" fn tidy(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    super::entry(|interpreter, python| {
        kept_rows::tidy(interpreter, python);
        Ok(python.none())
    })
}

/// `leave()`: to be called when the interpreter starts to end.
unsafe extern "C" fn leave(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    super::entry(|interpreter, python| {
        gil::leave(interpreter.api);
        Ok(python.none())
    })
}

fn doc(namespace: Object<'_>, name: &'static CStr) -> Outcome<CString> {
    let Address(text) = kept_item(namespace, name)?;
    // SAFETY: kept for ever.
    let text = unsafe { namespace.python().view(text) }.ok_or(Raised)?;
    Ok(CString::new(text.as_utf8()?).unwrap_or_default())
}
