//! Where one cancel token lives: its bits, and the rule that a token of the past changes nothing.

#[cfg(all(test, loom))]
mod models;

use crate::sync::checked::{AtomicU64, Ordering};

/// The bits are `generation << 2 | cancelled << 1 | taken`. A token knows its generation, of which 32 bits count.
pub struct Slot(AtomicU64);

const TAKEN: u64 = 1;
const CANCELLED: u64 = 2;
const GENERATION: u64 = 4;

impl Slot {
    pub fn new() -> Slot {
        Slot(AtomicU64::new(0))
    }

    /// Takes the slot for a token, not cancelled, if the slot is free. Says the token's generation.
    pub fn claim(&self) -> Option<u32> {
        let bits = self.0.load(Ordering::Relaxed);
        let free = bits & TAKEN == 0;
        let taken = free && self.0.compare_exchange(bits, bits | TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        taken.then_some(generation(bits))
    }

    /// Whether the slot is that token's still.
    pub fn is_live(&self, token: u32) -> bool {
        owns(token, self.0.load(Ordering::Acquire))
    }

    #[inline]
    pub fn is_cancelled(&self, token: u32) -> bool {
        let bits = self.0.load(Ordering::Relaxed);
        owns(token, bits) && bits & CANCELLED != 0
    }

    pub fn cancel(&self, token: u32) {
        self.update(token, |bits| bits | CANCELLED);
    }

    pub fn reset(&self, token: u32) {
        self.update(token, |bits| bits & !CANCELLED);
    }

    pub fn free(&self, token: u32) {
        self.update(token, |bits| (bits & !(CANCELLED | TAKEN)).wrapping_add(GENERATION));
    }

    fn update(&self, token: u32, change: impl Fn(u64) -> u64) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |bits| owns(token, bits).then(|| change(bits)));
    }
}

fn generation(bits: u64) -> u32 {
    (bits / GENERATION) as u32
}

fn owns(token: u32, bits: u64) -> bool {
    bits & TAKEN != 0 && generation(bits) == token
}
