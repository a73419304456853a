//! Values of a result as Python objects.

use super::object::{Outcome, Owned, Python};
use super::state::Interpreter;
use crate::rows::Batch;
use crate::value::ValueRef;

/// One value as the object a Python user expects.
#[inline]
pub fn object<'py>(interpreter: &Interpreter, python: Python<'py>, value: ValueRef<'_>, column: usize) -> Outcome<Owned<'py>> {
    match value {
        ValueRef::Null => Ok(python.none()),
        ValueRef::Integer(integer) => python.integer(integer),
        ValueRef::Real(real) => python.real(real),
        ValueRef::Text(text) => python.text(text).map_err(|_| interpreter.bad_text(python, text, column)),
        ValueRef::Blob(blob) => python.bytes(blob),
    }
}

/// One row as a `tuple`. It holds nothing that could form a cycle, so the collector need not visit it.
#[inline]
pub fn tuple<'py, 'v>(
    interpreter: &Interpreter,
    python: Python<'py>,
    values: impl ExactSizeIterator<Item = ValueRef<'v>>,
) -> Outcome<Owned<'py>> {
    let length = values.len();
    let row = python.tuple(length, values.enumerate().map(|(column, value)| object(interpreter, python, value, column)))?;
    row.untrack();
    Ok(row)
}

/// All rows of a batch as a new `list`.
pub fn rows<'py>(interpreter: &Interpreter, python: Python<'py>, batch: &Batch) -> Outcome<Owned<'py>> {
    python.list(batch.rows(), (0..batch.rows()).map(|index| tuple(interpreter, python, batch.row(index))))
}

/// Appends all rows of a batch to a `list`.
pub fn append(interpreter: &Interpreter, python: Python<'_>, list: &Owned<'_>, batch: &Batch) -> Outcome<()> {
    (0..batch.rows()).try_for_each(|index| list.append(&tuple(interpreter, python, batch.row(index))?))
}
