//! Where a request comes from: the address of the connection, or what a proxy of ours says of it.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies whose word is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads a comma-separated list of addresses and networks; empty trusts nobody.
    ///
    /// # Errors
    /// What was expected, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let nets = entries.map(|entry| {
            let net = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            net.map_err(|_| format!("{entry} is no IP address and no network such as 10.0.0.0/8"))
        });
        nets.collect::<Result<_, _>>().map(Self)
    }

    fn contains(&self, addr: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&addr))
    }

    /// Where the request comes from that came over a connection from `peer`.
    ///
    /// Each proxy appends whom it was asked by to `X-Forwarded-For`, so the list is read from its end for as long as it
    /// is proxies of ours who speak. What is before that anybody can have written.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut named = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .rev()
            .flat_map(|list| list.to_str().unwrap_or_default().rsplit(','));
        while self.contains(client) {
            match named.next().map(|addr| addr.trim().parse::<IpAddr>()) {
                Some(Ok(addr)) => client = addr.to_canonical(),
                _ => break,
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_proxies_of_ours_are_believed() {
        let trusted = TrustedProxies::parse("10.0.0.0/8, 192.0.2.7,::1").unwrap();
        let client = |peer: &str, lists: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(list));
            }
            trusted.client(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("203.0.113.5", &["198.51.100.1"]), "203.0.113.5", "nobody's word");
        assert_eq!(client("10.1.1.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["6.6.6.6, 198.51.100.1, 192.0.2.7"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["6.6.6.6", "198.51.100.1"]), "198.51.100.1", "several lists are one");
        assert_eq!(client("10.1.1.1", &["nonsense"]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(client("::ffff:10.1.1.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(
            TrustedProxies::default().client("::1".parse().unwrap(), &HeaderMap::new()).to_string(),
            "::1"
        );
    }

    #[test]
    fn a_list_of_proxies_is_addresses_and_networks() {
        assert_eq!(TrustedProxies::parse("").unwrap(), TrustedProxies::default());
        for wrong in ["localhost", "10.0.0.0/33", "10.0.0.1;10.0.0.2"] {
            assert!(TrustedProxies::parse(wrong).unwrap_err().contains("no IP address"), "{wrong}");
        }
    }
}
