//! Clients that ask for much and take nothing, and clients that send too much.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{Client, order};
use crate::target::{HELD_MIB, KIB_PER_CONNECTION, Target, connect};

/// Orders with as much metadata as may be: a page of them is nearly a megabyte.
fn large_orders(target: &Target) {
    let mut client = Client::connect(target.orders).unwrap();
    for _ in 0..50 {
        let mut body = order(&[(&target.product, 1)]);
        body["userId"] = "large".into();
        body["metadata"] = json!({ "note": "x".repeat(16_000) });
        let (status, answer) = client.send("POST", "/api/v1/orders", "", Some(&body)).unwrap();
        assert_eq!(status, 201, "{answer}");
    }
}

/// Each asks for page after page and reads none of it.
#[test]
fn answers_that_nobody_takes_do_not_fill_the_memory() {
    let target = Target::start();
    large_orders(&target);
    let clients = 600;
    let most = 3 * HELD_MIB + clients * KIB_PER_CONNECTION / 1024;
    target.under_attack(most, |honest| {
        let request = "GET /api/v1/orders/user/large?limit=50 HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(8);
        let streams: Vec<TcpStream> = (0..clients)
            .map(|_| {
                let mut stream = connect(target.orders);
                stream.write_all(request.as_bytes()).unwrap();
                stream
            })
            .collect();
        honest.is_served();
        // Whoever takes nothing is cut off, for memory or for time, although it never says a word again.
        target.rests();
        let cut = target.metric("http_connections_closed_for_others_total")
            + target.metric("http_slow_clients_total");
        assert!(cut > 0.0, "nobody was cut off");
        drop(streams);
    });
    target.end();
}

/// Ten thousand requests at once on one connection, and no reading until all are sent: they are answered in their order,
/// and they do not pile up.
#[test]
fn pipelined_requests_are_answered_in_order() {
    const REQUESTS: usize = 10_000;
    let target = Target::start();
    target.under_attack(0, |honest| {
        let stream = connect(target.orders);
        let mut writer = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for n in 0..REQUESTS {
                    let request =
                        format!("GET /api/v1/orders/statuses HTTP/1.1\r\nhost: localhost\r\nx-request-id: r{n}\r\n\r\n");
                    writer.write_all(request.as_bytes()).unwrap();
                }
            });
            honest.is_served();
            let mut reader = BufReader::new(stream);
            for n in 0..REQUESTS {
                let (mut id, mut length, mut line) = (String::new(), 0, String::new());
                while line != "\r\n" {
                    line.clear();
                    assert_ne!(reader.read_line(&mut line).unwrap(), 0, "closed before answer {n}");
                    match line.trim().split_once(": ") {
                        Some(("x-request-id", value)) => id = value.to_owned(),
                        Some(("content-length", value)) => length = value.parse().unwrap(),
                        _ => {}
                    }
                }
                assert_eq!(id, format!("r{n}"));
                reader.read_exact(&mut vec![0; length]).unwrap();
            }
        });
    });
    target.end();
}

/// Sends `head` and then `more` again and again, until it is answered or the connection is closed; gives the status.
fn flood(target: &Target, head: &str, more: &[u8]) -> Option<String> {
    let mut stream = connect(target.orders);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut sent = stream.write_all(head.as_bytes()).is_ok();
    // More than ten times what may be sent of anything.
    for _ in 0..(4 << 20) / more.len().max(1) {
        sent = sent && stream.write_all(more).is_ok();
        if !sent {
            break;
        }
    }
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.split(' ').nth(1).map(str::to_owned)
}

/// What is too large is refused before it is read, however it comes.
#[test]
fn what_is_too_large_is_refused_and_not_kept() {
    let target = Target::start();
    let start = "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let line = [b'y'; 1024];
    let header = format!("x-y: {}\r\n", "y".repeat(1000));
    let chunk = format!("400\r\n{}\r\n", "z".repeat(1024));
    let cases: [(&str, String, &[u8], &[&str]); 6] = [
        ("a header", format!("{start}x: "), &line, &["431"]),
        ("many headers", start.to_owned(), header.as_bytes(), &["431"]),
        ("a target", "GET /api/v1/orders?search=".to_owned(), &line, &["431", "414"]),
        ("a method", "G".to_owned(), &line, &["431", "400"]),
        ("a body", format!("{start}content-length: 999999999999\r\n\r\n"), &line, &["413"]),
        ("chunks", format!("{start}transfer-encoding: chunked\r\n\r\n"), chunk.as_bytes(), &["413"]),
    ];
    target.under_attack(100 * KIB_PER_CONNECTION / 1024, |honest| {
        for (what, head, more, statuses) in &cases {
            // The answer may be lost to the reset that follows it, as more was sent than was read.
            for _ in 0..10 {
                if let Some(status) = flood(&target, head, more) {
                    assert!(statuses.contains(&status.as_str()), "{what}: {status}");
                }
            }
            honest.is_served();
        }
    });
    target.end();
}

/// One request that is as awkward as it may be large; each is refused or answered, and none is a failure of ours.
#[test]
fn one_awkward_request_is_only_that() {
    let target = Target::start();
    let spaces = format!("{{{}", " ".repeat(262_000));
    let many = |what: &str, count| vec![what; count].join(",");
    let wide = format!("{{{}}}", (0..20_000).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(","));
    let same = format!("{{{}}}", many("\"userId\":\"u\"", 18_000));
    let marks = format!("{{\"userId\":\"{}\"}}", "\u{301}".repeat(130_000));
    let digits = format!("{{\"totalAmount\":{}}}", "9".repeat(200_000));
    let exponent = "{\"totalAmount\":1e999999999}".to_owned();
    let surrogate = r#"{"userId":"\ud800"}"#.to_owned();
    let bodies = [
        "[".repeat(262_144),
        "{\"a\":".repeat(52_000),
        format!("{{\"metadata\":{}", "[".repeat(200_000)),
        format!("{{\"items\":[{}]}}", many("{}", 60_000)),
        spaces,
        wide,
        same,
        marks,
        digits,
        exponent,
        surrogate,
        "\u{feff}{}".to_owned(),
    ];
    target.under_attack(64, |honest| {
        for body in &bodies {
            for (addr, path) in [(target.orders, "/api/v1/orders"), (target.products, "/api/v1/products")] {
                for _ in 0..5 {
                    let mut stream = connect(addr);
                    let head = format!(
                        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                         content-type: application/json\r\nidempotency-key: k\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(head.as_bytes()).unwrap();
                    stream.write_all(body.as_bytes()).unwrap();
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).unwrap();
                    let about = &body[..body.char_indices().nth(30).map_or(body.len(), |(at, _)| at)];
                    assert!(
                        answer.starts_with("HTTP/1.1 400"),
                        "{about}…: {}",
                        &answer[..answer.len().min(300)]
                    );
                    assert!(answer.len() < 100_000, "{about}…: an answer of {} bytes", answer.len());
                }
            }
        }
        honest.is_served();
        let client = || Client::connect(target.orders).unwrap();
        let parameters: Vec<String> = (0..3_000).map(|n| format!("p{n}=1")).collect();
        let (status, answer) =
            client().send("GET", &format!("/api/v1/orders?{}", parameters.join("&")), "", None).unwrap();
        assert_eq!((status, &answer["code"]), (400, &json!("INVALID_QUERY")), "{answer}");
        let search = "%F0%9F%92%A9".repeat(2_000);
        let (status, _) = client().send("GET", &format!("/api/v1/orders?search={search}"), "", None).unwrap();
        assert_eq!(status, 400);
    });
    target.end();
}
