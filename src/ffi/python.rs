//! The Python package's own doors: builtins that make Python objects themselves, and the portable road beside them.
//!
//! The package loads the library with ctypes. Where it runs in a CPython with a global lock, [`kw_python_module`] finds the interpreter's
//! functions in this process and makes the classes of the *native road*. Everywhere else, requests and results travel as bytes through
//! [`kw_python_call`]. Nothing here is for other callers.

mod api;
mod arguments;
mod cells;
mod class;
mod dict;
mod gil;
mod kept;
mod kept_rows;
mod marshal;
mod memo;
mod module;
mod object;
mod page;
mod parameters;
mod portable;
mod reply;
mod request;
mod rows;
mod state;
mod stream;
mod target;
mod tick;

use std::panic::{catch_unwind, AssertUnwindSafe};

use self::api::PyObject;
use self::object::{Outcome, Owned, Python, Raised};
use self::state::Interpreter;
use super::guard::from_panic;

/// The frame of every function that the interpreter calls: its lock held, the set-up found, panics stopped. Null: an exception is set.
#[inline]
fn entry(body: impl for<'py> FnOnce(&'static Interpreter, Python<'py>) -> Outcome<Owned<'py>>) -> *mut PyObject {
    framed(|interpreter, python| body(interpreter, python).map(Owned::give)).unwrap_or(std::ptr::null_mut())
}

/// The same for functions that return a number; -1: an exception is set.
#[inline]
fn entry_number(body: impl FnOnce(&'static Interpreter, Python<'_>) -> Outcome<isize>) -> isize {
    framed(body).unwrap_or(-1)
}

#[inline]
fn framed<T>(body: impl FnOnce(&'static Interpreter, Python<'_>) -> Outcome<T>) -> Outcome<T> {
    // The classes exist only after a set-up.
    let interpreter = state::current().ok_or(Raised)?;
    // SAFETY: the interpreter calls its builtins with its lock held.
    let python = unsafe { Python::assume(interpreter.api) };
    catch_unwind(AssertUnwindSafe(|| body(interpreter, python)))
        .unwrap_or_else(|panic| Err(interpreter.raise(python, &from_panic(&*panic))))
}
