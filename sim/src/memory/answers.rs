//! The stored answers to requests with an `Idempotency-Key`.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_contract::Timestamp;

/// Answers of kind `R` by scope.
pub(super) struct Answers<K, R> {
    by_scope: BTreeMap<K, (Timestamp, R)>,
    by_time: BTreeSet<(Timestamp, K)>,
}

impl<K, R> Default for Answers<K, R> {
    fn default() -> Self {
        Self { by_scope: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Copy, R> Answers<K, R> {
    pub(super) fn get(&self, scope: &K) -> Option<&R> {
        self.by_scope.get(scope).map(|(_, answer)| answer)
    }

    pub(super) fn len(&self) -> usize {
        self.by_scope.len()
    }

    /// The scope must be free.
    pub(super) fn insert(&mut self, scope: K, at: Timestamp, answer: R) {
        self.by_time.insert((at, scope));
        self.by_scope.insert(scope, (at, answer));
    }

    /// Forgets up to `limit` from before `before`, oldest first; says how many.
    pub(super) fn forget(&mut self, before: Timestamp, limit: usize) -> usize {
        let mut count = 0;
        while count < limit
            && let Some(&(at, scope)) = self.by_time.first().filter(|(at, _)| *at < before)
        {
            self.by_time.remove(&(at, scope));
            self.by_scope.remove(&scope);
            count += 1;
        }
        count
    }
}
