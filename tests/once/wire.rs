//! One request over a connection of its own that may be cut anywhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::{Dice, PATIENCE};

/// An answer that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Whether it said that it repeats an earlier one.
    pub(crate) replayed: bool,
    /// Seconds after which to come again.
    pub(crate) retry_after: Option<u64>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Where the client hangs up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// After this many bytes of the request.
    Request(usize),
    /// After the whole request.
    Waiting,
    /// After this many bytes of the answer.
    Answer(usize),
    /// Not at all.
    Nowhere,
}

impl Cut {
    /// Anywhere, for a request of this length.
    pub(crate) fn anywhere(request: usize, dice: &mut Dice) -> Self {
        match dice.roll(5) {
            0 => Self::Request(usize::try_from(dice.roll(request as u64)).unwrap()),
            1 => Self::Waiting,
            2 => Self::Answer(usize::try_from(dice.roll(600)).unwrap()),
            _ => Self::Nowhere,
        }
    }
}

/// Sends a request and hangs up where `cut` says; the answer, if it came whole.
///
/// # Errors
/// If the process is gone.
pub(crate) fn send(addr: SocketAddr, request: &[u8], cut: Cut) -> std::io::Result<Option<Answer>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let part = match cut {
        Cut::Request(bytes) => &request[..bytes],
        _ => request,
    };
    stream.write_all(part)?;
    match cut {
        Cut::Request(_) | Cut::Waiting => Ok(None),
        Cut::Answer(bytes) => {
            stream.take(bytes as u64).read_to_end(&mut Vec::new())?;
            Ok(None)
        }
        Cut::Nowhere => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            read(&bytes).map(Some).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// Reads an answer; nothing if it is not whole.
fn read(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let line =
            head.lines().find(|l| l.split_once(": ").is_some_and(|(n, _)| n.eq_ignore_ascii_case(name)));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    };
    let length: usize = header("content-length")?.parse().ok()?;
    if body.len() != length {
        return None;
    }
    Some(Answer {
        status: head.get(9..12)?.parse().ok()?,
        body: body.to_owned(),
        replayed: header("idempotency-replayed").is_some(),
        retry_after: header("retry-after").and_then(|value| value.parse().ok()),
    })
}
