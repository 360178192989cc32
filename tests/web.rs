//! The web app's server in the real binary: one origin for the app and both services, and what the demo may do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::TcpListener;

use serde_json::{Value, json};
use support::{Client, Holdfast, audit, command, decided, eventually, place, product, run, until};
use tokio_tungstenite::tungstenite::protocol::Role;

/// A system with its web app on a free port.
fn with_web(data: &std::path::Path, variables: &[(&str, &str)]) -> (support::Running, Client) {
    let mut command = command(data);
    let process =
        support::Running::start(command.env("WEB_ADDRS", "127.0.0.1:0").envs(variables.iter().copied()));
    let web = Client::connect(process.addr("web")).unwrap();
    (process, web)
}

#[test]
fn the_app_and_both_services_are_one_origin() {
    let folder = tempfile::tempdir().unwrap();
    let (process, mut web) = with_web(folder.path(), &[]);
    let config = web.get("/config")["data"].take();
    assert_eq!((&config["bus"], &config["demo"]), (&json!("embedded"), &json!(false)));
    for service in ["orders", "products"] {
        assert_eq!(web.get(&format!("/services/{service}/health/live"))["data"]["service"], service);
    }
    let page = web.exchange("GET", "/orders", "", None).unwrap();
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));

    // An order through the app's server, by a page of its own; a foreign page may not.
    let own = "origin: http://localhost\r\n";
    let refused = web.send(
        "POST",
        "/services/orders/api/v1/orders",
        "origin: http://evil.example\r\n",
        Some(&json!({})),
    );
    assert_eq!(refused.unwrap().0, 403);
    let named = web.send("POST", "/services/orders/api/v1/orders", own, Some(&json!({})));
    assert_eq!(named.unwrap().0, 400, "it came through, and was no order");

    // Live updates come through too: the connection changes its protocol.
    let mut stream = std::net::TcpStream::connect(process.addr("web")).unwrap();
    let request = "GET /services/orders/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: aG9sZGZhc3QtcXVpY2tzdA==\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let mut socket = tokio_tungstenite::tungstenite::WebSocket::from_raw_socket(stream, Role::Client, None);
    let ready: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(ready["event"], "ready");
    // With a live client, and nothing that keeps it from ending.
    process.stop();
}

#[test]
fn an_address_that_was_asked_for_has_to_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = run(command(folder.path()).env("WEB_ADDRS", &addr));
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ended.said.matches("cannot listen").count(), 1, "{}", ended.said);
    assert!(
        ended.said.contains(&format!("cannot listen on {addr}")) && ended.said.contains("WEB_ADDRS"),
        "{}",
        ended.said
    );
    let ended = run(command(folder.path()).env("WEB_ADDRS", "nowhere"));
    assert!(!ended.status.success() && ended.said.contains("nowhere"), "{}", ended.said);
}

#[test]
fn without_the_demo_nothing_can_be_harmed() {
    let folder = tempfile::tempdir().unwrap();
    let (process, mut web) = with_web(folder.path(), &[("SAMPLE_DATA", "true"), ("DEMO", "false")]);
    for call in ["/demo/poison", "/demo/duplicates"] {
        let (status, body) = web.send("POST", call, "", None).unwrap();
        assert_eq!((status, &body["code"]), (404, &json!("ROUTE_NOT_FOUND")), "{call}");
    }
    process.stop();
    let kafka = [("KAFKA_BROKERS", "127.0.0.1:1"), ("DEMO", "true")];
    let ended = run(command(folder.path()).envs(kafka));
    assert!(!ended.status.success() && ended.said.contains("DEMO needs the embedded bus"), "{}", ended.said);
}

/// Invariants 4 and 8, as the "Try it" page shows them.
#[test]
fn what_the_demo_does_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (process, mut web) = with_web(folder.path(), &[("DEMO", "true")]);
    let mut orders = Client::connect(process.addr("orders")).unwrap();
    let mut products = Client::connect(process.addr("products")).unwrap();
    let id = product(&mut products, "Demo product", 10);
    let first = place(&mut orders, &[(&id, 2)]);
    assert_eq!(decided(&mut orders, &first)["stockStatus"], "reserved");

    // A paused consumer takes nothing in, and everything once it goes on.
    let (status, paused) = web.send("PUT", "/demo/consumer", "", Some(&json!({"paused": true}))).unwrap();
    assert_eq!((status, &paused["data"]["paused"]), (200, &json!(true)));
    let waiting = place(&mut orders, &[(&id, 3)]);
    eventually("behind", || match products.get("/api/v1/groups")["data"]["groups"][0]["lag"].as_u64() {
        Some(1) => Ok(()),
        lag => Err(format!("{lag:?}")),
    });
    web.send("PUT", "/demo/consumer", "", Some(&json!({"paused": false}))).unwrap();
    until(&mut orders, &waiting, |order| order["stockStatus"] == "reserved");

    // Poison is parked; what comes after it is not held up, and what comes twice counts once.
    let (status, place_of) = web.send("POST", "/demo/poison", "", None).unwrap();
    assert_eq!((status, &place_of["data"]["topic"]), (200, &json!("inventory.reserve")));
    let (status, repeated) = web.send("POST", "/demo/duplicates", "", None).unwrap();
    assert_eq!(status, 200, "{repeated}");
    assert!(
        repeated["data"]["requests"].as_u64() >= Some(2) && repeated["data"]["answers"].as_u64() >= Some(2)
    );
    let last = place(&mut orders, &[(&id, 1)]);
    assert_eq!(decided(&mut orders, &last)["stockStatus"], "reserved");
    let parked = products.get("/api/v1/dead-letters")["data"]["deadLetters"].take();
    assert!(parked.as_array().unwrap().iter().all(|letter| letter["orderId"].is_null()), "{parked}");
    assert!(!parked.as_array().unwrap().is_empty());
    eventually("caught up", || match orders.get("/api/v1/groups")["data"]["groups"][0]["lag"].as_u64() {
        Some(0) => Ok(()),
        lag => Err(format!("{lag:?}")),
    });
    let shelf = products.get(&format!("/api/v1/products/{id}"))["data"]["product"].take();
    assert_eq!((&shelf["stock"], &shelf["reserved"]), (&json!(4), &json!(6)), "{shelf}");

    // It ends cleanly also while its consumer is paused in the middle of a batch.
    web.send("PUT", "/demo/consumer", "", Some(&json!({"paused": true}))).unwrap();
    place(&mut orders, &[(&id, 1)]);
    drop(web);
    process.stop();
    let (status, said) = audit(folder.path());
    assert!(status.success(), "{said}");
    Holdfast::start(folder.path()).stop();
}
