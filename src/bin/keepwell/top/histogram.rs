//! A histogram: how many observations were at most each bound.

/// Of one moment, or of the time between two.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Bounds in rising order with the observations up to each; the last bound is infinite and its number that of all.
    buckets: Vec<(f64, f64)>,
    sum: f64,
}

impl Histogram {
    /// Without observations yet, but with the sum of them.
    pub fn of_sum(sum: f64) -> Histogram {
        Histogram { sum, ..Histogram::default() }
    }

    /// Takes observations up to a bound in, of which there may be some already under other labels.
    pub fn add(&mut self, bound: f64, observations: f64) {
        match self.buckets.binary_search_by(|(other, _)| other.total_cmp(&bound)) {
            Ok(at) => self.buckets[at].1 += observations,
            Err(at) => self.buckets.insert(at, (bound, observations)),
        }
    }

    pub fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, all)| *all)
    }

    /// What was observed since. A process that began anew has observed all of it since.
    pub fn since(&self, before: &Histogram) -> Histogram {
        let same =
            before.buckets.len() == self.buckets.len() && before.buckets.iter().zip(&self.buckets).all(|(then, now)| then.1 <= now.1);
        if !same {
            return self.clone();
        }
        let buckets = self.buckets.iter().zip(&before.buckets).map(|((bound, now), (_, then))| (*bound, now - then));
        Histogram { buckets: buckets.collect(), sum: self.sum - before.sum }
    }

    /// The mean; `None` when nothing was observed.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0.0).then(|| self.sum / self.count())
    }

    /// What the part `quantile` of all observations is below, taken as even within a bucket; above the last finite bound it is that bound.
    /// `None` when nothing was observed. As Prometheus' `histogram_quantile`:
    /// <https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile>
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = quantile * self.count();
        let at = self.buckets.iter().position(|(_, up_to)| *up_to >= rank && *up_to > 0.0)?;
        let (low, below) = if at == 0 { (0.0, 0.0) } else { self.buckets[at - 1] };
        let (high, up_to) = self.buckets[at];
        Some(if high.is_finite() { low + (high - low) * (rank - below) / (up_to - below) } else { low })
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    fn of(buckets: &[(f64, f64)], sum: f64) -> Histogram {
        let mut histogram = Histogram::of_sum(sum);
        buckets.iter().for_each(|(bound, count)| histogram.add(*bound, *count));
        histogram
    }

    #[test]
    fn quantiles_are_even_within_a_bucket() {
        let histogram = of(&[(f64::INFINITY, 101.0), (1.0, 50.0), (2.0, 100.0)], 0.0);
        assert_eq!(histogram.count(), 101.0);
        assert_eq!(histogram.quantile(0.25), Some(25.25 / 50.0));
        assert!((histogram.quantile(0.75).unwrap() - 1.515).abs() < 1e-9);
        assert_eq!(histogram.quantile(1.0), Some(2.0), "above the last bound");
    }

    #[test]
    fn nothing_observed_has_no_quantile() {
        let nothing = of(&[(1.0, 0.0), (f64::INFINITY, 0.0)], 0.0);
        assert_eq!((nothing.quantile(0.5), nothing.mean(), Histogram::default().quantile(0.5)), (None, None, None));
    }

    #[test]
    fn a_difference_is_what_was_observed_since_and_a_process_that_began_anew_counts_from_nothing() {
        let before = of(&[(1.0, 10.0), (f64::INFINITY, 10.0)], 5.0);
        let now = of(&[(1.0, 10.0), (f64::INFINITY, 14.0)], 25.0);
        let since = now.since(&before);
        assert_eq!((since.count(), since.mean(), since.quantile(0.5)), (4.0, Some(5.0), Some(1.0)));
        assert_eq!(before.since(&now), before);
    }
}
