//! A quantity: a decimal number with a unit, written as people write times and sizes.

/// A unit: its suffix, and how many base units it is.
pub(super) type Unit = (&'static str, u128);

/// Units of time, in nanoseconds.
pub(super) const TIMES: &[Unit] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", MILLISECOND),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
];

/// Units of size, in bytes.
pub(super) const SIZES: &[Unit] =
    &[("b", 1), ("kb", 1_000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("kib", KIB), ("mib", 1 << 20), ("gib", 1 << 30)];

/// One millisecond in nanoseconds.
pub(super) const MILLISECOND: u128 = 1_000_000;
/// One second in nanoseconds.
pub(super) const SECOND: u128 = 1_000_000_000;
/// One KiB in bytes.
pub(super) const KIB: u128 = 1 << 10;

/// Fraction digits that count; further ones are below any base unit.
const DIGITS: usize = 12;

/// Reads `text` as base units: a plain number is in `plain`, otherwise every number has a suffix from `units` (`90s`, `1m30s`).
/// Part of a base unit is dropped. `None` when it is no such text, or beyond all sense.
pub(super) fn parse(text: &str, units: &[Unit], plain: u128) -> Option<u128> {
    let (first, rest) = number(text)?;
    if rest.is_empty() {
        return first.times(plain);
    }
    let mut total = 0u128;
    let mut rest = text;
    while !rest.is_empty() {
        let (value, tail) = number(rest)?;
        let tail = tail.trim_start_matches(' ');
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (suffix, tail) = tail.split_at(end);
        let (_, size) = units.iter().find(|(name, _)| *name == suffix)?;
        total = total.checked_add(value.times(*size)?)?;
        rest = tail;
    }
    Some(total)
}

/// Writes `value` base units as a number of `unit`, with the fraction it needs, if twelve digits are enough for it.
pub(super) fn format(value: u128, unit: u128) -> Option<String> {
    let (whole, mut rest) = (value / unit, value % unit);
    let mut text = whole.to_string();
    if rest > 0 {
        text.push('.');
    }
    for _ in 0..DIGITS {
        if rest == 0 {
            break;
        }
        rest *= 10;
        text.push_str(&(rest / unit).to_string());
        rest %= unit;
    }
    (rest == 0).then_some(text)
}

/// Writes a size in the largest binary unit that it is a whole number of.
pub(super) fn binary(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let fitting = units.into_iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    fitting.map_or_else(|| bytes.to_string(), |(name, size)| format!("{} {name}", bytes / size))
}

/// A decimal number: `digits / 10^scale`.
struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    fn times(&self, unit: u128) -> Option<u128> {
        Some(self.digits.checked_mul(unit)? / 10u128.pow(self.scale))
    }
}

/// Splits the number off the front of `text`.
fn number(text: &str) -> Option<(Decimal, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(DIGITS)];
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((Decimal { digits, scale: fraction.len() as u32 }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_plain_number_in_its_unit_or_carries_its_own() {
        let cases: &[(&str, Option<u128>)] = &[
            ("5", Some(5 * SECOND)),
            ("0", Some(0)),
            ("0.25", Some(250 * MILLISECOND)),
            ("0.3333333333333333", Some(333_333_333)),
            ("250ms", Some(250 * MILLISECOND)),
            ("5s", Some(5 * SECOND)),
            ("5 s", Some(5 * SECOND)),
            ("2m", Some(120 * SECOND)),
            ("1.5h", Some(5_400 * SECOND)),
            ("1d", Some(86_400 * SECOND)),
            ("5m0s", Some(300 * SECOND)),
            ("1h2m3.5s", Some(3_723 * SECOND + 500 * MILLISECOND)),
            ("10µs", Some(10_000)),
            ("1m30", None),
            ("s", None),
            ("", None),
            ("-5", None),
            ("+5", None),
            ("5.", None),
            (".5", None),
            ("1.2.3", None),
            ("1e3", None),
            ("5 parsecs", None),
            ("5S", None),
            ("٥", None),
            ("999999999999999999999999999999999999999999", None),
            ("340282366920938463463374607431768211455s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, TIMES, SECOND), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for value in [0, 1, KIB, 1_000, 65_536, 1_234_567_890, 7 * SECOND / 8] {
            let text = format(value, SECOND).unwrap();
            assert_eq!(parse(&text, TIMES, SECOND), Some(value), "{text}");
        }
        assert_eq!(format(1_500 * MILLISECOND, SECOND).as_deref(), Some("1.5"));
        assert_eq!([0, 5, 64 << 10, 3 << 30].map(binary), ["0", "5 B", "64 KiB", "3 GiB"]);
        assert_eq!(format(300 * SECOND, SECOND).as_deref(), Some("300"));
    }
}
