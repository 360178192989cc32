//! The conformance suite of the store's traits: every back-end runs it whole.
//!
//! A back-end's test gives a [`Harness`] to [`run`]; each case gets a fresh store. Cases panic where the specification is
//! broken.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite fails by panicking")]

mod catalogue;
mod commits;
mod ledger;
mod sample;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::Journal;

use crate::store::ProductStore;

/// A store under test, and the journal that its commits append to.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn ProductStore>,
    /// Its journal.
    pub journal: Arc<dyn Journal>,
}

/// Makes stores.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens a fresh, empty store for case number `n`.
    async fn open(&self, n: u32) -> Opened;
}

/// Runs every case.
pub async fn run(harness: &dyn Harness) {
    commits::what_was_committed_is_read_back(&harness.open(1).await).await;
    commits::a_stale_product_voids_the_whole_commit(&harness.open(2).await).await;
    commits::a_stale_position_voids_the_whole_commit(&harness.open(3).await).await;
    commits::a_parked_message_is_removed_once(&harness.open(4).await).await;
    commits::every_state_of_a_reservation_reads_back(&harness.open(5).await).await;
    commits::http_reservations_and_counters_read_back(&harness.open(6).await).await;
    commits::idempotency_records_are_kept_until_forgotten(&harness.open(7).await).await;
    ledger::movements_page_newest_first(&harness.open(8).await).await;
    ledger::holds_page_oldest_first(&harness.open(9).await).await;
    ledger::the_whole_ledger_streams_in_order(&harness.open(10).await).await;
    catalogue::filters_and_orders(&harness.open(11).await).await;
    catalogue::search_finds_words_and_nothing_hostile(&harness.open(12).await).await;
    catalogue::edits_replace_and_hidden_products_are_not_listed(&harness.open(13).await).await;
    catalogue::skus_have_one_owner(&harness.open(14).await).await;
}
