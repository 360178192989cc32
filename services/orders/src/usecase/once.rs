//! `Idempotency-Key`: the same request twice has one effect and one answer.

use bytes::Bytes;
use holdfast_contract::Timestamp;
use holdfast_contract::canonical::Fingerprint;
use holdfast_service::http::{ApiError, IdempotencyScope, RunningGuard};
use holdfast_storage::StoreError;
use thiserror::Error;

use super::{Answer, UseCases};
use crate::store::IdempotencyRecord;

/// The key was used for another body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this Idempotency-Key was used for another request body")]
pub struct KeyReused;

/// A key in use: nobody else may use it in this process until this is dropped.
#[derive(Debug)]
pub struct Once {
    scope: IdempotencyScope,
    fingerprint: Fingerprint,
    _running: RunningGuard,
}

impl Once {
    /// What is committed with the effect.
    pub(super) fn record(&self, status: u16, body: Bytes, at: Timestamp) -> IdempotencyRecord {
        IdempotencyRecord { scope: *self.scope.as_bytes(), fingerprint: self.fingerprint, status, body, at }
    }
}

impl UseCases {
    /// Takes a key for a request with this body.
    ///
    /// # Errors
    /// `IDEMPOTENCY_IN_PROGRESS` if a request with the key runs in this process.
    pub fn once(&self, scope: IdempotencyScope, fingerprint: Fingerprint) -> Result<Once, ApiError> {
        Ok(Once { scope, fingerprint, _running: self.running.begin(scope)? })
    }

    /// The stored answer, if the key was used before; `Err` inside if for another body.
    pub(super) async fn replay(&self, once: &Once) -> Result<Option<Result<Answer, KeyReused>>, StoreError> {
        let record = self.store.idempotent(once.scope.as_bytes()).await?;
        Ok(record.map(|record| {
            if record.fingerprint != once.fingerprint {
                return Err(KeyReused);
            }
            self.counted.replayed.increment(1);
            Ok(record.into())
        }))
    }
}
