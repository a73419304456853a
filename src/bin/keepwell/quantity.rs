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
    use super::{bytes, percent};

    #[test]
    fn bytes_are_in_the_largest_unit_that_fits() {
        let shown = [0, 1023, 1024, 1536, 1_048_524, 1_048_525, 1 << 20, (1 << 30) - 1, 5 << 40, u64::MAX].map(bytes);
        let expected = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "1.0 MiB", "1.0 MiB", "1.0 GiB", "5.0 TiB", "16384.0 PiB"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn nothing_is_no_part_of_nothing() {
        assert_eq!((percent(0, 0), percent(1, 4)), (0.0, 25.0));
    }
}
