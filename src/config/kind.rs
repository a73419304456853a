//! The kind of a key's value: how text becomes it, what is allowed, where it is kept.

use std::time::Duration;

use super::quantity::{self, Unit};
use super::{spell, Config, DataSource};

/// Where in a configuration a value is kept.
pub(super) struct Place<T: 'static> {
    pub(super) get: fn(&Config) -> T,
    pub(super) set: fn(&mut Config, T),
}

/// What a value is, with its limits (both ends allowed) in base units: nanoseconds, bytes.
pub(super) enum ValueKind {
    /// True or false.
    Flag(Place<bool>),
    /// A whole number.
    Count { at: Place<u32>, min: u32, max: u32 },
    /// A time; plain numbers are in `unit`.
    Time { at: Place<Duration>, unit: Unit, max: u128 },
    /// A size; plain numbers are in `unit`. If `only` is not empty, it lists all that is allowed.
    Size { at: Place<u64>, unit: Unit, min: u64, max: u64, only: &'static [u64] },
    /// One of some words, by its index.
    Word { at: Place<usize>, words: &'static [&'static [&'static str]] },
    /// Any text, blanks around it left out; `allowed` says what of.
    Text { at: Place<String>, allowed: &'static str },
    /// The data source.
    Source,
}

/// Why a value was refused: the end of a sentence that starts with the value.
pub(super) type Refusal = String;

const OUT_OF_RANGE: &str = "is out of range";
const YES: [&str; 4] = ["true", "on", "yes", "1"];
const NO: [&str; 4] = ["false", "off", "no", "0"];

impl ValueKind {
    /// Reads `text` and puts the value in its place; on refusal nothing is changed.
    pub(super) fn put(&self, config: &mut Config, text: &str) -> Result<(), Refusal> {
        match self {
            ValueKind::Flag(at) => (at.set)(config, flag(text).ok_or("is neither true nor false")?),
            ValueKind::Count { at, min, max } => (at.set)(config, count(text, *min, *max)?),
            ValueKind::Time { at, unit, max } => (at.set)(config, time(text, *unit, *max)?),
            ValueKind::Size { at, unit, min, max, only } => {
                let value = size(text, *unit, *min, *max)?;
                if !only.is_empty() && !only.contains(&value) {
                    return Err(OUT_OF_RANGE.into());
                }
                (at.set)(config, value)
            }
            ValueKind::Word { at, words } => (at.set)(config, word(text, words)?),
            ValueKind::Text { at, .. } => (at.set)(config, line(text)?),
            ValueKind::Source => config.datasource = Some(DataSource::read(text)?),
        }
        Ok(())
    }

    /// The value as text that [`ValueKind::put`] reads; `None` while there is none.
    pub(super) fn take(&self, config: &Config) -> Option<String> {
        match self {
            ValueKind::Flag(at) => Some((at.get)(config).to_string()),
            ValueKind::Count { at, .. } => Some((at.get)(config).to_string()),
            ValueKind::Time { at, unit, .. } => {
                let value = (at.get)(config).as_nanos();
                Some(quantity::format(value, unit.1).unwrap_or_else(|| format!("{value}ns")))
            }
            ValueKind::Size { at, unit, .. } => {
                let value = u128::from((at.get)(config));
                Some(if value % unit.1 == 0 { (value / unit.1).to_string() } else { format!("{value}B") })
            }
            ValueKind::Word { at, words } => Some(words[(at.get)(config)][0].to_owned()),
            ValueKind::Text { at, .. } => Some((at.get)(config)),
            ValueKind::Source => config.datasource.as_ref().map(|source| source.as_str().to_owned()),
        }
    }

    /// What is allowed, for an error message and the reference.
    pub(super) fn allowed(&self) -> String {
        match self {
            ValueKind::Flag(_) => "true, false".into(),
            ValueKind::Count { min, max, .. } => format!("{min} to {max}"),
            ValueKind::Time { unit, max, .. } => format!("0 to {} {}", max / unit.1, unit.0),
            ValueKind::Size { only, .. } if !only.is_empty() => list(only.iter()),
            ValueKind::Size { min, max, .. } => format!("{} to {}", quantity::binary(*min), quantity::binary(*max)),
            ValueKind::Word { words, .. } => list(words.iter().map(|spellings| spellings[0])),
            ValueKind::Text { allowed, .. } => (*allowed).into(),
            ValueKind::Source => "a path, a file: URI, or :memory:".into(),
        }
    }

    /// The unit of a plain number; empty where there is none.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            ValueKind::Time { unit, .. } | ValueKind::Size { unit, .. } => unit.0,
            _ => "",
        }
    }

    /// The name of the kind, for the reference.
    pub(super) fn name(&self) -> &'static str {
        match self {
            ValueKind::Flag(_) => "boolean",
            ValueKind::Count { .. } => "number",
            ValueKind::Time { .. } => "time",
            ValueKind::Size { .. } => "size",
            ValueKind::Word { .. } => "word",
            ValueKind::Text { .. } | ValueKind::Source => "text",
        }
    }
}

/// Reads a truth value, in any letter case.
pub(super) fn flag(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    is(YES).then_some(true).or(is(NO).then_some(false))
}

fn count(text: &str, min: u32, max: u32) -> Result<u32, Refusal> {
    let value: i128 = text.parse().map_err(|_| "is not a whole number")?;
    u32::try_from(value).ok().filter(|value| (min..=max).contains(value)).ok_or_else(|| OUT_OF_RANGE.into())
}

fn time(text: &str, unit: Unit, max: u128) -> Result<Duration, Refusal> {
    let wrong = || format!("is not a time (a number of {}, or with a unit: 250ms, 5s, 2m, 1h)", unit.0);
    let value = quantity::parse(text, quantity::TIMES, unit.1).ok_or_else(|| negative(text).unwrap_or_else(wrong))?;
    if value > max {
        return Err(OUT_OF_RANGE.into());
    }
    Ok(Duration::new((value / quantity::SECOND) as u64, (value % quantity::SECOND) as u32))
}

/// A time with its unit (`250ms`, `5s`, `2m`, `1h`), or a number of seconds.
pub fn duration(text: &str) -> Option<Duration> {
    let value = quantity::parse(text, quantity::TIMES, quantity::SECOND)?;
    let seconds = u64::try_from(value / quantity::SECOND).ok().filter(|seconds| *seconds < 1 << 32)?;
    Some(Duration::new(seconds, (value % quantity::SECOND) as u32))
}

fn size(text: &str, unit: Unit, min: u64, max: u64) -> Result<u64, Refusal> {
    let wrong = || format!("is not a size (a number of {}, or with a unit: 64KiB, 64MiB, 64MB)", unit.0);
    let value = quantity::parse(&text.to_ascii_lowercase(), quantity::SIZES, unit.1).ok_or_else(|| negative(text).unwrap_or_else(wrong))?;
    u64::try_from(value).ok().filter(|value| (min..=max).contains(value)).ok_or_else(|| OUT_OF_RANGE.into())
}

fn line(text: &str) -> Result<String, Refusal> {
    if text.contains(char::is_control) {
        return Err("has control characters".into());
    }
    Ok(text.to_owned())
}

fn negative(text: &str) -> Option<Refusal> {
    text.strip_prefix('-')?.starts_with(|c: char| c.is_ascii_digit()).then(|| OUT_OF_RANGE.into())
}

fn word(text: &str, words: &[&[&str]]) -> Result<usize, Refusal> {
    let fits = |spellings: &[&str]| spellings.iter().any(|word| word.eq_ignore_ascii_case(text));
    words.iter().position(|spellings| fits(spellings)).ok_or_else(|| {
        let near = spell::nearest(text, words.iter().flat_map(|spellings| spellings.iter().copied()));
        format!("is not a choice{}", spell::hint(near))
    })
}

/// `a, b, c`
pub(super) fn list(items: impl Iterator<Item = impl ToString>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
