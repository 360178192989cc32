//! Ports that stay reserved while their server is down, so that it can come back on the same one.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
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
        let locks = Self::locks()?;
        // Any start will do; a different one each time spares looking at the ports that others have.
        #[expect(clippy::disallowed_methods, reason = "a seed, not a time that anything depends on")]
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let (first, count) = (PORTS.start, PORTS.end - PORTS.start);
        let start = u16::try_from((seed / 100) % u32::from(count)).unwrap_or(0);
        for step in 0..count {
            if let Some(port) = Self::take(&locks, first + (start + step) % count)? {
                return Ok(port);
            }
        }
        Err(ServerError::Missing { what: "a free port".to_owned(), remedy: "stop servers that are not used" })
    }

    /// Reserves this very port.
    pub(crate) fn exactly(number: u16) -> Result<Self, ServerError> {
        let missing = || ServerError::Missing {
            what: format!("port {number}, which somebody listens on"),
            remedy: "stop what listens there",
        };
        Self::take(&Self::locks()?, number)?.ok_or_else(missing)
    }

    fn locks() -> Result<PathBuf, ServerError> {
        let locks = std::env::temp_dir().join("holdfast-ports");
        std::fs::create_dir_all(&locks).map_err(ServerError::io("making the folder of port locks"))?;
        Ok(locks)
    }

    fn take(locks: &Path, number: u16) -> Result<Option<Self>, ServerError> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(locks.join(number.to_string()))
            .map_err(ServerError::io("opening a port lock"))?;
        let free = lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
        Ok(free.then_some(Self { number, _lock: lock }))
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
