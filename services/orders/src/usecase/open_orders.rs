//! How many orders that hold stock, or wait for it, one customer may have: a shop's stock is not to be taken by somebody who
//! only ever places orders.

use holdfast_contract::OrderStatus;
use holdfast_contract::text::UserId;
use holdfast_storage::StoreError;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::store::{ListQuery, OrderReads};

/// The customer has as many as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{open} orders are open already, and {limit} may be")]
pub struct TooManyOpen {
    /// How many are.
    pub open: usize,
    /// How many may be.
    pub limit: usize,
}

/// The limit, and who is placing orders in this process right now.
#[derive(Debug)]
pub(super) struct OpenOrders {
    limit: Option<usize>,
    placing: Mutex<FxHashMap<UserId, usize>>,
}

/// An order that is being placed, until it is committed or refused: it counts.
#[derive(Debug)]
pub(super) struct Placing<'a> {
    of: &'a OpenOrders,
    user: UserId,
}

impl OpenOrders {
    pub(super) fn limited(limit: Option<usize>) -> Self {
        Self { limit, placing: Mutex::default() }
    }

    /// Whether `user` may place one more. Keep what is given until the order is committed.
    ///
    /// Orders that are placed at the same moment count before they are there, or a crowd of requests would see the same
    /// number; several instances do not see each other's.
    ///
    /// # Errors
    /// If the store fails; inside, if there are too many.
    pub(super) async fn admit(
        &self,
        store: &dyn OrderReads,
        user: &UserId,
    ) -> Result<Result<Option<Placing<'_>>, TooManyOpen>, StoreError> {
        let Some(limit) = self.limit else { return Ok(Ok(None)) };
        let placing = Placing::begin(self, user.clone());
        // Before the look: one that is committed meanwhile counts twice rather than never.
        let others = self.placing.lock().get(user).copied().unwrap_or_default().saturating_sub(1);
        let mut open = others;
        for status in [OrderStatus::Pending, OrderStatus::Processing] {
            let query = ListQuery {
                status: Some(status),
                user: Some(user.clone()),
                limit: 1,
                ..ListQuery::default()
            };
            open += store.list(&query).await?.total;
        }
        Ok(if open < limit { Ok(Some(placing)) } else { Err(TooManyOpen { open, limit }) })
    }
}

impl<'a> Placing<'a> {
    fn begin(of: &'a OpenOrders, user: UserId) -> Self {
        *of.placing.lock().entry(user.clone()).or_default() += 1;
        Self { of, user }
    }
}

impl Drop for Placing<'_> {
    fn drop(&mut self) {
        let mut placing = self.of.placing.lock();
        if let Some(count) = placing.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                placing.remove(&self.user);
            }
        }
    }
}
