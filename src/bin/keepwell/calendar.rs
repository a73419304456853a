//! The date and time of a moment, UTC, as numbers of migrations have it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Digits of such a number.
pub const DIGITS: usize = 14;

/// The present moment as `YYYYMMDDhhmmss`.
pub fn now() -> i64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    number(seconds)
}

/// Seconds since 1970 as `YYYYMMDDhhmmss`. The days of the proleptic Gregorian calendar, counted from a first of March:
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn number(seconds: i64) -> i64 {
    let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let date = (year * 100 + month) * 100 + day;
    ((date * 100 + second / 3600) * 100 + second / 60 % 60) * 100 + second % 60
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn seconds_become_the_date_and_time_of_the_calendar() {
        assert_eq!(number(0), 19_700_101_000_000);
        assert_eq!(number(951_782_399), 20_000_228_235_959);
        assert_eq!(number(951_782_400), 20_000_229_000_000);
        assert_eq!(number(1_709_251_199), 20_240_229_235_959);
        assert_eq!(number(4_107_542_400), 21_000_301_000_000);
    }
}
