//! The rows of a kept result as Python objects, made once: a `tuple` of tuples, which nobody can change, so that every hit may share it.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use super::api::PyObject;
use super::cells;
use super::object::{Outcome, Owned, Python};
use super::state::{Address, Interpreter};
use crate::rows::{Batch, Whole};

/// A reference that goes with its result, in whatever thread that is. Only who holds the interpreter's lock may give it back, so it is laid
/// aside for the next call from Python. A store may outlive an interpreter, and the next one may stand where that was: so the set-up is noted
/// in which the objects are alive.
struct Form {
    rows: Address,
    of: *const Interpreter,
}

// SAFETY: `of` is only compared; what `rows` points to is used by threads that hold the interpreter's lock.
unsafe impl Send for Form {}
// SAFETY: as above.
unsafe impl Sync for Form {}

impl Drop for Form {
    fn drop(&mut self) {
        lay_aside(self.rows, self.of);
    }
}

struct Aside {
    rows: Address,
    of: *const Interpreter,
    next: *mut Aside,
}

static ASIDE: AtomicPtr<Aside> = AtomicPtr::new(null_mut());

fn lay_aside(rows: Address, of: *const Interpreter) {
    let node = Box::into_raw(Box::new(Aside { rows, of, next: null_mut() }));
    let mut head = ASIDE.load(Ordering::Relaxed);
    loop {
        // SAFETY: the node is not shared before the exchange succeeds.
        unsafe { (*node).next = head };
        match ASIDE.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

/// Gives back what was laid aside.
#[inline]
pub fn tidy(interpreter: &Interpreter, python: Python<'_>) {
    if !ASIDE.load(Ordering::Relaxed).is_null() {
        give_back(interpreter, python);
    }
}

#[cold]
fn give_back(interpreter: &Interpreter, python: Python<'_>) {
    let mut node = ASIDE.swap(null_mut(), Ordering::Acquire);
    while !node.is_null() {
        // SAFETY: the list was taken as a whole, so its nodes are this thread's; each came from `Box::into_raw`.
        let aside = unsafe { Box::from_raw(node) };
        node = aside.next;
        // What belongs to another set-up is left alone: its interpreter may be gone.
        if std::ptr::eq(aside.of, interpreter) {
            // SAFETY: the reference is given back once, with the lock held, in the interpreter that it is from.
            drop(unsafe { python.own(aside.rows.0) });
        }
    }
}

/// The rows of a kept result, and what they take when they have been made just now.
pub fn of<'py>(interpreter: &Interpreter, python: Python<'py>, whole: &Arc<Whole>) -> Outcome<(Owned<'py>, usize)> {
    let form = whole.form().and_then(|form| form.downcast_ref::<Form>());
    if let Some(form) = form.filter(|form| std::ptr::eq(form.of, interpreter)) {
        return Ok((python.constant(form.rows.0), 0));
    }
    let batch = &whole.batch;
    let rows = (0..batch.rows()).map(|index| cells::tuple(interpreter, python, batch.row(index)));
    let rows = python.tuple(batch.rows(), rows)?;
    rows.untrack();
    // Somebody else's form is another one of the same; the reference comes back by being dropped.
    let form = Form { rows: Address(rows.get().to_owned().give()), of: interpreter };
    let kept = whole.give_form(Box::new(form)).is_ok();
    Ok((rows, if kept { size(batch) } else { 0 }))
}

/// About what the objects take: a head and an address for each tuple and each value, and the bytes once more.
fn size(batch: &Batch) -> usize {
    const HEAD: usize = 48;
    let values = batch.rows() * batch.columns();
    (batch.rows() + 1 + values) * (HEAD + size_of::<*mut PyObject>()) + batch.byte_len()
}
