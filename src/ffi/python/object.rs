//! References to Python objects whose lifetimes the compiler checks, and the few operations keepwell needs on them.

use std::ffi::{c_char, c_int, CStr};
use std::marker::PhantomData;
use std::ptr::{null_mut, NonNull};

use super::api::{Api, PyObject};

/// A Python exception has been set in this thread; whoever gets this returns at once, up to the interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised;

/// What an operation on Python objects gives.
pub type Outcome<T> = Result<T, Raised>;

/// Proof that this thread holds the interpreter's lock, for as long as `'py`.
///
/// Invariant: while a [`Gil`](super::gil::Gil) has given the lock up, nothing made from this proof is used.
#[derive(Clone, Copy)]
pub struct Python<'py> {
    pub api: &'static Api,
    held: PhantomData<&'py ()>,
}

/// A borrowed reference to an object that lives at least as long as `'py`.
#[derive(Clone, Copy)]
pub struct Object<'py> {
    pointer: NonNull<PyObject>,
    python: Python<'py>,
}

/// A reference of our own, given back when dropped.
pub struct Owned<'py>(Object<'py>);

impl<'py> Python<'py> {
    /// Declares that the lock is held.
    ///
    /// # Safety
    /// The calling thread holds the interpreter's lock for the whole of `'py`, except while a `Gil` has given it up.
    pub unsafe fn assume(api: &'static Api) -> Self {
        Python { api, held: PhantomData }
    }

    /// Takes over a new reference that the interpreter returned; null means that an exception is set.
    ///
    /// # Safety
    /// `pointer` is null or a reference that now belongs to the caller.
    pub unsafe fn own(self, pointer: *mut PyObject) -> Outcome<Owned<'py>> {
        NonNull::new(pointer).map(|pointer| Owned(Object { pointer, python: self })).ok_or(Raised)
    }

    /// Views a reference of somebody else's; `None` for null.
    ///
    /// # Safety
    /// `pointer` is null or an object that outlives `'py`.
    pub unsafe fn view(self, pointer: *mut PyObject) -> Option<Object<'py>> {
        NonNull::new(pointer).map(|pointer| Object { pointer, python: self })
    }

    /// A new reference to `None`.
    pub fn none(self) -> Owned<'py> {
        self.constant(self.api._Py_NoneStruct)
    }

    /// A new reference to one of the interpreter's own objects.
    pub fn constant(self, object: *mut PyObject) -> Owned<'py> {
        // SAFETY: the objects of `Api` are never null and never freed; the count is raised for the reference handed out.
        unsafe {
            (self.api.Py_IncRef)(object);
            Owned(Object { pointer: NonNull::new_unchecked(object), python: self })
        }
    }

    /// A `bool`.
    pub fn boolean(self, value: bool) -> Owned<'py> {
        self.constant(if value { self.api._Py_TrueStruct } else { self.api._Py_FalseStruct })
    }

    /// An `int`.
    pub fn integer(self, value: i64) -> Outcome<Owned<'py>> {
        // SAFETY: the lock is held; the result is a new reference or null with an exception set. (So for all makers below.)
        unsafe { self.own((self.api.PyLong_FromLongLong)(value)) }
    }

    /// An `int` from an unsigned number.
    pub fn unsigned(self, value: u64) -> Outcome<Owned<'py>> {
        // SAFETY: as in `integer`.
        unsafe { self.own((self.api.PyLong_FromUnsignedLongLong)(value)) }
    }

    /// A `float`.
    pub fn real(self, value: f64) -> Outcome<Owned<'py>> {
        // SAFETY: as in `integer`.
        unsafe { self.own((self.api.PyFloat_FromDouble)(value)) }
    }

    /// A `str`; raises `UnicodeDecodeError` for bytes that are no UTF-8.
    pub fn text(self, utf8: &[u8]) -> Outcome<Owned<'py>> {
        // SAFETY: as in `integer`; the pointer and length are those of one slice, which the interpreter copies.
        unsafe { self.own((self.api.PyUnicode_FromStringAndSize)(utf8.as_ptr().cast(), utf8.len() as isize)) }
    }

    /// A `bytes`.
    pub fn bytes(self, bytes: &[u8]) -> Outcome<Owned<'py>> {
        // SAFETY: as in `text`.
        unsafe { self.own((self.api.PyBytes_FromStringAndSize)(bytes.as_ptr().cast(), bytes.len() as isize)) }
    }

    /// A `tuple` of what `items` gives, which has to be exactly `length` objects.
    #[inline]
    pub fn tuple(self, length: usize, items: impl Iterator<Item = Outcome<Owned<'py>>>) -> Outcome<Owned<'py>> {
        // SAFETY: as in `integer`.
        let tuple = unsafe { self.own((self.api.PyTuple_New)(length as isize))? };
        for (index, item) in items.take(length).enumerate() {
            // SAFETY: nobody else has seen the new tuple; the function takes the reference over, whatever it returns.
            unsafe { (self.api.PyTuple_SetItem)(tuple.pointer(), index as isize, item?.give()) };
        }
        Ok(tuple)
    }

    /// A `list` of what `items` gives, which has to be exactly `length` objects.
    #[inline]
    pub fn list(self, length: usize, items: impl Iterator<Item = Outcome<Owned<'py>>>) -> Outcome<Owned<'py>> {
        // SAFETY: as in `integer`.
        let list = unsafe { self.own((self.api.PyList_New)(length as isize))? };
        for (index, item) in items.take(length).enumerate() {
            // SAFETY: as in `tuple`.
            unsafe { (self.api.PyList_SetItem)(list.pointer(), index as isize, item?.give()) };
        }
        Ok(list)
    }

    /// Raises an exception of one of the interpreter's classes found by attribute of `builtins`, for misuse inside the package.
    pub fn raise_type_error(self, message: &CStr) -> Raised {
        // SAFETY: the lock is held; TypeError is found through the type of a constant that is always there.
        unsafe { (self.api.PyErr_SetString)(*self.api.PyExc_TypeError.cast::<*mut PyObject>(), message.as_ptr()) };
        Raised
    }

    /// Forgets the exception that is set.
    pub fn clear(self) {
        // SAFETY: the lock is held.
        unsafe { (self.api.PyErr_Clear)() }
    }

    /// Whether an exception is set.
    pub fn is_raised(self) -> bool {
        // SAFETY: the lock is held; the borrowed result is only compared.
        unsafe { !(self.api.PyErr_Occurred)().is_null() }
    }
}

impl<'py> Object<'py> {
    /// Views a reference that is known not to be null.
    ///
    /// # Safety
    /// The object outlives `'py`.
    pub unsafe fn at(pointer: NonNull<PyObject>, python: Python<'py>) -> Self {
        Object { pointer, python }
    }

    /// The address.
    pub fn pointer(self) -> *mut PyObject {
        self.pointer.as_ptr()
    }

    /// The proof it was made with.
    pub fn python(self) -> Python<'py> {
        self.python
    }

    /// A reference of our own to the same object.
    pub fn to_owned(self) -> Owned<'py> {
        // SAFETY: the object is alive and the lock is held.
        unsafe { (self.python.api.Py_IncRef)(self.pointer()) };
        Owned(self)
    }

    /// Its class.
    #[inline]
    pub fn class(self) -> *mut PyObject {
        // SAFETY: the object is alive, and its head is that of `PyObject` (checked when the module was made).
        unsafe { (*self.pointer()).class }
    }

    /// Whether it is `None`.
    #[inline]
    pub fn is_none(self) -> bool {
        self.pointer() == self.python.api._Py_NoneStruct
    }

    /// Whether its class is `class` or derived from it.
    #[inline]
    pub fn is_a(self, class: *mut PyObject) -> bool {
        // SAFETY: both are live classes and the lock is held.
        self.class() == class || unsafe { (self.python.api.PyType_IsSubtype)(self.class(), class) != 0 }
    }

    /// The integer; `None` when it does not fit.
    #[inline]
    pub fn as_i64(self) -> Outcome<Option<i64>> {
        let mut overflow: c_int = 0;
        // SAFETY: the object is alive, the lock is held, `overflow` is ours.
        let value = unsafe { (self.python.api.PyLong_AsLongLongAndOverflow)(self.pointer(), &mut overflow) };
        match value {
            -1 if overflow != 0 => Ok(None),
            -1 if self.python.is_raised() => Err(Raised),
            value => Ok(Some(value)),
        }
    }

    /// The number behind a handle.
    pub fn as_u64(self) -> Outcome<u64> {
        // SAFETY: the object is alive and the lock is held.
        match unsafe { (self.python.api.PyLong_AsUnsignedLongLong)(self.pointer()) } {
            u64::MAX if self.python.is_raised() => Err(Raised),
            value => Ok(value),
        }
    }

    /// The double.
    pub fn as_f64(self) -> Outcome<f64> {
        // SAFETY: the object is alive and the lock is held.
        let value = unsafe { (self.python.api.PyFloat_AsDouble)(self.pointer()) };
        if value == -1.0 && self.python.is_raised() {
            return Err(Raised);
        }
        Ok(value)
    }

    /// Whether Python calls it true.
    pub fn is_true(self) -> Outcome<bool> {
        // SAFETY: the object is alive and the lock is held.
        match unsafe { (self.python.api.PyObject_IsTrue)(self.pointer()) } {
            -1 => Err(Raised),
            answer => Ok(answer != 0),
        }
    }

    /// The text of a `str` as UTF-8, which the object keeps; raises when it has no such form (lone surrogates).
    #[inline]
    pub fn as_utf8(self) -> Outcome<&'py [u8]> {
        let mut length = 0_isize;
        // SAFETY: the object is alive, the lock is held, `length` is ours.
        let start = unsafe { (self.python.api.PyUnicode_AsUTF8AndSize)(self.pointer(), &mut length) };
        if start.is_null() {
            return Err(Raised);
        }
        // SAFETY: a `str` never changes and keeps this form of itself as long as it lives, which is at least `'py`.
        Ok(unsafe { std::slice::from_raw_parts(start.cast(), length as usize) })
    }

    /// The bytes of a `bytes` object.
    #[inline]
    pub fn as_bytes(self) -> Outcome<&'py [u8]> {
        let (mut start, mut length) = (null_mut::<c_char>(), 0_isize);
        // SAFETY: the object is alive, the lock is held, the outputs are ours.
        if unsafe { (self.python.api.PyBytes_AsStringAndSize)(self.pointer(), &mut start, &mut length) } != 0 {
            return Err(Raised);
        }
        // SAFETY: a `bytes` never changes and lives at least as long as `'py`.
        Ok(unsafe { std::slice::from_raw_parts(start.cast_const().cast(), length as usize) })
    }

    /// A `bytes` with a copy of what this object lends through the buffer protocol.
    pub fn copied_bytes(self) -> Outcome<Owned<'py>> {
        // SAFETY: the object is alive and the lock is held.
        unsafe { self.python.own((self.python.api.PyBytes_FromObject)(self.pointer())) }
    }

    /// The length of a `tuple`.
    #[inline]
    pub fn tuple_len(self) -> usize {
        // SAFETY: the object is alive and the lock is held; a wrong class gives -1 and an exception, not undefined behaviour.
        unsafe { (self.python.api.PyTuple_Size)(self.pointer()) }.max(0) as usize
    }

    /// An item of a `tuple`, which keeps it alive.
    #[inline]
    pub fn tuple_item(self, index: usize) -> Outcome<Object<'py>> {
        // SAFETY: as in `tuple_len`; the tuple is alive for `'py`, never changes, and so its items are alive as well.
        unsafe { self.python.view((self.python.api.PyTuple_GetItem)(self.pointer(), index as isize)) }.ok_or(Raised)
    }

    /// A `tuple` of the items that this iterable has now.
    pub fn to_tuple(self) -> Outcome<Owned<'py>> {
        // SAFETY: the object is alive and the lock is held.
        unsafe { self.python.own((self.python.api.PySequence_Tuple)(self.pointer())) }
    }

    /// A `list` of the items that this iterable has now.
    pub fn to_list(self) -> Outcome<Owned<'py>> {
        // SAFETY: the object is alive and the lock is held.
        unsafe { self.python.own((self.python.api.PySequence_List)(self.pointer())) }
    }

    /// The length of a `list`.
    pub fn list_len(self) -> isize {
        // SAFETY: as in `tuple_len`.
        unsafe { (self.python.api.PyList_Size)(self.pointer()) }
    }

    /// The item of a sequence at an index.
    pub fn sequence_item(self, index: isize) -> Outcome<Owned<'py>> {
        // SAFETY: the object is alive and the lock is held.
        unsafe { self.python.own((self.python.api.PySequence_GetItem)(self.pointer(), index)) }
    }

    /// `self[key]`
    pub fn item(self, key: Object<'_>) -> Outcome<Owned<'py>> {
        // SAFETY: both are alive and the lock is held.
        unsafe { self.python.own((self.python.api.PyObject_GetItem)(self.pointer(), key.pointer())) }
    }

    /// `iter(self)`
    pub fn iterator(self) -> Outcome<Owned<'py>> {
        // SAFETY: the object is alive and the lock is held.
        unsafe { self.python.own((self.python.api.PyObject_GetIter)(self.pointer())) }
    }

    /// A comparison, with one of the numbers of `object.h`.
    pub fn compare(self, other: Object<'_>, operation: c_int) -> Outcome<Owned<'py>> {
        // SAFETY: both are alive and the lock is held.
        unsafe { self.python.own((self.python.api.PyObject_RichCompare)(self.pointer(), other.pointer(), operation)) }
    }

    /// An attribute.
    pub fn attribute(self, name: &CStr) -> Outcome<Owned<'py>> {
        // SAFETY: the object is alive, the lock is held, the name ends with a NUL.
        unsafe { self.python.own((self.python.api.PyObject_GetAttrString)(self.pointer(), name.as_ptr())) }
    }

    /// Sets an attribute.
    pub fn set_attribute(self, name: &CStr, value: &Owned<'_>) -> Outcome<()> {
        // SAFETY: as in `attribute`; the value is alive.
        match unsafe { (self.python.api.PyObject_SetAttrString)(self.pointer(), name.as_ptr(), value.pointer()) } {
            0 => Ok(()),
            _ => Err(Raised),
        }
    }

    /// What calling it with the arguments in a tuple gives.
    pub fn call<'r>(self, python: Python<'r>, arguments: &Owned<'_>) -> Outcome<Owned<'r>> {
        // SAFETY: both are alive and the lock is held; the result is a reference of its own.
        unsafe { python.own((python.api.PyObject_CallObject)(self.pointer(), arguments.pointer())) }
    }

    /// Whether a `str` is this ASCII text.
    pub fn is_text(self, text: &CStr) -> bool {
        // SAFETY: the object is a live `str`, the lock is held, the text ends with a NUL.
        unsafe { (self.python.api.PyUnicode_CompareWithASCIIString)(self.pointer(), text.as_ptr()) == 0 }
    }
}

impl<'py> Owned<'py> {
    /// Gives the reference to somebody else: the interpreter, or a structure that frees it later.
    pub fn give(self) -> *mut PyObject {
        self.give_non_null().as_ptr()
    }

    /// The same for those who want to know that it is there.
    pub fn give_non_null(self) -> NonNull<PyObject> {
        let pointer = self.0.pointer;
        std::mem::forget(self);
        pointer
    }

    /// The object, borrowed from this reference.
    pub fn get(&self) -> Object<'_> {
        Object { pointer: self.0.pointer, python: self.0.python }
    }

    /// The address.
    pub fn pointer(&self) -> *mut PyObject {
        self.0.pointer()
    }

    /// Spares the garbage collector an object that can be in no cycle.
    #[inline]
    pub fn untrack(&self) {
        // SAFETY: the object is a container that the collector knows; the lock is held.
        unsafe { (self.0.python.api.PyObject_GC_UnTrack)(self.pointer().cast()) }
    }

    /// Appends to a `list`.
    #[inline]
    pub fn append(&self, item: &Owned<'_>) -> Outcome<()> {
        // SAFETY: both are alive and the lock is held; another class raises.
        match unsafe { (self.0.python.api.PyList_Append)(self.pointer(), item.pointer()) } {
            0 => Ok(()),
            _ => Err(Raised),
        }
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and given back once; the lock is held.
        unsafe { (self.0.python.api.Py_DecRef)(self.0.pointer()) }
    }
}
