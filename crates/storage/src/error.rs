//! How a store fails.

use thiserror::Error;

/// Why a store did not do what it was asked for. Nothing of the request has taken effect, with one exception that its
/// variant names.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store is away, full or shutting down. The same request may succeed later. If the failure happened while
    /// committing, whether the request took effect is unknown until it is asked for again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Somebody else moved the consumer's position: this worker is stale and its batch is void.
    #[error("the position of {group} in {partition} is not where this worker left it")]
    StaleWorker {
        /// The consumer group.
        group: &'static str,
        /// Where the positions differ.
        partition: crate::TopicPartition,
    },
    /// Somebody else replayed or discarded what a message was to be parked behind: the batch was decided from old
    /// knowledge and is void.
    #[error("nothing of {group} is parked any more that a message of {partition} would wait for")]
    NothingBefore {
        /// The consumer group.
        group: &'static str,
        /// Where the message is.
        partition: crate::TopicPartition,
    },
    /// Somebody else publishes the outbox's shard now: this relay must stop.
    #[error("another relay has claimed shard {0} of the outbox")]
    ClaimLost(u16),
    /// What is stored breaks an invariant. Never served.
    #[error("the stored data are inconsistent: {0}")]
    Inconsistent(String),
    /// The database was written by a newer version of the software.
    #[error(
        "the database has schema version {found} of {component}, this build knows {known}: start the build that wrote it, or a \
         newer one; to go back to this build, restore a backup from before the upgrade"
    )]
    NewerSchema {
        /// Which part's schema.
        component: String,
        /// Version in the database.
        found: u32,
        /// Newest version that this build knows.
        known: u32,
    },
    /// Another process has the database open.
    #[error("{0} is in use by another process")]
    InUse(String),
}

impl StoreError {
    /// Whether the same request may succeed later without being changed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether a batch was decided from old knowledge, because somebody else moved a position or replayed what is parked:
    /// it is void, and decided anew at once.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::StaleWorker { .. } | Self::NothingBefore { .. })
    }
}
