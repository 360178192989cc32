//! What a token says.

use holdfast_contract::Timestamp;
use holdfast_contract::text::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{Identity, LEEWAY, Refusal, Role, millis};
use crate::http::Caller;

/// The claims that are read here; `iss` and `aud` are compared where the signature is checked.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    role: String,
    /// Seconds since 1970 (RFC 7519: perhaps with decimals).
    exp: Number,
    nbf: Option<Number>,
}

/// The claims that are written here.
#[derive(Debug, Serialize)]
pub(super) struct NewClaims<'a> {
    pub(super) sub: &'a str,
    pub(super) role: &'a str,
    pub(super) iss: &'a str,
    pub(super) aud: &'a str,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl Claims {
    pub(super) fn identity(self, now: Timestamp) -> Result<Identity, Refusal> {
        let expires = at(&self.exp).ok_or(Refusal::Invalid)?;
        if let Some(begins) = &self.nbf {
            let begins = at(begins).ok_or(Refusal::Invalid)?;
            if begins.as_millis().saturating_sub(millis(LEEWAY)) > now.as_millis() {
                return Err(Refusal::NotYet);
            }
        }
        let caller = caller(&self.sub, &self.role).ok_or(Refusal::Nobody)?;
        let identity = Identity { caller, expires };
        if identity.is_good_at(now) { Ok(identity) } else { Err(Refusal::Expired) }
    }
}

/// Who `sub` is; nobody if it is not written as a user id is kept, or is the name that stands for everybody.
pub(super) fn caller(sub: &str, role: &str) -> Option<Caller> {
    let role = Role::from_name(role)?;
    let known = UserId::new(sub).is_ok_and(|user| user.as_str() == sub) && sub != Caller::open().subject();
    known.then(|| Caller::new(sub.to_owned(), role))
}

/// A time in seconds.
fn at(seconds: &Number) -> Option<Timestamp> {
    // A thousand times the largest is still exact enough, and far from the bounds of the type.
    const LATEST: f64 = 253_402_300_799.0;
    let seconds = seconds.as_f64().filter(|seconds| (0.0..=LATEST).contains(seconds))?;
    Some(Timestamp::from_millis((seconds * 1000.0) as i64))
}
