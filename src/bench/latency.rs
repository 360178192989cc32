//! Latency histograms.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer than any run may last, so that nothing is clipped in practice.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// How long things took, in microseconds with three significant digits.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
}

/// The usual quantiles, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50_micros: u64,
    pub(crate) p90_micros: u64,
    pub(crate) p99_micros: u64,
    pub(crate) p999_micros: u64,
    pub(crate) max_micros: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, micros(LONGEST), 3)
            .expect("the bounds are constants that the histogram accepts");
        Self { histogram }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(micros(latency));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Same bounds on both sides: adding cannot fail.
        let _ = self.histogram.add(&other.histogram);
    }

    /// What the latencies would have been had requests been due every `interval` on each connection, also while
    /// an answer was outstanding: a closed loop stops asking exactly when the system is slow, and so omits the
    /// requests that would have waited.
    pub(crate) fn corrected_for(&self, interval: Duration) -> Self {
        match micros(interval) {
            0 => self.clone(),
            interval => Self { histogram: self.histogram.clone_correct(interval) },
        }
    }

    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        let h = &self.histogram;
        (!h.is_empty()).then(|| Quantiles {
            count: h.len(),
            p50_micros: h.value_at_quantile(0.5),
            p90_micros: h.value_at_quantile(0.9),
            p99_micros: h.value_at_quantile(0.99),
            p999_micros: h.value_at_quantile(0.999),
            max_micros: h.max(),
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new();
        for millis in millis {
            latencies.record(Duration::from_millis(millis));
        }
        latencies
    }

    /// Three significant digits.
    fn about(micros: u64, millis: u64) -> bool {
        micros.abs_diff(millis * 1000) <= millis
    }

    #[test]
    fn quantiles_of_a_known_series() {
        let quantiles = latencies(1..=1000).quantiles().unwrap();
        assert_eq!(quantiles.count, 1000);
        assert!(about(quantiles.p50_micros, 500), "{quantiles:?}");
        assert!(about(quantiles.p90_micros, 900), "{quantiles:?}");
        assert!(about(quantiles.p99_micros, 990), "{quantiles:?}");
        assert!(about(quantiles.p999_micros, 999), "{quantiles:?}");
        assert!(about(quantiles.max_micros, 1000), "{quantiles:?}");
        assert_eq!(Latencies::new().quantiles(), None);
    }

    #[test]
    fn merging_keeps_every_value() {
        let mut all = latencies([1, 2]);
        all.merge(&latencies([30]));
        let quantiles = all.quantiles().unwrap();
        assert_eq!(quantiles.count, 3);
        assert!(about(quantiles.max_micros, 30));
    }

    #[test]
    fn a_pause_counts_for_every_request_that_it_kept_from_being_sent() {
        // 99 answers of 1 ms and one pause of 100 ms: as many requests were due during the pause as before it.
        let measured = latencies((0..99).map(|_| 1).chain([100]));
        assert!(about(measured.quantiles().unwrap().p90_micros, 1));
        let corrected = measured.corrected_for(Duration::from_millis(1)).quantiles().unwrap();
        assert_eq!(corrected.count, 199);
        assert!(corrected.p90_micros > 70_000, "{corrected:?}");
        assert_eq!(measured.corrected_for(Duration::ZERO).quantiles(), measured.quantiles());
    }

    #[test]
    fn what_is_longer_than_the_range_counts_as_the_longest() {
        let mut latencies = Latencies::new();
        latencies.record(LONGEST * 5);
        assert!(latencies.quantiles().unwrap().max_micros >= micros(LONGEST));
    }
}
