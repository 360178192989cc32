//! Ctrl-C and SIGTERM of a command that runs for a while and has something to report.

use std::io;
use std::pin::pin;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// As a shell reports a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Waits for `running`. The first Ctrl-C or SIGTERM cancels `stop`, so that it ends early and reports what there is; the second
/// gives up: `None`.
///
/// # Errors
/// If signals cannot be handled.
pub(crate) async fn or_interrupted<T>(
    stop: &CancellationToken,
    running: impl Future<Output = T>,
) -> io::Result<Option<T>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut running = pin!(running);
    loop {
        tokio::select! {
            done = &mut running => return Ok(Some(done)),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.is_cancelled() {
            return Ok(None);
        }
        stop.cancel();
    }
}
