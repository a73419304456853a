//! Quantities as people read them: things, bytes, durations.

use std::time::Duration;

/// So many things, in words.
pub fn counted(count: u64, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{ending}")
}

/// A duration as people read it.
pub fn took(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds >= 10.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} ms", seconds * 1000.0),
    }
}

/// Bytes, in the largest unit of which there is one at least.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    const STEP: f64 = 1024.0;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / STEP;
    let mut unit = 0;
    // What would be shown as 1024.0 is one of the next unit.
    while size >= STEP - 0.05 && unit + 1 < UNITS.len() {
        size /= STEP;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A number in six characters at most, for columns that do not jump.
pub fn short_number(number: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    // Up to five digits are shown as they are.
    match UNITS.iter().find(|(unit, _)| number >= 100.0 * unit) {
        Some((unit, sign)) => format!("{:.0}{sign}", number / unit),
        None if number >= 99.95 || number.fract() == 0.0 => format!("{number:.0}"),
        None => format!("{number:.1}"),
    }
}

/// A duration of so many seconds in three digits, from microseconds on.
pub fn short_time(seconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")];
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| seconds >= *unit * 0.9995).unwrap_or(UNITS[2]);
    let value = seconds / unit;
    match value {
        value if value >= 99.95 => format!("{value:.0} {name}"),
        value if value >= 9.995 => format!("{value:.1} {name}"),
        value => format!("{value:.2} {name}"),
    }
}

/// A part of a whole in percent; nothing is no part of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, percent, short_number, short_time};

    #[test]
    fn bytes_are_in_the_largest_unit_that_fits() {
        let shown = [0, 1023, 1024, 1536, 1_048_524, 1_048_525, 1 << 20, (1 << 30) - 1, 5 << 40, u64::MAX].map(bytes);
        let expected = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "1.0 MiB", "1.0 MiB", "1.0 GiB", "5.0 TiB", "16384.0 PiB"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn short_numbers_have_six_characters_at_most() {
        let shown = [0.0, 0.04, 9.96, 12.3, 99.96, 1234.5, 99_999.0, 100_000.0, 1.234e6, 1.234e8, 5e11].map(short_number);
        assert_eq!(shown, ["0", "0.0", "10.0", "12.3", "100", "1234", "99999", "100k", "1234k", "123M", "500G"]);
    }

    #[test]
    fn short_times_have_three_digits() {
        let shown = [0.0, 5e-7, 12.3456e-6, 0.99996e-3, 0.1234, 1.5, 250.0].map(short_time);
        assert_eq!(shown, ["0.00 µs", "0.50 µs", "12.3 µs", "1.00 ms", "123 ms", "1.50 s", "250 s"]);
    }

    #[test]
    fn nothing_is_no_part_of_nothing() {
        assert_eq!((percent(0, 0), percent(1, 4)), (0.0, 25.0));
    }
}
