//! What must be true once nothing happens any more.

use std::collections::BTreeMap;

use holdfast_bus::{ORDERS_GROUP, PRODUCTS_GROUP};
use holdfast_contract::{OrderStatus, StockStatus};
use holdfast_orders::store::OrderReads;
use holdfast_products::audit::audit;
use holdfast_products::domain::{Owner, Reservation};
use holdfast_products::store::StockReads;
use holdfast_storage::StoreError;

use super::{Shared, State, Violation, broken};

/// Rows read at once.
const PAGE: usize = 500;

pub(super) async fn check(shared: &Shared) -> Result<(), Violation> {
    nothing_is_parked(shared)?;
    if let Some(broker) = &shared.broker {
        broker.in_order().or_else(|what| broken(6, what))?;
    }
    let orders = shared.orders.open();
    let products = shared.products.open();
    kept(shared, &orders, &products).await.map_err(unreadable)??;
    let report = audit(&products).await.map_err(unreadable)?;
    if report.total_findings > 0 {
        return broken(7, format!("the audit finds {:?}", report.findings));
    }
    let state = shared.state.lock();
    agree(&state)
}

fn unreadable(error: StoreError) -> Violation {
    Violation { invariant: 3, what: format!("what is stored cannot be read: {error}") }
}

fn nothing_is_parked(shared: &Shared) -> Result<(), Violation> {
    let (orders, products) = (&shared.orders, &shared.products);
    let parked = orders.look(|view| view.parked().filter(|(group, _)| *group == ORDERS_GROUP).count())
        + products.look(|view| view.parked().filter(|(group, _)| *group == PRODUCTS_GROUP).count());
    if parked == 0 {
        Ok(())
    } else {
        broken(8, format!("{parked} messages stay parked after they were given up"))
    }
}

/// Invariant 3: what took effect is there, as it was.
async fn kept(
    shared: &Shared,
    orders: &impl OrderReads,
    products: &impl StockReads,
) -> Result<Result<(), Violation>, StoreError> {
    let mut found = 0;
    let mut after = None;
    loop {
        let page = orders.scan(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found += page.len();
        let state = shared.state.lock();
        for order in &page {
            if state.orders.orders.get(&order.id).is_none_or(|entry| entry.order != *order) {
                return Ok(broken(3, format!("order {} is not as it was committed", order.id)));
            }
        }
    }
    let placed = shared.state.lock().orders.placed.len();
    if found != placed {
        return Ok(broken(3, format!("{placed} orders were placed, {found} are there")));
    }
    let shelves = products.all_shelves(None, usize::MAX).await?;
    let state = shared.state.lock();
    for shelf in &shelves {
        let entry = state.stock.shelves.get(&shelf.product.id);
        if entry.is_none_or(|entry| entry.balances != shelf.level.balances()) {
            return Ok(broken(3, format!("stock of {} is not as it was committed", shelf.product.id)));
        }
    }
    Ok(if shelves.len() == state.stock.shelves.len() {
        Ok(())
    } else {
        broken(3, "a product is gone".to_owned())
    })
}

/// Everything is decided, both services say the same, and what there is adds up.
fn agree(state: &State) -> Result<(), Violation> {
    for id in &state.orders.placed {
        let Some(entry) = state.orders.orders.get(id) else { continue };
        let order = &entry.order;
        let (status, stock) = (order.status(), order.stock.status());
        let settled = match status {
            OrderStatus::Pending | OrderStatus::Processing => stock == StockStatus::Reserved,
            OrderStatus::Shipped | OrderStatus::Delivered => stock == StockStatus::Fulfilled,
            OrderStatus::Cancelled => {
                matches!(stock, StockStatus::Rejected | StockStatus::Released | StockStatus::Returned)
            }
        };
        let status = status.label();
        if !settled {
            return broken(3, format!("order {id} is {status}, and its stock stays {stock}"));
        }
        let last = state.stock.decisions.get(&order.reservation()).and_then(|entry| entry.history.last());
        let fits = matches!(
            (stock, last.map(|decision| &decision.reservation)),
            (StockStatus::Reserved, Some(Reservation::Held(_)))
                | (StockStatus::Rejected, Some(Reservation::Rejected(_)))
                | (StockStatus::Released, Some(Reservation::Released(_)))
                | (StockStatus::Fulfilled, Some(Reservation::Fulfilled(_)))
                | (StockStatus::Returned, Some(Reservation::Returned(_)))
        );
        if !fits {
            return broken(
                3,
                format!("order {id} is {status} with stock {stock}; Products decided {last:?}"),
            );
        }
    }
    let mut held = BTreeMap::new();
    for hold in state.stock.holds.values() {
        *held.entry(hold.product).or_insert(0i64) += i64::from(hold.quantity.get());
        if let Owner::Reservation(id) = &hold.owner {
            let order = state.orders.orders.get(&holdfast_contract::OrderId::new(id.key()));
            if order.is_none_or(|entry| entry.order.stock.status() != StockStatus::Reserved) {
                return broken(5, format!("{} is held for {id}, which does not know", hold.id));
            }
        }
    }
    for (product, shelf) in &state.stock.shelves {
        let holds = held.get(product).copied().unwrap_or(0);
        if shelf.balances.reserved != holds || shelf.balances.on_hand != shelf.owned {
            let (is, owned) = (shelf.balances, shelf.owned);
            return broken(7, format!("{product} is {is:?}; {holds} are held, and {owned} should be there"));
        }
    }
    Ok(())
}
