//! Holds every back-end of [`crate::store`] to its specification. A back-end's test calls [`run_all`] with a way to make
//! empty stores, and nothing else: there is one list of tests.

pub(crate) mod given;
mod lists;
mod parking;
mod timelines;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::{Inbox, Record};

use crate::store::OrderStore;

/// A store under test. No handle may be kept over [`Subject::reopen`].
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn OrderStore>;
    /// The inbox that its commits move.
    fn inbox(&self) -> Arc<dyn Inbox>;
    /// Every outgoing record of every commit, with the place that it has got; those of one key in the order they were
    /// made in. Behind a broker this publishes what was not yet.
    async fn outgoing(&self) -> Vec<Arc<Record>>;
    /// Forgets the outgoing records, as far as they may be forgotten.
    async fn forget_outgoing(&self);
    /// Lets everything that follows behind catch up.
    async fn settle(&self);
    /// Closes the store without letting anything catch up, and opens it again.
    async fn reopen(self: Box<Self>) -> Box<dyn Subject>;
}

/// Runs every test, each on a store of its own.
///
/// # Panics
/// If the back-end does not hold to the specification.
pub async fn run_all<F, M>(make: M)
where
    F: Future<Output = Box<dyn Subject>>,
    M: Fn() -> F,
{
    writes::a_commit_is_all_or_nothing(make().await).await;
    writes::versions_are_compared_and_set(make().await).await;
    writes::changes_of_one_order_in_one_commit_follow_each_other(make().await).await;
    writes::an_idempotency_key_is_taken_once(make().await).await;
    writes::a_stale_worker_changes_nothing(make().await).await;
    writes::parked_messages_are_replayed_once(make().await).await;
    parking::failed_replays_are_counted(make().await).await;
    parking::nothing_is_parked_behind_nothing(make().await).await;
    parking::parked_messages_are_found_and_counted(make().await).await;
    parking::replays_and_parking_at_once_leave_nothing_behind(make().await).await;
    writes::records_go_out_in_order(make().await).await;
    writes::many_changes_in_one_commit(make().await).await;
    writes::what_is_written_is_read(make().await).await;
    writes::a_scan_shows_every_order(make().await).await;
    writes::what_waits_for_products_is_found(make().await).await;
    timelines::every_step_is_told(make().await).await;
    timelines::timelines_page_oldest_first(make().await).await;
    timelines::late_and_repeated_answers(make().await).await;
    lists::own_writes_are_listed_at_once(make().await).await;
    lists::hidden_orders_are_not_listed(make().await).await;
    lists::hostile_searches_find_nothing_and_harm_nothing(make().await).await;
    lists::every_combination_is_as_a_naive_list(make().await).await;
    lists::pages_are_complete_while_others_write(make().await).await;
    lists::totals_are_capped(make().await).await;
}

/// Commits `count` new orders, numbered from `first`, for the tests that are a back-end's own.
///
/// # Panics
/// If the store does not take them.
pub async fn some_orders(subject: &dyn Subject, first: u32, count: u32) {
    let changes = (first..first + count).map(given::insert).collect();
    let commit = crate::store::Commit { changes, ..Default::default() };
    assert!(subject.store().commit(commit).await.is_ok());
}
