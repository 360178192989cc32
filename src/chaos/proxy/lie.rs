//! A proxy that does wrong on purpose, to see that it is found.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use holdfast_sim::Dice;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const PLACE: &[u8] = b"POST /api/v1/orders ";
const KEY: &[u8] = b"idempotency-key: ";
const REASON: &[u8] = b"\"reason\":\"";
/// A service may take this long to answer what was sent twice.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many requests in a hundred.
const OFTEN: u64 = 30;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lie {
    /// Sends some orders twice, the second time with another `Idempotency-Key`.
    Repeat,
    /// Changes the reason of some corrections of stock on their way: what was answered is not what was done.
    Alter,
}

/// Whoever tells it.
#[derive(Debug)]
pub(super) struct Liar {
    lie: Lie,
    told: AtomicU64,
    copies: Mutex<JoinSet<()>>,
}

impl Liar {
    pub(super) fn new(lie: Lie) -> Self {
        Self { lie, told: AtomicU64::new(0), copies: Mutex::new(JoinSet::new()) }
    }

    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// Sees what a client has sent to `upstream`, and may lie about it.
    pub(super) fn hears(&self, data: &mut [u8], upstream: SocketAddr, dice: &mut Dice) {
        if !dice.percent(OFTEN) {
            return;
        }
        match self.lie {
            Lie::Repeat if data.starts_with(PLACE) && is_whole(data) => {
                let mut copy = data.to_vec();
                if another_letter(&mut copy, KEY) {
                    self.copies.lock().spawn(send(upstream, copy));
                    self.told.fetch_add(1, Ordering::Relaxed);
                }
            }
            Lie::Alter if another_letter(data, REASON) => {
                self.told.fetch_add(1, Ordering::Relaxed);
            }
            Lie::Repeat | Lie::Alter => {}
        }
    }
}

/// Whether this is one request from its beginning to its end.
fn is_whole(data: &[u8]) -> bool {
    let Some(head) = find(data, b"\r\n\r\n") else { return false };
    let length = find(data, b"content-length: ").and_then(|at| {
        let digits = data[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&data[at..at + digits]).ok()?.parse::<usize>().ok()
    });
    length == Some(data.len() - head)
}

/// Changes the letter after `mark`; says whether there was one.
fn another_letter(data: &mut [u8], mark: &[u8]) -> bool {
    let Some(letter) = find(data, mark).and_then(|at| data.get_mut(at)) else { return false };
    *letter = if *letter == b'x' { b'y' } else { b'x' };
    true
}

/// The place after the first `mark`.
fn find(data: &[u8], mark: &[u8]) -> Option<usize> {
    data.windows(mark.len()).position(|window| window == mark).map(|at| at + mark.len())
}

/// Sends a request and waits for the answer; what goes wrong here is no loss.
async fn send(upstream: SocketAddr, request: Vec<u8>) {
    let exchange = async {
        let mut server = TcpStream::connect(upstream).await?;
        server.write_all(&request).await?;
        server.read(&mut [0; 256]).await
    };
    let _ = tokio::time::timeout(PATIENCE, exchange).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_body_is_there() {
        let text = "POST /api/v1/orders HTTP/1.1\r\ncontent-length: 4\r\nidempotency-key: k1\r\n\r\nbody";
        assert!(is_whole(text.as_bytes()));
        assert!(!is_whole(&text.as_bytes()[..text.len() - 1]));
        assert!(!is_whole(b"GET / HTTP/1.1\r\n"));
        let mut data = text.as_bytes().to_vec();
        assert!(another_letter(&mut data, KEY));
        assert!(String::from_utf8(data).unwrap().contains("idempotency-key: x1\r\n"));
        assert!(!another_letter(&mut [], KEY));
    }
}
