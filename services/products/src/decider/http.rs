//! Single-line reservations over HTTP.

use holdfast_contract::ReservationId;

use super::Writer;
use super::command::{Answered, CommandError, HttpHeld, HttpHold, Idempotent};
use super::pending::Pending;
use super::steps::Line;
use crate::domain::{
    Cause, HoldId, HttpReservation, HttpReserve, HttpState, Origin, decide_http_release, decide_http_reserve,
};

impl Writer {
    pub(super) async fn http_reserve(
        &mut self,
        ask: &HttpHold,
        key: Option<Idempotent<HttpHeld>>,
        pending: &mut Pending,
    ) -> Result<Answered<HttpHeld>, CommandError> {
        if let Some(answer) = self.answered(key.as_ref(), pending).await? {
            return Ok(Answered::Replayed(answer));
        }
        let result = self.hold_http(ask, pending).await;
        self.conclude(key, result, pending)
    }

    pub(super) async fn http_release(
        &mut self,
        ask: &HttpHold,
        key: Option<Idempotent<HttpHeld>>,
        pending: &mut Pending,
    ) -> Result<Answered<HttpHeld>, CommandError> {
        if let Some(answer) = self.answered(key.as_ref(), pending).await? {
            return Ok(Answered::Replayed(answer));
        }
        let result = self.release_http(ask, pending).await;
        self.conclude(key, result, pending)
    }

    async fn hold_http(&mut self, ask: &HttpHold, pending: &mut Pending) -> Result<HttpHeld, CommandError> {
        let (prior, by_event) = self.known_of(ask, pending).await?;
        let at = self.now();
        let state = self.state_with([ask.product]).await?;
        let shelf = state.desk.shown(ask.product)?;
        let product_name = shelf.product.details.name.clone();
        let answer = |quantity, new_stock, repeated| HttpHeld {
            product: ask.product,
            product_name: product_name.clone(),
            quantity,
            new_stock,
            repeated,
        };
        if let HttpReserve::Again { quantity, new_stock } =
            decide_http_reserve(prior.as_ref(), by_event, ask.quantity)?
        {
            return Ok(answer(quantity, new_stock.unwrap_or(shelf.level.available()), true));
        }
        let origin = Origin { cause: Cause::HttpReserve, at };
        let movement = state.desk.hold_http(ask.product, &ask.order, ask.quantity, &origin)?;
        let new_stock = movement.balances.stock.unsigned_abs();
        if let Some(order) = ask.order.order() {
            *state.http_orders.entry(order).or_default() += 1;
        }
        let hold = HoldId(movement.id);
        pending.lines.push(Line::Moved(movement));
        keep(pending, ask, HttpState::Held { quantity: ask.quantity, hold, new_stock }, at);
        Ok(answer(ask.quantity.get().into(), new_stock, false))
    }

    async fn release_http(
        &mut self,
        ask: &HttpHold,
        pending: &mut Pending,
    ) -> Result<HttpHeld, CommandError> {
        let (prior, by_event) = self.known_of(ask, pending).await?;
        let at = self.now();
        let state = self.state_with([ask.product]).await?;
        let shelf = state.desk.shown(ask.product)?;
        let available = shelf.level.available();
        let product_name = shelf.product.details.name.clone();
        let answer = |quantity, new_stock, repeated| HttpHeld {
            product: ask.product,
            product_name: product_name.clone(),
            quantity,
            new_stock,
            repeated,
        };
        if let HttpReserve::Again { quantity, new_stock } =
            decide_http_release(prior.as_ref(), by_event, ask.quantity)?
        {
            return Ok(answer(quantity, new_stock.unwrap_or(available), true));
        }
        let Some(HttpState::Held { quantity, hold, .. }) = prior else {
            // Kept, so that a reserve that this release has overtaken does nothing.
            keep(pending, ask, HttpState::NeverHeld, at);
            return Ok(answer(0, available, true));
        };
        let origin = Origin { cause: Cause::HttpRelease, at };
        let movement = match state.desk.release_http(ask.product, &ask.order, quantity, hold, &origin) {
            Ok(movement) => movement,
            Err(broken) => return Err(self.abandon(pending, broken.to_string())),
        };
        if let Some(order) = ask.order.order()
            && let Some(count) = state.http_orders.get_mut(&order)
        {
            *count -= 1;
            if *count == 0 {
                state.http_orders.remove(&order);
            }
        }
        let new_stock = movement.balances.stock.unsigned_abs();
        pending.lines.push(Line::Moved(movement));
        keep(pending, ask, HttpState::Released { quantity, new_stock }, at);
        Ok(answer(quantity.get().into(), new_stock, false))
    }

    /// What became of the same call before, and whether its order has a reservation by event.
    async fn known_of(
        &self,
        ask: &HttpHold,
        pending: &Pending,
    ) -> Result<(Option<HttpState>, bool), CommandError> {
        // Batches are committed by themselves, so what is stored says of every event that was decided.
        let by_event = match ask.order.order() {
            Some(order) => !self.store.decisions(vec![ReservationId::from(order)]).await?.is_empty(),
            None => false,
        };
        if let Some(state) = pending.http.get(&(ask.order.clone(), ask.product)) {
            return Ok((Some(*state), by_event));
        }
        let stored = self.store.http_reservation(ask.order.clone(), ask.product).await?;
        Ok((stored.map(|r| r.state), by_event))
    }
}

fn keep(pending: &mut Pending, ask: &HttpHold, state: HttpState, at: holdfast_contract::Timestamp) {
    let HttpHold { product, ref order, .. } = *ask;
    pending.http.insert((order.clone(), product), state);
    pending.commit.http_reservations.push(HttpReservation { order: order.clone(), product, state, at });
}
