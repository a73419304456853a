//! Python objects as the parameters of a statement.

use super::kept::Kept;
use super::object::{Object, Outcome, Owned, Python};
use super::state::Interpreter;
use crate::value::{Params, ValueRef};

/// How many parameters need no memory of their own.
const INLINE: usize = 8;

/// The parameters of one run. Their bytes belong to Python objects that nobody can take away meanwhile: items of an immutable
/// `tuple`, or objects in a [`Kept`].
pub struct Parameters<'a> {
    inline: [ValueRef<'a>; INLINE],
    spilled: Vec<ValueRef<'a>>,
    count: usize,
    names: Option<Vec<&'a str>>,
}

/// Which parameter a complaint is about.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// Its index, from 0.
    At(usize),
    /// Its name.
    Named(Object<'a>),
    /// The index of its row and its own.
    InRow(usize, usize),
}

impl<'a> Parameters<'a> {
    /// Reads what the caller gave for `params`: nothing, `None`, a sequence, or a mapping.
    #[inline]
    pub fn read(interpreter: &Interpreter, params: Option<Object<'a>>, kept: &'a Kept<'_>) -> Outcome<Self> {
        let mut parameters = Parameters { inline: [ValueRef::Null; INLINE], spilled: Vec::new(), count: 0, names: None };
        match params {
            Some(params) if !params.is_none() => parameters.fill(interpreter, params, kept, true)?,
            _ => {}
        }
        Ok(parameters)
    }

    fn fill(&mut self, interpreter: &Interpreter, params: Object<'a>, kept: &'a Kept<'_>, may_shape: bool) -> Outcome<()> {
        let api = params.python().api;
        if params.is_a(api.PyTuple_Type) {
            self.fill_positions(interpreter, params, kept)
        } else if params.class() == api.PyList_Type {
            self.fill_positions(interpreter, kept.hold(params.to_tuple()?), kept)
        } else if params.class() == api.PyDict_Type {
            self.fill_names(interpreter, params, kept)
        } else if may_shape {
            let shaped = kept.hold(interpreter.shape_parameters(params)?);
            self.fill(interpreter, shaped, kept, false)
        } else {
            Err(params.python().raise_type_error(c"keepwell: parameters were shaped into neither a tuple nor a dict"))
        }
    }

    fn fill_positions(&mut self, interpreter: &Interpreter, tuple: Object<'a>, kept: &'a Kept<'_>) -> Outcome<()> {
        for index in 0..tuple.tuple_len() {
            self.push(value(interpreter, tuple.tuple_item(index)?, kept, Place::At(index))?);
        }
        Ok(())
    }

    fn fill_names(&mut self, interpreter: &Interpreter, dict: Object<'a>, kept: &'a Kept<'_>) -> Outcome<()> {
        let mut names = Vec::new();
        for (key, item) in dict.dict_items() {
            let (key, item) = (kept.hold(key), kept.hold(item));
            names.push(name(interpreter, key)?);
            self.push(value(interpreter, item, kept, Place::Named(key))?);
        }
        self.names = Some(names);
        Ok(())
    }

    #[inline]
    fn push(&mut self, value: ValueRef<'a>) {
        match self.inline.get_mut(self.count) {
            Some(slot) => *slot = value,
            None => {
                if self.spilled.is_empty() {
                    self.spilled.extend_from_slice(&self.inline);
                }
                self.spilled.push(value);
            }
        }
        self.count += 1;
    }

    /// The parameters as the core wants them.
    #[inline]
    pub fn as_params(&self) -> Params<'_> {
        let values = if self.spilled.is_empty() { &self.inline[..self.count] } else { &self.spilled };
        match &self.names {
            Some(names) => Params::named(names, values),
            None => Params::positional(values),
        }
    }
}

/// The values of many runs, one row after the other.
pub struct Matrix<'a> {
    pub values: Vec<ValueRef<'a>>,
    pub columns: usize,
    pub rows: usize,
}

impl<'a> Matrix<'a> {
    /// The values as the core wants them.
    pub fn as_matrix(&self) -> crate::error::Result<crate::exec::Matrix<'_>> {
        crate::exec::Matrix::new(&self.values, self.columns, self.rows)
    }

    /// Reads a `tuple` of rows, each a sequence of the same length.
    pub fn read(interpreter: &Interpreter, rows: Object<'a>, kept: &'a Kept<'_>) -> Outcome<Self> {
        let mut matrix = Matrix { values: Vec::new(), columns: 0, rows: rows.tuple_len() };
        for index in 0..matrix.rows {
            let row = tuple_of(interpreter, rows.tuple_item(index)?, kept)?;
            let columns = row.tuple_len();
            if index == 0 {
                matrix.columns = columns;
                matrix.values.reserve(columns * matrix.rows);
            } else if columns != matrix.columns {
                return Err(interpreter.bad_row(row, index, matrix.columns));
            }
            for column in 0..columns {
                matrix.values.push(value(interpreter, row.tuple_item(column)?, kept, Place::InRow(index, column))?);
            }
        }
        Ok(matrix)
    }
}

fn tuple_of<'a>(interpreter: &Interpreter, row: Object<'a>, kept: &'a Kept<'_>) -> Outcome<Object<'a>> {
    let api = row.python().api;
    if row.is_a(api.PyTuple_Type) {
        Ok(row)
    } else if row.class() == api.PyList_Type {
        Ok(kept.hold(row.to_tuple()?))
    } else {
        let shaped = kept.hold(interpreter.shape_parameters(row)?);
        if shaped.is_a(api.PyTuple_Type) {
            Ok(shaped)
        } else {
            Err(row.python().raise_type_error(c"keepwell: rows of execute_many have to be all sequences or all mappings"))
        }
    }
}

/// One parameter. The order of the questions is that of their frequency; subclasses (`IntEnum`, `str` enums) come last.
#[inline]
fn value<'a>(interpreter: &Interpreter, object: Object<'a>, kept: &'a Kept<'_>, place: Place<'_>) -> Outcome<ValueRef<'a>> {
    let api = object.python().api;
    let class = object.class();
    if class == api.PyLong_Type {
        integer(interpreter, object, place)
    } else if class == api.PyUnicode_Type {
        text(interpreter, object, place)
    } else if class == api.PyFloat_Type {
        Ok(ValueRef::Real(object.as_f64()?))
    } else if object.is_none() {
        Ok(ValueRef::Null)
    } else if class == api.PyBytes_Type {
        Ok(ValueRef::Blob(object.as_bytes()?))
    } else {
        rare_value(interpreter, object, kept, place)
    }
}

#[cold]
fn rare_value<'a>(interpreter: &Interpreter, object: Object<'a>, kept: &'a Kept<'_>, place: Place<'_>) -> Outcome<ValueRef<'a>> {
    let api = object.python().api;
    if object.is_a(api.PyLong_Type) {
        integer(interpreter, object, place)
    } else if object.is_a(api.PyUnicode_Type) {
        text(interpreter, object, place)
    } else if object.is_a(api.PyFloat_Type) {
        Ok(ValueRef::Real(object.as_f64()?))
    } else if object.is_a(api.PyBytes_Type) {
        Ok(ValueRef::Blob(object.as_bytes()?))
    } else if object.is_a(api.PyByteArray_Type) || object.is_a(api.PyMemoryView_Type) {
        Ok(ValueRef::Blob(kept.hold(object.copied_bytes()?).as_bytes()?))
    } else {
        Err(interpreter.bad_parameter(object, place))
    }
}

#[inline]
fn integer<'a>(interpreter: &Interpreter, object: Object<'a>, place: Place<'_>) -> Outcome<ValueRef<'a>> {
    match object.as_i64()? {
        Some(integer) => Ok(ValueRef::Integer(integer)),
        None => Err(interpreter.bad_parameter(object, place)),
    }
}

#[inline]
fn text<'a>(interpreter: &Interpreter, object: Object<'a>, place: Place<'_>) -> Outcome<ValueRef<'a>> {
    let utf8 = object.as_utf8().map_err(|_| {
        object.python().clear();
        interpreter.bad_parameter(object, place)
    })?;
    Ok(ValueRef::Text(utf8))
}

fn name<'a>(interpreter: &Interpreter, key: Object<'a>) -> Outcome<&'a str> {
    if !key.is_a(key.python().api.PyUnicode_Type) {
        return Err(interpreter.bad_name(key));
    }
    let utf8 = key.as_utf8().map_err(|_| {
        key.python().clear();
        interpreter.bad_name(key)
    })?;
    // A `str` gives UTF-8 or raises, so nothing is ever replaced by the empty name.
    Ok(std::str::from_utf8(utf8).unwrap_or_default())
}

impl Place<'_> {
    /// Where a complaint points, for the Python helper that words it: an index, a name, or a pair of indices.
    pub fn to_object<'py>(self, python: Python<'py>) -> Outcome<Owned<'py>> {
        match self {
            Place::At(index) => python.integer(index as i64),
            Place::Named(name) => Ok(python.constant(name.pointer())),
            Place::InRow(row, column) => python.tuple(2, [row, column].into_iter().map(|i| python.integer(i as i64))),
        }
    }
}
