//! What a composition does with a database besides reading and writing it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_storage::StoreError;
use holdfast_storage::mongodb::Mongo;
use tokio_util::sync::CancellationToken;

use crate::http::ReadyCheck;
use crate::lifecycle::Lifecycle;
use crate::telemetry::chain;

/// A service's database, from its start to its end.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Makes what must be there before the database is used. Any number of times.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the database is away: call it again. After any other it cannot be used.
    async fn prepare(&self) -> Result<(), StoreError>;

    /// Whether what is to be written can be. Costs nothing while writing works.
    ///
    /// # Errors
    /// Why not.
    async fn check_writes(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Works in the background until `stop`.
    async fn run(&self, stop: CancellationToken);

    /// Closes it: call it once nothing uses it any more. Later calls of its parts fail.
    async fn close(&self);
}

/// Not ready while nothing can be written: reading alone would not say that a disk is full.
pub struct WritesReady(pub Arc<dyn Backend>);

impl fmt::Debug for WritesReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WritesReady")
    }
}

#[async_trait]
impl ReadyCheck for WritesReady {
    fn name(&self) -> &'static str {
        "writes"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.check_writes().await.map_err(|error| chain(&error))
    }
}

/// Whether a piece of work that one instance does for all is this instance's now.
#[async_trait]
pub trait Duty: Send + Sync {
    /// Asks. Ask again before every round.
    ///
    /// # Errors
    /// If that cannot be found out.
    async fn is_mine(&self) -> Result<bool, StoreError>;
}

/// Of a database that has one instance only.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysMine;

#[async_trait]
impl Duty for AlwaysMine {
    async fn is_mine(&self) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// A duty that whichever instance asked last keeps for a while.
pub struct Lease {
    /// Where it is kept.
    pub mongo: Mongo,
    /// Its name.
    pub name: &'static str,
}

/// Longer than any pause between two rounds, so that a duty stays where it is.
const LEASE: Duration = Duration::from_secs(60);

#[async_trait]
impl Duty for Lease {
    async fn is_mine(&self) -> Result<bool, StoreError> {
        Ok(self.mongo.lease(self.name, LEASE).await?.is_some())
    }
}

/// The first pause before something that is away is tried again; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whether waiting may mend an error.
pub trait Passing {
    /// Whether the same call may succeed later.
    fn is_passing(&self) -> bool;
}

impl Passing for StoreError {
    fn is_passing(&self) -> bool {
        self.is_transient()
    }
}

/// Calls `attempt` until it succeeds; `None` if shutdown came first.
///
/// # Errors
/// The first one that waiting does not mend.
pub async fn until_it_works<T, E, F>(
    what: &'static str,
    lifecycle: &Lifecycle,
    mut attempt: impl FnMut() -> F,
) -> Result<Option<T>, E>
where
    E: Passing + std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let drain = lifecycle.drain_token();
    let mut pause = FIRST_PAUSE;
    loop {
        match drain.run_until_cancelled(attempt()).await {
            None => return Ok(None),
            Some(Ok(done)) => return Ok(Some(done)),
            Some(Err(error)) if error.is_passing() => {
                tracing::warn!("{what} has to wait: {}", chain(&error));
            }
            Some(Err(error)) => return Err(error),
        }
        // Back-off after an outage, not synchronisation.
        if drain.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(None);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
