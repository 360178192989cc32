//! Keys and tokens for tests.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use super::{Access, Authenticator, Rule};
use crate::clock::Clock;
use crate::config::AuthArgs;
use crate::http::Role;
use crate::trust::Trust;

/// A secret as good as any.
pub const SECRET: &str = "q3Hn0mZ5vY8rT1xKc7LwPd2BsJ9fGa6U";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    auth: AuthArgs,
}

/// The arguments that these flags make.
///
/// # Panics
/// If they are none.
pub fn args(flags: &[&str]) -> AuthArgs {
    Cli::parse_from([&["test"], flags].concat()).auth
}

/// The arguments with [`SECRET`].
pub fn with_secret() -> AuthArgs {
    args(&["--access-token-secret", SECRET])
}

/// Checks tokens that are signed with [`SECRET`].
///
/// # Panics
/// Never: the secret is a good one.
pub fn authenticator(clock: Arc<dyn Clock>) -> Arc<Authenticator> {
    Authenticator::from_args(&with_secret(), &Trust::default(), clock)
        .expect("a good secret")
        .expect("it is configured")
}

/// Access as `rules` say, with tokens signed with [`SECRET`].
pub fn access(clock: Arc<dyn Clock>, rules: &[&[Rule]]) -> Access {
    Access::new(Some(&authenticator(clock)), rules)
}

/// A token of [`SECRET`] that is good for an hour.
///
/// # Panics
/// If `subject` cannot be one.
pub fn token(clock: &dyn Clock, subject: &str, role: Role) -> String {
    super::mint(&with_secret(), clock, subject, role, Duration::from_secs(3600)).expect("a token")
}
