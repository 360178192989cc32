//! Drives a consumer: polls, has the handler commit the effects with the position, and goes on.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_storage::StoreError;
use tokio_util::sync::CancellationToken;

use crate::{Batch, BusError, Consumer};

/// Applies batches.
#[async_trait]
pub trait Handler: Send {
    /// Commits the effects of `batch` together with its positions ([`Batch::advances`]), or nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] pauses and tries the same batch again; one that [`StoreError::is_stale`] makes the
    /// consumer read its positions anew, and with them a handler what it knows of parked orders. A fault of a message is no error: the handler parks it.
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs until `stop`; finishes the batch at hand first. `max` bounds a batch.
pub async fn run(
    mut consumer: Box<dyn Consumer>,
    handler: &mut dyn Handler,
    max: usize,
    stop: CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let polled = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            polled = consumer.poll(max) => polled,
        };
        let outcome = match polled {
            Ok(batch) => match handler.handle(&batch).await {
                Ok(()) => consumer.commit(&batch).await,
                Err(error) => Err(BusError::Unavailable(error)),
            },
            Err(error) => Err(error),
        };
        let Err(error) = outcome else {
            pause = FIRST_PAUSE;
            continue;
        };
        consumer.reset();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        if matches!(&error, BusError::Unavailable(error) if error.is_stale()) {
            tracing::info!(source, "others have moved on; starting from what is stored");
            continue;
        }
        tracing::warn!(%error, source, ?pause, "consumer paused");
        // Back-off after an outage, not synchronisation.
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
