//! Looking a few times before going to sleep: a waiter that is given its turn within microseconds spares itself, and who gives, the system calls
//! of a sleep and a wake-up, which cost several times what a small write does.
//!
//! Between two looks the processor is given away, to who has the thing perhaps. Where somebody takes it for long (a thread that computes,
//! on a machine without a processor to spare), that would cost more than it spares: then nobody looks for a while.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the processor is given away.
const ROUNDS: u32 = 4;
/// Looks before each time: about a microsecond.
const LOOKS: u32 = 40;
/// Other waiters of the same line take less; a thread that computes takes its whole slice, two milliseconds or more.
const LONG: Duration = Duration::from_micros(1500);
/// Nobody looks for so many times as long as that took, so that it costs a fortieth at most.
const PENALTY: u32 = 40;

/// What those who wait at one place have learnt about looking.
pub struct Glances {
    epoch: Instant,
    /// Nanoseconds after `epoch` before which nobody looks.
    not_before: AtomicU64,
}

impl Glances {
    pub fn new() -> Self {
        Glances { epoch: Instant::now(), not_before: AtomicU64::new(0) }
    }

    /// Looks for a moment whether `there` is true.
    pub fn see(&self, there: impl Fn() -> bool) {
        let mut before = Instant::now();
        if nanos(before - self.epoch) < self.not_before.load(Ordering::Relaxed) {
            return;
        }
        for _ in 0..ROUNDS {
            for _ in 0..LOOKS {
                if there() {
                    return;
                }
                std::hint::spin_loop();
            }
            std::thread::yield_now();
            let now = Instant::now();
            if now - before > LONG {
                self.not_before.store(nanos(now - self.epoch + (now - before) * PENALTY), Ordering::Relaxed);
                return;
            }
            before = now;
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_is_there_is_seen_and_what_is_not_is_given_up() {
        let glances = Glances::new();
        let looks = Cell::new(0);
        glances.see(|| looks.replace(looks.get() + 1) == 30);
        assert_eq!(looks.get(), 31, "seen at once");
        looks.set(0);
        glances.see(|| looks.replace(looks.get() + 1) == u32::MAX);
        assert!(looks.get() <= ROUNDS * LOOKS);
    }

    #[test]
    fn nobody_looks_for_a_while_after_the_processor_was_away_for_long() {
        let glances = Glances::new();
        let slow = Cell::new(true);
        glances.see(|| {
            if slow.replace(false) {
                std::thread::sleep(2 * LONG);
            }
            false
        });
        glances.see(|| panic!("it is too early to look"));
        glances.not_before.store(0, Ordering::Relaxed);
        let looked = Cell::new(false);
        glances.see(|| looked.replace(true));
        assert!(looked.get());
    }
}
