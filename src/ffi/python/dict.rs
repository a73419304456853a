//! What keepwell does with a Python `dict`.

use std::ffi::CStr;
use std::ptr::null_mut;

use super::object::{Object, Outcome, Owned, Raised};

impl<'py> Object<'py> {
    /// The keys and values of a `dict`.
    pub fn dict_items(self) -> Vec<(Owned<'py>, Owned<'py>)> {
        let (mut position, mut items) = (0_isize, Vec::new());
        let (mut key, mut value) = (null_mut(), null_mut());
        // SAFETY: the object is a live dict and the lock is held throughout, so it does not change; key and value are borrowed from
        // it and never null, and get a reference of our own before anything else happens.
        while unsafe { (self.python().api.PyDict_Next)(self.pointer(), &mut position, &mut key, &mut value) } != 0 {
            items.push((self.python().constant(key), self.python().constant(value)));
        }
        items
    }

    /// Sets a key of a `dict`.
    pub fn set_item(self, key: &CStr, value: &Owned<'_>) -> Outcome<()> {
        // SAFETY: both are alive, the lock is held, the key ends with a NUL.
        match unsafe { (self.python().api.PyDict_SetItemString)(self.pointer(), key.as_ptr(), value.pointer()) } {
            0 => Ok(()),
            _ => Err(Raised),
        }
    }
}
