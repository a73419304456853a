//! Values of few kinds and a small range, so that rows meet each other: as parameters and as literals.
//!
//! Reals always have a fraction. Otherwise 1 and 1.0 would be equal and yet two values, and which of them `DISTINCT` shows is for the
//! engine to choose.

use keepwell::Value;

use crate::random::Random;

pub const WORDS: &[&str] = &["ash", "birch", "cedar", "elm", "fir", "ash elm", "Birch", ""];

pub fn value(random: &mut Random) -> Value {
    match random.below(20) {
        0..=10 => Value::Integer(random.below(20) as i64),
        11..=15 => Value::Text(random.pick(WORDS).as_bytes().to_vec()),
        16 => Value::Real(random.below(20) as f64 + 0.5),
        17 => Value::Blob(vec![random.below(3) as u8; random.below(3)]),
        18 => Value::Text(random.below(20).to_string().into_bytes()),
        _ => Value::Null,
    }
}

pub fn literal(random: &mut Random) -> String {
    match value(random) {
        Value::Null => "NULL".to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Real(f) => format!("{f:?}"),
        Value::Text(text) => format!("'{}'", String::from_utf8_lossy(&text)),
        Value::Blob(blob) => format!("x'{}'", blob.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
