//! Tokens for trying out, and for tools that have none of an identity provider.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use thiserror::Error;

use super::claims::{NewClaims, caller};
use super::{SecretError, crypto, secret};
use crate::clock::Clock;
use crate::config::AuthArgs;
use crate::http::Role;

/// Why no token was made.
#[derive(Debug, Error)]
pub enum MintError {
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is nothing to sign with.
    #[error(
        "there is no secret to sign with: set ACCESS_TOKEN_SECRET or ACCESS_TOKEN_SECRET_FILE to that of the services.\n\
         With JWKS_FILE or JWKS_URL, tokens come from the identity provider."
    )]
    NoSecret,
    /// It would not be accepted.
    #[error("{0:?} cannot be a subject: 1 to 128 characters without control characters, not \"everybody\"")]
    Subject(String),
    /// It cannot be signed; a defect.
    #[error("the token cannot be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// A token (HS256) that services with the same configuration accept for `ttl` from now on.
///
/// # Errors
/// See [`MintError`].
pub fn mint(
    args: &AuthArgs,
    clock: &dyn Clock,
    subject: &str,
    role: Role,
    ttl: Duration,
) -> Result<String, MintError> {
    let secret = secret::configured(args)?.ok_or(MintError::NoSecret)?;
    if caller(subject, role.name()).is_none() {
        return Err(MintError::Subject(subject.to_owned()));
    }
    crypto::install();
    let iat = u64::try_from(clock.now().as_millis() / 1000).unwrap_or_default();
    let exp = iat.saturating_add(ttl.as_secs());
    let claims =
        NewClaims { sub: subject, role: role.name(), iss: &args.issuer, aud: &args.audience, iat, exp };
    let key = EncodingKey::from_secret(secret.reveal().as_bytes());
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
}
