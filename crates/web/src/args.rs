//! Where the web app is served.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::Args;
use holdfast_service::config::listen_addr;
use holdfast_service::origin::Origin;
use thiserror::Error;

/// Where the web app is served.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Web app")]
pub struct WebArgs {
    /// Addresses and ports of the web app, comma-separated; empty: no web app. Not set: 127.0.0.1:3006, and without a
    /// broker 127.0.0.1:8080 too; one that is taken is then left out.
    #[arg(long, env = "WEB_ADDRS", value_name = "HOST:PORT,…")]
    pub web_addrs: Option<WebAddrs>,
}

impl WebArgs {
    /// Where it is to be served; `default` if nothing is configured.
    pub fn wanted<'a>(&'a self, default: &'a [SocketAddr]) -> &'a [SocketAddr] {
        self.web_addrs.as_ref().map_or(default, |list| &list.0)
    }
}

/// Where the other service is, for a web app that is served by one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Web app")]
pub struct PeerArgs {
    /// Where the web app's server finds the products service.
    #[arg(long, env = "PRODUCTS_URL", default_value = "http://127.0.0.1:3001", value_name = "URL")]
    pub products_url: Origin,
}

/// A list of addresses, maybe empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAddrs(pub Vec<SocketAddr>);

/// An entry of `WEB_ADDRS` is no address.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{entry:?}: {problem}")]
pub struct InvalidWebAddrs {
    entry: String,
    problem: String,
}

impl FromStr for WebAddrs {
    type Err = InvalidWebAddrs;

    fn from_str(list: &str) -> Result<Self, InvalidWebAddrs> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let addrs = entries.map(|entry| {
            listen_addr(entry).map_err(|problem| InvalidWebAddrs { entry: entry.to_owned(), problem })
        });
        Ok(Self(addrs.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_may_be_empty() {
        let list: WebAddrs = " 127.0.0.1:3006, localhost:0 ,".parse().unwrap();
        assert_eq!(list.0, vec![([127, 0, 0, 1], 3006).into(), ([127, 0, 0, 1], 0).into()]);
        assert_eq!("".parse(), Ok(WebAddrs(Vec::new())));
        let error = "3006".parse::<WebAddrs>().unwrap_err().to_string();
        assert!(error.contains("\"3006\"") && error.contains("127.0.0.1:"), "{error}");
    }
}
