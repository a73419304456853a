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
/// aside for the next call from Python.
struct Form(Address);

impl Drop for Form {
    fn drop(&mut self) {
        lay_aside(self.0);
    }
}

struct Aside {
    reference: Address,
    next: *mut Aside,
}

static ASIDE: AtomicPtr<Aside> = AtomicPtr::new(null_mut());

fn lay_aside(reference: Address) {
    let node = Box::into_raw(Box::new(Aside { reference, next: null_mut() }));
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
pub fn tidy(python: Python<'_>) {
    if !ASIDE.load(Ordering::Relaxed).is_null() {
        give_back(python);
    }
}

#[cold]
fn give_back(python: Python<'_>) {
    let mut node = ASIDE.swap(null_mut(), Ordering::Acquire);
    while !node.is_null() {
        // SAFETY: the list was taken as a whole, so its nodes are this thread's; each came from `Box::into_raw`. The reference is given back
        // once, with the lock held.
        unsafe {
            let aside = Box::from_raw(node);
            node = aside.next;
            drop(python.own(aside.reference.0));
        }
    }
}

/// The rows of a kept result, and what they take when they have been made just now.
pub fn of<'py>(interpreter: &Interpreter, python: Python<'py>, whole: &Arc<Whole>) -> Outcome<(Owned<'py>, usize)> {
    if let Some(form) = whole.form().and_then(|form| form.downcast_ref::<Form>()) {
        return Ok((python.constant(form.0 .0), 0));
    }
    let batch = &whole.batch;
    let rows = (0..batch.rows()).map(|index| cells::tuple(interpreter, python, batch.row(index)));
    let rows = python.tuple(batch.rows(), rows)?;
    rows.untrack();
    // Somebody else's form is another one of the same; the reference comes back by being dropped.
    let kept = whole.give_form(Box::new(Form(Address(rows.get().to_owned().give())))).is_ok();
    Ok((rows, if kept { size(batch) } else { 0 }))
}

/// About what the objects take: a head and an address for each tuple and each value, and the bytes once more.
fn size(batch: &Batch) -> usize {
    const HEAD: usize = 48;
    let values = batch.rows() * batch.columns();
    (batch.rows() + 1 + values) * (HEAD + size_of::<*mut PyObject>()) + batch.byte_len()
}
