//! Making Python classes from tables of slots, methods and members.

use std::ffi::{c_int, c_uint, c_void, CStr};

use super::api::{MemberDef, MethodDef, Slot, Spec};
use super::object::{Outcome, Python};
use super::state::Address;

/// Numbers of the slots that are used here (`typeslots.h`; they never change).
pub mod slot {
    pub const MP_LENGTH: i32 = 4;
    pub const MP_SUBSCRIPT: i32 = 5;
    pub const SQ_ITEM: i32 = 44;
    pub const SQ_LENGTH: i32 = 45;
    pub const DEALLOC: i32 = 52;
    pub const DOC: i32 = 56;
    pub const ITER: i32 = 62;
    pub const METHODS: i32 = 64;
    pub const NEW: i32 = 65;
    pub const REPR: i32 = 66;
    pub const RICHCOMPARE: i32 = 67;
    pub const MEMBERS: i32 = 72;
}

/// `Py_TPFLAGS_DEFAULT`, with the bit that interpreters before 3.10 want.
pub const PLAIN: c_uint = 1 << 18;
/// `Py_TPFLAGS_BASETYPE`: the class may be derived from.
pub const BASE: c_uint = 1 << 10;
/// `T_OBJECT_EX`, `T_BOOL`, `T_ULONGLONG`: kinds of members.
pub const MEMBER_OBJECT: c_int = 16;
pub const MEMBER_BOOL: c_int = 14;
pub const MEMBER_U64: c_int = 18;
/// `READONLY`.
const READ_ONLY: c_int = 1;

/// A member that Python code may read.
pub fn member(name: &'static CStr, kind: c_int, offset: usize, doc: &'static CStr) -> MemberDef {
    MemberDef { name: name.as_ptr(), kind, offset: offset as isize, flags: READ_ONLY, doc: doc.as_ptr() }
}

/// A member that Python code may also write.
pub fn writable(name: &'static CStr, kind: c_int, offset: usize, doc: &'static CStr) -> MemberDef {
    MemberDef { flags: 0, ..member(name, kind, offset, doc) }
}

/// A method; its doc string may start with a signature.
pub fn method(name: &'static CStr, function: *const (), flags: c_int, doc: &CStr) -> MethodDef {
    MethodDef { name: name.as_ptr(), function: function.cast_mut().cast(), flags, doc: doc.to_owned().into_raw() }
}

/// Makes a class. Its tables are kept for ever, because the class keeps pointers to them.
pub fn make(
    python: Python<'_>,
    name: &'static CStr,
    size: usize,
    flags: c_uint,
    mut slots: Vec<Slot>,
    mut methods: Vec<MethodDef>,
    mut members: Vec<MemberDef>,
) -> Outcome<Address> {
    methods.push(MethodDef { name: std::ptr::null(), function: std::ptr::null_mut(), flags: 0, doc: std::ptr::null() });
    members.push(MemberDef { name: std::ptr::null(), kind: 0, offset: 0, flags: 0, doc: std::ptr::null() });
    slots.push(Slot { number: slot::METHODS, value: methods.leak().as_mut_ptr().cast() });
    slots.push(Slot { number: slot::MEMBERS, value: members.leak().as_mut_ptr().cast() });
    slots.push(Slot { number: 0, value: std::ptr::null_mut() });
    let mut spec = Spec { name: name.as_ptr(), size: size as c_int, item_size: 0, flags, slots: slots.leak().as_mut_ptr() };
    // SAFETY: the spec and all it points to are complete, end with their zero entries, and outlive the class; the lock is held.
    let class = unsafe { python.own((python.api.PyType_FromSpec)(&mut spec))? };
    Ok(Address(class.give()))
}

/// A slot that holds a function or text.
pub fn slot(number: i32, value: *const ()) -> Slot {
    Slot { number, value: value.cast_mut().cast::<c_void>() }
}

/// Whether objects have the head that [`PyObject`](super::api::PyObject) describes: not so in builds for debugging or without a global lock.
pub fn has_plain_heads(python: Python<'_>) -> bool {
    let size = || python.constant(python.api.PyBaseObject_Type).get().attribute(c"__basicsize__")?.get().as_i64();
    let plain = matches!(size(), Ok(Some(size)) if size as usize == std::mem::size_of::<super::api::PyObject>());
    python.clear();
    plain
}
