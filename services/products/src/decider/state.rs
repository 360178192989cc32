//! What the decider has at hand.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_bus::triage::ParkedOrders;
use holdfast_contract::event::{Event, StockChanged};
use holdfast_contract::{DEFAULT_LOCATION, OrderId, ProductId, ReservationId, Timestamp};
use holdfast_storage::{Inbox, Outgoing, StoreError};
use rustc_hash::FxHashMap;

use super::Writer;
use super::command::CommandError;
use crate::domain::{Decision, Desk};
use crate::store::{ProductStore, StockCommit};

/// Products kept at hand; beyond that, all are read anew.
const AT_HAND: usize = 100_000;

/// Stock at hand, and what saves look-ups.
pub(super) struct State {
    pub(super) desk: Desk,
    pub(super) parked: ParkedOrders,
    /// A greater reservation id is new without a look-up.
    pub(super) newest: Option<ReservationId>,
    /// How many open HTTP holds an order has.
    pub(super) http_orders: FxHashMap<OrderId, u32>,
}

impl State {
    pub(super) async fn load(store: &dyn ProductStore) -> Result<Self, StoreError> {
        let counters = store.counters().await?;
        let inbox: &dyn Inbox = store;
        let parked = ParkedOrders::load(inbox, PRODUCTS_GROUP).await?;
        let mut http_orders = FxHashMap::default();
        for order in counters.http_orders.iter().filter_map(crate::domain::OrderRef::order) {
            *http_orders.entry(order).or_default() += 1;
        }
        Ok(Self {
            desk: Desk::new(counters.last_movement),
            parked,
            newest: counters.newest_reservation,
            http_orders,
        })
    }

    /// Reads the products that are not at hand.
    pub(super) async fn learn(
        &mut self,
        store: &dyn ProductStore,
        ids: impl IntoIterator<Item = ProductId>,
    ) -> Result<(), StoreError> {
        let mut missing: Vec<_> = ids.into_iter().filter(|id| !self.desk.knows(*id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        missing.dedup();
        let shelves = store.shelves(missing.clone()).await?;
        for shelf in shelves {
            self.desk.learn(shelf.product.id, Some(shelf));
        }
        for id in missing {
            self.desk.learn(id, None);
        }
        Ok(())
    }

    /// Moves what has changed at hand into `commit`, and tells of every stock that moved.
    pub(super) fn settle(&mut self, commit: &mut StockCommit, at: Timestamp) {
        let effects = self.desk.take();
        for change in effects.stock.iter().filter(|c| c.moved) {
            let body = StockChanged {
                product_id: change.product,
                product_name: change.name.clone(),
                version: change.level.version(),
                location_id: DEFAULT_LOCATION.to_owned(),
                balances: change.level.balances(),
            };
            let event = Event::about_product(at, body);
            commit.outgoing.push(Outgoing {
                topic: event.body.topic(),
                key: change.product.to_string().into(),
                payload: event.encode().into(),
                at,
                traceparent: None,
            });
        }
        commit.stock = effects.stock;
        commit.movements = effects.movements;
        commit.opened = effects.opened;
        commit.closed = effects.closed;
    }

    /// After a commit: nothing grows without bound.
    pub(super) fn rest(&mut self) {
        if self.desk.size() > AT_HAND {
            self.desk.forget();
        }
    }
}

/// The answer to a request.
pub(super) fn answer(decision: &Decision, traceparent: Option<&Bytes>) -> Outgoing {
    let event = decision.answer();
    Outgoing {
        topic: event.body.topic(),
        key: decision.order().to_string().into(),
        payload: event.encode().into(),
        at: decision.at,
        traceparent: traceparent.cloned(),
    }
}

impl Writer {
    /// Takes the state, or reads it. Whoever takes it gives it back when its commit is durable, and drops it when not.
    pub(super) async fn take_state(&mut self) -> Result<State, StoreError> {
        match self.state.take() {
            Some(state) => Ok(state),
            None => State::load(self.store.as_ref()).await,
        }
    }

    /// The state, with these products.
    pub(super) async fn state_with(
        &mut self,
        ids: impl IntoIterator<Item = ProductId>,
    ) -> Result<&mut State, CommandError> {
        let store: Arc<dyn ProductStore> = self.store.clone();
        let state = match self.state.take() {
            Some(state) => state,
            None => State::load(store.as_ref()).await?,
        };
        let state = self.state.insert(state);
        state.learn(store.as_ref(), ids).await?;
        Ok(state)
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Inconsistent(what) => Self::Inconsistent(what),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
