//! Time in ticks of the processor's counter, where the operating system itself keeps time by it: two looks cost half of what two looks at
//! the operating system's clock do. Elsewhere a tick is a nanosecond of that clock.
//!
//! What is measured is between microseconds and minutes; the rate is known to a few parts in ten thousand from the first moment on, and
//! better the longer the process lives.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;

/// Where the counter and the clock stood at the same moment.
struct Moment {
    ticks: u64,
    clock: Instant,
}

impl Moment {
    /// Now. Of a few looks the one that was interrupted least: a thread that is put to sleep between counter and clock would spoil the rate.
    fn now() -> Moment {
        let look = || {
            let before = counter();
            let clock = Instant::now();
            let after = counter();
            (after.wrapping_sub(before), Moment { ticks: before, clock })
        };
        let (_, best) = (1..LOOKS).map(|_| look()).fold(look(), |best, next| if next.0 < best.0 { next } else { best });
        best
    }
}

/// When this was first asked.
static START: OnceBox<Moment> = OnceBox::new();
/// The processor's counter is the clock.
static COUNTS: AtomicBool = AtomicBool::new(false);
/// Nanoseconds for each tick, in units of 2⁻³²; 0 before the first look.
static RATE: AtomicU64 = AtomicU64::new(0);
/// The first rate is found over this time; later ones over at least [`LONG`].
const SHORT: Duration = Duration::from_micros(100);
const LONG: Duration = Duration::from_secs(1);
/// How often the two are looked at to find where they stand.
const LOOKS: usize = 5;

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

fn start() -> &'static Moment {
    START.get_or_init(|| {
        COUNTS.store(trusted(), Ordering::Relaxed);
        Box::new(Moment::now())
    })
}

/// Makes the clock ready, or its rate better. Takes 100 µs the first time in a process, nothing worth mentioning later.
pub fn tune() {
    let start = start();
    if !COUNTS.load(Ordering::Relaxed) {
        return RATE.store(1 << 32, Ordering::Relaxed);
    }
    let known = RATE.load(Ordering::Relaxed);
    if known != 0 && start.clock.elapsed() < LONG {
        return;
    }
    while start.clock.elapsed() < SHORT {
        std::hint::spin_loop();
    }
    RATE.store(better(known, rate(start, &Moment::now())), Ordering::Relaxed);
}

fn rate(from: &Moment, to: &Moment) -> u64 {
    let (ticks, time) = (to.ticks.wrapping_sub(from.ticks), to.clock.saturating_duration_since(from.clock).as_nanos());
    u64::try_from((time << 32) / u128::from(ticks.max(1))).unwrap_or(1 << 32).max(1)
}

/// The rate to go on with. One that is quite another than the one `known` (0: none) is not better: the machine has slept meanwhile, when the
/// counter goes on or begins anew and the clock stands still.
fn better(known: u64, found: u64) -> u64 {
    if known != 0 && known.abs_diff(found) > known / 100 {
        known
    } else {
        found
    }
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
    fn a_machine_that_slept_does_not_spoil_the_rate() {
        let start = Moment { ticks: 1_000, clock: Instant::now() };
        let later = |ticks, seconds| Moment { ticks, clock: start.clock + Duration::from_secs(seconds) };
        let known = better(0, rate(&start, &later(1_000 + 3_000_000_000, 1)));
        assert_eq!(known, (1 << 32) / 3);
        let good = better(known, rate(&start, &later(1_000 + 30_000_300_000, 10)));
        assert!(good < known && known - good < known / 10_000);
        // The counter went on for eight hours that the clock does not know of; it began anew.
        assert_eq!(better(good, rate(&start, &later(1_000 + 3_000_000_000 * 28_800, 20))), good);
        assert_eq!(better(good, rate(&start, &later(5, 20))), good);
    }

    #[test]
    fn time_never_runs_backwards() {
        tune();
        assert_eq!(nanos(now(), 1), 0);
        assert!(now() != 0);
    }
}
