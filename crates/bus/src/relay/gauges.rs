//! What an operator sees of a relay.

use holdfast_contract::Timestamp;
use metrics::{Counter, Gauge, counter, gauge};

use super::flight::Flight;

pub(super) struct Gauges {
    published: Counter,
    found: Counter,
    errors: Counter,
    in_flight: Gauge,
    lag: Gauge,
}

impl Gauges {
    pub(super) fn new(name: &'static str, shard: u16) -> Self {
        let shard = shard.to_string();
        Self {
            published: counter!("relay_published_total", "outbox" => name, "shard" => shard.clone()),
            found: counter!("relay_found_total", "outbox" => name, "shard" => shard.clone()),
            errors: counter!("relay_errors_total", "outbox" => name, "shard" => shard.clone()),
            in_flight: gauge!("relay_in_flight", "outbox" => name, "shard" => shard.clone()),
            lag: gauge!("relay_lag_seconds", "outbox" => name, "shard" => shard),
        }
    }

    pub(super) fn published(&self, records: usize) {
        self.published.increment(records as u64);
    }

    pub(super) fn found(&self, records: usize) {
        self.found.increment(records as u64);
    }

    pub(super) fn failed(&self) {
        self.errors.increment(1);
    }

    /// The lag is the age of the oldest record that was read from the outbox and is not at the broker.
    pub(super) fn see(&self, flight: &Flight, now: Timestamp) {
        self.in_flight.set(flight.records() as f64);
        self.lag.set(flight.oldest().map_or(0.0, |at| now.millis_since(at) as f64 / 1_000.0));
    }
}
