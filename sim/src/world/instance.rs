//! A process of the system: the shipped services, over the guarded databases and bus.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use holdfast_bus::relay::{Relay, RelayOptions};
use holdfast_bus::{Bus, EmbeddedBus, ORDERS_GROUP, PRODUCTS_GROUP, worker};
use holdfast_contract::{Currency, Topic};
use holdfast_orders::consumer::Answers;
use holdfast_orders::recovery::{Backlog, Redecide};
use holdfast_orders::usecase::{Parts, UseCases};
use holdfast_products::consumer::StockHandler;
use holdfast_products::decider::{self, Decider};
use holdfast_service::{Clock, Steps, TimeOrderedKeys};
use holdfast_storage::{Inbox, Journal, Outbox};
use parking_lot::Mutex;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::clock::SimClock;
use super::system::System;
use crate::guard::{Access, Disk, GuardedJournal, GuardedOrders, GuardedOutbox, GuardedProducts, Process};
use crate::memory::{MemoryOrders, MemoryProducts, Outlet};
use crate::plan::Service;

/// How long an order waits before its stock is asked for again.
const REDECIDE_AFTER: Duration = Duration::from_secs(60);

/// What clients and operators talk to.
#[derive(Clone)]
pub(super) struct OrdersApi {
    pub(super) cases: Arc<UseCases>,
    pub(super) answers: Answers,
}

/// One process, from its start to its end.
pub(super) struct Instance {
    pub(super) services: Vec<Service>,
    pub(super) orders: Option<OrdersApi>,
    pub(super) decider: Option<Decider>,
    pub(super) process: Arc<Process>,
    pub(super) clock: SimClock,
    stop: CancellationToken,
    /// Everything that runs in it, clients' calls too.
    tasks: Vec<Task>,
    handles: (Option<MemoryOrders>, Option<MemoryProducts>),
}

/// What a task has still to do; nothing once it has ended.
type Body = Arc<Mutex<Option<BoxFuture<'static, ()>>>>;

struct Task {
    body: Body,
    ended: JoinHandle<()>,
}

/// Runs a body until it is taken away.
struct Mortal(Body);

impl Future for Mortal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut body = self.0.lock();
        let Some(running) = &mut *body else { return Poll::Ready(()) };
        let polled = running.as_mut().poll(context);
        if polled.is_ready() {
            *body = None;
        }
        polled
    }
}

/// Names the tasks of one life of a process, so that each has chances of its own.
struct Roles<'a> {
    system: &'a System,
    life: u64,
    next: u64,
    process: Arc<Process>,
}

impl Roles<'_> {
    fn access(&mut self, disk: &Arc<Disk>) -> Access {
        self.next += 1;
        let gate = self.system.schedule.gate(self.system.seed, (self.life << 8) | self.next);
        Access {
            gate: gate.of_process(self.process.stall()),
            disk: disk.clone(),
            process: self.process.clone(),
            oracle: self.system.oracle.clone(),
        }
    }
}

impl Instance {
    /// Starts a process with these services; `life` must be another number each time.
    pub(super) fn start(system: &System, services: &[Service], life: u64, off: i64) -> Self {
        let mut instance = Self {
            services: services.to_vec(),
            orders: None,
            decider: None,
            process: Arc::default(),
            clock: SimClock::new(system.schedule.clone(), off),
            stop: CancellationToken::new(),
            tasks: Vec::new(),
            handles: (None, None),
        };
        let mut roles = Roles { system, life, next: 0, process: instance.process.clone() };
        // A handle on a disk that is not shared ends the one before: both are opened before anything runs.
        let orders = services.contains(&Service::Orders).then(|| system.orders.open());
        let products = services.contains(&Service::Products).then(|| system.products.open());
        instance.handles = (orders, products);
        instance.start_products(&mut roles);
        instance.start_orders(&mut roles);
        instance
    }

    fn start_orders(&mut self, roles: &mut Roles<'_>) {
        let Some(orders) = self.handles.0.clone() else { return };
        let system = roles.system;
        let disk = &system.orders_disk;
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let guarded =
            |access: Access| GuardedOrders::new(Arc::new(orders.clone()), Arc::new(orders.clone()), access);
        let keys = TimeOrderedKeys::new(clock.clone(), u16::try_from(roles.life % 1_000).unwrap_or(0));
        if let Some(newest) = orders.look(|view| view.newest_order()) {
            keys.advance_past(newest.key());
        }
        let steps = Steps::new(clock.clone());
        let cases = Arc::new(UseCases::new(Parts {
            store: Arc::new(guarded(roles.access(disk))),
            clock: clock.clone(),
            keys: Arc::new(keys),
            currency: Currency::USD,
            steps: steps.clone(),
            places: None,
        }));
        let answering = Arc::new(guarded(roles.access(disk)));
        let answers = Answers::new(answering.clone(), answering, clock.clone(), steps.clone());
        let inbox = Arc::new(guarded(roles.access(disk)));
        let bus = self.bus(roles);
        let (mut handler, stop) = (answers.clone(), self.stop.clone());
        self.spawn(async move {
            let Ok(consumer) = bus.subscribe(ORDERS_GROUP, Topic::TO_ORDERS, inbox).await else { return };
            worker::run(consumer, &mut handler, holdfast_orders::consumer::MAX_BATCH, stop).await;
        });
        if system.redecide {
            let requests: Arc<dyn Inbox> = match &self.handles.1 {
                Some(products) => Arc::new(GuardedProducts::new(
                    Arc::new(products.clone()),
                    roles.access(&system.products_disk),
                )),
                None => system.told(roles.access(disk)),
            };
            let backlog = Backlog {
                bus: self.bus(roles),
                requests: vec![(PRODUCTS_GROUP, Topic::TO_PRODUCTS, requests)],
                answers: Arc::new(guarded(roles.access(disk))),
                unpublished: (orders.options().outlet == Outlet::PublishedJournal)
                    .then(|| orders.unpublished()),
            };
            let store = Arc::new(guarded(roles.access(disk)));
            let redecide = Redecide::new(store, clock, steps, REDECIDE_AFTER, backlog);
            self.spawn(redecide.run(self.stop.clone()));
        }
        self.start_relay(roles, "orders", orders.outbox(), disk);
        self.orders = Some(OrdersApi { cases, answers });
    }

    fn start_products(&mut self, roles: &mut Roles<'_>) {
        let Some(products) = self.handles.1.clone() else { return };
        let system = roles.system;
        let disk = &system.products_disk;
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let guarded = |access: Access| GuardedProducts::new(Arc::new(products.clone()), access);
        let store = Arc::new(guarded(roles.access(disk)));
        let (decider, task) = decider::start(store, clock.clone(), Steps::new(clock));
        self.spawn(task.run(CancellationToken::new()));
        let inbox = Arc::new(guarded(roles.access(disk)));
        let bus = self.bus(roles);
        let (mut handler, stop) = (StockHandler::new(decider.clone()), self.stop.clone());
        self.spawn(async move {
            let Ok(consumer) = bus.subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, inbox).await else { return };
            worker::run(consumer, &mut handler, holdfast_products::consumer::MAX_BATCH, stop).await;
        });
        self.start_relay(roles, "products", products.outbox(), disk);
        self.decider = Some(decider);
    }

    /// The bus as one task sees it.
    fn bus(&self, roles: &mut Roles<'_>) -> Arc<dyn Bus> {
        let system = roles.system;
        match (&system.broker, &self.handles) {
            (None, (Some(orders), Some(products))) => {
                let orders = GuardedJournal::new(orders.journal(), roles.access(&system.orders_disk));
                let products = GuardedJournal::new(products.journal(), roles.access(&system.products_disk));
                let journals: Vec<Arc<dyn Journal>> = vec![Arc::new(orders), Arc::new(products)];
                Arc::new(EmbeddedBus::new(journals))
            }
            (Some(broker), _) => Arc::new(broker.seen_by(roles.access(&system.orders_disk).gate)),
            (None, _) => Arc::new(EmbeddedBus::new(Vec::new())),
        }
    }

    /// Behind a broker, the journal is published.
    fn start_relay(
        &mut self,
        roles: &mut Roles<'_>,
        name: &'static str,
        outbox: Arc<dyn Outbox>,
        disk: &Arc<Disk>,
    ) {
        let Some(broker) = &roles.system.broker else { return };
        let shards = (0..outbox.shards()).map(|_| roles.access(disk)).collect();
        let outbox = GuardedOutbox::new(outbox, shards);
        let publisher = broker.seen_by(roles.access(disk).gate);
        let clock = self.clock.clone();
        let options = RelayOptions::new(name, Arc::new(move || clock.now()));
        for task in Relay::new(Arc::new(outbox), Arc::new(publisher), options).tasks(&self.stop) {
            self.spawn(task);
        }
    }

    /// Runs something in the process: it ends with it.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        let body: Body = Arc::new(Mutex::new(Some(Box::pin(task))));
        #[expect(
            clippy::disallowed_methods,
            reason = "the simulated process is the tracker: it ends what it started"
        )]
        let ended = tokio::spawn(Mortal(body.clone()));
        self.tasks.push(Task { body, ended });
    }

    /// Kills it: nothing of it runs on, and nothing of it reaches a database any more.
    pub(super) fn kill(&mut self) {
        if let Some(orders) = &self.handles.0 {
            orders.close();
        }
        if let Some(products) = &self.handles.1 {
            products.close();
        }
        for task in &self.tasks {
            // Not by aborting it: the runtime drops aborted tasks in the order in which they were woken last, and what a
            // producer had on the wire arrives when it is dropped.
            let body = task.body.lock().take();
            drop(body);
            task.ended.abort();
        }
    }

    /// Asks it to stop: it takes nothing new and finishes what runs.
    pub(super) fn drain(&mut self) {
        self.stop.cancel();
        // The decider ends when nobody can ask it any more.
        self.orders = None;
        self.decider = None;
    }

    /// Whether nothing of it runs any more.
    pub(super) fn is_over(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Forgets the tasks that have ended; says why one panicked.
    pub(super) fn panicked(&mut self) -> Option<String> {
        let mut panicked = None;
        self.tasks.retain_mut(|task| match (&mut task.ended).now_or_never() {
            None => true,
            Some(ended) => {
                panicked = panicked
                    .take()
                    .or_else(|| ended.err().filter(JoinError::is_panic).map(|e| e.to_string()));
                false
            }
        });
        panicked
    }
}
