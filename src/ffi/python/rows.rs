//! The class `Rows` of the native road: a finished result, a sequence of tuples.

use std::ffi::{c_int, CStr};
use std::mem::{offset_of, size_of};

use super::api::{PyObject, NO_ARGUMENTS};
use super::class::{self, slot};
use super::object::{Outcome, Owned, Python, Raised};
use super::state::{Address, Interpreter};
use super::{entry, entry_number};

/// An object of the class. Both references are null until it is filled, and then never change. `list` is a `list` of the object's own, or the
/// `tuple` of a kept result, which others use as well.
#[repr(C)]
struct RowsObject {
    head: PyObject,
    list: *mut PyObject,
    columns: *mut PyObject,
    from_cache: i8,
}

/// Makes the class.
pub fn make(python: Python<'_>, doc: &CStr) -> Outcome<Address> {
    let doc = doc.to_owned().into_raw().cast_const();
    let slots = vec![
        slot(slot::DOC, doc.cast()),
        slot(slot::NEW, new as *const ()),
        slot(slot::DEALLOC, dealloc as *const ()),
        slot(slot::REPR, repr as *const ()),
        slot(slot::ITER, iterate as *const ()),
        slot(slot::RICHCOMPARE, compare as *const ()),
        slot(slot::SQ_LENGTH, length as *const ()),
        slot(slot::SQ_ITEM, item as *const ()),
        slot(slot::MP_LENGTH, length as *const ()),
        slot(slot::MP_SUBSCRIPT, subscript as *const ()),
    ];
    let members = vec![
        class::member(c"columns", class::MEMBER_OBJECT, offset_of!(RowsObject, columns), c"The names of the columns, in order."),
        class::member(
            c"from_cache",
            class::MEMBER_BOOL,
            offset_of!(RowsObject, from_cache),
            c"Whether no statement was run for this result.",
        ),
    ];
    let methods = vec![class::method(c"__reduce__", reduce as *const (), NO_ARGUMENTS, c"For pickle and copy.")];
    class::make(python, c"keepwell.Rows", size_of::<RowsObject>(), class::PLAIN, slots, methods, members)
}

/// A result made of a `list` of rows, or the `tuple` of a kept one, and a `tuple` of names.
pub fn create<'py>(
    interpreter: &Interpreter,
    list: Owned<'py>,
    columns: Owned<'py>,
    from_cache: bool,
    python: Python<'py>,
) -> Outcome<Owned<'py>> {
    allocate(python, interpreter.classes.rows.0, list, columns, from_cache)
}

fn allocate<'py>(
    python: Python<'py>,
    class: *mut PyObject,
    list: Owned<'py>,
    columns: Owned<'py>,
    from_cache: bool,
) -> Outcome<Owned<'py>> {
    // SAFETY: the class is alive and the lock is held; the new object is zeroed beyond its head and of the class's size.
    unsafe {
        let object = python.own((python.api.PyType_GenericAlloc)(class, 0))?;
        let fields = object.pointer().cast::<RowsObject>();
        (*fields).list = list.give();
        (*fields).columns = columns.give();
        (*fields).from_cache = from_cache.into();
        Ok(object)
    }
}

/// The rows of a result as a list that its user may have.
fn as_list<'py>(rows: super::object::Object<'py>) -> Outcome<Owned<'py>> {
    if is_shared(rows) {
        rows.to_list()
    } else {
        Ok(rows.to_owned())
    }
}

/// Whether the rows are those of a kept result.
fn is_shared(rows: super::object::Object<'_>) -> bool {
    rows.class() == rows.python().api.PyTuple_Type
}

/// The list or tuple behind a result.
///
/// # Safety
/// `this` is an object of the class, alive for `'py`.
unsafe fn list_of<'py>(python: Python<'py>, this: *mut PyObject) -> Outcome<super::object::Object<'py>> {
    // SAFETY: by contract; the list lives as long as the object.
    unsafe { python.view((*this.cast::<RowsObject>()).list) }.ok_or(Raised)
}

/// `Rows(columns, rows)`, for pickle and for tests of code that takes rows.
unsafe extern "C" fn new(class: *mut PyObject, arguments: *mut PyObject, _keywords: *mut PyObject) -> *mut PyObject {
    entry(|_, python| {
        // SAFETY: the interpreter passes a live tuple.
        let arguments = unsafe { python.view(arguments) }.ok_or(Raised)?;
        if arguments.tuple_len() != 2 {
            return Err(python.raise_type_error(c"Rows(columns, rows) takes two arguments"));
        }
        let columns = arguments.tuple_item(0)?.to_tuple()?;
        let list = arguments.tuple_item(1)?.to_list()?;
        allocate(python, class, list, columns, false)
    })
}

unsafe extern "C" fn dealloc(this: *mut PyObject) {
    let Some(interpreter) = super::state::current() else { return };
    let api = interpreter.api;
    // SAFETY: the interpreter calls this once, with the lock held, when nobody refers to the object any more; the references in it
    // are ours or null, and the class lost one object.
    unsafe {
        let fields = this.cast::<RowsObject>();
        let class = (*this).class;
        for reference in [(*fields).list, (*fields).columns] {
            if !reference.is_null() {
                (api.Py_DecRef)(reference);
            }
        }
        (api.PyObject_Free)(this.cast());
        (api.Py_DecRef)(class);
    }
}

unsafe extern "C" fn length(this: *mut PyObject) -> isize {
    entry_number(|_, python| {
        // SAFETY: the interpreter passes a live object of this class. (So for all slots below.)
        unsafe { list_of(python, this) }.map(|list| if is_shared(list) { list.tuple_len() as isize } else { list.list_len() })
    })
}

unsafe extern "C" fn item(this: *mut PyObject, index: isize) -> *mut PyObject {
    // SAFETY: as in `length`.
    entry(|_, python| unsafe { list_of(python, this) }?.sequence_item(index))
}

unsafe extern "C" fn subscript(this: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    // SAFETY: as in `length`; the key is alive.
    entry(|_, python| unsafe {
        let (rows, key) = (list_of(python, this)?, python.view(key).ok_or(Raised)?);
        let found = rows.item(key)?;
        // A slice of the shared tuple would be a tuple; a result gives lists.
        if is_shared(rows) && key.class() == python.api.PySlice_Type {
            // SAFETY: `found` is alive until the list is made.
            return python.view(found.pointer()).ok_or(Raised)?.to_list();
        }
        Ok(found)
    })
}

unsafe extern "C" fn iterate(this: *mut PyObject) -> *mut PyObject {
    // SAFETY: as in `length`.
    entry(|_, python| unsafe { list_of(python, this) }?.iterator())
}

/// Equal to another result or a list with equal rows; the columns do not matter.
unsafe extern "C" fn compare(this: *mut PyObject, other: *mut PyObject, operation: c_int) -> *mut PyObject {
    entry(|interpreter, python| {
        // SAFETY: as in `length`.
        let (mine, other) = unsafe { (as_list(list_of(python, this)?)?, python.view(other).ok_or(Raised)?) };
        let other = if other.class() == interpreter.classes.rows.0 {
            // SAFETY: the class has just been checked.
            as_list(unsafe { list_of(python, other.pointer()) }?)?
        } else {
            other.to_owned()
        };
        // SAFETY: both are alive until this function returns, and what it returns has references of its own.
        let (mine, other) = unsafe { (python.view(mine.pointer()).ok_or(Raised)?, python.view(other.pointer()).ok_or(Raised)?) };
        const EQUAL: c_int = 2;
        const NOT_EQUAL: c_int = 3;
        if !other.is_a(python.api.PyList_Type) || !matches!(operation, EQUAL | NOT_EQUAL) {
            return Ok(python.constant(python.api._Py_NotImplementedStruct));
        }
        mine.compare(other, operation)
    })
}

unsafe extern "C" fn repr(this: *mut PyObject) -> *mut PyObject {
    entry(|interpreter, python| {
        // SAFETY: as in `length`.
        let columns = unsafe { python.view((*this.cast::<RowsObject>()).columns) }.ok_or(Raised)?;
        // SAFETY: as in `length`.
        let list = as_list(unsafe { list_of(python, this) }?)?;
        // SAFETY: the list is alive until this function returns.
        interpreter.describe_rows(columns, unsafe { python.view(list.pointer()) }.ok_or(Raised)?)
    })
}

/// `(Rows, (columns, rows))`
unsafe extern "C" fn reduce(this: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    entry(|_, python| {
        // SAFETY: as in `length`.
        let (columns, list) =
            unsafe { (python.view((*this.cast::<RowsObject>()).columns).ok_or(Raised)?, as_list(list_of(python, this)?)?) };
        let arguments = python.tuple(2, [columns.to_owned(), list].into_iter().map(Ok))?;
        // SAFETY: the class of a live object is alive.
        let class = python.constant(unsafe { (*this).class });
        python.tuple(2, [class, arguments].into_iter().map(Ok))
    })
}
