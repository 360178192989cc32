//! Takes Products' answers: a whole batch in one commit, together with the position after it.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::triage::{ParkedOrders, Triaged, triage};
use holdfast_bus::worker::Handler;
use holdfast_bus::{Batch, ORDERS_GROUP};
use holdfast_contract::event::{Body, Event};
use holdfast_contract::{OrderId, OrderStatus, StockStatus};
use holdfast_service::{Clock, Steps};
use holdfast_storage::{Inbox, Record, StoreError};
use metrics::Counter;
use rustc_hash::FxHashMap;
use tokio::sync::Mutex;

use crate::domain::{self, Answer, Command, Decision, Order, Stock};
use crate::store::{Change, Commit, CommitError, OrderStore, StepCause, StepEvent};

/// Records in a batch at most.
pub const MAX_BATCH: usize = 512;

/// How often a batch is decided anew because an order changed under it, before the partition pauses for a moment.
const ATTEMPTS: usize = 32;

/// Applies answers. What is parked may change at any time: other instances park, replay and discard too.
#[derive(Clone)]
pub struct Answers {
    pub(crate) store: Arc<dyn OrderStore>,
    pub(crate) inbox: Arc<dyn Inbox>,
    clock: Arc<dyn Clock>,
    steps: Steps,
    /// Held while a batch or a replay is decided and committed, so that those of one process do not void each other.
    /// Between processes the commit itself finds out.
    pub(crate) turn: Arc<Mutex<()>>,
    counted: Arc<Counted>,
}

struct Counted {
    reserved: Counter,
    rejected: Counter,
    released: Counter,
    late: Counter,
    contradicted: Counter,
    unknown: Counter,
    parked: Counter,
}

/// What a decided batch will change.
#[derive(Default)]
pub(crate) struct Decided {
    pub(crate) changes: Vec<Change>,
    /// What becomes of each event, in order; told once the commit is durable.
    pub(crate) taken: Vec<Taken>,
}

/// What becomes of an event.
pub(crate) enum Taken {
    /// It is no answer.
    NoAnswer,
    /// It is about an order that is not here.
    NoOrder(OrderId),
    /// The order changes.
    Moved { before: Arc<Order>, after: Arc<Order> },
    /// The order is so already.
    Known(Arc<Order>),
    /// It comes too late to change anything, and is noted.
    Late {
        order: Arc<Order>,
        /// It says that nothing is held for an order that has left.
        contradicts: bool,
    },
}

impl Answers {
    /// Install the metrics recorder first: counters made before it count nothing.
    pub fn new(
        store: Arc<dyn OrderStore>,
        inbox: Arc<dyn Inbox>,
        clock: Arc<dyn Clock>,
        steps: Steps,
    ) -> Self {
        let decided =
            |outcome: &'static str| metrics::counter!("orders_stock_decided_total", "outcome" => outcome);
        let counted = Counted {
            reserved: decided("reserved"),
            rejected: decided("rejected"),
            released: decided("released"),
            late: metrics::counter!("orders_late_answers_total"),
            contradicted: metrics::counter!("orders_contradicted_shipments_total"),
            unknown: metrics::counter!("orders_unknown_answers_total"),
            parked: metrics::counter!("orders_parked_messages_total"),
        };
        Self { store, inbox, clock, steps, turn: Arc::default(), counted: Arc::new(counted) }
    }

    /// Decides what follows from `events`, in order, each on the state that the ones before it left.
    pub(crate) async fn decide(&self, events: &[(Arc<Record>, Event)]) -> Result<Decided, StoreError> {
        let mut ids: Vec<OrderId> = events.iter().filter_map(|(_, event)| event.head.order_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = self.store.get_many(&ids).await?;
        let mut orders: FxHashMap<OrderId, Arc<Order>> =
            ids.into_iter().zip(found).filter_map(|(id, order)| Some((id, order?))).collect();
        let at = self.clock.now();
        let mut decided = Decided::default();
        for (record, event) in events {
            let (Some(id), Some(answer)) = (event.head.order_id, answer_of(event)) else {
                decided.taken.push(Taken::NoAnswer);
                continue;
            };
            let Some(order) = orders.get(&id).cloned() else {
                // Orders are never removed, so this is nobody's order: a foreign message, or another database's.
                decided.taken.push(Taken::NoOrder(id));
                continue;
            };
            let cause = StepCause::Event(StepEvent::of(record, event));
            match domain::decide(&order, Command::Answer(answer.clone()), at) {
                Ok(Decision::Changed(changed)) => {
                    let change = Change::update(&order, changed, cause, record.traceparent.clone());
                    let after = change.order().clone();
                    orders.insert(id, after.clone());
                    decided.taken.push(Taken::Moved { before: order, after });
                    decided.changes.push(change);
                }
                // What was said before and is so: a repeated answer. Nothing to note.
                Ok(Decision::Noop) if is_known(&order, &answer) => decided.taken.push(Taken::Known(order)),
                // Answers are never refused; were one, it would be too late for it as well.
                Ok(Decision::Noop) | Err(_) => {
                    let contradicts = contradicts(&order, &answer);
                    decided.taken.push(Taken::Late { order: order.clone(), contradicts });
                    decided.changes.push(Change::note(order, cause, at));
                }
            }
        }
        Ok(decided)
    }

    /// Counts and tells what a durable commit did.
    pub(crate) fn told(&self, decided: &Decided) {
        let (mut reserved, mut rejected, mut released) = (0, 0, 0);
        let (mut late, mut contradicted, mut unknown) = (0, 0, 0);
        for taken in &decided.taken {
            match taken {
                Taken::NoAnswer | Taken::Known(_) => {}
                Taken::NoOrder(id) => {
                    tracing::warn!(order = %id, "an answer for an order that is not here");
                    unknown += 1;
                }
                Taken::Moved { before, after } => {
                    if before.stock == Stock::Pending {
                        match after.stock.status() {
                            StockStatus::Reserved => reserved += 1,
                            StockStatus::Rejected => rejected += 1,
                            _ => released += 1,
                        }
                    }
                    self.steps.say(|| line(after));
                }
                Taken::Late { order, contradicts } => {
                    if *contradicts {
                        contradicted += 1;
                        tracing::warn!(
                            order = %order.number(),
                            "an order that has left holds no stock in Products, whose ledger was lost or changed by \
                             somebody else: the order stays as it is; run `holdfast audit`, and correct the product's \
                             stock with POST /api/v1/products/{{id}}/adjust"
                        );
                    }
                    late += 1;
                }
            }
        }
        self.counted.late.increment(late);
        self.counted.contradicted.increment(contradicted);
        self.counted.unknown.increment(unknown);
        self.counted.reserved.increment(reserved);
        self.counted.rejected.increment(rejected);
        self.counted.released.increment(released);
    }
}

/// What an event answers; `None` for one that is no answer.
fn answer_of(event: &Event) -> Option<Answer> {
    Some(match &event.body {
        Body::StockReserved(_) => Answer::Reserved,
        Body::StockRejected(body) => {
            Answer::Rejected { reason: body.reason, shortages: body.shortages.clone() }
        }
        Body::StockReleased(body) => Answer::Released(body.outcome),
        Body::StockFulfilled(_) => Answer::Fulfilled,
        _ => return None,
    })
}

/// Whether the order already is what the answer says.
fn is_known(order: &Order, answer: &Answer) -> bool {
    matches!(
        (answer, order.stock.status()),
        (Answer::Reserved, StockStatus::Reserved)
            | (Answer::Rejected { .. }, StockStatus::Rejected)
            | (Answer::Released(_), StockStatus::Released | StockStatus::Returned)
            | (Answer::Fulfilled, StockStatus::Fulfilled)
    )
}

/// Whether Products says that nothing is held for an order that has left and whose hold is still to be consumed. Then
/// goods are gone that the ledger does not know of, which only a person can put right.
fn contradicts(order: &Order, answer: &Answer) -> bool {
    matches!(order.status(), OrderStatus::Shipped | OrderStatus::Delivered)
        && order.stock == Stock::Reserved
        && matches!(answer, Answer::Rejected { .. } | Answer::Released(_))
}

/// One line for people.
fn line(order: &Order) -> String {
    let number = order.number();
    match &order.stock {
        Stock::Reserved => format!("Reserved stock for order {number}"),
        Stock::Rejected { reason, shortages } => {
            let mut text = format!("Order {number} cancelled: {}", reason.as_str());
            let short: Vec<String> = shortages
                .iter()
                .map(|s| format!("{}: requested {}, available {}", s.product_name, s.requested, s.available))
                .collect();
            if !short.is_empty() {
                text.push_str(&format!(" ({})", short.join("; ")));
            }
            text
        }
        Stock::Released => format!("Released stock of order {number}"),
        Stock::Fulfilled => format!("Stock of order {number} has left"),
        Stock::Returned => format!("Stock of order {number} is back"),
        Stock::Pending => format!("Stock of order {number} is undecided"),
    }
}

#[async_trait]
impl Handler for Answers {
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        let parked = ParkedOrders::among(&*self.inbox, ORDERS_GROUP, &batch.records).await?;
        let Triaged { events, park, copies } =
            triage(ORDERS_GROUP, &batch.records, &parked, self.clock.now());
        for _ in 0..ATTEMPTS {
            let mut decided = self.decide(&events).await?;
            let commit = Commit {
                changes: std::mem::take(&mut decided.changes),
                advances: batch.advances(ORDERS_GROUP),
                park: park.clone(),
                copies: copies.clone(),
                ..Commit::default()
            };
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.counted.parked.increment(park.len() as u64);
                    self.told(&decided);
                    return Ok(());
                }
                // Somebody changed one of the orders meanwhile: read them again and decide anew.
                Err(CommitError::VersionConflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
                Err(error) => return Err(StoreError::Inconsistent(error.to_string())),
            }
        }
        Err(StoreError::Unavailable("the orders of this batch keep changing".to_owned()))
    }
}
