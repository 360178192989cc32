//! Who calls: tokens (JWT), the keys that they are checked by, and what a process refuses to start with.
//!
//! A token is good if its signature is by a configured key with *that key's* algorithm, `iss` and `aud` are the configured
//! ones, `exp` lies ahead (and `nbf`, if there is one, does not), `sub` is a user id and `role` one of [`Role`]. With
//! nothing configured there is no [`Authenticator`]: nobody is asked for anything, and nothing is paid for it.

mod access;
mod claims;
mod crypto;
mod fetch;
mod keys;
mod mint;
mod secret;
#[cfg(test)]
mod signing;
mod source;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
#[cfg(test)]
mod tests;
mod verified;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::Timestamp;
use jsonwebtoken::{Validation, decode_header};
use parking_lot::RwLock;
use thiserror::Error;

pub(crate) use access::Others;
pub use access::{ADMINS, Access, AccessTable, Allowed, PEOPLE, Rule, STAFF, STAFF_AND_SERVICES};
pub use fetch::InvalidUrl;
pub use keys::InvalidKeySet;
pub use mint::{MintError, mint};
pub use secret::SecretError;
pub use source::SourceError;

use self::claims::Claims;
use self::keys::{Key, KeySet};
use self::source::KeySource;
use self::verified::Verified;
use crate::clock::Clock;
use crate::config::{AuthArgs, is_exposed};
use crate::http::{Caller, Role};
use crate::lifecycle::Lifecycle;
use crate::telemetry::chain;
use crate::trust::Trust;

/// How far the clocks of whoever issues tokens and of this machine may be apart.
const LEEWAY: Duration = Duration::from_secs(10);
/// Longest token that is looked at.
const LONGEST: usize = 8 << 10;

/// Why a process does not start.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Both key sets are given.
    #[error("JWKS_FILE and JWKS_URL are both set: unset one of them")]
    TwoKeySets,
    /// Where the keys are makes no sense.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The keys cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It would be open to the world.
    #[error(
        "{0} can be reached from other machines, and nobody is asked for a token: every caller would be an admin.\n\
         Set ACCESS_TOKEN_SECRET (or ACCESS_TOKEN_SECRET_FILE) to at least 32 random bytes, or JWKS_FILE or JWKS_URL to the\n\
         keys of your identity provider; or listen on 127.0.0.1. Where something else keeps others out, such as a container\n\
         whose port is published on loopback, ALLOW_OPEN_ACCESS=true starts it all the same."
    )]
    Open(SocketAddr),
}

/// Whose token it is, and until when it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub caller: Caller,
    /// `exp`.
    pub expires: Timestamp,
}

impl Identity {
    fn is_good_at(&self, now: Timestamp) -> bool {
        now.as_millis() < self.expires.as_millis().saturating_add(millis(LEEWAY))
    }
}

/// Why a token is not good. The texts are for whoever sent it; none says anything of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is none.
    #[error("A token is needed: send it as `Authorization: Bearer …`")]
    Missing,
    /// It cannot be read, or its signature is not by the key that it should be.
    #[error("The token is not valid")]
    Invalid,
    /// No such key; there may be one once the keys are read again.
    #[error("The token is not valid: it is signed by a key that is not known here")]
    UnknownKey,
    /// It is over.
    #[error("The token has expired")]
    Expired,
    /// It has not begun.
    #[error("The token is not valid yet")]
    NotYet,
    /// It is by or for somebody else.
    #[error("The token is not valid: `iss` or `aud` is not what this service is configured for")]
    NotForUs,
    /// It does not say who it is.
    #[error(
        "The token is not valid: it needs `exp`, a user id as `sub`, and `role` customer, operator, admin or service"
    )]
    Nobody,
    /// The keys could not be had yet.
    #[error("Tokens cannot be checked yet: the keys are not there")]
    NoKeys,
}

/// Checks tokens. Share it by `Arc`.
pub struct Authenticator {
    clock: Arc<dyn Clock>,
    secret: Option<Key>,
    source: Option<KeySource>,
    trusted: RwLock<Arc<Trusted>>,
    issuer: String,
    audience: String,
}

/// The keys of the source, and what was found out with them.
#[derive(Debug, Default)]
struct Trusted {
    keys: KeySet,
    verified: Verified,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// As configured; `None` if nothing is. `trust` is asked whether the key set's server is who it should be.
    ///
    /// # Errors
    /// If the secret is not a good one, or the key set's file is not. A URL that does not answer is an outage, not an
    /// error.
    pub fn from_args(
        args: &AuthArgs,
        trust: &Trust,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Arc<Self>>, AuthError> {
        let secret = secret::configured(args)?.map(|secret| Key::of_secret(&secret));
        let source = KeySource::configured(args, trust)?;
        if secret.is_none() && source.is_none() {
            return Ok(None);
        }
        crypto::install();
        let keys = source.as_ref().map_or(Ok(KeySet::default()), KeySource::first)?;
        Ok(Some(Arc::new(Self {
            clock,
            secret,
            source,
            trusted: RwLock::new(Arc::new(Trusted { keys, verified: Verified::default() })),
            issuer: args.issuer.clone(),
            audience: args.audience.clone(),
        })))
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// [`Refusal`]. With [`Refusal::UnknownKey`], ask [`Authenticator::check_again`]: the keys may have changed.
    pub fn check(&self, token: &str) -> Result<Identity, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::Invalid);
        }
        let (now, hash) = (self.clock.now(), verified::hash(token));
        let trusted = Arc::clone(&self.trusted.read());
        if let Some(known) = trusted.verified.get(&hash, now) {
            return Ok(known);
        }
        let identity = self.verify(token, &trusted.keys, now)?;
        trusted.verified.keep(hash, identity.clone());
        Ok(identity)
    }

    /// As [`Authenticator::check`], with keys that are read again if the token names one that is not known. They are
    /// read at most every so often, whoever asks.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check_again(&self, token: &str) -> Result<Identity, Refusal> {
        match self.check(token) {
            Err(Refusal::UnknownKey | Refusal::NoKeys) if self.refresh(source::Wanted::Now).await => {
                self.check(token)
            }
            checked => checked,
        }
    }

    /// How long a token that is good until `expires` is good for from now on. Without leeway: for what is ended by this
    /// side, such as a live connection.
    pub fn remaining(&self, expires: Timestamp) -> Duration {
        Duration::from_millis(expires.millis_since(self.clock.now()))
    }

    /// Reads the keys again, now and then, until shutdown.
    pub fn spawn(self: &Arc<Self>, lifecycle: &Lifecycle) {
        let Some(source) = &self.source else { return };
        let (this, every, drain) = (Arc::clone(self), source.every(), lifecycle.drain_token());
        lifecycle.spawn("token keys", async move {
            loop {
                this.refresh(source::Wanted::Regularly).await;
                // A period, not synchronisation.
                if drain.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Whether there are new keys. The last good ones are kept if there are none to be had.
    async fn refresh(&self, wanted: source::Wanted) -> bool {
        let Some(source) = &self.source else { return false };
        match source.read_again(wanted).await {
            Ok(None) => false,
            Ok(Some(keys)) => {
                tracing::info!("the keys that tokens are checked by were read");
                *self.trusted.write() = Arc::new(Trusted { keys, verified: Verified::default() });
                true
            }
            Err(error) => {
                tracing::warn!("the keys that tokens are checked by stay as they were: {}", chain(&error));
                false
            }
        }
    }

    fn verify(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Identity, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Invalid)?;
        // An extension that must be understood, and is not (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(Refusal::Invalid);
        }
        let key = self.key_for(header.kid.as_deref(), keys)?;
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Time is compared in `Claims`, by this process's clock.
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).map_err(refusal)?;
        data.claims.identity(now)
    }

    /// The key that a token has to be signed with. The algorithm in its header has no say.
    fn key_for<'k>(&'k self, kid: Option<&str>, keys: &'k KeySet) -> Result<&'k Key, Refusal> {
        let found = match (kid, &self.source) {
            (Some(kid), Some(_)) => keys.get(kid),
            (_, _) => self.secret.as_ref().or_else(|| keys.only()),
        };
        found.ok_or_else(|| match (&self.source, keys.is_empty()) {
            (Some(_), true) => Refusal::NoKeys,
            _ => Refusal::UnknownKey,
        })
    }
}

fn refusal(error: jsonwebtoken::errors::Error) -> Refusal {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => Refusal::NotForUs,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" || claim == "aud" => Refusal::NotForUs,
        // Only after the signature was found to be good are claims read.
        ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => Refusal::Nobody,
        _ => Refusal::Invalid,
    }
}

/// Refuses to be open to other machines, unless that is said to be meant.
///
/// # Errors
/// [`AuthError::Open`] with the first such address.
pub fn refuse_open(
    auth: Option<&Arc<Authenticator>>,
    args: &AuthArgs,
    addrs: impl IntoIterator<Item = SocketAddr>,
) -> Result<(), AuthError> {
    if auth.is_some() || args.allow_open_access {
        return Ok(());
    }
    match addrs.into_iter().find(|addr| is_exposed(*addr)) {
        Some(addr) => Err(AuthError::Open(addr)),
        None => Ok(()),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
