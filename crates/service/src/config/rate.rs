//! How often callers may ask, and what they may keep open.

use std::num::NonZeroU32;

use clap::Args;

use crate::http::TrustedProxies;

/// Limits of what one caller may ask for. They hold where authentication is configured.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Limits of a caller (with authentication)")]
pub struct RateArgs {
    /// Requests a second that a customer may make, and whoever has no good token, by address. Each instance counts for
    /// itself. 0: no limit.
    #[arg(
        long,
        env = "RATE_LIMIT_PER_SECOND",
        default_value_t = 50,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(..=1_000_000)
    )]
    pub rate_limit_per_second: u32,

    /// Requests that may come at once before that.
    #[arg(
        long,
        env = "RATE_LIMIT_BURST",
        default_value_t = 200,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub rate_limit_burst: u32,

    /// Orders that one customer may have that are neither shipped nor cancelled: they hold stock, or wait for it. 0: any
    /// number.
    #[arg(
        long = "max-open-orders-per-customer",
        env = "MAX_OPEN_ORDERS_PER_CUSTOMER",
        default_value_t = 100,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(..10_000)
    )]
    pub max_open_orders_per_customer: u32,

    /// Proxies whose `X-Forwarded-For` is believed: addresses and networks, comma-separated.
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        default_value = "",
        hide_default_value = true,
        value_name = "NET,…",
        value_parser = TrustedProxies::parse
    )]
    pub trusted_proxies: TrustedProxies,
}

impl RateArgs {
    /// The limit of a customer's open orders, if there is one.
    pub fn max_open_orders(&self) -> Option<usize> {
        NonZeroU32::new(self.max_open_orders_per_customer).map(|limit| limit.get() as usize)
    }
}
