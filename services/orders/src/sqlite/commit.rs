//! The one way to write.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::sqlite::{WriteTx, count_attempts, remove_parked};
use holdfast_storage::{Seq, StoreError};
use rusqlite::params;

use super::SqliteOrders;
use super::overlay::Overlay;
use crate::store::{
    Change, Commit, CommitError, Committed, Encoder, IdempotencyRecord, OrderWrites, encode_order,
};

/// A change, with what can be encoded before it is the writer's turn.
struct Prepared {
    change: Change,
    body: Vec<u8>,
    step: Encoder,
}

impl Prepared {
    fn new(change: Change) -> Self {
        let body = if change.is_note() { Vec::new() } else { encode_order(&change.order) };
        Self { step: Encoder::new(&change), body, change }
    }
}

#[async_trait]
impl OrderWrites for SqliteOrders {
    async fn commit(&self, mut commit: Commit) -> Result<Committed, CommitError> {
        let changes: Vec<Prepared> = commit.changes.drain(..).map(Prepared::new).collect();
        let overlay = self.overlay.clone();
        self.database.write(move |tx| apply(tx, changes, commit, overlay)).await
    }
}

fn apply(
    tx: &mut WriteTx<'_>,
    changes: Vec<Prepared>,
    rest: Commit,
    overlay: Arc<Overlay>,
) -> Result<Committed, CommitError> {
    // Cheap refusals first.
    for advance in &rest.advances {
        tx.advance(advance)?;
    }
    if let Some(id) = rest.unpark
        && !remove_parked(tx.connection(), id)?
    {
        return Err(CommitError::ParkedGone);
    }
    count_attempts(tx.connection(), &rest.attempted)?;
    if let Some(record) = &rest.idempotency {
        remember(tx, record)?;
    }
    let mut newest: Option<Seq> = None;
    let mut changed = Vec::with_capacity(changes.len());
    for Prepared { mut change, body, mut step } in changes {
        for outgoing in change.events.drain(..) {
            let record = tx.append(outgoing)?;
            step.sent(&record, None);
            newest = Some(record.seq);
        }
        for (kind, outgoing) in change.live.drain(..) {
            let record = tx.append(outgoing)?;
            step.sent(&record, Some(kind));
            newest = Some(record.seq);
        }
        write_order(tx, &change, &body, &step.finish())?;
        if !change.is_note() {
            changed.push((change.previous, change.order));
        }
    }
    for outgoing in rest.copies {
        newest = Some(tx.append(outgoing)?.seq);
    }
    for parked in &rest.park {
        tx.park(parked)?;
    }
    tx.after_commit(move || overlay.committed(changed, newest));
    Ok(Committed { newest })
}

fn write_order(tx: &WriteTx<'_>, change: &Change, body: &[u8], step: &[u8]) -> Result<(), CommitError> {
    let order = &change.order;
    let id = order.id.key().as_i64();
    let Some(previous) = change.previous else {
        let inserted = tx
            .connection()
            .prepare_cached("INSERT INTO orders (id, version, body, history) VALUES (?1, ?2, ?3, ?4)")
            .map_err(StoreError::from)?
            .execute(params![id, order.version, body, step]);
        return match inserted {
            Ok(_) => Ok(()),
            Err(error) if is_taken(&error) => Err(CommitError::AlreadyExists(order.id)),
            Err(error) => Err(StoreError::from(error).into()),
        };
    };
    // `||` makes a text of two blobs, bytes unchanged; the cast only takes that back.
    let updated = if change.is_note() {
        tx.connection()
            .prepare_cached(
                "UPDATE orders SET history = CAST(history || ?3 AS BLOB) WHERE id = ?1 AND version = ?2",
            )
            .and_then(|mut statement| statement.execute(params![id, previous.version, step]))
    } else {
        tx.connection()
            .prepare_cached(
                "UPDATE orders SET version = ?3, body = ?4, history = CAST(history || ?5 AS BLOB)
                 WHERE id = ?1 AND version = ?2",
            )
            .and_then(|mut statement| {
                statement.execute(params![id, previous.version, order.version, body, step])
            })
    };
    match updated {
        Ok(1) => Ok(()),
        Ok(_) => Err(CommitError::VersionConflict(order.id)),
        Err(error) => Err(StoreError::from(error).into()),
    }
}

fn remember(tx: &WriteTx<'_>, record: &IdempotencyRecord) -> Result<(), CommitError> {
    let stored = tx
        .connection()
        .prepare_cached(
            "INSERT INTO idempotency (scope, fingerprint, status, body, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .map_err(StoreError::from)?
        .execute(params![
            &record.scope[..],
            &record.fingerprint[..],
            record.status,
            &record.body[..],
            record.at.as_millis(),
        ]);
    match stored {
        Ok(_) => Ok(()),
        Err(error) if is_taken(&error) => Err(CommitError::IdempotencyTaken),
        Err(error) => Err(StoreError::from(error).into()),
    }
}

fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ffi::ErrorCode::ConstraintViolation)
}
