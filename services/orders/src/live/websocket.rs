//! `/ws`: each text frame is one message. What clients send is read (pings, pongs, close) and otherwise ignored.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{
    CloseFrame, Message as WsMessage, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::SinkExt;
use holdfast_contract::ErrorCode;
use holdfast_service::http::ApiError;
use serde_json::value::RawValue;
use tokio::time::{Instant, MissedTickBehavior};

use super::ask::{Ask, Wishes};
use super::frame::{Message, Notice};
use super::hub::{Hub, Seat};
use super::subscription::Subscription;

/// Largest message that a client may send.
const MAX_INCOMING: usize = 64 << 10;
/// What may wait in memory for a peer that takes nothing, beside the message that is being sent.
const WRITE_BUFFER: usize = 16 << 10;
/// How long a peer may take to answer our close.
const CLOSING: Duration = Duration::from_secs(1);

/// Why a connection ends.
enum End {
    /// The client closed it, or it broke.
    Gone,
    /// The client took nothing for too long.
    Slow,
    /// The service is shutting down.
    Shutdown,
}

/// `GET /ws?seq=…&userId=…&orderId=…&topics=orders,stock`.
pub(super) async fn upgrade(
    State(hub): State<Arc<Hub>>,
    wishes: Result<Query<Wishes>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if hub.lifecycle.is_draining() {
        return ApiError::new(ErrorCode::Unavailable, "The service is shutting down").into_response();
    }
    let Some(seat) = hub.seat("websocket") else {
        return ApiError::new(ErrorCode::Overloaded, "Too many live connections").into_response();
    };
    // A browser's WebSocket cannot show why an upgrade was refused, so it is told after it.
    let ask = match wishes {
        Ok(Query(wishes)) => wishes.understand(),
        Err(rejection) => Err(rejection.body_text()),
    };
    let held = hub.lifecycle.hold("live websocket");
    let upgrade = upgrade.max_message_size(MAX_INCOMING).max_frame_size(MAX_INCOMING);
    upgrade.write_buffer_size(WRITE_BUFFER).on_upgrade(move |socket| async move {
        match ask {
            Ok(ask) => serve(socket, seat, ask).await,
            Err(problem) => refuse(socket, &seat, &problem).await,
        }
        drop(held);
    })
}

async fn refuse(mut socket: WebSocket, seat: &Seat, problem: &str) {
    let hub = seat.hub();
    let notice = Notice::error(ErrorCode::InvalidQuery, problem, hub.now());
    let sent = socket.send(text(Message::Notice(notice).json()));
    if let Ok(Ok(())) = tokio::time::timeout(hub.config.slow_after, sent).await {
        close(socket, close_code::POLICY, ErrorCode::InvalidQuery.as_str()).await;
    }
}

async fn serve(mut socket: WebSocket, seat: Seat, ask: Ask) {
    let hub = seat.hub().clone();
    let mut subscription = Subscription::new(seat, ask);
    let drain = hub.lifecycle.drain_token();
    let mut last = None;
    let served = drain.run_until_cancelled(exchange(&mut socket, &mut subscription, &mut last)).await;
    match served.unwrap_or(End::Shutdown) {
        End::Gone => {}
        End::Slow => metrics::counter!("live_slow_clients_total").increment(1),
        End::Shutdown => {
            // Not where the subscription is: a client that takes little has not been given all of the last batch.
            let position = last.as_ref().and_then(Message::position);
            let notice = Message::Notice(Notice::shutdown(position, hub.now()));
            let said = tokio::time::timeout(CLOSING, socket.send(text(notice.json()))).await;
            if let Ok(Ok(())) = said {
                close(socket, close_code::AWAY, "server shutting down").await;
            }
        }
    }
}

/// Sends and receives until one of the two ends it. May be dropped at any await: what it gave to the socket by then is
/// whole messages, up to `last`.
async fn exchange(
    socket: &mut WebSocket,
    subscription: &mut Subscription,
    last: &mut Option<Message>,
) -> End {
    let config = subscription.hub().config.clone();
    let sent = metrics::counter!("live_frames_sent_total", "transport" => "websocket");
    let mut ping = tokio::time::interval_at(Instant::now() + config.ping_every, config.ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = true;
    loop {
        tokio::select! {
            incoming = socket.recv() => match incoming {
                Some(Ok(WsMessage::Close(_))) | Some(Err(_)) | None => return End::Gone,
                Some(Ok(_)) => heard = true,
            },
            _ = ping.tick() => {
                if !std::mem::replace(&mut heard, false) {
                    return End::Gone;
                }
                let ping = socket.send(WsMessage::Ping(bytes::Bytes::new()));
                if let Err(end) = in_time(config.slow_after, ping).await {
                    return end;
                }
            }
            messages = subscription.next() => {
                for message in &messages {
                    if let Err(end) = in_time(config.slow_after, socket.feed(text(message.json()))).await {
                        return end;
                    }
                    *last = Some(message.clone());
                }
                if let Err(end) = in_time(config.slow_after, socket.flush()).await {
                    return end;
                }
                sent.increment(messages.len() as u64);
            }
        }
    }
}

async fn in_time<E>(limit: Duration, write: impl Future<Output = Result<(), E>>) -> Result<(), End> {
    match tokio::time::timeout(limit, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Slow),
    }
}

/// Says goodbye, and gives the peer a moment to answer so that it sees the reason and not a reset.
async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let goodbye = async {
        if socket.send(WsMessage::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = tokio::time::timeout(CLOSING, goodbye).await;
}

fn text(json: &RawValue) -> WsMessage {
    WsMessage::Text(json.get().into())
}
