//! Tokens that were verified a moment ago: a client sends the same one with every request.

use std::collections::HashMap;

use holdfast_contract::Timestamp;
use parking_lot::Mutex;
use ring::digest;

use super::Identity;

/// Tokens that are remembered, at most twice as many: an elder half is forgotten at once when a younger is full, so that
/// nobody can fill the memory with tokens, nor make a request wait for tidying up.
const EACH: usize = 4_096;

/// A token's SHA-256. Tokens themselves are not kept.
pub(super) type TokenHash = [u8; digest::SHA256_OUTPUT_LEN];

/// What was found out about tokens, by their hash. Belongs to the keys that it was found out with: with new ones it starts
/// anew, so that a key that was withdrawn opens nothing any more.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    younger: HashMap<TokenHash, Identity>,
    elder: HashMap<TokenHash, Identity>,
}

/// The hash that a token is remembered by.
pub(super) fn hash(token: &str) -> TokenHash {
    let mut hash = TokenHash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

impl Verified {
    /// Whose token it is, if that is known and it is still good.
    pub(super) fn get(&self, token: &TokenHash, now: Timestamp) -> Option<Identity> {
        let mut halves = self.0.lock();
        if let Some(known) = halves.younger.get(token) {
            return Some(known.clone()).filter(|known| known.is_good_at(now));
        }
        let known = halves.elder.remove(token).filter(|known| known.is_good_at(now))?;
        halves.keep(*token, known.clone());
        Some(known)
    }

    pub(super) fn keep(&self, token: TokenHash, identity: Identity) {
        self.0.lock().keep(token, identity);
    }
}

impl Halves {
    fn keep(&mut self, token: TokenHash, identity: Identity) {
        if self.younger.len() >= EACH {
            self.elder = std::mem::take(&mut self.younger);
        }
        self.younger.insert(token, identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Caller, Role};

    fn identity(until: i64) -> Identity {
        let caller = Caller::new("ada", Role::Customer);
        Identity { caller, expires: Timestamp::from_millis(until) }
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let verified = Verified::default();
        let now = Timestamp::from_millis(0);
        verified.keep(hash("used"), identity(1));
        for n in 0..5 * EACH {
            verified.keep(hash(&n.to_string()), identity(1));
            assert!(verified.get(&hash("used"), now).is_some(), "{n}");
        }
        assert!(verified.get(&hash("0"), now).is_none());
        let halves = verified.0.lock();
        assert!(halves.younger.len() <= EACH && halves.elder.len() <= EACH);
    }

    #[test]
    fn an_expired_token_is_not_known_any_more() {
        let verified = Verified::default();
        verified.keep(hash("a"), identity(10_000));
        assert!(verified.get(&hash("a"), Timestamp::from_millis(9_999)).is_some());
        assert!(verified.get(&hash("a"), Timestamp::from_millis(1_000_000)).is_none());
    }
}
