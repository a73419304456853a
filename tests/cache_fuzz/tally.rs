//! What a run has done, in numbers: the test has to be one.

use std::collections::BTreeMap;

use keepwell::store::{Bypass, CacheStats};

#[derive(Default)]
pub struct Tally {
    pub comparisons: u64,
    pub hits: u64,
    /// Both roads failed, which is an agreement too.
    pub failures: u64,
    /// A lock was in the way of one of the two.
    pub unsaid: u64,
    pub impure: u64,
    /// The store failed with the cache and without, where SQLite's other connection did not.
    pub engine: u64,
    pub writes: BTreeMap<&'static str, (u64, u64)>,
    pub misses: u64,
    pub invalidated: u64,
    pub evicted: u64,
    pub bypasses: [u64; 8],
}

impl Tally {
    /// Counts a write and whether all of it succeeded.
    pub fn wrote(&mut self, route: &'static str, well: bool) {
        let (all, good) = self.writes.entry(route).or_default();
        *all += 1;
        *good += u64::from(well);
    }

    pub fn add(&mut self, stats: &CacheStats) {
        self.misses += stats.misses;
        self.invalidated += stats.invalidated;
        self.evicted += stats.evicted;
        self.bypasses.iter_mut().zip(stats.bypasses).for_each(|(sum, more)| *sum += more);
    }

    /// Takes the numbers of another seed in.
    pub fn merge(&mut self, other: Tally) {
        let mine = [&mut self.comparisons, &mut self.hits, &mut self.failures, &mut self.unsaid, &mut self.impure, &mut self.engine];
        let theirs = [other.comparisons, other.hits, other.failures, other.unsaid, other.impure, other.engine];
        mine.into_iter().zip(theirs).for_each(|(sum, more)| *sum += more);
        for (route, (all, good)) in other.writes {
            let sum = self.writes.entry(route).or_default();
            *sum = (sum.0 + all, sum.1 + good);
        }
        let stats = CacheStats { misses: other.misses, invalidated: other.invalidated, evicted: other.evicted, ..CacheStats::default() };
        self.add(&CacheStats { bypasses: other.bypasses, ..stats });
    }

    pub fn hit_share(&self) -> f64 {
        self.hits as f64 / self.comparisons.max(1) as f64
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (share, compared) = (100.0 * self.hit_share(), self.comparisons);
        writeln!(f, "{compared} comparisons, {} of them hits ({share:.1} %), {} failed alike", self.hits, self.failures)?;
        writeln!(f, "{} met a lock, {} failed by the engine alone, {} impure queries", self.unsaid, self.engine, self.impure)?;
        writeln!(f, "{} misses, {} invalidated, {} evicted", self.misses, self.invalidated, self.evicted)?;
        let bypasses = Bypass::ALL.iter().map(|(bypass, name)| format!("{name} {}", self.bypasses[*bypass as usize]));
        writeln!(f, "bypasses: {}", bypasses.collect::<Vec<_>>().join(", "))?;
        let writes = self.writes.iter().map(|(route, (all, good))| format!("{route} {good}/{all}"));
        write!(f, "writes that succeeded, by route: {}", writes.collect::<Vec<_>>().join(", "))
    }
}
