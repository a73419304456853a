//! Numbers that threads move and anybody may read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds a time, in nanoseconds.
    pub fn time(&self, time: Duration) {
        self.add(nanos(time));
    }

    /// Adds `n` where no other thread adds at the same time: a third of the price of [`Counter::add`].
    #[inline]
    pub fn add_alone(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    /// Raises the number to `n` where no other thread writes at the same time.
    #[inline]
    pub fn raise_alone(&self, n: u64) {
        if n > self.get() {
            self.set(n);
        }
    }

    /// Adds a number that may be negative, for what rises and falls.
    pub fn add_signed(&self, n: i64) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// The number of what rises and falls; never less than 0, whatever came first of two that change it.
    pub fn level(&self) -> u64 {
        u64::try_from(self.get() as i64).unwrap_or_default()
    }

    /// Sets the number, for what is measured rather than counted.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time in nanoseconds.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The upper bounds of the buckets of times, in nanoseconds: 1, 2.5 and 5 times each power of ten from 1 µs to 10 s.
pub const TIMES: [u64; 22] = {
    let mut bounds = [0; 22];
    let (mut at, mut power) = (0, 1_000);
    while at < bounds.len() {
        bounds[at] = match at % 3 {
            0 => power,
            1 => power * 5 / 2,
            _ => power * 5,
        };
        at += 1;
        if at % 3 == 0 {
            power *= 10;
        }
    }
    bounds
};

/// The upper bounds of the buckets of sizes: powers of two from 1 to 8192.
pub const SIZES: [u64; 14] = {
    let mut bounds = [0; 14];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = 1 << at;
        at += 1;
    }
    bounds
};

/// How many numbers fell between which bounds, and their sum.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    /// One for each bound: numbers up to it and above the one before.
    within: [Counter; N],
    beyond: Counter,
    sum: Counter,
}

/// Times, in nanoseconds.
pub type Times = Histogram<22>;
/// Sizes.
pub type Sizes = Histogram<14>;

impl Default for Times {
    fn default() -> Self {
        Histogram::new(&TIMES)
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Histogram::new(&SIZES)
    }
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: &'static [u64; N]) -> Self {
        Histogram { bounds, within: std::array::from_fn(|_| Counter::default()), beyond: Counter::default(), sum: Counter::default() }
    }

    #[inline]
    fn place(&self, number: u64) -> &Counter {
        // Twelve steps at most, four for a query of 10 µs: the bounds are in one or two cache lines.
        self.bounds.iter().position(|bound| number <= *bound).map_or(&self.beyond, |at| &self.within[at])
    }

    /// Puts a number in its bucket.
    pub fn record(&self, number: u64) {
        self.place(number).one();
        self.sum.add(number);
    }

    /// Puts a time in its bucket.
    pub fn time(&self, time: Duration) {
        self.record(nanos(time));
    }

    /// Like [`Histogram::record`] where no other thread writes at the same time.
    #[inline]
    pub fn record_alone(&self, number: u64) {
        self.place(number).add_alone(1);
        self.sum.add_alone(number);
    }

    /// Adds what is in the buckets to another histogram.
    pub fn add_to(&self, other: &Self) {
        self.within.iter().zip(&other.within).for_each(|(mine, all)| all.add(mine.get()));
        other.beyond.add(self.beyond.get());
        other.sum.add(self.sum.get());
    }

    /// What is in the buckets now.
    pub fn read(&self) -> Buckets {
        let counts = self.within.iter().chain([&self.beyond]).map(Counter::get).collect();
        Buckets { bounds: self.bounds, counts, sum: self.sum.get() }
    }
}

/// A histogram as it was when it was read.
#[derive(Debug, Clone)]
pub struct Buckets {
    pub bounds: &'static [u64],
    /// One more than there are bounds; not cumulative.
    pub counts: Vec<u64>,
    pub sum: u64,
}

impl Buckets {
    /// How many numbers there are in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_the_steps_from_a_microsecond_to_ten_seconds() {
        assert_eq!(TIMES[..5], [1_000, 2_500, 5_000, 10_000, 25_000]);
        assert_eq!(TIMES[21], 10_000_000_000);
        assert_eq!(SIZES[13], 8192);
    }

    #[test]
    fn a_number_is_in_the_first_bucket_that_it_does_not_exceed() {
        let times = Times::default();
        for nanos in [0, 1_000, 1_001, 10_000_000_000, 10_000_000_001] {
            times.record(nanos);
            times.record_alone(nanos);
        }
        let read = times.read();
        assert_eq!((read.counts[0], read.counts[1], read.counts[21], read.counts[22]), (4, 2, 2, 2));
        assert_eq!((read.count(), read.sum), (10, 2 * (2_001 + 20_000_000_001)));
    }

    #[test]
    fn what_rises_and_falls_is_never_below_nothing() {
        let level = Counter::default();
        level.add_signed(-1);
        assert_eq!(level.level(), 0);
        level.add_signed(3);
        assert_eq!(level.level(), 2);
    }

    #[test]
    fn histograms_add_up() {
        let (one, two) = (Sizes::default(), Sizes::default());
        one.record(1);
        two.record(1);
        two.record(64);
        one.add_to(&two);
        let sum = two.read();
        assert_eq!((sum.counts[0], sum.counts[6], sum.count(), sum.sum), (2, 1, 3, 66));
    }
}
