//! Ports that stay reserved while their server is down, so that it can come back on the same one.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ServerError;

/// Below the ports that operating systems give to outgoing connections, so that none of those takes a port while its
/// server is down.
const PORTS: Range<u16> = 12_000..30_000;

/// A loopback port that no other holder of this type has, in any process of this machine.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// Locked as long as it is open; the operating system unlocks it when the process ends.
    _lock: File,
}

impl Port {
    /// Reserves a port that nobody listens on.
    pub(crate) fn reserve() -> Result<Self, ServerError> {
        let doing = ServerError::io;
        let locks = std::env::temp_dir().join("holdfast-ports");
        std::fs::create_dir_all(&locks).map_err(doing("making the folder of port locks"))?;
        // Any start will do; a different one each time spares looking at the ports that others have.
        #[expect(clippy::disallowed_methods, reason = "a seed, not a time that anything depends on")]
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let (first, count) = (PORTS.start, PORTS.end - PORTS.start);
        let start = u16::try_from((seed / 100) % u32::from(count)).unwrap_or(0);
        for step in 0..count {
            let number = first + (start + step) % count;
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(locks.join(number.to_string()))
                .map_err(doing("opening a port lock"))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        Err(ServerError::Missing { what: "a free port".to_owned(), remedy: "stop servers that are not used" })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::Port;

    #[test]
    fn a_port_is_reserved_once() {
        let ports: Vec<Port> = (0..20).map(|_| Port::reserve().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ports.len());
    }
}
