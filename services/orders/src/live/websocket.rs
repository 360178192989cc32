//! `/ws`: each text frame is one message. Where tokens are asked for, the client's first frame holds its own; what else
//! clients send is read (pings, pongs, close) and otherwise ignored.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{
    CloseFrame, Message as WsMessage, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
};
use axum::extract::{Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::SinkExt;
use holdfast_contract::ErrorCode;
use holdfast_service::http::ApiError;
use serde_json::value::RawValue;
use tokio::time::{Instant, MissedTickBehavior};

use super::admission::{Admission, Credentials, FirstFrame, Refused, refuse_token_in};
use super::ask::{Ask, Wishes};
use super::frame::{Message, Notice};
use super::hub::{Hub, Seat};
use super::subscription::Subscription;

/// Largest message that a client may send.
const MAX_INCOMING: usize = 64 << 10;
/// What may wait in memory for a peer that takes nothing, beside the message that is being sent.
const WRITE_BUFFER: usize = 16 << 10;
/// How long a client may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How long a peer may take to answer our close.
const CLOSING: Duration = Duration::from_secs(1);

/// Why a connection ends.
enum End {
    /// The client closed it, or it broke.
    Gone,
    /// The client took nothing for too long.
    Slow,
    /// Its token is over.
    Expired,
    /// The service is shutting down.
    Shutdown,
}

/// `GET /ws?seq=…&userId=…&orderId=…&topics=orders,stock`.
pub(super) async fn upgrade(
    State(hub): State<Arc<Hub>>,
    RawQuery(query): RawQuery,
    wishes: Result<Query<Wishes>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if hub.lifecycle.is_draining() {
        return ApiError::new(ErrorCode::Unavailable, "The service is shutting down").into_response();
    }
    if let Err(refused) = refuse_token_in(query.as_deref()) {
        return refused.into_response();
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
        receive(socket, seat, ask).await;
        drop(held);
    })
}

/// Lets a client in and serves it, or says why not.
async fn receive(mut socket: WebSocket, seat: Seat, ask: Result<Ask, String>) {
    let hub = seat.hub().clone();
    let admitted = async {
        let ask = ask.map_err(|problem| (ErrorCode::InvalidQuery, problem))?;
        let credentials = match &hub.auth {
            None => Some(Credentials::default()),
            Some(_) => introduction(&mut socket).await,
        };
        match credentials {
            None => Ok(None),
            Some(credentials) => hub.admit(ask, credentials).await.map(Some),
        }
    };
    let drain = hub.lifecycle.drain_token();
    match drain.run_until_cancelled(admitted).await {
        Some(Ok(Some(admission))) => serve(socket, seat, admission).await,
        // It went away, or the service does.
        Some(Ok(None)) | None => {}
        Some(Err(refused)) => refuse(socket, &seat, refused).await,
    }
}

/// What the client's first frame says; nothing if it went away.
async fn introduction(socket: &mut WebSocket) -> Option<Credentials> {
    let first = async {
        loop {
            match socket.recv().await {
                Some(Ok(WsMessage::Ping(_) | WsMessage::Pong(_))) => {}
                Some(Ok(WsMessage::Text(text))) => return Some(text),
                Some(Ok(WsMessage::Binary(_))) => return Some(Utf8Bytes::default()),
                Some(Ok(WsMessage::Close(_)) | Err(_)) | None => return None,
            }
        }
    };
    let text = match tokio::time::timeout(INTRODUCTION, first).await {
        Ok(said) => said?,
        Err(_) => Utf8Bytes::default(),
    };
    // Whatever else it is, no token is in it.
    Some(serde_json::from_str::<FirstFrame>(&text).map(|frame| frame.auth).unwrap_or_default())
}

async fn refuse(mut socket: WebSocket, seat: &Seat, (code, problem): Refused) {
    let hub = seat.hub();
    let notice = Notice::error(code, &problem, hub.now());
    let sent = socket.send(text(Message::Notice(notice).json()));
    if let Ok(Ok(())) = tokio::time::timeout(hub.config.slow_after, sent).await {
        close(socket, close_code::POLICY, code.as_str()).await;
    }
}

async fn serve(mut socket: WebSocket, seat: Seat, admission: Admission) {
    let hub = seat.hub().clone();
    let (ask, expires) = admission.into_parts();
    let mut subscription = Subscription::new(seat, ask);
    let drain = hub.lifecycle.drain_token();
    let mut last = None;
    let serving = async {
        tokio::select! {
            end = exchange(&mut socket, &mut subscription, &mut last) => end,
            () = hub.expired(expires) => End::Expired,
        }
    };
    let served = drain.run_until_cancelled(serving).await;
    match served.unwrap_or(End::Shutdown) {
        End::Gone => {}
        End::Slow => metrics::counter!("live_slow_clients_total").increment(1),
        End::Expired => {
            let code = ErrorCode::Unauthenticated;
            let notice = Message::Notice(Notice::error(code, "the token has expired", hub.now()));
            let said = tokio::time::timeout(CLOSING, socket.send(text(notice.json()))).await;
            if let Ok(Ok(())) = said {
                close(socket, close_code::POLICY, code.as_str()).await;
            }
        }
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
