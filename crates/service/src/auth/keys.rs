//! The keys that tokens are checked by. Each has one algorithm: what a token's header says never chooses it.

use std::collections::HashMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use thiserror::Error;

use crate::config::Secret;

/// Keys in a set that are looked at: providers have two or three.
const MOST_KEYS: usize = 100;

/// A key, and the one algorithm that it is for.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Key {
    pub(super) fn of_secret(secret: &Secret) -> Self {
        Self { algorithm: Algorithm::HS256, decoding: DecodingKey::from_secret(secret.reveal().as_bytes()) }
    }
}

/// Why a key set is not used.
#[derive(Debug, Error)]
pub enum InvalidKeySet {
    /// It is no JSON Web Key Set.
    #[error("it is not a JSON Web Key Set")]
    Malformed(#[source] serde_json::Error),
    /// Nothing could be checked with it.
    #[error("it has no key with a `kid` for RS256 (RSA) or ES256 (P-256)")]
    NoUsableKey,
    /// A token's `kid` would not say which is meant.
    #[error("two of its keys have the `kid` {0:?}")]
    SameKid(String),
}

/// Public keys by their `kid`.
#[derive(Debug, Default)]
pub(super) struct KeySet(HashMap<String, Key>);

impl KeySet {
    /// Reads a set. Keys that are not for signatures, have no `kid`, or are for other algorithms are passed over; above
    /// all symmetric ones, which have no business in a set that is published.
    pub(super) fn parse(json: &[u8]) -> Result<Self, InvalidKeySet> {
        let set: JwkSet = serde_json::from_slice(json).map_err(InvalidKeySet::Malformed)?;
        let mut keys = HashMap::new();
        for jwk in set.keys.iter().take(MOST_KEYS) {
            let Some((kid, key)) = jwk.common.key_id.clone().zip(usable(jwk)) else { continue };
            if keys.insert(kid.clone(), key).is_some() {
                return Err(InvalidKeySet::SameKid(kid));
            }
        }
        if keys.is_empty() { Err(InvalidKeySet::NoUsableKey) } else { Ok(Self(keys)) }
    }

    pub(super) fn get(&self, kid: &str) -> Option<&Key> {
        self.0.get(kid)
    }

    /// The key of a token that names none: there must be no choice.
    pub(super) fn only(&self) -> Option<&Key> {
        let mut keys = self.0.values();
        keys.next().filter(|_| keys.next().is_none())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    let agrees = jwk.common.key_algorithm.is_none_or(|said| said == named);
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    (signs && agrees).then_some(Key { algorithm, decoding })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::signing::Signing;

    fn parse(keys: serde_json::Value) -> Result<KeySet, InvalidKeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn each_key_has_the_algorithm_of_its_kind() {
        let set = parse(json!([Signing::es256().jwk("e"), Signing::rs256().jwk("r")])).unwrap();
        assert_eq!(set.get("e").unwrap().algorithm, Algorithm::ES256);
        assert_eq!(set.get("r").unwrap().algorithm, Algorithm::RS256);
        assert!(set.get("x").is_none() && set.only().is_none());
    }

    #[test]
    fn what_cannot_be_used_is_passed_over() {
        let good = Signing::es256().jwk("good");
        let with = |name: &str, value: &str| {
            let mut key = Signing::es256().jwk(name);
            key[name] = json!(value);
            key
        };
        let without_kid = {
            let mut key = Signing::es256().jwk("x");
            key.as_object_mut().unwrap().remove("kid");
            key
        };
        let symmetric = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256"});
        let strange = json!({"kty": "new", "kid": "n"});
        let useless =
            [with("use", "enc"), with("alg", "HS256"), with("alg", "RS256"), without_kid, symmetric, strange];
        for key in &useless {
            assert!(matches!(parse(json!([key])), Err(InvalidKeySet::NoUsableKey)), "{key}");
            assert!(parse(json!([key, good])).unwrap().only().is_some(), "{key}");
        }
        assert!(matches!(parse(json!([good, good])), Err(InvalidKeySet::SameKid(_))));
        for wrong in ["", "[]", "{}", "{\"keys\":7}", "<html>"] {
            assert!(matches!(KeySet::parse(wrong.as_bytes()), Err(InvalidKeySet::Malformed(_))), "{wrong}");
        }
    }
}
