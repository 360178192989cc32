//! Who may call, and how they prove it.

use std::path::PathBuf;

use clap::Args;

use super::Secret;

/// What tokens have to be like. With neither a secret nor a key set, nobody is asked for one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Authentication")]
pub struct AuthArgs {
    /// Secret that tokens are signed with (HS256): at least 32 random bytes. Prefer the variable or the file: others on
    /// this machine can see the arguments of a process.
    #[arg(long, env = "ACCESS_TOKEN_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub access_token_secret: Option<Secret>,

    /// File that holds the secret; a line break at its end is not part of it.
    #[arg(long, env = "ACCESS_TOKEN_SECRET_FILE", value_name = "FILE")]
    pub access_token_secret_file: Option<PathBuf>,

    /// JSON Web Key Set with the public keys that tokens are checked by (RS256, ES256). Read again when it changes.
    #[arg(long, env = "JWKS_FILE", value_name = "FILE")]
    pub jwks_file: Option<PathBuf>,

    /// The same, from an identity provider: https, or http on this machine. Fetched again every five minutes, and when a
    /// token names a key that is not in it.
    #[arg(long, env = "JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<String>,

    /// Who has to have issued a token (`iss`).
    #[arg(long, env = "ISSUER", default_value = "holdfast", value_name = "NAME")]
    pub issuer: String,

    /// Whom a token has to be for (`aud`).
    #[arg(long, env = "AUDIENCE", default_value = "holdfast", value_name = "NAME")]
    pub audience: String,

    /// Start on an address that other machines can reach although nobody is asked for a token: whoever reaches it is an
    /// admin. Only where something else keeps others out, such as a container whose port is published on loopback.
    #[arg(long, env = "ALLOW_OPEN_ACCESS", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub allow_open_access: bool,
}
