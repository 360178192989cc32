//! Clients that take nothing are cut off, and nobody else notices.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use holdfast_orders::live::LiveConfig;
use holdfast_service::test_support::TestClient;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Ledger, PATIENCE, World, patient};

/// More than the buffers of a loopback connection hold.
const CHANGES: usize = 1_000;
const SIZE: usize = 64 << 10;

/// A Socket.IO client over WebSocket that has been told "ready" and then reads no more.
async fn socket_io(world: &World) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", world.addr);
    let (mut socket, _) = connect_async(url).await.unwrap();
    socket.send(Message::text("40")).await.unwrap();
    while !patient(socket.next()).await.unwrap().unwrap().to_text().unwrap().contains("\"ready\"") {}
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_cut_off_while_another_gets_everything() {
    let config = LiveConfig { slow_after: Duration::from_secs(3), ..LiveConfig::default() };
    let world = World::start(config).await;
    let mut fast = world.connect_ready("").await;
    let mut slow = world.connect_ready("").await;
    let mut slow_io = socket_io(&world).await;

    let write = async {
        for _ in 0..CHANGES / 4 {
            world.change_orders(&[1, 2, 1, 3], SIZE).await;
        }
    };
    let read = async {
        let mut ledger = Ledger::default();
        while ledger.total < CHANGES {
            ledger.take(&fast.message().await);
        }
    };
    tokio::join!(write, read);
    // Both slow ones lose their seats, although they never read.
    world.until_connected(1).await;

    // What was on its way still arrives, in order; then the connection is over. With its last seq the client catches up.
    let mut ledger = Ledger::default();
    while let Some(Ok(message)) = slow.next().await {
        ledger.take(&message);
    }
    assert!(ledger.total < CHANGES, "it was not cut off");
    let mut back = world.connect_ready(&slow.resume()).await;
    while ledger.total < CHANGES {
        ledger.take(&back.message().await);
    }
    patient(async { while let Some(Ok(_)) = slow_io.next().await {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_does_not_wait_for_clients_that_do_not_read() {
    let config = LiveConfig { slow_after: PATIENCE, ..LiveConfig::default() };
    let world = World::start(config).await;
    let _slow = world.connect_ready("").await;
    let _slow_io = socket_io(&world).await;
    for _ in 0..CHANGES / 4 {
        world.change_orders(&[1, 2, 1, 3], SIZE).await;
    }
    world.lifecycle.shutdown();
    let report = patient(world.lifecycle.wait()).await;
    assert!(report.is_clean(), "{report}");
}

/// What of a batch was not given to it is not said to have been: it would be missed by a client that goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn the_goodbye_to_a_client_that_is_behind_says_what_it_was_given() {
    let config = LiveConfig { slow_after: PATIENCE, ..LiveConfig::default() };
    let world = World::start(config).await;
    let mut slow = world.connect_ready("").await;
    for _ in 0..CHANGES / 4 {
        world.change_orders(&[1, 2, 1, 3], SIZE).await;
    }
    world.lifecycle.shutdown();
    let position = |message: &Value| {
        message["seq"].as_str().unwrap().split_once('~').map(|(_, position)| position.to_owned())
    };
    let mut given = None;
    let mut count = 0;
    let goodbye = loop {
        let message = slow.message().await;
        if message["event"] == "server:shutdown" {
            break message;
        }
        given = position(&message);
        count += 1;
    };
    assert!(count < CHANGES, "it was not behind");
    assert_eq!(position(&goodbye), given, "after {count} messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_polling_is_cut_off_and_told_to_reload() {
    let config = LiveConfig { slow_after: Duration::from_millis(200), ..LiveConfig::default() };
    let world = World::start(config).await;
    let client = TestClient::new(holdfast_orders::live::router(&world.gateway));
    let opened = client.get("/socket.io/?EIO=4&transport=polling").send().await.text();
    let open: serde_json::Value = serde_json::from_str(&opened[1..]).unwrap();
    let session = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    client.post(&session).raw("40").send().await;
    while !patient(client.get(&session).send()).await.text().contains("\"ready\"") {}
    for _ in 0..100 {
        world.change_orders(&[1, 2], 0).await;
    }
    world.until_connected(0).await;
    // It comes back: it gets what was in its queue, and then learns that this is not everything.
    let mut polled = String::new();
    while !polled.contains("\"slow_client\"") {
        let answer = patient(client.get(&session).send()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        polled.push_str(&answer.text());
    }
    assert!(polled.contains("order:created"));
    assert!(!polled.contains("\"n\":100"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_fails_half_way_ends_its_session() {
    let world = World::start(LiveConfig::default()).await;
    let client = TestClient::new(holdfast_orders::live::router(&world.gateway));
    let opened = client.get("/socket.io/?EIO=4&transport=polling").send().await.text();
    let open: serde_json::Value = serde_json::from_str(&opened[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket&sid={sid}", world.addr);
    let (half_way, _) = connect_async(url).await.unwrap();
    drop(half_way);
    let session = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    patient(async {
        // Until then it is answered with "nothing yet".
        while client.get(&session).send().await.status == 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_may_send_is_bounded() {
    let world = World::start(LiveConfig::default()).await;
    let mut client = world.connect_ready("").await;
    // The server may be gone before all of it is sent.
    let _ = client.socket.send(Message::text("x".repeat(65 << 10))).await;
    while client.next().await.is_some_and(|m| m.is_ok()) {}
    world.until_connected(0).await;
    let client = TestClient::new(holdfast_orders::live::router(&world.gateway));
    let opened = client.get("/socket.io/?EIO=4&transport=polling").send().await.text();
    let open: serde_json::Value = serde_json::from_str(&opened[1..]).unwrap();
    let session = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    let answer = client.post(&session).raw("4".repeat(65 << 10)).send().await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
}
