use std::time::Instant as StdInstant;

use axum::extract::WebSocketUpgrade;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::http::{HttpOptions, StrictJson, finish};

const SOON: Duration = Duration::from_secs(5);
/// Twenty of them are more than the buffers of a loopback connection hold.
const LARGE: usize = 1 << 20;

async fn start(options: ServerOptions) -> (SocketAddr, Lifecycle) {
    let router = Router::new()
        .route("/fast", get(|| async { "fast" }))
        .route("/large", get(|| async { "x".repeat(LARGE) }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "slow"
            }),
        )
        .route("/json", post(|body: StrictJson<serde_json::Value>| async move { body.raw.len().to_string() }))
        .route(
            "/ws",
            get(|ws: WebSocketUpgrade| async {
                ws.on_upgrade(|mut socket| async move {
                    if let Some(Ok(message)) = socket.recv().await {
                        let _ = socket.send(message).await;
                    }
                })
            }),
        );
    let lifecycle = Lifecycle::new(Duration::from_secs(10));
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
    let addr = server.local_addr();
    assert_ne!(addr.port(), 0);
    let http = HttpOptions { body_timeout: Duration::from_millis(200), ..HttpOptions::default() };
    server.serve(finish(router, http), &lifecycle);
    (addr, lifecycle)
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Reads until `end` has come.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(end) {
            assert_ne!(stream.read_buf(&mut all).await.unwrap(), 0, "closed early");
        }
    };
    timeout(SOON, read).await.expect("in time");
    String::from_utf8_lossy(&all).into_owned()
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(SOON, stream.read_to_end(&mut all)).await.expect("closed in time").unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_kept_connection_serves_many_and_closes_at_drain() {
    let (addr, lifecycle) = start(ServerOptions::default()).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    for _ in 0..3 {
        send(&mut stream, "GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(read_until(&mut stream, "fast").await.starts_with("HTTP/1.1 200"));
    }
    let mut untouched = TcpStream::connect(addr).await.unwrap();
    let mut busy = TcpStream::connect(addr).await.unwrap();
    send(&mut busy, "GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    #[expect(clippy::disallowed_methods, reason = "real sockets take real time")]
    let begun = StdInstant::now();
    lifecycle.shutdown();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(read_to_end(&mut untouched).await, "");
    // What runs is finished first.
    assert!(read_to_end(&mut busy).await.ends_with("slow"));
    let report = lifecycle.wait().await;
    assert!(report.is_clean(), "{report}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn slow_heads_and_bodies_are_given_up() {
    let (addr, _lifecycle) =
        start(ServerOptions { header_timeout: Duration::from_millis(100), ..ServerOptions::default() }).await;
    let mut head = TcpStream::connect(addr).await.unwrap();
    send(&mut head, "GET /fast HT").await;
    let answer = read_to_end(&mut head).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");

    let mut body = TcpStream::connect(addr).await.unwrap();
    send(
        &mut body,
        "POST /json HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    )
    .await;
    let answer = read_until(&mut body, "REQUEST_TIMEOUT").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn bodies_that_are_too_large_are_answered_before_the_connection_closes() {
    let (addr, _lifecycle) = start(ServerOptions::default()).await;
    for framing in ["content-length: 400000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        send(
            &mut stream,
            &format!(
                "POST /json HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{framing}\r\n"
            ),
        )
        .await;
        let mut body = "x".repeat(400_000);
        if framing.starts_with('t') {
            body = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        }
        send(&mut stream, &body).await;
        assert!(read_until(&mut stream, "PAYLOAD_TOO_LARGE").await.starts_with("HTTP/1.1 413"));
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let (addr, _lifecycle) = start(ServerOptions::default()).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    send(
        &mut stream,
        &format!("GET /fast HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(100_000)),
    )
    .await;
    let answer = read_until(&mut stream, "\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn without_room_an_idle_connection_makes_some() {
    let (addr, _lifecycle) = start(ServerOptions { max_connections: 1, ..ServerOptions::default() }).await;
    let mut idle = TcpStream::connect(addr).await.unwrap();
    send(&mut idle, "GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    read_until(&mut idle, "fast").await;
    let mut second = TcpStream::connect(addr).await.unwrap();
    send(&mut second, "GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(read_until(&mut second, "fast").await.starts_with("HTTP/1.1 200"));
    assert_eq!(read_to_end(&mut idle).await, "");
}

#[tokio::test]
async fn without_room_what_is_worked_for_is_finished_first() {
    let (addr, _lifecycle) = start(ServerOptions { max_connections: 1, ..ServerOptions::default() }).await;
    let mut worked_for = TcpStream::connect(addr).await.unwrap();
    send(&mut worked_for, "GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut second = TcpStream::connect(addr).await.unwrap();
    send(&mut second, "GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(read_until(&mut second, "fast").await.starts_with("HTTP/1.1 200"));
    assert!(read_to_end(&mut worked_for).await.ends_with("slow"));
}

#[tokio::test]
async fn whoever_takes_nothing_is_cut_off_and_its_answers_are_let_go() {
    let options = ServerOptions { answer_timeout: Duration::from_millis(100), ..ServerOptions::default() };
    let (addr, lifecycle) = start(options).await;
    let mut greedy = TcpStream::connect(addr).await.unwrap();
    let request = "GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(20);
    send(&mut greedy, &request).await;
    read_until(&mut greedy, "HTTP").await;
    timeout(SOON, async {
        while lifecycle.running().contains_key("http connection") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("cut off");
    // It reads what was on its way, and not more.
    let mut all = Vec::new();
    let _ = greedy.read_to_end(&mut all).await;
    assert!(all.len() < 20 * LARGE, "{}", all.len());
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_a_while() {
    let (addr, _lifecycle) =
        start(ServerOptions { header_timeout: Duration::from_millis(100), ..ServerOptions::default() }).await;
    let mut untouched = TcpStream::connect(addr).await.unwrap();
    let mut used = TcpStream::connect(addr).await.unwrap();
    send(&mut used, "GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(read_to_end(&mut used).await.ends_with("fast"));
    assert_eq!(read_to_end(&mut untouched).await, "");
}

#[tokio::test]
async fn web_sockets_are_upgraded() {
    let (addr, _lifecycle) = start(ServerOptions::default()).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    send(&mut stream, "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    // A masked text frame "hi"; the mask is zero.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut frame = [0; 4];
    timeout(SOON, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame, [0x81, 2, b'h', b'i']);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let (addr, _lifecycle) = start(ServerOptions::default()).await;
    let error = HttpServer::bind(addr, ServerOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains(&addr.to_string()));
}
