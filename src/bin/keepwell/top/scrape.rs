//! What a process shows at one moment: the series of each of its stores.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use keepwell::{Error, Kind, Result};

use super::address::Address;
use super::exposition::{samples, Sample};
use super::histogram::Histogram;
use super::http;

/// What a name begins with that is one of ours.
const PREFIX: &str = "keepwell_";
/// The label that tells stores apart.
const STORE: &str = "store";

/// One look. The moment is that at which the answer was there.
pub struct Scrape {
    pub at: Instant,
    /// By the label `store`.
    pub stores: BTreeMap<String, Series>,
}

/// The series of one store, by name.
#[derive(Default)]
pub struct Series(HashMap<String, Vec<Sample>>);

impl Scrape {
    /// Asks the process. Blocks no longer than `patience`.
    ///
    /// # Errors
    /// [`Kind::Io`] when there is no answer, or none with metrics of a store.
    pub fn take(address: &Address, patience: Duration) -> Result<Scrape> {
        let failed = |why: String| Error::new(Kind::Io, format!("no answer from {address} ({why})"));
        let text = http::get(address, "/metrics", patience).map_err(|error| failed(error.to_string()).with_source(error))?;
        let at = Instant::now();
        let mut stores: BTreeMap<String, Series> = BTreeMap::new();
        for sample in samples(&text).filter(|sample| sample.name.starts_with(PREFIX)) {
            stores.entry(sample.label(STORE).to_string()).or_default().0.entry(sample.name.clone()).or_default().push(sample);
        }
        if stores.is_empty() {
            return Err(failed("its metrics are none of keepwell's".to_string()));
        }
        Ok(Scrape { at, stores })
    }
}

impl Series {
    /// The sum of all series of a name that have this label; `None` when there are none. An empty label asks for all.
    pub fn sum(&self, name: &str, label: (&str, &str)) -> Option<f64> {
        let fitting = self.fitting(name, label).map(|sample| sample.value);
        fitting.reduce(|sum, value| sum + value)
    }

    /// All series of a name with this label as one histogram; `None` when there are none.
    pub fn histogram(&self, name: &str, label: (&str, &str)) -> Option<Histogram> {
        let mut histogram = Histogram::of_sum(self.sum(&format!("{name}_sum"), label)?);
        for sample in self.fitting(&format!("{name}_bucket"), label) {
            histogram.add(sample.label("le").parse().ok()?, sample.value);
        }
        Some(histogram)
    }

    /// The value of a label of the first series of a name.
    pub fn text(&self, name: &str, label: &str) -> &str {
        self.0.get(name).and_then(|samples| samples.first()).map_or("", |sample| sample.label(label))
    }

    fn fitting<'a>(&'a self, name: &str, (label, value): (&'a str, &'a str)) -> impl Iterator<Item = &'a Sample> {
        self.0.get(name).into_iter().flatten().filter(move |sample| label.is_empty() || sample.label(label) == value)
    }
}
