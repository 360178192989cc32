//! Live updates: every change of an order and of a product's stock, as it happens, over Socket.IO and WebSocket.
//!
//! One task tails the bus outside the consumer groups and turns each record into a frame once, for everybody; the newest
//! frames stay in a bounded ring. Every connection walks through that ring at its own pace with its own place, and reads
//! what the ring no longer has from the bus. So nobody waits for a slow client, and a client that comes back is served
//! from the same log by whichever replica it reaches. While nobody is connected the bus is not read at all.
//!
//! # `seq`
//! `<topic>/<partition>/<offset>~<position>`: which record the message was made from, and (opaque, a
//! [`holdfast_bus::TailPosition`]) everything that the connection has been told with it. Only the part after the last
//! `~` is read back. Messages that were made from no record have nothing before the `~`.
//!
//! # Messages
//! | event | carries beside `event`, `seq`, `message`, `timestamp` |
//! |---|---|
//! | `order:created`, `order:status_changed`, `order:cancelled`, `order:completed`, `order:updated` | `order` |
//! | `stock:changed` | `product{_id, name, stock, reserved, onHand, inStock, version}` |
//! | `ready`: the first message | `resumed`: whether it goes on after the `seq` that the client gave |
//! | `reload`: changes were left out, ask over HTTP; what comes next is live | `reason` |
//! | `position`: nothing for this client's filter in a long while, but remember this `seq` | |
//! | `server:shutdown`: the last message, come back with `seq` | `reason` |
//! | `error`: the last message, the request made no sense (plain WebSocket) or the token has expired | `code` |

mod admission;
mod ask;
mod frame;
mod hub;
mod pump;
mod ring;
mod socketio;
mod subscription;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use holdfast_bus::{Bus, BusError};
use holdfast_service::auth::Authenticator;
use holdfast_service::{Clock, Lifecycle, Traces};

use self::hub::Hub;
use self::socketio::SocketIoEndpoint;

/// Bounds of the gateway.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Bytes of the newest frames to keep in memory, for all connections together.
    pub ring_bytes: usize,
    /// Connections of both kinds at once; more are refused.
    pub max_sockets: usize,
    /// Records that a connection may be behind; one that is further behind is told to reload.
    pub max_behind: u64,
    /// How long a connection may take nothing at all before it is cut off.
    pub slow_after: Duration,
    /// How often a connection is asked whether it is still there. It has until the next time to answer.
    pub ping_every: Duration,
    /// Records after which a client whose filter let nothing through is told where it is.
    pub position_every: usize,
    /// Where spans of what is told go.
    pub traces: Traces,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            ring_bytes: 8 << 20,
            max_sockets: 4_096,
            max_behind: 100_000,
            slow_after: Duration::from_secs(10),
            ping_every: Duration::from_secs(25),
            position_every: 4_096,
            traces: Traces::off(),
        }
    }
}

impl LiveConfig {
    /// With at most this many connections: those that the operating system allows.
    pub fn within(self, connections: usize) -> Self {
        Self { max_sockets: self.max_sockets.min(connections), ..self }
    }
}

/// The live gateway. Clones are the same one.
#[derive(Clone)]
pub struct LiveGateway {
    hub: Arc<Hub>,
    socket_io: SocketIoEndpoint,
}

impl LiveGateway {
    /// A gateway that tails `bus`. Nothing is sent until [`LiveGateway::run`] runs.
    /// With `auth`, each connection has to show a token.
    pub fn new(
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        lifecycle: &Lifecycle,
        config: LiveConfig,
        auth: Option<Arc<Authenticator>>,
    ) -> Self {
        let hub = Arc::new(Hub::new(bus, clock, lifecycle.clone(), config, auth));
        let socket_io = SocketIoEndpoint::new(&hub);
        Self { hub, socket_io }
    }

    /// Feeds the connections until shutdown begins, then sees to it that they are closed, within a few seconds. For
    /// [`Lifecycle::spawn_essential`]. A bus that is away is waited for.
    ///
    /// # Errors
    /// None today; the type is the one that an essential task has.
    pub async fn run(self) -> Result<(), BusError> {
        pump::run(&self.hub).await;
        self.socket_io.close(&self.hub).await;
        Ok(())
    }

    /// Connections that are being served now, of both kinds.
    pub fn connected(&self) -> usize {
        self.hub.connected()
    }
}

/// `/ws` and `/socket.io/`, to be merged into the service's router.
pub fn router(gateway: &LiveGateway) -> Router {
    Router::new()
        .route("/ws", get(websocket::upgrade))
        .with_state(gateway.hub.clone())
        .merge(gateway.socket_io.router())
}
