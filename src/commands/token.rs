//! `holdfast token`: a token for trying out.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use holdfast_service::SystemClock;
use holdfast_service::auth::mint;
use holdfast_service::config::AuthArgs;
use holdfast_service::http::Role;

use crate::cli::RuntimeArgs;

/// Longest: a token that is lost cannot be called back.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Arguments of `holdfast token`.
#[derive(Args, Clone, Debug)]
pub struct TokenCommandArgs {
    /// Whose it is: the user id of a customer, or the name of whoever or whatever else calls.
    #[arg(long, value_name = "USER")]
    pub sub: String,

    /// What it allows: customer, operator, admin or service.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub role: Role,

    /// For how long it is good: a number and s, m, h or d.
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = ttl)]
    pub ttl: Duration,

    /// What it is signed with, and for whom it is.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| "expected customer, operator, admin or service".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as 30s, 15m, 8h or 7d, of at most 366d".to_owned();
    let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(expected)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(expected()),
    };
    let seconds = count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)).ok_or_else(expected)?;
    let ttl = Duration::from_secs(seconds);
    if ttl.is_zero() || ttl > LONGEST { Err(expected()) } else { Ok(ttl) }
}

/// Prints a token on `out`, and nothing else.
///
/// # Errors
/// If there is no secret to sign with, or it is a bad one; if nobody can be called `sub`.
pub fn run(args: &TokenCommandArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let token = mint(&args.auth, &SystemClock, &args.sub, args.role, args.ttl)?;
    writeln!(out, "{token}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, seconds) in [("1s", 1), ("15m", 900), ("8h", 28_800), ("366d", 31_622_400)] {
            assert_eq!(ttl(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "1", "h", "0s", "-1h", "1w", "1 h", "367d", "99999999999999999999d", "1é"] {
            assert!(ttl(wrong).is_err(), "{wrong}");
        }
    }
}
