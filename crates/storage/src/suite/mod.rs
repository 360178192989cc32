//! The conformance suite of [`Journal`] and [`Inbox`]: every back-end runs it whole.
//!
//! A back-end's test gives a [`Harness`] to [`run`]; each case gets a fresh store. Cases panic where the specification
//! is broken, with the case's name in the message.

#![allow(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod inbox;
mod journal;
pub mod outbox;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{Key, OrderId, Timestamp, Topic};

use crate::{Advance, Inbox, Journal, Outgoing, ParkedId, Record, StoreError, ToPark};

/// A store under test: the two traits, and the write that a service's own commit goes through.
#[async_trait]
pub trait Store: Send + Sync {
    /// Its journal; must hold [`Topic::FROM_ORDERS`] in 3 partitions.
    fn journal(&self) -> Arc<dyn Journal>;
    /// Its inbox.
    fn inbox(&self) -> Arc<dyn Inbox>;
    /// One atomic commit.
    async fn commit(&self, commit: Commit) -> Result<Vec<Arc<Record>>, StoreError>;
    /// Stops using the store, as a clean shutdown does.
    async fn close(&self);
}

/// What a service may put into one commit.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Records to append.
    pub outgoing: Vec<Outgoing>,
    /// Positions to move.
    pub advances: Vec<Advance>,
    /// Messages to park.
    pub park: Vec<ToPark>,
    /// A parked message to remove.
    pub unpark: Option<ParkedId>,
    /// Fail after all of it was done, so that it must all be undone.
    pub fail_at_the_end: bool,
}

/// Makes stores.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens store number `n`: the same one again for the same number, after it was closed.
    async fn open(&self, n: u32) -> Arc<dyn Store>;
}

/// Runs every case.
pub async fn run(harness: &dyn Harness) {
    journal::offsets_and_seqs_count_without_gaps(harness.open(1).await).await;
    journal::a_failed_commit_leaves_nothing(harness.open(2).await).await;
    journal::read_pages_through_everything(harness.open(3).await).await;
    journal::committed_wakes_and_never_runs_ahead(harness.open(4).await).await;
    journal::locate_misses_nothing(harness.open(5).await).await;
    journal::trim_keeps_offsets_and_bounds(harness, 6).await;
    journal::survives_reopening(harness, 7).await;
    inbox::positions_are_compare_and_set(harness.open(8).await).await;
    inbox::a_stale_worker_changes_nothing(harness.open(9).await).await;
    inbox::parked_messages_stay_until_removed(harness, 10).await;
    inbox::nothing_is_parked_behind_nothing(harness.open(13).await).await;
    inbox::parked_messages_are_found_and_counted(harness.open(14).await).await;
    let one = harness.open(11).await.journal().incarnation();
    assert_ne!(
        one,
        harness.open(12).await.journal().incarnation(),
        "another journal has another incarnation"
    );
}

/// A record about order number `n`.
pub fn outgoing(topic: Topic, n: u16) -> Outgoing {
    Outgoing {
        topic,
        key: order_key(n),
        payload: Bytes::from(format!("{{\"n\":{n}}}")),
        at: Timestamp::from_millis(1_763_600_000_000 + i64::from(n)),
        traceparent: n.is_multiple_of(2).then(|| Bytes::from_static(b"00-aa-bb-01")),
    }
}

/// The key of order number `n`.
pub fn order_key(n: u16) -> Bytes {
    Bytes::from(OrderId::new(Key::compose(1_763_600_000_000, 0, n)).to_string())
}

async fn append(store: &dyn Store, topic: Topic, range: std::ops::Range<u16>) -> Vec<Arc<Record>> {
    let outgoing = range.map(|n| outgoing(topic, n)).collect();
    store.commit(Commit { outgoing, ..Commit::default() }).await.expect("append")
}
