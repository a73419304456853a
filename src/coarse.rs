//! Time in milliseconds for what need not be exact: a quarter of the price of a precise clock.

#![allow(unsafe_code)]

/// Milliseconds of a clock that never goes backwards, a few milliseconds coarse.
#[cfg(target_os = "linux")]
#[inline]
pub fn millis() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the address is that of a local; the clock exists since Linux 2.6.32, and a failure would leave zeros.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

/// Milliseconds of a clock that never goes backwards.
#[cfg(not(target_os = "linux"))]
pub fn millis() -> u64 {
    use std::time::Instant;

    static START: once_cell::race::OnceBox<Instant> = once_cell::race::OnceBox::new();
    START.get_or_init(|| Box::new(Instant::now())).elapsed().as_millis() as u64
}
