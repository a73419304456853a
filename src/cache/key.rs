//! What a result is found by: the exact text and the exact values.

use smallvec::SmallVec;

use crate::value::{Params, ValueRef};

/// The bytes of one query: equal ones mean the same text and the same parameters, each with its type (1, 1.0, '1' and x'31' differ).
pub struct Key(SmallVec<[u8; 256]>);

impl Key {
    #[inline]
    pub fn new(sql: &str, params: Params<'_>) -> Key {
        let mut bytes = SmallVec::new();
        push(&mut bytes, params.names().map_or(0, |_| 1), sql.as_bytes());
        params.values().iter().for_each(|value| match *value {
            ValueRef::Null => bytes.push(0),
            ValueRef::Integer(i) => number(&mut bytes, 1, i as u64),
            // Its bits: NaNs and the two zeros are told apart.
            ValueRef::Real(f) => number(&mut bytes, 2, f.to_bits()),
            ValueRef::Text(text) => push(&mut bytes, 3, text),
            ValueRef::Blob(blob) => push(&mut bytes, 4, blob),
        });
        params.names().into_iter().flatten().for_each(|name| push(&mut bytes, 5, name.as_bytes()));
        Key(bytes)
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A tag, the length, and the bytes: no two sequences of such parts are alike.
#[inline]
fn push(key: &mut SmallVec<[u8; 256]>, tag: u8, bytes: &[u8]) {
    number(key, tag, bytes.len() as u64);
    key.extend_from_slice(bytes);
}

#[inline]
fn number(key: &mut SmallVec<[u8; 256]>, tag: u8, number: u64) {
    key.push(tag);
    key.extend_from_slice(&number.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sql: &str, values: &[ValueRef<'_>]) -> Vec<u8> {
        Key::new(sql, Params::positional(values)).bytes().to_vec()
    }

    #[test]
    fn values_that_print_alike_have_keys_of_their_own() {
        let values = [1.into(), 1.0.into(), "1".into(), ValueRef::Blob(b"1"), ValueRef::Null, 0.0.into(), (-0.0).into()];
        let keys: std::collections::HashSet<_> = values.iter().map(|value| key("SELECT ?", &[*value])).collect();
        assert_eq!(keys.len(), values.len());
    }

    #[test]
    fn nothing_of_one_value_passes_for_a_part_of_another() {
        assert_ne!(key("a", &["b".into(), "c".into()]), key("a", &["bc".into()]));
        assert_ne!(key("ab", &[]), key("a", &["b".into()]));
        assert_ne!(key("a", &["".into()]), key("a", &[]));
        let named = Params::named(&["x"], &[ValueRef::Integer(1)]);
        let other = Params::named(&["y"], &[ValueRef::Integer(1)]);
        assert_ne!(Key::new("a", named).bytes(), Key::new("a", other).bytes());
        assert_ne!(Key::new("a", named).bytes().to_vec(), key("a", &[1.into()]));
    }
}
