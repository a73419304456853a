//! Time in milliseconds for what need not be exact: a quarter of the price of a precise clock.

#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
#[cfg(all(unix, not(target_os = "linux")))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Milliseconds of a clock that never goes backwards, a few milliseconds coarse.
#[cfg(unix)]
#[inline]
pub fn millis() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the address is that of a local; the clock exists everywhere, and a failure would leave zeros.
    unsafe { libc::clock_gettime(CLOCK, &mut time) };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

/// Milliseconds of the day's clock.
#[cfg(not(unix))]
pub fn millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| time.as_millis() as u64)
}
