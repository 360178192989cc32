//! Plain WebSocket: what the messages look like, who gets which, and how connections end.

use std::sync::atomic::Ordering;

use holdfast_orders::live::LiveConfig;
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Ledger, World, append, nonsense, order_id, patient};

#[tokio::test(flavor = "multi_thread")]
async fn messages_carry_the_change_and_its_seq() {
    let world = World::start(LiveConfig::default()).await;
    let mut client = world.connect("").await;
    let ready = client.expect("ready").await;
    assert_eq!(ready["resumed"], false);
    assert!(ready["seq"].as_str().unwrap().starts_with('~'), "{ready}");

    world.change_order(1, 3).await;
    let created = client.expect("order:created").await;
    assert_eq!(created["order"], json!({"_id": order_id(1), "userId": "user-1", "n": 1}));
    assert_eq!(created["message"], "xxx");
    assert_eq!(created["timestamp"], "1970-01-01T00:00:00.000Z");
    let (stamp, _) = created["seq"].as_str().unwrap().split_once('~').unwrap();
    let stamp: Vec<&str> = stamp.split('/').collect();
    assert_eq!((stamp[0], stamp[2]), ("order.live", "0"), "topic/partition/offset");

    world.change_stock(4, 50, 2).await;
    let changed = client.expect("stock:changed").await;
    assert_eq!(
        changed["product"],
        json!({"_id": "07".repeat(12), "name": "Test Product", "stock": 48, "reserved": 2, "onHand": 50,
               "inStock": true, "version": 4})
    );
    assert_eq!(changed["message"], "Test Product: 48 available, 2 reserved");
    assert!(changed["seq"].as_str().unwrap().starts_with("stock.changed/"), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_every_change_in_order() {
    let world = World::start(LiveConfig::default()).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(world.connect_ready("topics=orders").await);
    }
    for round in 0..100 {
        world.change_orders(&[1, 2, 3, 1, 4], round).await;
    }
    for client in &mut clients {
        let mut ledger = Ledger::default();
        while ledger.total < 500 {
            ledger.take(&client.message().await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_records_are_passed_over() {
    let world = World::start(LiveConfig::default()).await;
    let mut client = world.connect_ready("").await;
    for payload in ["", "{", "[]", r#"{"event":"connect","order":{},"message":"","timestamp":""}"#] {
        append(&world.orders, vec![nonsense(1, payload)]).await;
    }
    world.change_order(1, 0).await;
    client.expect("order:created").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_down() {
    let world = World::start(LiveConfig { position_every: 4, ..LiveConfig::default() }).await;
    let mut of_user = world.connect_ready("userId=user-2&topics=orders").await;
    let mut of_order = world.connect_ready(&format!("orderId={}&topics=orders", order_id(3))).await;
    let mut of_stock = world.connect_ready("topics=stock").await;
    world.change_orders(&[1, 2, 3], 0).await;
    world.change_stock(1, 5, 5).await;
    assert_eq!(of_user.expect("order:created").await["order"]["userId"], "user-2");
    assert_eq!(of_order.expect("order:created").await["order"]["userId"], "user-3");
    let sold_out = of_stock.expect("stock:changed").await;
    assert_eq!(sold_out["product"]["inStock"], false);
    // One who is told nothing for long learns at least where it is, and can go on there.
    world.change_orders(&[1, 1, 1, 1], 0).await;
    let position = of_stock.expect("position").await;
    let resume = of_stock.vanish().await;
    let mut back = world.connect(&format!("{resume}&topics=stock")).await;
    assert_eq!(back.expect("ready").await["seq"], position["seq"]);
    world.change_stock(2, 6, 5).await;
    back.expect("stock:changed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_is_told_why() {
    let world = World::start(LiveConfig::default()).await;
    for query in ["topics=everything", "topics=", "orderId=7", "seq=1&seq=2"] {
        let mut client = world.connect(query).await;
        let error = client.expect("error").await;
        assert_eq!(error["code"], "INVALID_QUERY", "{error}");
        assert_eq!(client.next().await, Some(Err((1008, "INVALID_QUERY".to_owned()))), "{query}");
    }
    world.until_connected(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_allowed_are_refused() {
    let world = World::start(LiveConfig { max_sockets: 2, ..LiveConfig::default() }).await;
    let first = world.connect_ready("").await;
    let _second = world.connect_ready("").await;
    let url = format!("ws://{}/ws", world.addr);
    let Err(Error::Http(response)) = connect_async(url).await else { panic!("a third was let in") };
    assert_eq!(response.status(), 503);
    drop(first);
    world.until_connected(1).await;
    world.connect_ready("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_connected_costs_nothing() {
    let world = World::start(LiveConfig::default()).await;
    world.change_orders(&[1, 2], 0).await;
    assert_eq!(world.bus.tails.load(Ordering::SeqCst), 0);
    let client = world.connect_ready("").await;
    assert_eq!(world.bus.tails.load(Ordering::SeqCst), 1);
    drop(client);
    world.until_connected(0).await;
    world.change_order(1, 0).await;
    let mut client = world.connect_ready("").await;
    assert_eq!(world.bus.tails.load(Ordering::SeqCst), 2);
    world.change_order(1, 0).await;
    assert_eq!(client.expect("order:updated").await["order"]["n"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_away_is_waited_for() {
    let world = World::start(LiveConfig::default()).await;
    world.bus.away.store(1, Ordering::SeqCst);
    let mut client = world.connect_ready("").await;
    world.change_order(1, 0).await;
    client.expect("order:created").await;
    let resume = client.vanish().await;
    world.until_connected(0).await;
    world.change_order(1, 0).await;
    world.bus.away.store(3, Ordering::SeqCst);
    let mut back = world.connect(&resume).await;
    assert_eq!(back.expect("ready").await["resumed"], true);
    assert_eq!(back.expect("order:updated").await["order"]["n"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_are_not_let_in() {
    let world = World::start(LiveConfig::default()).await;
    let addr = world.addr;
    let own = addr.to_string();
    for (path, host, origin, let_in) in [
        ("/ws", own.as_str(), "http://evil.example".to_owned(), false),
        ("/socket.io/?EIO=4&transport=websocket", &own, "http://evil.example".to_owned(), false),
        // Made to point here: for its browser it is the same origin.
        ("/ws", "evil.example", "http://evil.example".to_owned(), false),
        ("/ws", &own, format!("http://{own}"), true),
        ("/ws", &own, "http://localhost:3006".to_owned(), true),
        ("/socket.io/?EIO=4&transport=websocket", &own, "http://localhost:3006".to_owned(), true),
    ] {
        let mut request = format!("ws://{addr}{path}").into_client_request().unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match patient(connect_async(request)).await {
            Ok(_) => assert!(let_in, "{path} {host} {origin}"),
            Err(Error::Http(refused)) => {
                assert!(!let_in && refused.status() == 403, "{path} {host} {origin}: {refused:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_says_goodbye_with_a_reason() {
    let world = World::start(LiveConfig::default()).await;
    let mut clients = vec![world.connect_ready("").await, world.connect_ready("topics=stock").await];
    world.change_order(1, 0).await;
    clients[0].expect("order:created").await;
    world.lifecycle.shutdown();
    for client in &mut clients {
        let goodbye = client.expect("server:shutdown").await;
        assert_eq!(goodbye["reason"], "server_shutdown");
        assert!(goodbye["seq"].is_string(), "{goodbye}");
        assert_eq!(client.next().await, Some(Err((1001, "server shutting down".to_owned()))));
    }
    drop(clients);
    let report = patient(world.lifecycle.wait()).await;
    assert!(report.is_clean(), "{report}");
}
