//! A running gateway, something that changes orders and stock, and a plain client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use holdfast_bus::{Bus, BusError, Consumer, EmbeddedBus, Tail, TailFrom};
use holdfast_contract::event::{Event, StockChanged};
use holdfast_contract::stock::Balances;
use holdfast_contract::text::Name;
use holdfast_contract::{DEFAULT_LOCATION, Key, OrderId, ProductId, Timestamp, Topic};
use holdfast_orders::live::{LiveConfig, LiveGateway, router};
use holdfast_service::auth::Authenticator;
use holdfast_service::auth::test_support::authenticator;
use holdfast_service::http::{HttpOptions, HttpServer, ServerOptions, finish};
use holdfast_service::{Lifecycle, ManualClock, SystemClock};
use holdfast_storage::sqlite::{Database, Migrations, Options};
use holdfast_storage::{
    Bounds, Group, Inbox, Incarnation, Journal, Outgoing, Record, StoreError, TopicPartition,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Far longer than anything takes: a test that waits for what never comes fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Counts how often the bus was asked for a tail, and can be away.
pub(crate) struct Watched {
    bus: EmbeddedBus,
    pub(crate) tails: AtomicUsize,
    /// So many calls fail.
    pub(crate) away: AtomicUsize,
}

#[async_trait]
impl Bus for Watched {
    async fn subscribe(
        &self,
        group: Group,
        topics: &[Topic],
        inbox: Arc<dyn Inbox>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        self.bus.subscribe(group, topics, inbox).await
    }

    async fn tail(&self, topics: &[Topic], from: TailFrom<'_>) -> Result<Box<dyn Tail>, BusError> {
        self.tails.fetch_add(1, Ordering::SeqCst);
        if self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(StoreError::Unavailable("away".to_owned()).into());
        }
        self.bus.tail(topics, from).await
    }

    async fn incarnations(&self, topics: &[Topic]) -> Result<Vec<(Topic, Incarnation)>, BusError> {
        self.bus.incarnations(topics).await
    }

    async fn bounds(&self, topics: &[Topic]) -> Result<Vec<Bounds>, BusError> {
        self.bus.bounds(topics).await
    }

    async fn browse(
        &self,
        at: TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, BusError> {
        self.bus.browse(at, from, limit).await
    }
}

/// A gateway with its journals.
pub(crate) struct World {
    pub(crate) orders: Arc<Database>,
    pub(crate) products: Arc<Database>,
    pub(crate) bus: Arc<Watched>,
    pub(crate) gateway: LiveGateway,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) addr: SocketAddr,
    /// How many changes each order has had.
    changes: Mutex<HashMap<u16, u64>>,
    _folder: TempDir,
}

const NONE: Migrations = Migrations { component: "test", steps: &[] };

impl World {
    pub(crate) async fn start(config: LiveConfig) -> Arc<Self> {
        Self::start_with(config, |_| Router::new()).await
    }

    /// As [`World::start`], with more routes beside those of the gateway.
    pub(crate) async fn start_with(
        config: LiveConfig,
        routes: impl FnOnce(std::sync::Weak<Self>) -> Router,
    ) -> Arc<Self> {
        Self::begin(config, None, routes).await
    }

    /// As [`World::start`], for those who have a token.
    pub(crate) async fn start_guarded() -> Arc<Self> {
        Self::start_guarded_with(|_| Router::new()).await
    }

    /// As [`World::start_guarded`], with more routes.
    pub(crate) async fn start_guarded_with(
        routes: impl FnOnce(std::sync::Weak<Self>) -> Router,
    ) -> Arc<Self> {
        let auth = authenticator(Arc::new(SystemClock));
        Self::begin(LiveConfig::default(), Some(auth), routes).await
    }

    async fn begin(
        config: LiveConfig,
        auth: Option<Arc<Authenticator>>,
        routes: impl FnOnce(std::sync::Weak<Self>) -> Router,
    ) -> Arc<Self> {
        let folder = TempDir::new().unwrap();
        let open = |name: &str, topics| {
            Arc::new(Database::open(&Options::new(folder.path().join(name), NONE, topics)).unwrap())
        };
        let orders = open("orders.db", Topic::FROM_ORDERS);
        let products = open("products.db", Topic::FROM_PRODUCTS);
        let bus = Arc::new(Watched {
            bus: EmbeddedBus::new(vec![orders.clone(), products.clone()]),
            tails: AtomicUsize::new(0),
            away: AtomicUsize::new(0),
        });
        let lifecycle = Lifecycle::new(Duration::from_secs(60));
        let clock = Arc::new(ManualClock::default());
        let gateway = LiveGateway::new(bus.clone(), clock, &lifecycle, config, auth);
        lifecycle.spawn_essential("live gateway", gateway.clone().run());
        let server =
            HttpServer::bind("127.0.0.1:0".parse().unwrap(), ServerOptions::default()).await.unwrap();
        let addr = server.local_addr();
        Arc::new_cyclic(|world| {
            let router = router(&gateway).merge(routes(world.clone()));
            server.serve(finish(router, HttpOptions::default()), &lifecycle);
            let changes = Mutex::default();
            Self { orders, products, bus, gateway, lifecycle, addr, changes, _folder: folder }
        })
    }

    /// Changes an order; its `n` counts up. The message is padded by `size` characters.
    pub(crate) async fn change_order(&self, order: u16, size: usize) {
        self.change_orders(&[order], size).await;
    }

    /// Changes orders in one commit, in this sequence.
    pub(crate) async fn change_orders(&self, orders: &[u16], size: usize) {
        let outgoing: Vec<Outgoing> = {
            // Counted and queued under one lock, so that `n` counts up in the log too.
            let mut changes = self.changes.lock();
            orders.iter().map(|&order| self.order_record(&mut changes, order, size)).collect()
        };
        append(&self.orders, outgoing).await;
    }

    fn order_record(&self, changes: &mut HashMap<u16, u64>, order: u16, size: usize) -> Outgoing {
        let n = changes.entry(order).or_default();
        *n += 1;
        let event = if *n == 1 { "order:created" } else { "order:updated" };
        let id = order_id(order);
        let payload = json!({
            "event": event,
            "order": {"_id": id, "userId": format!("user-{order}"), "n": *n},
            "message": "x".repeat(size),
            "timestamp": Timestamp::default(),
        });
        Outgoing {
            topic: Topic::OrderLive,
            key: id.to_string().into(),
            payload: payload.to_string().into(),
            at: Timestamp::default(),
            traceparent: None,
        }
    }

    /// Changes a product's stock.
    pub(crate) async fn change_stock(&self, version: u64, on_hand: i64, reserved: i64) {
        let product_id = ProductId::from_bytes([7; 12]);
        let changed = StockChanged {
            product_id,
            product_name: Name::new("Test Product").unwrap(),
            version,
            location_id: DEFAULT_LOCATION.to_owned(),
            balances: Balances::new(on_hand, reserved),
        };
        let outgoing = Outgoing {
            topic: Topic::StockChanged,
            key: product_id.to_string().into(),
            payload: Event::about_product(Timestamp::default(), changed).encode().into(),
            at: Timestamp::default(),
            traceparent: None,
        };
        append(&self.products, vec![outgoing]).await;
    }

    /// Forgets everything that the journal of the orders holds.
    pub(crate) async fn trim_orders(&self) {
        let newest = *self.orders.committed().borrow();
        while self.orders.trim(newest).await.unwrap() > 0 {}
    }

    /// Connects to `/ws` with this query.
    pub(crate) async fn connect(&self, query: &str) -> Client {
        let url = format!("ws://{}/ws?{query}", self.addr);
        let (socket, _) = patient(connect_async(url)).await.unwrap();
        Client { socket, seq: None }
    }

    /// Connects and takes the `ready` message.
    pub(crate) async fn connect_ready(&self, query: &str) -> Client {
        let mut client = self.connect(query).await;
        client.expect("ready").await;
        client
    }

    /// Waits until so many connections are being served.
    pub(crate) async fn until_connected(&self, count: usize) {
        patient(async {
            while self.gateway.connected() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

pub(crate) async fn append(database: &Database, outgoing: Vec<Outgoing>) {
    let written: Result<(), StoreError> = database
        .write(move |tx| {
            for record in outgoing {
                tx.append(record)?;
            }
            Ok(())
        })
        .await;
    written.unwrap();
}

pub(crate) fn order_id(order: u16) -> OrderId {
    OrderId::new(Key::compose(1_767_225_600_000, 1, order))
}

pub(crate) async fn patient<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it never came")
}

/// A plain WebSocket client that remembers where it is.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) seq: Option<String>,
}

impl Client {
    /// The next message, or the close frame's code and reason, or `None` for a connection that broke.
    pub(crate) async fn next(&mut self) -> Option<Result<Value, (u16, String)>> {
        loop {
            match patient(self.socket.next()).await? {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if let Some(seq) = message["seq"].as_str() {
                        self.seq = Some(seq.to_owned());
                    }
                    return Some(Ok(message));
                }
                Ok(Message::Close(Some(frame))) => {
                    return Some(Err((frame.code.into(), frame.reason.to_string())));
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    pub(crate) async fn message(&mut self) -> Value {
        self.next().await.expect("the connection broke").expect("the server closed")
    }

    /// The next message, which must be this event.
    pub(crate) async fn expect(&mut self, event: &str) -> Value {
        let message = self.message().await;
        assert_eq!(message["event"], event, "{message}");
        message
    }

    /// The last `seq`, for a query.
    pub(crate) fn resume(&self) -> String {
        format!("seq={}", self.seq.as_deref().expect("no seq yet"))
    }

    /// Goes away without a word.
    pub(crate) async fn vanish(mut self) -> String {
        let resume = self.resume();
        let _ = self.socket.flush().await;
        drop(self.socket);
        resume
    }
}

/// Checks that what a client is told about orders is each change once and in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    seen: HashMap<String, u64>,
    pub(crate) total: usize,
}

impl Ledger {
    pub(crate) fn take(&mut self, message: &Value) {
        let order = message["order"]["_id"].as_str().unwrap_or_else(|| panic!("{message}"));
        let n = message["order"]["n"].as_u64().unwrap();
        let seen = self.seen.entry(order.to_owned()).or_default();
        assert_eq!(n, *seen + 1, "order {order}: told of change {n} after {seen}; {}", message["seq"]);
        *seen = n;
        self.total += 1;
    }
}

/// A frame of the live topic that is none.
pub(crate) fn nonsense(order: u16, payload: &'static str) -> Outgoing {
    Outgoing {
        topic: Topic::OrderLive,
        key: order_id(order).to_string().into(),
        payload: Bytes::from_static(payload.as_bytes()),
        at: Timestamp::default(),
        traceparent: None,
    }
}
