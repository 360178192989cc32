//! `/socket.io/`: the ordinary JavaScript client, over polling and WebSocket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use holdfast_contract::ErrorCode;
use holdfast_service::http::{ApiError, Guarded};
use http_body_util::Limited;
use hyper_util::rt::TokioIo;
use serde::Deserialize as _;
use serde_json::Value;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::service::SocketIoService;
use socketioxide::socket::DisconnectReason;
use socketioxide::{SendError, SocketError, SocketIo, TransportType};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::admission::{Admission, Credentials, refuse_token_in};
use super::ask::Wishes;
use super::frame::{Message, Notice, ReloadReason};
use super::hub::{Hub, Seat};
use super::subscription::Subscription;

/// Largest message or polling body that a client may send.
const MAX_INCOMING: usize = 64 << 10;
/// Packets that wait for a client in the library's queue.
const QUEUE: usize = 64;
/// Largest message for a client that polls. With it, everything that waits fits into one answer: the library loses a
/// packet that is left over from an answer when the client upgrades to WebSocket.
const MAX_POLLED: usize = 128 << 10;
/// How long a session may take to say what it wants.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long to wait before a full queue is tried again.
const FULL: Duration = Duration::from_millis(5);
/// How long connections may take to say goodbye at shutdown, and again to be closed.
const CLOSING: Duration = Duration::from_secs(2);

/// The Socket.IO server. Clones are the same one.
#[derive(Clone)]
pub(super) struct SocketIoEndpoint {
    hub: Arc<Hub>,
    service: SocketIoService<Router>,
    io: SocketIo,
    /// Sessions that may be begun; a session has its permit until it ends.
    sessions: Arc<Semaphore>,
}

impl SocketIoEndpoint {
    pub(super) fn new(hub: &Arc<Hub>) -> Self {
        let (service, io) = SocketIo::builder()
            .max_buffer_size(QUEUE)
            .max_payload((QUEUE * MAX_POLLED) as u64)
            .ws_max_message_size(MAX_INCOMING)
            .ws_max_frame_size(MAX_INCOMING)
            .ping_interval(hub.config.ping_every)
            .ping_timeout(Duration::from_secs(20))
            .connect_timeout(CONNECTING)
            .build_with_inner_svc(Router::new());
        let (admitting, serving) = (hub.clone(), hub.clone());
        let admit = move |socket: SocketRef, auth: TryData<Value>| admit(admitting.clone(), socket, auth);
        let connected = async move |socket: SocketRef| serve(&serving, socket).await;
        io.ns("/", connected.with(admit));
        let sessions = Arc::new(Semaphore::new(hub.config.max_sockets));
        Self { hub: hub.clone(), service, io, sessions }
    }

    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/socket.io", any(handle))
            .route("/socket.io/", any(handle))
            .with_state(self.clone())
    }

    /// Closes every connection, once those that are being served have said goodbye.
    pub(super) async fn close(&self, hub: &Hub) {
        let mut connected = hub.watch_connected();
        let _ = tokio::time::timeout(CLOSING, connected.wait_for(|count| *count == 0)).await;
        let _ = tokio::time::timeout(CLOSING, self.io.close()).await;
    }
}

/// A place among the sessions; in the request that began one, which the library keeps for as long as the session is.
#[derive(Clone)]
struct Session {
    _permit: Arc<OwnedSemaphorePermit>,
}

async fn handle(State(mut endpoint): State<SocketIoEndpoint>, mut request: Request) -> Response {
    if let Err(refused) = refuse_token_in(request.uri().query()) {
        return refused.into_response();
    }
    // Before it is admitted a client has no seat yet, and everybody can begin a session, so these have a bound too.
    // Told from the others exactly as the library does.
    let query = request.uri().query().unwrap_or_default();
    if !query.split('&').any(|part| part.starts_with("sid=")) {
        let Ok(permit) = Arc::clone(&endpoint.sessions).try_acquire_owned() else {
            return ApiError::new(ErrorCode::Overloaded, "Too many live connections").into_response();
        };
        request.extensions_mut().insert(Session { _permit: Arc::new(permit) });
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let session = axum::http::Request::from_parts(parts.clone(), ());
    let request = Request::from_parts(parts, Body::new(Limited::new(body, MAX_INCOMING)));
    let response = call(&mut endpoint.service, request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // The library has checked the handshake and written the answer. It would now serve the bare connection; as the
        // upgrade was taken out of its request it does not, and is given a guarded one instead.
        let lifecycle = endpoint.hub.lifecycle.clone();
        lifecycle.spawn("live socket.io connection", async move {
            let Ok(connection) = upgrade.await else { return };
            let limit = endpoint.hub.config.slow_after;
            let slow = metrics::counter!("live_slow_clients_total");
            let (guarded, closed) = Guarded::watched(TokioIo::new(connection), limit, slow);
            let uri = session.uri().clone();
            if Service::call(&mut endpoint.service, (guarded, session)).await.is_ok() {
                let drain = endpoint.hub.lifecycle.drain_token();
                tokio::select! {
                    _ = closed => {}
                    // Shutdown does not wait for a peer that takes nothing, not even the end of its connection.
                    () = async { drain.cancelled().await; tokio::time::sleep(2 * CLOSING).await } => return,
                }
            }
            end_session(&mut endpoint.service, &uri).await;
        });
    }
    response
}

async fn call(service: &mut SocketIoService<Router>, request: Request) -> Response {
    let called: Result<_, Infallible> = Service::call(service, request).await;
    match called {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// Ends the polling session that a connection was to take over, in case the upgrade failed half-way: the library then
/// counts the session as upgrading for ever. A client's own "close" packet does it; after an upgrade that worked there
/// is no such session any more and nothing happens.
async fn end_session(service: &mut SocketIoService<Router>, upgrade: &Uri) {
    let Some(query) = upgrade.query().filter(|query| query.contains("sid=")) else { return };
    let uri = format!("/socket.io/?{}", query.replace("transport=websocket", "transport=polling"));
    let request = Request::builder().method(Method::POST).uri(uri).body(Body::from("1"));
    if let Ok(request) = request {
        call(service, request).await;
    }
}

/// Kept with the socket between being admitted and being served.
struct Admitted(parking_lot::Mutex<Option<(Seat, Admission)>>);

impl Clone for Admitted {
    /// The library wants what it stores to be clonable; there is one seat, and whoever clones it takes it along.
    fn clone(&self) -> Self {
        Self(parking_lot::Mutex::new(self.0.lock().take()))
    }
}

/// Decides whether a client may connect. An error reaches it as `connect_error`, its message beginning with the code.
async fn admit(hub: Arc<Hub>, socket: SocketRef, TryData(auth): TryData<Value>) -> Result<(), String> {
    let refused = |code: ErrorCode, problem: &str| format!("{}: {problem}", code.as_str());
    if hub.lifecycle.is_draining() {
        return Err(refused(ErrorCode::Unavailable, "the service is shutting down"));
    }
    let malformed = |problem: &str| refused(ErrorCode::InvalidQuery, problem);
    let (wishes, credentials) = match auth.map_err(|_| malformed("auth must be JSON"))? {
        Value::Null => (Wishes::default(), Credentials::default()),
        auth => {
            let credentials = Credentials::deserialize(&auth).map_err(|e| malformed(&e.to_string()))?;
            (serde_json::from_value::<Wishes>(auth).map_err(|e| malformed(&e.to_string()))?, credentials)
        }
    };
    let ask = wishes.understand().map_err(|problem| malformed(&problem))?;
    let admission = hub.admit(ask, credentials).await.map_err(|(code, problem)| refused(code, &problem))?;
    let seat =
        hub.seat("socketio").ok_or_else(|| refused(ErrorCode::Overloaded, "too many live connections"))?;
    socket.extensions.insert(Admitted(parking_lot::Mutex::new(Some((seat, admission)))));
    Ok(())
}

/// Why a connection ends.
enum End {
    Gone,
    Slow,
    Expired,
}

async fn serve(hub: &Arc<Hub>, socket: SocketRef) {
    let admitted = socket.extensions.remove::<Admitted>().and_then(|admitted| admitted.0.lock().take());
    let Some((seat, admission)) = admitted else { return };
    let (ask, expires) = admission.into_parts();
    let held = hub.lifecycle.hold("live socket.io client");
    let gone = CancellationToken::new();
    let when_gone = gone.clone();
    socket.on_disconnect(async move |reason: DisconnectReason| {
        tracing::debug!(%reason, "a Socket.IO client is gone");
        when_gone.cancel();
    });
    let mut subscription = Subscription::new(seat, ask);
    let drain = hub.lifecycle.drain_token();
    let mut last = None;
    let serving = async {
        tokio::select! {
            () = gone.cancelled() => End::Gone,
            end = send_all(&socket, &mut subscription, &mut last) => end,
            () = hub.expired(expires) => End::Expired,
        }
    };
    match drain.run_until_cancelled(serving).await {
        Some(End::Gone) => {}
        Some(end @ (End::Slow | End::Expired)) => {
            if matches!(end, End::Slow) {
                metrics::counter!("live_slow_clients_total").increment(1);
                // Volatile: it does not need room in the queue.
                let notice = Message::Notice(Notice::reload(None, ReloadReason::SlowClient, hub.now()));
                let _ = socket.volatile().emit(notice.event(), notice.json());
            } else {
                let problem = "the token has expired";
                let notice = Message::Notice(Notice::error(ErrorCode::Unauthenticated, problem, hub.now()));
                let _ = socket.emit(notice.event(), notice.json());
            }
            drop(subscription);
            let farewell = async {
                tokio::select! {
                    () = gone.cancelled() => {}
                    () = cut_off(&socket) => {}
                }
            };
            drain.run_until_cancelled(farewell).await;
        }
        None => {
            // Only as the last of what waits, so that a client which gets it has everything before it.
            // Not where the subscription is: what of its last batch found no room in the queue was not given.
            let position = last.as_ref().and_then(Message::position);
            let notice = Message::Notice(Notice::shutdown(position, hub.now()));
            let _ = socket.emit(notice.event(), notice.json());
        }
    }
    drop(held);
}

/// Puts everything into the client's queue; `last` is the last that found room.
async fn send_all(socket: &SocketRef, subscription: &mut Subscription, last: &mut Option<Message>) -> End {
    let hub = subscription.hub().clone();
    let sent = metrics::counter!("live_frames_sent_total", "transport" => "socketio");
    loop {
        for message in subscription.next().await {
            if is_polling(socket) && message.json().get().len() > MAX_POLLED {
                let position = subscription.position();
                let reload = Notice::reload(position, ReloadReason::TooLarge, hub.now());
                if let Err(end) = send(&hub, socket, &Message::Notice(reload)).await {
                    return end;
                }
                continue;
            }
            if let Err(end) = send(&hub, socket, &message).await {
                return end;
            }
            sent.increment(1);
            *last = Some(message);
        }
    }
}

fn is_polling(socket: &SocketRef) -> bool {
    socket.transport_type() == TransportType::Polling
}

/// Puts a message into the client's queue, waiting for room. A WebSocket that takes nothing is cut by its [`Guarded`]
/// connection; here only a polling client can be too slow.
async fn send(hub: &Hub, socket: &SocketRef, message: &Message) -> Result<(), End> {
    let mut full_since: Option<Instant> = None;
    loop {
        match socket.emit(message.event(), message.json()) {
            Ok(()) => return Ok(()),
            Err(SendError::Socket(SocketError::InternalChannelFull)) => {}
            Err(SendError::Socket(SocketError::Closed)) => return Err(End::Gone),
            Err(error @ SendError::Serialize(_)) => {
                tracing::error!(%error, "a live message could not be encoded");
                return Ok(());
            }
        }
        let since = *full_since.get_or_insert_with(Instant::now);
        if is_polling(socket) && since.elapsed() > hub.config.slow_after {
            return Err(End::Slow);
        }
        tokio::time::sleep(FULL).await;
    }
}

/// Disconnects a client. The session of one that is told nothing more, because it takes nothing, ends with the missing
/// heartbeat.
async fn cut_off(socket: &SocketRef) {
    while let Err(SocketError::InternalChannelFull) = socket.clone().disconnect() {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
