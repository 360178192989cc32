//! Live connections that take nothing, come in thousands, or stop half-way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::{Client, PATIENCE, eventually, order};
use crate::target::{KIB_PER_CONNECTION, Target, connect};

/// Live connections that a service has at most.
const MAX_SOCKETS: usize = 4_096;
/// A message about an order of [`produce`], in KiB.
const KIB_PER_ORDER: usize = 17;
/// What a live connection has beside a queue of 64 messages for Socket.IO: a write buffer of 16 KiB, messages of 64 KiB
/// that are on their way into it, and tasks. In KiB.
const KIB_PER_LIVE: usize = KIB_PER_CONNECTION + 96;

/// Asks for an upgrade; gives the connection and the status.
fn upgrade(addr: SocketAddr, path: &str) -> (TcpStream, u16) {
    let mut stream = connect(addr);
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Byte by byte, so that nothing of what follows the head is taken.
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    (stream, status)
}

/// A text frame as a client sends it; its mask is zero. Up to 125 bytes.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// A plain WebSocket that reads everything: counts the orders that it is told of.
fn counting(addr: SocketAddr, orders: usize) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use futures_util::StreamExt as _;
        let (mut socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{addr}/ws?topics=orders")).await.unwrap();
        let mut created = 0;
        while created < orders {
            let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
            let Ok(text) = message.to_text() else { continue };
            let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
            assert_ne!(message["event"], "reload", "{message}");
            let of_crowd = message["order"]["userId"] == "crowd";
            created += usize::from(of_crowd && message["event"] == "order:created");
        }
        created
    })
}

/// Places orders that are large enough to fill every buffer on the way to a client that does not read.
fn produce(target: &Target, orders: usize) {
    let mut client = Client::connect(target.orders).unwrap();
    let mut body = order(&[(&target.product, 1)]);
    body["userId"] = "crowd".into();
    body["metadata"] = serde_json::json!({ "note": "x".repeat(15_000) });
    for _ in 0..orders {
        let (status, answer) = client.send("POST", "/api/v1/orders", "", Some(&body)).unwrap();
        assert_eq!(status, 201, "{answer}");
    }
}

/// Clients of both kinds that never read while thousands of changes are told: they are cut off, one that reads gets
/// everything, and nothing piles up for them.
#[test]
fn live_clients_that_never_read_are_cut_off() {
    const EACH: usize = 40;
    const ORDERS: usize = 1_200;
    let target = Target::start();
    // The ring of newest changes, for all connections together, and what is on its way to each.
    let most = 8 + 2 * EACH * (KIB_PER_LIVE + 64 * KIB_PER_ORDER) / 1024;
    target.under_attack(most, |honest| {
        let told = std::thread::scope(|scope| {
            let addr = target.orders;
            let reader = scope.spawn(move || counting(addr, ORDERS));
            eventually("connected", || match target.metric("live_sockets") {
                1.0 => Ok(()),
                other => Err(other.to_string()),
            });
            let mut silent = Vec::new();
            for _ in 0..EACH {
                let (stream, status) = upgrade(target.orders, "/ws");
                assert_eq!(status, 101);
                silent.push(stream);
                let (mut stream, status) = upgrade(target.orders, "/socket.io/?EIO=4&transport=websocket");
                assert_eq!(status, 101);
                stream.write_all(&frame("40")).unwrap();
                silent.push(stream);
            }
            honest.is_served();
            produce(&target, ORDERS);
            honest.is_served();
            // Although they never say a word again.
            target.rests();
            drop(silent);
            reader.join().unwrap()
        });
        assert_eq!(told, ORDERS);
    });
    target.end();
}

/// As many live clients as there may be, here a thousand: one more is refused and says so, and those that asked for it are
/// told of every order. The others ask for a user's orders who has none, as their buffers in the kernel would be the
/// larger attack.
#[test]
fn a_thousand_live_clients_are_served_and_no_more() {
    const READERS: usize = 20;
    const ROOM: usize = 1_024;
    let target = Target::with_open_files(5 * ROOM + 128);
    target.under_attack(ROOM * KIB_PER_LIVE / 1024, |honest| {
        let mut crowd = Vec::new();
        let mut readers = Vec::new();
        for n in 0..ROOM {
            // They read from when they are there, or they would be cut off.
            let reads = n >= ROOM - READERS;
            let path = match (n % 2 == 0, reads) {
                (true, true) => "/ws",
                (true, false) => "/ws?userId=nobody&topics=orders",
                (false, _) => "/socket.io/?EIO=4&transport=websocket",
            };
            let (mut stream, status) = upgrade(target.orders, path);
            assert_eq!(status, 101, "{n}");
            if n % 2 == 1 {
                let connect = if reads { "40" } else { r#"40{"userId":"nobody","topics":"orders"}"# };
                stream.write_all(&frame(connect)).unwrap();
            }
            if reads { &mut readers } else { &mut crowd }.push(stream);
        }
        eventually("admitted", || match target.metric("live_sockets") {
            all if all >= ROOM as f64 => Ok(()),
            some => Err(some.to_string()),
        });
        assert_eq!(upgrade(target.orders, "/ws").1, 503);
        honest.is_served();
        for stream in &readers {
            let mut reader = BufReader::new(stream);
            let mut heard = Vec::new();
            while !heard.ends_with(b"order:created") {
                let bytes = reader.fill_buf().unwrap();
                assert!(!bytes.is_empty(), "closed");
                heard.push(bytes[0]);
                reader.consume(1);
            }
        }
        drop((crowd, readers));
        eventually("left", || match target.metric("live_sockets") {
            0.0 => Ok(()),
            some => Err(some.to_string()),
        });
        assert_eq!(upgrade(target.orders, "/ws").1, 101);
    });
    target.end();
}

/// Socket.IO sessions that are begun and never go on: they have a bound, and end by themselves.
#[test]
fn sessions_that_are_only_begun_are_bounded() {
    let target = Target::start();
    let room = MAX_SOCKETS.min(holdfast_service::descriptors::share());
    target.under_attack(room * KIB_PER_LIVE / 1024, |honest| {
        let mut client = Client::connect(target.orders).unwrap();
        // Not the name of a session, however much it looks like one.
        let path = "/socket.io/?EIO=4&transport=polling&xsid=1";
        let mut begin = || client.send("GET", path, "", None).unwrap().0;
        let begun = (0..2 * room).filter(|_| begin() == 200).count();
        // Those that were begun first may have ended meanwhile.
        assert!(begun >= room && begun < 2 * room, "{begun} of {room}");
        honest.is_served();
        eventually("there is room again", || match begin() {
            200 => Ok(()),
            status => Err(status.to_string()),
        });
    });
    target.end();
}
