//! How often a caller may ask. Who has a token is counted by it, and only who has none by address: many customers share one.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use holdfast_contract::ErrorCode;

use super::client_addr::TrustedProxies;
use super::error::ApiError;
use super::roster::Peer;
use super::subject::{Caller, Role};
use crate::config::RateArgs;

/// After so many requests, callers who have not asked for a while are forgotten: no more than these can be new.
const SWEEP_EVERY: usize = 1 << 16;

/// The limits of a service. Clones count together.
#[derive(Clone, Debug)]
pub struct RateLimits {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    limiter: DefaultKeyedRateLimiter<Key>,
    proxies: TrustedProxies,
    asked: AtomicUsize,
    refused: metrics::Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Subject(Box<str>),
    Address(IpAddr),
}

impl RateLimits {
    /// No limits.
    pub fn none() -> Self {
        Self { inner: None }
    }

    /// As configured.
    pub fn from_args(args: &RateArgs) -> Self {
        let Some(per_second) = NonZeroU32::new(args.rate_limit_per_second) else { return Self::none() };
        let burst = NonZeroU32::new(args.rate_limit_burst).unwrap_or(per_second);
        let inner = Inner {
            limiter: RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)),
            proxies: args.trusted_proxies.clone(),
            asked: AtomicUsize::new(0),
            refused: metrics::counter!("http_rate_limited_total"),
        };
        Self { inner: Some(Arc::new(inner)) }
    }

    /// Counts a request of a caller. Staff and other programs have no limit: they work for all customers.
    ///
    /// # Errors
    /// [`ErrorCode::RateLimited`], with when to come again.
    pub(super) fn ask_as(&self, caller: &Caller) -> Result<(), ApiError> {
        match (&self.inner, caller.role()) {
            (Some(inner), Role::Customer) => inner.ask(Key::Subject(caller.subject().into())),
            _ => Ok(()),
        }
    }

    /// Counts a request without a token that is good. `peer` is its connection; without one (a request within the
    /// process) there is no limit.
    ///
    /// # Errors
    /// [`ErrorCode::RateLimited`], with when to come again.
    pub(super) fn ask_from(&self, peer: Option<&Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        match (&self.inner, peer.map(Peer::addr)) {
            (Some(inner), Some(peer)) => {
                inner.ask(Key::Address(network(inner.proxies.client(peer, headers))))
            }
            _ => Ok(()),
        }
    }
}

impl Inner {
    fn ask(&self, key: Key) -> Result<(), ApiError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(&key).map_err(|later| {
            self.refused.increment(1);
            let wait = later.wait_time_from(DefaultClock::default().now());
            let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            ApiError::new(ErrorCode::RateLimited, "Too many requests; come again a little later")
                .retry_after(seconds.max(1))
        })
    }
}

/// A household has a /64 of IPv6 addresses, and takes another one whenever it likes.
fn network(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(_) => addr,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_second: u32, burst: u32) -> RateLimits {
        let trusted_proxies = TrustedProxies::parse("192.0.2.0/24").unwrap();
        let args = RateArgs {
            rate_limit_per_second: per_second,
            rate_limit_burst: burst,
            max_open_orders_per_customer: 0,
            trusted_proxies,
        };
        RateLimits::from_args(&args)
    }

    #[test]
    fn a_customer_has_a_burst_and_the_others_their_own() {
        let limits = limits(1, 3);
        let [one, other] = ["one", "other"].map(|name| Caller::new(name, Role::Customer));
        let refused = (0..5).filter_map(|_| limits.ask_as(&one).err()).collect::<Vec<_>>();
        assert_eq!(refused.len(), 2);
        assert_eq!(refused[0].code(), ErrorCode::RateLimited);
        assert!(limits.ask_as(&other).is_ok());
        for role in [Role::Admin, Role::Operator, Role::Service] {
            assert!((0..5).all(|_| limits.ask_as(&Caller::new("one", role)).is_ok()));
        }
        assert!((0..500).all(|_| RateLimits::none().ask_as(&one).is_ok()));
    }

    #[test]
    fn without_a_token_the_network_counts() {
        assert_eq!(network("2001:db8:1:2:3::9".parse().unwrap()).to_string(), "2001:db8:1:2::");
        assert_eq!(network("203.0.113.9".parse().unwrap()).to_string(), "203.0.113.9");
    }
}
