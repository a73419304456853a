//! The functions of the Python interpreter that runs in this process, found by name when they are first wanted.
//!
//! Nothing is linked: a program without Python never looks, and one copy of the library serves every CPython from 3.9 on, because
//! only functions and layouts of the [stable ABI](https://docs.python.org/3/c-api/stable.html) are used.

use std::ffi::{c_char, c_int, c_longlong, c_uint, c_ulonglong, c_void, CStr};

/// The head of every Python object in an interpreter with a global lock; the stable ABI fixes these two fields.
#[repr(C)]
pub struct PyObject {
    references: isize,
    pub class: *mut PyObject,
}

/// A suspended thread state; only ever passed back.
pub enum ThreadState {}

/// `METH_FASTCALL | METH_KEYWORDS`.
pub const FASTCALL_KEYWORDS: c_int = 0x82;
/// `METH_NOARGS`.
pub const NO_ARGUMENTS: c_int = 0x04;

/// `PyMethodDef`.
#[repr(C)]
pub struct MethodDef {
    pub name: *const c_char,
    pub function: *mut c_void,
    pub flags: c_int,
    pub doc: *const c_char,
}

/// `PyMemberDef`.
#[repr(C)]
pub struct MemberDef {
    pub name: *const c_char,
    pub kind: c_int,
    pub offset: isize,
    pub flags: c_int,
    pub doc: *const c_char,
}

/// `PyType_Slot`.
#[repr(C)]
pub struct Slot {
    pub number: c_int,
    pub value: *mut c_void,
}

/// `PyType_Spec`.
#[repr(C)]
pub struct Spec {
    pub name: *const c_char,
    pub size: c_int,
    pub item_size: c_int,
    pub flags: c_uint,
    pub slots: *mut Slot,
}

/// Declares [`Api`]: one field per function or object of the interpreter, and [`Api::find`], which fills them all or none.
macro_rules! interpreter {
    (functions { $(fn $function:ident($($argument:ty),*) $(-> $result:ty)?;)* } objects { $($object:ident,)* }) => {
        /// The addresses of the interpreter's functions and of its objects with a fixed address.
        #[allow(non_snake_case)]
        pub struct Api {
            $(pub $function: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            $(pub $object: *mut PyObject,)*
        }

        impl Api {
            /// Looks all of them up; `None` when this process runs no CPython, or one that hides its functions.
            pub fn find() -> Option<Api> {
                Some(Api {
                    // SAFETY: the symbol of this name in a CPython is a function of exactly this C type; an address is never null.
                    $($function: unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(symbol(concat!(stringify!($function), "\0"))?) },)*
                    $($object: symbol(concat!(stringify!($object), "\0"))?.cast(),)*
                })
            }
        }
    };
}

interpreter! {
    functions {
        fn PyBytes_AsStringAndSize(*mut PyObject, *mut *mut c_char, *mut isize) -> c_int;
        fn PyBytes_FromObject(*mut PyObject) -> *mut PyObject;
        fn PyBytes_FromStringAndSize(*const c_char, isize) -> *mut PyObject;
        fn PyCFunction_NewEx(*mut MethodDef, *mut PyObject, *mut PyObject) -> *mut PyObject;
        fn PyDict_GetItemString(*mut PyObject, *const c_char) -> *mut PyObject;
        fn PyDict_Next(*mut PyObject, *mut isize, *mut *mut PyObject, *mut *mut PyObject) -> c_int;
        fn PyDict_SetItemString(*mut PyObject, *const c_char, *mut PyObject) -> c_int;
        fn PyErr_CheckSignals() -> c_int;
        fn PyErr_Clear();
        fn PyErr_Occurred() -> *mut PyObject;
        fn PyErr_SetObject(*mut PyObject, *mut PyObject);
        fn PyErr_SetString(*mut PyObject, *const c_char);
        fn PyEval_RestoreThread(*mut ThreadState);
        fn PyEval_SaveThread() -> *mut ThreadState;
        fn PyFloat_AsDouble(*mut PyObject) -> f64;
        fn PyFloat_FromDouble(f64) -> *mut PyObject;
        fn PyGILState_Ensure() -> c_int;
        fn PyGILState_Release(c_int);
        fn PyInterpreterState_Get() -> *mut c_void;
        fn PyList_Append(*mut PyObject, *mut PyObject) -> c_int;
        fn PyList_New(isize) -> *mut PyObject;
        fn PyList_SetItem(*mut PyObject, isize, *mut PyObject) -> c_int;
        fn PyList_Size(*mut PyObject) -> isize;
        fn PyLong_AsLongLongAndOverflow(*mut PyObject, *mut c_int) -> c_longlong;
        fn PyLong_AsUnsignedLongLong(*mut PyObject) -> c_ulonglong;
        fn PyLong_FromLongLong(c_longlong) -> *mut PyObject;
        fn PyLong_FromUnsignedLongLong(c_ulonglong) -> *mut PyObject;
        fn PyObject_CallObject(*mut PyObject, *mut PyObject) -> *mut PyObject;
        fn PyObject_Free(*mut c_void);
        fn PyObject_GC_UnTrack(*mut c_void);
        fn PyObject_GetAttrString(*mut PyObject, *const c_char) -> *mut PyObject;
        fn PyObject_GetItem(*mut PyObject, *mut PyObject) -> *mut PyObject;
        fn PyObject_GetIter(*mut PyObject) -> *mut PyObject;
        fn PyObject_IsTrue(*mut PyObject) -> c_int;
        fn PyObject_RichCompare(*mut PyObject, *mut PyObject, c_int) -> *mut PyObject;
        fn PyObject_SetAttrString(*mut PyObject, *const c_char, *mut PyObject) -> c_int;
        fn PySequence_GetItem(*mut PyObject, isize) -> *mut PyObject;
        fn PySequence_List(*mut PyObject) -> *mut PyObject;
        fn PySequence_Tuple(*mut PyObject) -> *mut PyObject;
        fn PyThread_get_thread_ident() -> usize;
        fn PyTuple_GetItem(*mut PyObject, isize) -> *mut PyObject;
        fn PyTuple_New(isize) -> *mut PyObject;
        fn PyTuple_SetItem(*mut PyObject, isize, *mut PyObject) -> c_int;
        fn PyTuple_Size(*mut PyObject) -> isize;
        fn PyType_FromSpec(*mut Spec) -> *mut PyObject;
        fn PyType_GenericAlloc(*mut PyObject, isize) -> *mut PyObject;
        fn PyType_IsSubtype(*mut PyObject, *mut PyObject) -> c_int;
        fn PyUnicode_AsUTF8AndSize(*mut PyObject, *mut isize) -> *const c_char;
        fn PyUnicode_CompareWithASCIIString(*mut PyObject, *const c_char) -> c_int;
        fn PyUnicode_FromStringAndSize(*const c_char, isize) -> *mut PyObject;
        fn Py_DecRef(*mut PyObject);
        fn Py_IncRef(*mut PyObject);
    }
    objects {
        PyBaseObject_Type,
        PyByteArray_Type,
        PyBytes_Type,
        PyDict_Type,
        PyExc_TypeError,
        PyFloat_Type,
        PyList_Type,
        PyLong_Type,
        PyMemoryView_Type,
        PySlice_Type,
        PyTuple_Type,
        PyUnicode_Type,
        _Py_FalseStruct,
        _Py_NoneStruct,
        _Py_NotImplementedStruct,
        _Py_TrueStruct,
    }
}

// SAFETY: the fields are addresses that never change while the process lives.
unsafe impl Send for Api {}
// SAFETY: as above; what may be done through them is the business of the caller, who has to hold the interpreter's lock.
unsafe impl Sync for Api {}

/// The address of a symbol anywhere in this process; `name` ends with a NUL.
#[cfg(unix)]
fn symbol(name: &'static str) -> Option<*mut c_void> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
    // SAFETY: `name` is NUL-terminated and lives for ever; looking a symbol up runs no foreign code of ours.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// Elsewhere the package takes its portable road.
#[cfg(not(unix))]
fn symbol(_: &'static str) -> Option<*mut c_void> {
    None
}
