//! Crowds of connections that do nothing, or very little, to keep others out.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::support::eventually;
use crate::target::{HELD_MIB, KIB_PER_CONNECTION, MAX_CONNECTIONS, Target, connect};

const IDLE: usize = 10_000;

/// Whether the service has closed it; reads away what it says.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// Sends one more byte to each that is still open; how many are.
fn drip(streams: &mut [TcpStream], byte: u8) -> usize {
    let mut open = 0;
    for stream in streams {
        open += usize::from(!is_closed(stream) && stream.write_all(&[byte]).is_ok());
    }
    open
}

/// More sockets than a service may have: the longest idle ones make room.
#[test]
fn ten_thousand_idle_sockets_keep_nobody_out() {
    let target = Target::start();
    let most = MAX_CONNECTIONS * KIB_PER_CONNECTION / 1024;
    target.under_attack(most, |honest| {
        let mut idle: Vec<TcpStream> = (0..IDLE).map(|_| connect(target.orders)).collect();
        honest.is_served();
        // They are closed at the latest when they have been idle for too long.
        let mut open = IDLE;
        while open > 0 {
            honest.is_served();
            open = idle.iter_mut().filter_map(|stream| (!is_closed(stream)).then_some(())).count();
        }
    });
    target.end();
}

/// The same where few connections are possible, so that there surely are too many before the first is idle for too long.
#[test]
fn idle_sockets_beyond_the_limit_make_room() {
    const FILES: usize = 3_200;
    let target = Target::with_open_files(FILES);
    target.under_attack(FILES / 5 * KIB_PER_CONNECTION / 1024, |honest| {
        let idle: Vec<TcpStream> = (0..FILES).map(|_| connect(target.orders)).collect();
        honest.is_served();
        assert!(target.metric("http_connections_closed_for_others_total") > 0.0, "nobody made room");
        assert!(target.open_descriptors() < FILES);
        drop(idle);
    });
    target.end();
}

/// Slowloris: heads and bodies that come byte by byte.
#[test]
fn heads_and_bodies_that_drip_are_given_up() {
    let target = Target::start();
    let most = 4_000 * KIB_PER_CONNECTION / 1024;
    target.under_attack(most, |honest| {
        let mut heads: Vec<TcpStream> = (0..3_000).map(|_| connect(target.orders)).collect();
        let mut bodies: Vec<TcpStream> = (0..1_000).map(|_| connect(target.orders)).collect();
        for stream in &mut heads {
            stream.write_all(b"GET /api/v1/orders HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
        }
        for stream in &mut bodies {
            let head = "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\n\
                        content-type: application/json\r\ncontent-length: 200000\r\n\r\n{";
            stream.write_all(head.as_bytes()).unwrap();
        }
        honest.is_served();
        while drip(&mut heads, b'x') + drip(&mut bodies, b' ') > 0 {
            honest.is_served();
        }
    });
    target.end();
}

/// As many bodies as connections, each nearly as large as may be, and none of them ends.
#[test]
fn bodies_that_never_end_do_not_fill_the_memory() {
    let target = Target::start();
    let (clients, size) = (1_500, 250_000);
    // As much again for what the allocator keeps of what was given back.
    let most = 2 * HELD_MIB + clients * KIB_PER_CONNECTION / 1024;
    target.under_attack(most, |honest| {
        let mut body = vec![b' '; size];
        body[0] = b'{';
        let streams: Vec<TcpStream> = (0..clients)
            .map(|_| {
                let mut stream = connect(target.orders);
                let head = format!(
                    "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n",
                    size + 1
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
                stream
            })
            .collect();
        honest.is_served();
        assert!(target.metric("http_connections_closed_for_others_total") > 0.0, "nobody was in the way");
        drop(streams);
    });
    target.end();
}

/// Sockets whose client has said that it will send no more: in the middle of a request, after it, or at once.
#[test]
fn half_closed_sockets_are_not_kept() {
    let target = Target::start();
    let requests = [
        "",
        "GET /api/v1/orders HTTP/1.1\r\nhost: loc",
        "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
        "GET /api/v1/orders?limit=1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ];
    target.under_attack(1_000 * KIB_PER_CONNECTION / 1024, |honest| {
        let mut streams: Vec<TcpStream> = (0..1_000)
            .map(|n| {
                let mut stream = connect(target.orders);
                stream.write_all(requests[n % requests.len()].as_bytes()).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                stream
            })
            .collect();
        eventually("closed", || {
            let open = streams.iter_mut().filter_map(|stream| (!is_closed(stream)).then_some(())).count();
            if open == 0 { Ok(()) } else { Err(format!("{open} are open")) }
        });
        honest.is_served();
    });
    target.end();
}
