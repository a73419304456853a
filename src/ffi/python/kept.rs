//! References that are needed until the end of a call.

use std::cell::RefCell;
use std::ptr::NonNull;

use super::api::PyObject;
use super::object::{Object, Owned, Python};

/// Keeps references; what is borrowed from here lives as long.
pub struct Kept<'py> {
    python: Python<'py>,
    pointers: RefCell<Vec<NonNull<PyObject>>>,
}

impl<'py> Kept<'py> {
    /// Nothing kept yet.
    pub fn new(python: Python<'py>) -> Self {
        Kept { python, pointers: RefCell::default() }
    }

    /// Keeps the reference and lends its object.
    pub fn hold(&self, owned: Owned<'_>) -> Object<'_> {
        let pointer = owned.give_non_null();
        self.pointers.borrow_mut().push(pointer);
        // SAFETY: the reference stays in the list as long as `self` lives, and what is lent is bound to that.
        unsafe { Object::at(pointer, self.python) }
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        for pointer in self.pointers.get_mut().drain(..) {
            // SAFETY: each reference was taken over in `hold` and is given back once; the lock is held.
            unsafe { (self.python.api.Py_DecRef)(pointer.as_ptr()) }
        }
    }
}
