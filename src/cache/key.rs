//! What a result is found by: the exact text and the exact values.

use crate::value::{Params, ValueRef};

/// The bytes of one query: equal ones mean the same text and the same parameters, each with its type (1, 1.0, '1' and x'31' differ).
pub struct Key {
    /// A short key is in place.
    few: [u8; FEW],
    many: Vec<u8>,
    length: usize,
}

const FEW: usize = 192;
/// What a tag and a number take.
const HEAD: usize = 9;

impl Key {
    #[inline]
    pub fn new(sql: &str, params: Params<'_>) -> Key {
        Key::of(sql.as_bytes(), params.values().iter().copied(), params.names().is_some(), params.names().unwrap_or_default())
    }

    /// The same from parts that are not together yet.
    #[inline]
    pub fn of<'a>(sql: &[u8], values: impl Iterator<Item = ValueRef<'a>> + Clone, named: bool, names: &[&str]) -> Key {
        let mut key = Key { few: [0; FEW], many: Vec::new(), length: 0 };
        let length = length(sql, values.clone(), names);
        if length > FEW {
            key.many = vec![0; length];
        }
        key.length = length;
        let mut rest = if length > FEW { &mut key.many[..] } else { &mut key.few[..] };
        rest = bytes(rest, named.into(), sql);
        for value in values {
            rest = match value {
                ValueRef::Null => number(rest, 2, 0),
                ValueRef::Integer(i) => number(rest, 3, i as u64),
                // Its bits: the two zeros are told apart.
                ValueRef::Real(f) => number(rest, 4, f.to_bits()),
                ValueRef::Text(text) => bytes(rest, 5, text),
                ValueRef::Blob(blob) => bytes(rest, 6, blob),
            };
        }
        for name in names {
            rest = bytes(rest, 7, name.as_bytes());
        }
        key
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let all = if self.length > FEW { &self.many[..] } else { &self.few[..] };
        &all[..self.length]
    }
}

#[inline]
fn length<'a>(sql: &[u8], values: impl Iterator<Item = ValueRef<'a>>, names: &[&str]) -> usize {
    let values: usize = values.map(|value| HEAD + value.as_bytes().map_or(0, <[u8]>::len)).sum();
    let names: usize = names.iter().map(|name| HEAD + name.len()).sum();
    HEAD + sql.len() + values + names
}

/// A tag, the length, and the bytes: no two sequences of such parts are alike.
#[inline]
fn bytes<'a>(key: &'a mut [u8], tag: u8, bytes: &[u8]) -> &'a mut [u8] {
    let rest = number(key, tag, bytes.len() as u64);
    let (place, rest) = rest.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    rest
}

#[inline]
fn number(key: &mut [u8], tag: u8, number: u64) -> &mut [u8] {
    let (head, rest) = key.split_at_mut(HEAD);
    head[0] = tag;
    head[1..].copy_from_slice(&number.to_ne_bytes());
    rest
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
