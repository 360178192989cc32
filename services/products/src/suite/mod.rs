//! The conformance suite of the store's traits: every back-end runs it whole.
//!
//! A back-end's test calls [`run_all`] with a way to make empty stores; each case gets one. Cases panic where the
//! specification is broken.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite fails by panicking")]

mod books;
mod catalogue;
mod commits;
mod ledger;
mod reservations;
pub(crate) mod sample;
mod turns;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::Record;

use crate::store::ProductStore;

/// A store under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn ProductStore>;
    /// The store as another instance has it, if there may be another.
    async fn other_instance(&self) -> Option<Arc<dyn ProductStore>>;
    /// Every outgoing record of every commit; those of one key in the order they were made in. Behind a broker this
    /// publishes what was not yet.
    async fn outgoing(&self) -> Vec<Arc<Record>>;
    /// Closes the store, and opens it again. No handle may be kept over it.
    async fn reopen(self: Box<Self>) -> Box<dyn Subject>;
}

/// Runs every case, each on a store of its own.
///
/// # Panics
/// If the back-end does not hold to the specification.
pub async fn run_all<F, M>(make: M)
where
    F: Future<Output = Box<dyn Subject>>,
    M: Fn() -> F,
{
    commits::what_was_committed_is_read_back(make().await).await;
    commits::a_stale_product_voids_the_whole_commit(&*make().await).await;
    commits::a_stale_position_voids_the_whole_commit(&*make().await).await;
    commits::one_stale_position_of_several_voids_the_whole_commit(&*make().await).await;
    commits::a_stale_ledger_voids_the_whole_commit(&*make().await).await;
    commits::a_parked_message_is_removed_once(&*make().await).await;
    reservations::every_state_of_a_reservation_reads_back(&*make().await).await;
    reservations::a_later_decision_replaces_the_one_before(&*make().await).await;
    reservations::http_reservations_and_counters_read_back(&*make().await).await;
    commits::idempotency_records_are_kept_until_forgotten(&*make().await).await;
    commits::an_idempotency_record_is_never_replaced(&*make().await).await;
    commits::a_large_commit_is_one(&*make().await).await;
    commits::of_two_writers_one_is_void(&*make().await).await;
    ledger::movements_page_newest_first(&*make().await).await;
    ledger::holds_page_oldest_first(&*make().await).await;
    ledger::the_whole_ledger_streams_in_order(&*make().await).await;
    books::every_product_has_its_book(&*make().await).await;
    books::what_is_held_is_told_page_by_page(&*make().await).await;
    books::holds_are_put_back(&*make().await).await;
    books::a_damaged_stock_is_rebuilt(&*make().await).await;
    catalogue::filters_and_orders(&*make().await).await;
    catalogue::search_finds_words_and_nothing_hostile(&*make().await).await;
    catalogue::the_best_match_comes_first(&*make().await).await;
    catalogue::edits_replace_and_hidden_products_are_not_listed(&*make().await).await;
    catalogue::several_changes_of_a_product_in_one_commit(&*make().await).await;
    catalogue::skus_have_one_owner(&*make().await).await;
    turns::a_turn_taken_again_is_the_same(&*make().await).await;
    turns::instances_take_turns(&*make().await).await;
}
