//! Which names a service answers to: the defence against DNS rebinding.
//!
//! Without authentication whoever reaches a loopback port is an admin. A foreign page cannot read answers or have
//! effects from its own origin (see [`super::cors`]), but its name can be made to resolve to 127.0.0.1 after it was
//! loaded: for the browser the service is then that page's own origin. Only the `Host` header tells, because it still
//! has the foreign name.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, Uri};
use thiserror::Error;

/// The names that requests may call a service by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedHosts {
    /// Loopback names if the service listens on loopback; any if others can reach it, because then its names are not
    /// known.
    #[default]
    ByAddress,
    /// Any.
    Any,
    /// Loopback names and these: lower case, without a port.
    Named(Vec<String>),
}

/// An entry of `ALLOWED_HOSTS` is not a host name.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a host name such as shop.example; give it without a scheme and without a port")]
pub struct InvalidHost(String);

impl AllowedHosts {
    /// Reads `ALLOWED_HOSTS`: names or IP addresses separated by commas; `*` allows any, empty is as if it were not set.
    ///
    /// # Errors
    /// If an entry is neither.
    pub fn parse(list: &str) -> Result<Self, InvalidHost> {
        let mut names = Vec::new();
        let mut any = false;
        for entry in list.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let name = entry.trim_end_matches('.').to_ascii_lowercase();
            let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
            match bare.parse::<IpAddr>() {
                _ if name == "*" => any = true,
                Ok(IpAddr::V6(ip)) => names.push(format!("[{ip}]")),
                Ok(IpAddr::V4(ip)) => names.push(ip.to_string()),
                Err(_) if is_name(&name) => names.push(name),
                Err(_) => return Err(InvalidHost(entry.to_owned())),
            }
        }
        Ok(match (any, names.is_empty()) {
            (true, _) => Self::Any,
            (false, true) => Self::ByAddress,
            (false, false) => Self::Named(names),
        })
    }

    /// The same, decided for a service that listens on `addr`: never [`AllowedHosts::ByAddress`].
    #[must_use]
    pub fn listening_on(self, addr: SocketAddr) -> Self {
        match self {
            Self::ByAddress if addr.ip().is_loopback() => Self::Named(Vec::new()),
            Self::ByAddress => Self::Any,
            decided => decided,
        }
    }

    /// The name that the request must not use, if it uses one. A request without any is no browser's, and passes.
    pub(super) fn refused<'a>(&self, headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a [u8]> {
        let named: &[String] = match self {
            Self::Any => return None,
            Self::ByAddress => &[],
            Self::Named(names) => names,
        };
        // A proxy's request line may name a host too; each that is named must be one of ours.
        let line = uri.authority().map(|a| a.as_str().as_bytes());
        let headers = headers.get_all(HOST).into_iter().map(HeaderValue::as_bytes);
        headers.chain(line).find(|host| !is_allowed(host, named))
    }
}

fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// Whether the value of a `Host` header is a loopback name or one of `named`, with any port.
fn is_allowed(host: &[u8], named: &[String]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let (name, port) = match host.strip_prefix('[').and_then(|h| h.find(']')) {
        // The bracket that was stripped, and the one that was found.
        Some(end) => host.split_at(end + 2),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_one = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    port_is_one && (is_loopback(name) || named.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

/// An address cannot be made to resolve to another one, so every loopback address is as good as the first.
fn is_loopback(name: &str) -> bool {
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(v6) => v6.parse().is_ok_and(|ip: std::net::Ipv6Addr| ip.is_loopback()),
        None => name.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(hosts: &AllowedHosts, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        hosts.refused(&headers, &Uri::from_static("/")).is_none()
    }

    #[test]
    fn loopback_names_pass_with_any_port_and_nothing_that_looks_like_them() {
        let hosts = AllowedHosts::default();
        for good in [
            "localhost",
            "LocalHost:3004",
            "localhost.:1",
            "127.0.0.1",
            "127.0.0.1:65535",
            "127.8.9.1:1",
            "[::1]",
            "[::1]:3004",
        ] {
            assert!(passes(&hosts, good), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:3004",
            "localhost.evil.example",
            "127.0.0.1.evil.example:3004",
            "localhost:3004:evil",
            "localhost@evil.example",
            "evil.example#localhost",
            "[::1]evil.example",
            "[::1",
            "[::2]:3004",
            "192.168.1.7:3004",
            "0.0.0.0:3004",
            "::1",
            "",
            "[]",
            ":3004",
        ] {
            assert!(!passes(&hosts, bad), "{bad}");
        }
    }

    #[test]
    fn every_name_that_a_request_gives_is_looked_at() {
        let hosts = AllowedHosts::default();
        let mut headers = HeaderMap::new();
        assert_eq!(hosts.refused(&headers, &Uri::from_static("/")), None, "no browser leaves it out");
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(
            hosts.refused(&headers, &Uri::from_static("http://evil.example/")),
            Some(&b"evil.example"[..])
        );
        headers.append(HOST, HeaderValue::from_static("evil.example:1"));
        assert_eq!(hosts.refused(&headers, &Uri::from_static("/")), Some(&b"evil.example:1"[..]));
        assert_eq!(AllowedHosts::Any.refused(&headers, &Uri::from_static("/")), None);
    }

    #[test]
    fn names_can_be_added() {
        let hosts = AllowedHosts::parse(" Shop.example. ,fd00::7, 192.168.1.7 ,").unwrap();
        for good in
            ["shop.example", "SHOP.example:443", "[fd00::7]:3004", "192.168.1.7:3004", "localhost:3004"]
        {
            assert!(passes(&hosts, good), "{good}");
        }
        assert!(!passes(&hosts, "other.example") && !passes(&hosts, "a.shop.example"));
        assert_eq!(AllowedHosts::parse("a.example, *").unwrap(), AllowedHosts::Any);
        assert_eq!(AllowedHosts::parse(" ").unwrap(), AllowedHosts::ByAddress);
        for wrong in ["http://shop.example", "shop.example:443", "a b", "*.shop.example", "a/b", "u@h", "é"]
        {
            assert!(AllowedHosts::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_that_others_reach_has_names_that_are_not_known() {
        let on = |addr: &str| AllowedHosts::ByAddress.listening_on(addr.parse().unwrap());
        assert_eq!(on("127.0.0.1:0"), AllowedHosts::Named(Vec::new()));
        assert_eq!(on("[::1]:0"), AllowedHosts::Named(Vec::new()));
        assert_eq!(on("0.0.0.0:0"), AllowedHosts::Any);
        let named = AllowedHosts::parse("shop.example").unwrap();
        assert_eq!(named.clone().listening_on(([0, 0, 0, 0], 0).into()), named);
    }
}
