//! Publishes what a service has to say to a broker: everything, in order per key, each record once.
//!
//! A relay works for one outbox, with a task for each of its shards. It claims the shard, looks at what the broker has
//! since the place that was recorded last, and then publishes what is unsent: the next records go out while the
//! acknowledgements of the last come in, and those are recorded in batches. Whatever goes wrong, it starts from the claim
//! again. So a crash between "published" and "recorded" repeats nothing, and a broker that is away only makes it wait.

#[cfg(any(test, feature = "suite"))]
pub mod fake;
mod flight;
mod gauges;
mod keeps;
mod publisher;
mod shard;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use holdfast_contract::Timestamp;
use holdfast_storage::{Outbox, Outgoing, Sent};
use tokio_util::sync::CancellationToken;

pub use self::publisher::{Ack, Found, Log, PublishError, Publisher, Session};
use self::shard::Shard;

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Is told of every record that the broker has taken.
pub type OnPublished = Arc<dyn Fn(&Outgoing, &Sent) + Send + Sync>;

/// Is told when the relay has got a shard of the outbox, and when another relay turns out to have it.
pub type OnDuty = Arc<dyn Fn(u16, bool) + Send + Sync>;

/// How a relay works.
#[derive(Clone)]
pub struct RelayOptions {
    /// Whose records it publishes, for the log and the metrics: `orders`, `products`.
    pub name: &'static str,
    /// Records between the outbox and its mark at most, in each shard.
    pub in_flight_records: usize,
    /// Their bytes.
    pub in_flight_bytes: usize,
    /// How soon after the broker a record is recorded as sent. Longer means fewer commits.
    pub mark_every: Duration,
    /// How often it looks for records that other processes made, and for shards that became free.
    pub look_every: Duration,
    /// How long it waits for acknowledgements when it is stopped.
    pub drain: Duration,
    /// Without any acknowledgement for so long it starts again with a new producer, or lets another instance try.
    pub stalled: Duration,
    /// The clock.
    pub now: Now,
    /// Told of every record, in the order of acknowledgements; must be quick.
    pub on_published: Option<OnPublished>,
    /// Told whose a shard is, at each attempt to claim it. A failure in between changes nothing.
    pub on_duty: Option<OnDuty>,
}

impl RelayOptions {
    /// Sensible bounds.
    pub fn new(name: &'static str, now: Now) -> Self {
        Self {
            name,
            in_flight_records: 10_000,
            in_flight_bytes: 16 << 20,
            mark_every: Duration::from_millis(50),
            look_every: Duration::from_secs(1),
            drain: Duration::from_secs(3),
            stalled: Duration::from_secs(30),
            now,
            on_published: None,
            on_duty: None,
        }
    }
}

/// The relay of one outbox.
pub struct Relay {
    outbox: Arc<dyn Outbox>,
    publisher: Arc<dyn Publisher>,
    options: RelayOptions,
}

impl Relay {
    /// A relay from `outbox` to `publisher`'s broker. Does nothing yet.
    pub fn new(outbox: Arc<dyn Outbox>, publisher: Arc<dyn Publisher>, options: RelayOptions) -> Self {
        Self { outbox, publisher, options }
    }

    /// Its work, a task for each shard. Each runs until `stop`, and then for as long as acknowledgements are due, but not
    /// longer than [`RelayOptions::drain`].
    pub fn tasks(self, stop: &CancellationToken) -> Vec<BoxFuture<'static, ()>> {
        let Self { outbox, publisher, options } = self;
        (0..outbox.shards())
            .map(|shard| {
                let shard = Shard::new(shard, outbox.clone(), publisher.clone(), options.clone());
                Box::pin(shard.run(stop.clone())) as BoxFuture<'static, ()>
            })
            .collect()
    }

    /// All of it in one task.
    pub async fn run(self, stop: CancellationToken) {
        join_all(self.tasks(&stop)).await;
    }
}
