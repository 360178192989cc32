//! Knows what may be true, and looks after every commit whether it is.
//!
//! The oracle does not ask the code under test what to expect. It keeps its own books, from what took effect, by rules that
//! are written down here once more: the tables of contract §2 and §3, and the nine invariants of §5. What it finds is a
//! [`Violation`] that names the invariant; the run ends there.

mod books;
mod finish;
mod orders;
mod products;

use std::fmt;
use std::sync::Arc;

use holdfast_contract::{OrderId, OrderStatus, ProductId, StockStatus};
use holdfast_orders::domain::Order;
use holdfast_storage::{
    Advance, Incarnation, ParkCause, Parked, ParkedId, Record, Seq, ToPark, TopicPartition,
};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use self::books::{OrderBook, StockBook};
pub(crate) use self::orders::OrdersCommit;
use crate::broker::SimBroker;
use crate::memory::{MemoryOrders, MemoryProducts};
use crate::trace::Trace;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The number of the invariant (contract §5); 0 for a rule of another section.
    pub invariant: u8,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.invariant {
            0 => write!(f, "contract: {}", self.what),
            number => write!(f, "invariant {number}: {}", self.what),
        }
    }
}

/// A violation of an invariant, in the making.
pub(crate) fn broken<T>(invariant: u8, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// Looks at every commit. Clones are the same oracle.
#[derive(Clone)]
pub(crate) struct Oracle {
    shared: Arc<Shared>,
}

struct Shared {
    orders: MemoryOrders,
    products: MemoryProducts,
    /// Where the records are that consumers get; `None`: in the journals.
    broker: Option<SimBroker>,
    trace: Trace,
    state: Mutex<State>,
}

/// What took effect.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) orders: OrderBook,
    pub(crate) stock: StockBook,
    /// Payloads that the plan made unreadable.
    poison: FxHashSet<Vec<u8>>,
    violation: Option<Violation>,
}

impl Oracle {
    /// Looks at these two databases, both empty, and at what `broker` carries between them.
    pub(crate) fn new(
        orders: MemoryOrders,
        products: MemoryProducts,
        broker: Option<SimBroker>,
        trace: Trace,
    ) -> Self {
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { orders, products, broker, trace, state }) }
    }

    /// What was found wrong first.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.shared.state.lock().violation.clone()
    }

    /// Something is wrong that somebody else saw.
    pub(crate) fn fail(&self, violation: Violation) {
        self.shared.trace.say(format_args!("VIOLATION  {violation}"));
        self.shared.state.lock().violation.get_or_insert(violation);
    }

    /// Nobody can read this payload.
    pub(crate) fn poisoned(&self, payload: &[u8]) {
        self.shared.state.lock().poison.insert(payload.to_vec());
    }

    /// Whether the plan made this payload unreadable.
    pub(crate) fn is_poison(&self, payload: &[u8]) -> bool {
        self.shared.state.lock().poison.contains(payload)
    }

    /// A record that somebody else put into a journal: no commit of the service has it.
    pub(crate) fn foreign(&self) {
        let (orders, products) = (&self.shared.orders, &self.shared.products);
        let mut state = self.shared.state.lock();
        state.orders.seen = orders.look(|view| view.newest());
        state.stock.seen = products.look(|view| view.newest());
    }

    /// The order as it was committed last.
    pub(crate) fn order(&self, id: OrderId) -> Option<Arc<Order>> {
        self.shared.state.lock().orders.orders.get(&id).map(|entry| entry.order.clone())
    }

    /// What the order was in that version; `None` if it never had one.
    pub(crate) fn version(&self, id: OrderId, version: u64) -> Option<(OrderStatus, StockStatus)> {
        let at = usize::try_from(version.checked_sub(1)?).ok()?;
        self.shared.state.lock().orders.orders.get(&id)?.versions.get(at).copied()
    }

    /// The orders that were placed, oldest first.
    pub(crate) fn placed(&self) -> Vec<OrderId> {
        self.shared.state.lock().orders.placed.clone()
    }

    /// The products that there are, hidden ones too, oldest first.
    pub(crate) fn products(&self) -> Vec<ProductId> {
        self.shared.state.lock().stock.made.clone()
    }

    /// How many orders were placed by the step with this number.
    pub(crate) fn placed_by(&self, step: u64) -> usize {
        self.shared.state.lock().orders.by_step.get(&step).map_or(0, Vec::len)
    }

    /// How many corrections of stock the step with this number made.
    pub(crate) fn adjusted_by(&self, step: u64) -> usize {
        self.shared.state.lock().stock.by_step.get(&step).copied().unwrap_or(0)
    }

    /// A commit of Orders took effect.
    pub(crate) fn orders_committed(&self, commit: &OrdersCommit) {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        let seen = state.orders.seen;
        let records: Vec<Arc<Record>> = shared.orders.look(|view| view.records(seen).cloned().collect());
        if let Some(last) = records.last() {
            state.orders.seen = last.seq;
        }
        shared.trace.say(format_args!("orders commit: {commit}"));
        let parked =
            shared.orders.look(|view| view.parked().map(|(_, parked)| parked.clone()).collect::<Vec<_>>());
        let checked = orders::check(&mut state, commit, &records, |at| shared.record_to_orders(at))
            .and_then(|()| behind_something(&commit.inbound.park, &parked))
            .and_then(|()| nothing_passes(&commit.inbound, &parked, |at| shared.record_to_orders(at)));
        shared.note(&mut state, checked);
    }

    /// A commit of Products took effect.
    pub(crate) fn products_committed(&self, commit: &holdfast_products::store::StockCommit) {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        let seen = state.stock.seen;
        let records: Vec<Arc<Record>> = shared.products.look(|view| view.records(seen).cloned().collect());
        if let Some(last) = records.last() {
            state.stock.seen = last.seq;
        }
        shared.trace.say(format_args!("products commit: {}", products::Told(commit)));
        let parked =
            shared.products.look(|view| view.parked().map(|(_, parked)| parked.clone()).collect::<Vec<_>>());
        let checked = products::check(&mut state, commit, &records, |at| shared.record_to_products(at))
            .and_then(|()| behind_something(&commit.park, &parked))
            .and_then(|()| {
                let inbound = products::inbound_of(commit);
                nothing_passes(&inbound, &parked, |at| shared.record_to_products(at))
            });
        shared.note(&mut state, checked);
    }

    /// Everything has come to rest: whether all is decided and both services' books agree.
    pub(crate) async fn finish(&self) {
        let checked = finish::check(&self.shared).await;
        let mut state = self.shared.state.lock();
        self.shared.note(&mut state, checked);
    }
}

/// A place in a log.
type Place = (TopicPartition, Incarnation, u64);

impl Shared {
    fn note(&self, state: &mut State, checked: Result<(), Violation>) {
        if let Err(violation) = checked {
            self.trace.say(format_args!("VIOLATION  {violation}"));
            state.violation.get_or_insert(violation);
        }
    }

    fn record_to_products(&self, (partition, life, offset): Place) -> Option<Arc<Record>> {
        match &self.broker {
            Some(broker) => broker.at(partition, life, offset),
            None => self.orders.look(|view| in_journal(view.records(Seq(0)), partition, offset)),
        }
    }

    fn record_to_orders(&self, (partition, life, offset): Place) -> Option<Arc<Record>> {
        match &self.broker {
            Some(broker) => broker.at(partition, life, offset),
            None => self.products.look(|view| in_journal(view.records(Seq(0)), partition, offset)),
        }
    }
}

fn in_journal<'a>(
    mut records: impl Iterator<Item = &'a Arc<Record>>,
    partition: TopicPartition,
    offset: u64,
) -> Option<Arc<Record>> {
    records.find(|record| record.offset == offset && record.topic_partition() == partition).cloned()
}

/// What a commit sets aside and takes back, and where it moves positions: the part that both services have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbound {
    pub(crate) advances: Vec<Advance>,
    pub(crate) park: Vec<ToPark>,
    pub(crate) unpark: Vec<ParkedId>,
}

/// Invariant 8: only what comes after something parked of the same order in the same topic waits; all others go on.
fn behind_something(park: &[ToPark], parked: &[Parked]) -> Result<(), Violation> {
    for waits in park.iter().filter(|waits| waits.cause == ParkCause::Behind) {
        let at = parked.iter().position(|parked| parked.record == waits.record).unwrap_or(parked.len());
        let before = parked[..at].iter();
        let mut first = before.filter(|b| b.order == waits.order && b.record.topic == waits.record.topic);
        if first.next().is_none() {
            let record = &waits.record;
            return broken(8, format!("{}/{} waits behind nothing", record.topic, record.offset));
        }
    }
    Ok(())
}

/// Invariant 8: what comes after something parked of its order in the same topic does not run. Within a partition, which has
/// one owner at a time.
fn nothing_passes(
    inbound: &Inbound,
    parked: &[Parked],
    record: impl Fn(Place) -> Option<Arc<Record>>,
) -> Result<(), Violation> {
    for advance in inbound.advances.iter().filter(|_| !parked.is_empty()) {
        let partition = advance.partition;
        for offset in passed(advance) {
            let Some(record) = record((partition, advance.to.incarnation, offset)) else { continue };
            let before = |other: &Parked| {
                other.record.topic_partition() == partition
                    && other.record.offset < offset
                    && other.order.as_deref() == Some(&record.key[..])
            };
            let waits = inbound.park.iter().any(|parked| parked.record == record);
            if !waits && parked.iter().any(before) {
                return broken(8, format!("{partition}/{offset} ran before what is parked of its order"));
            }
        }
    }
    Ok(())
}

/// The offsets that an advance moves past.
fn passed(advance: &Advance) -> std::ops::Range<u64> {
    let from = advance.from.filter(|from| from.incarnation == advance.to.incarnation);
    from.map_or(0, |from| from.next)..advance.to.next
}

/// Invariants 8 and 9, as far as they are the same for both: positions only grow within one life of a log, from where they
/// were; and only what is poison is set aside as poison.
fn check_inbound(
    positions: &mut books::Positions,
    poison: &FxHashSet<Vec<u8>>,
    inbound: &Inbound,
) -> Result<(), Violation> {
    for advance in &inbound.advances {
        let at = positions.insert(advance.partition, advance.to);
        if at != advance.from {
            return broken(
                9,
                format!("{} was at {at:?}, and was moved from {:?}", advance.partition, advance.from),
            );
        }
        if at.is_some_and(|at| at.incarnation == advance.to.incarnation && at.next >= advance.to.next) {
            return broken(9, format!("{} went back from {at:?} to {:?}", advance.partition, advance.to));
        }
    }
    for parked in &inbound.park {
        if matches!(parked.cause, ParkCause::Poison(_)) && !poison.contains(&parked.record.payload[..]) {
            let record = &parked.record;
            return broken(
                8,
                format!("{}/{} was parked as poison: {:?}", record.topic, record.offset, parked.cause),
            );
        }
    }
    Ok(())
}
