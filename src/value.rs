//! A database value, owned or borrowed, as plain data.

use std::fmt;

/// A value that owns its bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Integer(i64),
    Real(f64),
    /// Text keeps its bytes, whatever they are; SQLite does not promise UTF-8.
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// A value that borrows its bytes: a parameter, or a cell of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ValueRef<'a> {
    #[default]
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    /// A copy that owns its bytes.
    pub fn to_owned(&self) -> Value {
        match *self {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(i) => Value::Integer(i),
            ValueRef::Real(f) => Value::Real(f),
            ValueRef::Text(b) => Value::Text(b.to_vec()),
            ValueRef::Blob(b) => Value::Blob(b.to_vec()),
        }
    }

    /// What the value is, in SQLite's own words (`typeof()`).
    pub fn type_name(&self) -> &'static str {
        match self {
            ValueRef::Null => "null",
            ValueRef::Integer(_) => "integer",
            ValueRef::Real(_) => "real",
            ValueRef::Text(_) => "text",
            ValueRef::Blob(_) => "blob",
        }
    }

    /// Whether the value is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, ValueRef::Null)
    }

    /// The integer, when the value is one.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            ValueRef::Integer(i) => Some(i),
            _ => None,
        }
    }

    /// The number as a double, when the value is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            ValueRef::Real(f) => Some(f),
            ValueRef::Integer(i) => Some(i as f64),
            _ => None,
        }
    }
}

impl<'a> ValueRef<'a> {
    /// The text, when the value is text and UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        match *self {
            ValueRef::Text(b) => std::str::from_utf8(b).ok(),
            _ => None,
        }
    }

    /// The bytes, when the value is text or a blob.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            ValueRef::Text(b) | ValueRef::Blob(b) => Some(b),
            _ => None,
        }
    }
}

impl Value {
    /// The same value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(i) => ValueRef::Integer(*i),
            Value::Real(f) => ValueRef::Real(*f),
            Value::Text(b) => ValueRef::Text(b),
            Value::Blob(b) => ValueRef::Blob(b),
        }
    }
}

impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ValueRef::Null => f.write_str("NULL"),
            ValueRef::Integer(i) => write!(f, "{i}"),
            ValueRef::Real(r) => write!(f, "{r:?}"),
            ValueRef::Text(b) => f.write_str(&String::from_utf8_lossy(b)),
            ValueRef::Blob(b) => {
                f.write_str("x'")?;
                b.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("'")
            }
        }
    }
}

impl From<i64> for ValueRef<'_> {
    fn from(i: i64) -> Self {
        ValueRef::Integer(i)
    }
}

impl From<i32> for ValueRef<'_> {
    fn from(i: i32) -> Self {
        ValueRef::Integer(i.into())
    }
}

impl From<u32> for ValueRef<'_> {
    fn from(i: u32) -> Self {
        ValueRef::Integer(i.into())
    }
}

impl From<bool> for ValueRef<'_> {
    fn from(b: bool) -> Self {
        ValueRef::Integer(b.into())
    }
}

impl From<f64> for ValueRef<'_> {
    fn from(f: f64) -> Self {
        ValueRef::Real(f)
    }
}

impl<'a> From<&'a str> for ValueRef<'a> {
    fn from(s: &'a str) -> Self {
        ValueRef::Text(s.as_bytes())
    }
}

impl<'a> From<&'a String> for ValueRef<'a> {
    fn from(s: &'a String) -> Self {
        ValueRef::Text(s.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for ValueRef<'a> {
    fn from(b: &'a [u8]) -> Self {
        ValueRef::Blob(b)
    }
}

impl<'a, T: Into<ValueRef<'a>>> From<Option<T>> for ValueRef<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(ValueRef::Null, Into::into)
    }
}

/// The parameters of one run of a statement: values in order, or values with a name each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Params<'a> {
    values: &'a [ValueRef<'a>],
    names: Option<&'a [&'a str]>,
}

impl<'a> Params<'a> {
    /// No parameters.
    pub const NONE: Params<'static> = Params { values: &[], names: None };

    /// Values for `?1`, `?2`, … in order.
    pub fn positional(values: &'a [ValueRef<'a>]) -> Self {
        Params { values, names: None }
    }

    /// One name per value, with or without its `:`, `@` or `$`.
    ///
    /// # Panics
    /// When the two slices differ in length.
    pub fn named(names: &'a [&'a str], values: &'a [ValueRef<'a>]) -> Self {
        assert_eq!(names.len(), values.len(), "one name per value");
        Params { values, names: Some(names) }
    }

    /// The values, in the order they were given.
    pub fn values(&self) -> &'a [ValueRef<'a>] {
        self.values
    }

    /// The names, when the parameters are named.
    pub fn names(&self) -> Option<&'a [&'a str]> {
        self.names
    }
}

impl<'a> From<&'a [ValueRef<'a>]> for Params<'a> {
    fn from(values: &'a [ValueRef<'a>]) -> Self {
        Params::positional(values)
    }
}

impl<'a, const N: usize> From<&'a [ValueRef<'a>; N]> for Params<'a> {
    fn from(values: &'a [ValueRef<'a>; N]) -> Self {
        Params::positional(values)
    }
}
