//! Both services in this process, over files that are reached through a disk of the test's choice.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_bus::worker::Handler;
use holdfast_bus::{Bus, Consumer, EmbeddedBus, ORDERS_GROUP, PRODUCTS_GROUP};
use holdfast_contract::{Currency, Topic};
use holdfast_orders::consumer::Answers;
use holdfast_orders::sqlite::{SqliteOptions, SqliteOrders};
use holdfast_orders::usecase::{Parts, UseCases};
use holdfast_products::consumer::StockHandler;
use holdfast_products::decider;
use holdfast_products::http::App;
use holdfast_products::sqlite::SqliteProducts;
use holdfast_service::http::{HttpOptions, finish};
use holdfast_service::operator::{self, Operator};
use holdfast_service::test_support::TestClient;
use holdfast_service::{Clock, Lifecycle, ManualClock, Steps, TimeOrderedKeys};
use holdfast_storage::{Group, Inbox, Outgoing, StoreError};
use tokio_util::sync::CancellationToken;

pub(crate) const ORDERS_DB: &str = "orders.db";
pub(crate) const PRODUCTS_DB: &str = "products.db";
/// So few that the log is folded in many times, also beside the writer.
const CHECKPOINT_PAGES: u32 = 48;
/// Records taken at once: so few that a delivery is several commits.
const BATCH: usize = 8;

/// The two services, without sockets and without tasks that act by themselves: whoever drives them decides when messages
/// are taken in and when orders are indexed.
pub(crate) struct World {
    pub(crate) orders: TestClient,
    pub(crate) products: TestClient,
    pub(crate) order_store: Arc<SqliteOrders>,
    product_store: SqliteProducts,
    bus: Arc<dyn Bus>,
    requests: Box<dyn Consumer>,
    replies: Box<dyn Consumer>,
    stock: StockHandler,
    answers: Answers,
    lifecycle: Lifecycle,
    stop: CancellationToken,
    clock: ManualClock,
}

impl World {
    /// Opens both databases in `folder`, as the services do.
    pub(crate) async fn open(
        folder: &Path,
        vfs: Option<&str>,
        clock: &ManualClock,
    ) -> Result<Self, StoreError> {
        let order_store = SqliteOrders::open(&SqliteOptions {
            checkpoint_pages: CHECKPOINT_PAGES,
            vfs: vfs.map(str::to_owned),
            ..SqliteOptions::new(folder.join(ORDERS_DB))
        })
        .await?;
        let products: PathBuf = folder.join(PRODUCTS_DB);
        let product_store = SqliteProducts::with_options(products, |options| {
            options.checkpoint_pages = CHECKPOINT_PAGES;
            options.vfs = vfs.map(str::to_owned);
        })?;
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let steps = Steps::new(shared.clone());
        let inbox: Arc<dyn Inbox> = order_store.database().clone();
        let journals = vec![order_store.database().clone() as _, product_store.journal()];
        let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new(journals));
        let subscribe = async |group, topics, inbox| {
            bus.subscribe(group, topics, inbox)
                .await
                .map_err(|error| StoreError::Unavailable(error.to_string()))
        };
        let requests = subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, product_store.inbox()).await?;
        let replies = subscribe(ORDERS_GROUP, Topic::TO_ORDERS, inbox.clone()).await?;

        let cases = Arc::new(UseCases::new(Parts {
            store: order_store.clone(),
            clock: shared.clone(),
            keys: Arc::new(TimeOrderedKeys::new(shared.clone(), 7)),
            currency: Currency::USD,
            steps: steps.clone(),
            places: None,
        }));
        let answers = Answers::new(order_store.clone(), inbox, shared.clone(), steps.clone());
        let orders = TestClient::new(finish(holdfast_orders::http::router(cases), HttpOptions::default()));

        let store = Arc::new(product_store.clone());
        let (decider, task) = decider::start(store.clone(), shared.clone(), steps);
        let (lifecycle, stop) = (Lifecycle::new(Duration::from_secs(10)), CancellationToken::new());
        lifecycle.spawn("decider", task.run(stop.clone()));
        let operator = Operator {
            service: "products",
            group: PRODUCTS_GROUP,
            consumes: Topic::TO_PRODUCTS,
            bus: bus.clone(),
            inbox: store.clone(),
            dead_letters: Arc::new(decider.clone()),
        };
        let keys = Arc::new(TimeOrderedKeys::new(shared, 8));
        let app = App { store, decider: decider.clone(), keys, currency: Currency::USD };
        let router = holdfast_products::http::router(app).merge(operator::router(operator));
        let products = TestClient::new(finish(router, HttpOptions::default()));
        Ok(Self {
            orders,
            products,
            order_store,
            product_store,
            bus,
            requests,
            replies,
            stock: StockHandler::new(decider),
            answers,
            lifecycle,
            stop,
            clock: clock.clone(),
        })
    }

    /// Takes in what is in the topics until nothing is left: what the consumers' tasks do, one batch after the other.
    pub(crate) async fn deliver(&mut self) -> Result<(), StoreError> {
        let (stock, orders) = (self.product_store.inbox(), self.order_store.database().clone());
        loop {
            if behind(&*self.bus, Topic::TO_PRODUCTS, &*stock, PRODUCTS_GROUP).await? {
                take(&mut self.requests, &mut self.stock).await?;
            } else if behind(&*self.bus, Topic::TO_ORDERS, &*orders, ORDERS_GROUP).await? {
                take(&mut self.replies, &mut self.answers).await?;
            } else {
                return Ok(());
            }
        }
    }

    /// Writes a message that nobody can read into a topic of Orders.
    pub(crate) async fn poison(&self, topic: Topic, order: &str) -> Result<(), StoreError> {
        let (key, at) = (order.to_owned().into(), self.clock.now());
        let outgoing = Outgoing { topic, key, payload: "{\"eventType\":".into(), at, traceparent: None };
        self.order_store.database().write(move |tx| tx.append(outgoing).map(drop)).await
    }

    /// Ends the decider and closes both databases.
    pub(crate) async fn close(self) {
        let Self { order_store, product_store, lifecycle, stop, .. } = self;
        stop.cancel();
        lifecycle.shutdown();
        lifecycle.wait().await;
        order_store.database().close().await;
        product_store.close().await;
    }
}

async fn behind(
    bus: &dyn Bus,
    topics: &[Topic],
    inbox: &dyn Inbox,
    group: Group,
) -> Result<bool, StoreError> {
    let bounds = bus.bounds(topics).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let positions = inbox.positions(group).await?;
    Ok(bounds.iter().any(|b| {
        let at = positions.iter().find(|(partition, _)| *partition == b.partition);
        b.end > at.map_or(b.start, |(_, position)| position.next)
    }))
}

/// One round of `worker::run`, without its pause.
async fn take(consumer: &mut Box<dyn Consumer>, handler: &mut dyn Handler) -> Result<(), StoreError> {
    let unavailable = |error: holdfast_bus::BusError| match error {
        holdfast_bus::BusError::Unavailable(error) => error,
        other => StoreError::Unavailable(other.to_string()),
    };
    let outcome = match consumer.poll(BATCH).await {
        Ok(batch) => match handler.handle(&batch).await {
            Ok(()) => consumer.commit(&batch).await.map_err(unavailable),
            Err(error) => Err(error),
        },
        Err(error) => Err(unavailable(error)),
    };
    if outcome.is_err() {
        consumer.reset();
    }
    outcome
}
