//! Time in ticks of the processor's counter, where the operating system itself keeps time by it: two looks cost half of what two looks at
//! the operating system's clock do. Elsewhere a tick is a nanosecond of that clock.
//!
//! What is measured is between microseconds and minutes; the rate is known to a few parts in ten thousand from the first moment on, and
//! better the longer the process lives.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;

/// Where the counter and the clock stood when this was first asked.
struct Start {
    ticks: u64,
    clock: Instant,
}

static START: OnceBox<Start> = OnceBox::new();
/// The processor's counter is the clock.
static COUNTS: AtomicBool = AtomicBool::new(false);
/// Nanoseconds for each tick, in units of 2⁻³²; 0 before the first look.
static RATE: AtomicU64 = AtomicU64::new(0);
/// The first rate is found over this time; later ones over at least [`LONG`].
const SHORT: Duration = Duration::from_micros(100);
const LONG: Duration = Duration::from_secs(1);

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and an operating system that keeps time by it lets programs use it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    0
}

/// Whether the kernel trusts the counter: it runs evenly, and alike on all processors.
fn trusted() -> bool {
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    cfg!(all(target_arch = "x86_64", target_os = "linux")) && std::fs::read_to_string(source).is_ok_and(|name| name.trim() == "tsc")
}

fn start() -> &'static Start {
    START.get_or_init(|| {
        COUNTS.store(trusted(), Ordering::Relaxed);
        Box::new(Start { ticks: counter(), clock: Instant::now() })
    })
}

/// Makes the clock ready, or its rate better. Takes 100 µs the first time in a process, nothing worth mentioning later.
pub fn tune() {
    let start = start();
    if !COUNTS.load(Ordering::Relaxed) {
        return RATE.store(1 << 32, Ordering::Relaxed);
    }
    let known = RATE.load(Ordering::Relaxed) != 0;
    if known && start.clock.elapsed() < LONG {
        return;
    }
    while start.clock.elapsed() < SHORT {
        std::hint::spin_loop();
    }
    let (ticks, time) = (counter().wrapping_sub(start.ticks), start.clock.elapsed().as_nanos());
    let rate = (time << 32) / u128::from(ticks.max(1));
    RATE.store(u64::try_from(rate).unwrap_or(1 << 32).max(1), Ordering::Relaxed);
}

/// Ticks since some moment. Never 0.
#[inline]
pub fn now() -> u64 {
    if COUNTS.load(Ordering::Relaxed) {
        counter() | 1
    } else {
        by_clock()
    }
}

#[cold]
fn by_clock() -> u64 {
    START.get().map_or(1, |start| start.clock.elapsed().as_nanos() as u64 | 1)
}

/// The nanoseconds from one moment to another; 0 where the second one seems to be earlier.
#[inline]
pub fn nanos(from: u64, to: u64) -> u64 {
    ((u128::from(to.saturating_sub(from)) * u128::from(RATE.load(Ordering::Relaxed))) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_agree_with_the_clock() {
        tune();
        let (began, clock) = (now(), Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let (least, ticks, most) = (clock.elapsed(), nanos(began, now()), clock.elapsed());
        let near = |time: Duration, percent: u128| (time.as_nanos() * percent / 100) as u64;
        assert!(near(least, 97) <= ticks && ticks <= near(most, 103), "{least:?} {ticks} {most:?}");
    }

    #[test]
    fn time_never_runs_backwards() {
        tune();
        assert_eq!(nanos(now(), 1), 0);
        assert!(now() != 0);
    }
}
