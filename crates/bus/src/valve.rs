//! Stops a consumer for a while without stopping its task: what it has not taken stays in its topics, as lag.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::StoreError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Batch;
use crate::worker::Handler;

/// Opens and shuts the way to a handler. Clones are the same valve.
#[derive(Clone, Debug)]
pub struct Valve {
    open: Arc<watch::Sender<bool>>,
}

impl Default for Valve {
    /// An open one.
    fn default() -> Self {
        Self { open: Arc::new(watch::Sender::new(true)) }
    }
}

impl Valve {
    /// Whether batches go through.
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Lets batches through, or holds the next one back until it is opened again.
    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// `handler`, behind this valve. A batch that is held back when `stop` comes is given up: it is read again at the
    /// next start, because its positions have not moved.
    pub fn before<H: Handler>(&self, handler: H, stop: CancellationToken) -> Valved<H> {
        Valved { handler, open: self.open.subscribe(), stop }
    }
}

/// A handler behind a [`Valve`].
#[derive(Debug)]
pub struct Valved<H> {
    handler: H,
    open: watch::Receiver<bool>,
    stop: CancellationToken,
}

#[async_trait]
impl<H: Handler> Handler for Valved<H> {
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError> {
        // A valve that nobody can turn any more stays as it is; the stop ends the wait.
        let opening = async { self.open.wait_for(|open| *open).await.is_ok() };
        let opened = self.stop.run_until_cancelled(opening).await;
        if opened != Some(true) && !*self.open.borrow() {
            return Err(StoreError::Unavailable("stopped while its consumer was paused".to_owned()));
        }
        self.handler.handle(batch).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u32);

    #[async_trait]
    impl Handler for Counting {
        async fn handle(&mut self, _: &Batch) -> Result<(), StoreError> {
            self.0 += 1;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_shut_valve_holds_the_batch_until_it_is_opened_or_the_end_comes() {
        let (valve, stop) = (Valve::default(), CancellationToken::new());
        let mut handler = valve.before(Counting(0), stop.clone());
        let batch = Batch { records: Vec::new(), spans: Vec::new(), generation: 0 };
        handler.handle(&batch).await.unwrap();
        valve.set_open(false);
        {
            let held = handler.handle(&batch);
            let mut held = std::pin::pin!(held);
            assert!(futures_util::poll!(held.as_mut()).is_pending());
            valve.set_open(true);
            held.await.unwrap();
        }
        assert_eq!(handler.handler.0, 2);
        valve.set_open(false);
        stop.cancel();
        assert!(handler.handle(&batch).await.unwrap_err().is_transient());
        assert_eq!(handler.handler.0, 2);
    }
}
