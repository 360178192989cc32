//! What is no HTTP, or is HTTP that two servers could read differently.

use std::io::{Read, Write};
use std::net::SocketAddr;

use crate::support::Dice;
use crate::target::{KIB_PER_CONNECTION, Target, connect};

const JSON: &str = "host: localhost\r\ncontent-type: application/json\r\n";

/// Sends it, says that there is no more, and gives all that comes back.
fn say(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(addr);
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    // A reset is an answer too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Requests that another server on the way could understand differently; `Some` of them as two.
fn ambiguous() -> Vec<String> {
    let post =
        |headers: &str, body: &str| format!("POST /api/v1/orders HTTP/1.1\r\n{JSON}{headers}\r\n{body}");
    vec![
        post("content-length: 2\r\ncontent-length: 3\r\n", "{}x"),
        post("content-length: +2\r\n", "{}"),
        post("content-length: -1\r\n", "{}"),
        post("content-length: 0x2\r\n", "{}"),
        post("content-length: 99999999999999999999999\r\n", "{}"),
        post("content-length : 2\r\n", "{}"),
        post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        post("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        post("transfer-encoding: chunked\r\n", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        post("transfer-encoding: chunked\r\n", "2;\n{}\r\n0\r\n\r\n"),
        post("x\0y: 1\r\n", ""),
        post("x: a\0b\r\n", ""),
        post("x: a\r\n b\r\n", ""),
        post(": empty\r\n", ""),
    ]
}

/// What no server understands.
fn garbage() -> Vec<Vec<u8>> {
    let texts = [
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
        "GET / HTTP/1.1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "get /api/v1/orders http/1.1\r\nhost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "CONNECT localhost:1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET http://example.com/api/v1/orders HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /%00%ff/../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /api/v1/orders\u{1f4a9} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 99\r\nsec-websocket-key: x\r\n\r\n",
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /socket.io/?EIO=99&transport=carrier-pigeon HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "POST /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n40",
    ];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    // The beginning of a TLS handshake.
    all.push([&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 600]].concat());
    all.push(vec![0; 40_000]);
    all.push(vec![0xff; 40_000]);
    all
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok())
}

/// Nonsense is refused or not answered at all; it never succeeds, never breaks a service, and leaves nothing behind.
#[test]
fn nonsense_is_refused() {
    let target = Target::start();
    target.under_attack(500 * KIB_PER_CONNECTION / 1024, |honest| {
        for addr in [target.orders, target.products] {
            for text in ambiguous() {
                let answer = say(addr, text.as_bytes());
                assert!(status(&answer).is_none_or(|code| (400..500).contains(&code)), "{text:?}: {answer}");
            }
            for bytes in garbage() {
                let answer = say(addr, &bytes);
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
                // Nobody is told a secret, and 501 and 505 are how HTTP says "no such thing".
                assert!(
                    status(&answer)
                        .is_none_or(|code| (400..500).contains(&code) || code == 501 || code == 505),
                    "{text:?}: {answer}"
                );
            }
        }
        honest.is_served();
        // A good request with bytes changed, left out, doubled: whatever comes of it, it is no failure of ours.
        let mut dice = Dice::new();
        let body = crate::support::order(&[(&target.product, 1)]).to_string();
        let good =
            format!("POST /api/v1/orders HTTP/1.1\r\n{JSON}content-length: {}\r\n\r\n{body}", body.len());
        for _ in 0..1_500 {
            let mut bytes = good.clone().into_bytes();
            for _ in 0..=dice.roll(4) {
                let at = usize::try_from(dice.roll(bytes.len() as u64)).unwrap();
                match dice.roll(3) {
                    0 => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, bytes[at]),
                }
            }
            let answer = say(target.orders, &bytes);
            assert!(
                status(&answer).is_none_or(|code| code < 500),
                "{}: {answer}",
                String::from_utf8_lossy(&bytes)
            );
        }
    });
    target.end();
}
