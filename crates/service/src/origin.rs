//! Where another HTTP server is, and connections to it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::uri::Scheme;
use axum::http::{HeaderValue, Uri};
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::trust::Trust;

/// A connection: plain, or with TLS.
pub type Connection = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Scheme, host and port of an HTTP server (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A name or an address, which has no brackets here.
    host: String,
    port: u16,
    /// What goes into `Host`: without the scheme's usual port.
    authority: HeaderValue,
    /// Who has to be there; `None` for http.
    tls: Option<ServerName<'static>>,
}

/// Not the base URL of a server.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("expected a URL such as http://127.0.0.1:3004 or https://orders.example, without a path")]
pub struct InvalidOrigin;

impl FromStr for Origin {
    type Err = InvalidOrigin;

    /// Takes the URL of a server, without a path.
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let uri: Uri = text.parse().map_err(|_| InvalidOrigin)?;
        match (uri.path(), uri.query()) {
            ("" | "/", None) => Self::of(&uri).ok_or(InvalidOrigin),
            _ => Err(InvalidOrigin),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        // It was made of a string.
        write!(f, "{scheme}://{}", self.authority.to_str().unwrap_or_default())
    }
}

impl Origin {
    /// That of an absolute http or https URL without a user; `None` if it is something else.
    pub fn of(uri: &Uri) -> Option<Self> {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let bracketed = authority.host();
        let host = bracketed.trim_matches(['[', ']']).to_owned();
        let (tls, usual) = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => (Some(ServerName::try_from(host.clone()).ok()?), 443),
            Some(scheme) if *scheme == Scheme::HTTP => (None, 80),
            _ => return None,
        };
        let port = match authority.as_str().strip_prefix(bracketed)? {
            "" => usual,
            // One that is no port must not become another one.
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        let authority = if port == usual { bracketed.to_owned() } else { format!("{bracketed}:{port}") };
        Some(Self { host, port, authority: HeaderValue::from_str(&authority).ok()?, tls })
    }

    /// Of what listens at `addr` of this machine: asked as `localhost`, which every service answers to.
    pub fn here(addr: SocketAddr, tls: bool) -> Self {
        let host = if addr.ip().is_unspecified() {
            // On all addresses: on the loopback one, too.
            if addr.is_ipv4() { "127.0.0.1".to_owned() } else { "::1".to_owned() }
        } else {
            addr.ip().to_string()
        };
        let port = addr.port();
        let authority = HeaderValue::from_str(&format!("localhost:{port}")).expect("a name and a number");
        let name = tls.then(|| ServerName::try_from("localhost").expect("a name"));
        Self { host, port, authority, tls: name }
    }

    /// What a request to it has in `Host`.
    pub fn authority(&self) -> HeaderValue {
        self.authority.clone()
    }

    /// Whether nobody between here and there can read or change what is said.
    pub fn is_private(&self) -> bool {
        let near = self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.tls.is_some() || near
    }

    /// Connects.
    ///
    /// # Errors
    /// If nobody is there, or not one whom `trust` believes.
    pub async fn connect(&self, trust: &Trust) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Either::Left(stream),
            Some(name) => Either::Right(Box::new(trust.connect(name.clone(), stream).await?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<Origin, InvalidOrigin> {
        text.parse()
    }

    #[test]
    fn an_origin_is_a_url_without_a_path() {
        for (url, shown) in [
            ("http://products:3001/", "http://products:3001"),
            ("http://[::1]", "http://[::1]"),
            ("http://[::1]:3001", "http://[::1]:3001"),
            ("https://orders.example:443", "https://orders.example"),
        ] {
            assert_eq!(origin(url).map(|origin| origin.to_string()), Ok(shown.to_owned()), "{url}");
        }
        for wrong in [
            "x:3001",
            "http://x/api",
            "http://x/?a",
            "http://u:p@x",
            "ftp://x",
            "http://x:99999",
            "http://x:1a",
            "http://x:",
            "",
        ] {
            assert_eq!(origin(wrong), Err(InvalidOrigin), "{wrong}");
        }
    }

    #[test]
    fn who_is_in_between_is_known_from_the_url() {
        for (url, private) in [
            ("https://id.example:8443", true),
            ("http://localhost:4318", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:9", true),
            ("http://collector:4318", false),
        ] {
            assert_eq!(origin(url).map(|origin| origin.is_private()), Ok(private), "{url}");
        }
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        let asked = |addr: &str| {
            let origin = Origin::here(addr.parse().unwrap(), false);
            (origin.to_string(), origin.host)
        };
        for (addr, host) in [("0.0.0.0:1", "127.0.0.1"), ("[::]:1", "::1"), ("10.0.0.7:1", "10.0.0.7")] {
            assert_eq!(asked(addr), ("http://localhost:1".to_owned(), host.to_owned()));
        }
    }
}
