//! Starting and stopping: every task is tracked, and shutdown has two stages.
//!
//! *Drain*: take nothing new, finish what runs. *Stop*: after the grace period (or a second signal) whatever still
//! runs is dropped at its next await. Work that must not be cut is durable before it is answered, so a cut is safe.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long tasks get to notice the second stage.
const AFTER_STOP: Duration = Duration::from_secs(2);

/// Tracks the tasks of a process and takes them down in order. Clones are the same lifecycle.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tracker: TaskTracker,
    drain: CancellationToken,
    stop: CancellationToken,
    grace: Duration,
    running: Mutex<FxHashMap<u64, &'static str>>,
    next: AtomicU64,
    failure: Mutex<Option<String>>,
    cut_off: Mutex<Option<BTreeMap<&'static str, usize>>>,
}

/// How a shutdown went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Why the process had to stop, if not because it was asked to.
    pub failure: Option<String>,
    /// What was still running when the grace period ended, and how many of each; it was dropped.
    pub cut_off: BTreeMap<&'static str, usize>,
    /// What did not even notice that.
    pub stuck: BTreeMap<&'static str, usize>,
}

impl Report {
    /// Whether it stopped because it was asked to and everything finished in time.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("everything finished");
        }
        let mut parts: Vec<String> = self.failure.iter().cloned().collect();
        for (what, tasks) in [("cut off", &self.cut_off), ("stuck", &self.stuck)] {
            if !tasks.is_empty() {
                let names: Vec<String> =
                    tasks.iter().map(|(name, count)| format!("{count}× {name}")).collect();
                parts.push(format!("{what}: {}", names.join(", ")));
            }
        }
        f.write_str(&parts.join("; "))
    }
}

/// Keeps shutdown waiting while it lives; for threads and for work that is no task.
#[derive(Debug)]
pub struct Held {
    inner: Arc<Inner>,
    id: u64,
    _token: TaskTrackerToken,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.running.lock().remove(&self.id);
    }
}

impl Lifecycle {
    /// Tasks get `grace` to finish once shutdown begins.
    pub fn new(grace: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                tracker: TaskTracker::new(),
                drain: CancellationToken::new(),
                stop: CancellationToken::new(),
                grace,
                running: Mutex::default(),
                next: AtomicU64::new(0),
                failure: Mutex::default(),
                cut_off: Mutex::default(),
            }),
        }
    }

    /// Runs `future` as a task that shutdown waits for. It is dropped when the grace period ends. A panic is logged
    /// and ends only this task.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let held = self.hold(name);
        spawn(async move {
            let stop = held.inner.stop.clone();
            if let Some(Err(panic)) = stop.run_until_cancelled(AssertUnwindSafe(future).catch_unwind()).await
            {
                tracing::error!(task = name, "task panicked: {}", panic_text(&*panic));
            }
            drop(held);
        })
    }

    /// As [`Lifecycle::spawn`], for a task without which the service is no service: if it panics, fails, or ends
    /// before shutdown, the process shuts down with that as its failure.
    pub fn spawn_essential<F, E>(&self, name: &'static str, future: F) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let lifecycle = self.clone();
        self.spawn(name, async move {
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(Ok(())) if lifecycle.is_draining() => {}
                Ok(Ok(())) => lifecycle.fail(format!("{name} ended unexpectedly")),
                Ok(Err(error)) => lifecycle.fail(format!("{name} failed: {error}")),
                Err(panic) => lifecycle.fail(format!("{name} panicked: {}", panic_text(&*panic))),
            }
        })
    }

    /// Makes shutdown wait until the result is dropped. For threads: they cannot be cut, so watch
    /// [`Lifecycle::drain_token`] or end when the channel that feeds them closes.
    pub fn hold(&self, name: &'static str) -> Held {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner.running.lock().insert(id, name);
        Held { inner: Arc::clone(&self.inner), id, _token: self.inner.tracker.token() }
    }

    /// Cancelled when shutdown begins: take nothing new, finish what runs.
    pub fn drain_token(&self) -> CancellationToken {
        self.inner.drain.clone()
    }

    /// Cancelled when the grace period has ended. Tasks need not watch it, they are dropped.
    pub fn stop_token(&self) -> CancellationToken {
        self.inner.stop.clone()
    }

    /// Whether shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.inner.drain.is_cancelled()
    }

    /// Begins shutdown, as asked.
    pub fn shutdown(&self) {
        self.inner.drain.cancel();
    }

    /// Ends the grace period: whatever still runs is dropped.
    pub fn stop_now(&self) {
        // Before the tasks hear of it, or there would be nothing left to report.
        self.inner.cut_off.lock().get_or_insert_with(|| self.running());
        self.inner.drain.cancel();
        self.inner.stop.cancel();
    }

    /// Begins shutdown because something broke. The first reason is the one that is reported.
    pub fn fail(&self, reason: String) {
        tracing::error!("{reason}");
        self.inner.failure.lock().get_or_insert(reason);
        self.inner.drain.cancel();
    }

    /// Begins shutdown at SIGTERM or SIGINT (Ctrl-C), and ends the grace period at the second one.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn shutdown_on_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let lifecycle = self.clone();
        // Not tracked: it waits for a second signal for as long as the process lives.
        spawn(async move {
            let mut first = true;
            loop {
                let name = tokio::select! {
                    Some(()) = terminate.recv() => "SIGTERM",
                    Some(()) = interrupt.recv() => "SIGINT",
                    else => return,
                };
                if first && !lifecycle.is_draining() {
                    tracing::info!("{name}: finishing what runs; once more to stop at once");
                    lifecycle.shutdown();
                } else {
                    tracing::warn!("{name} again: stopping at once");
                    lifecycle.stop_now();
                }
                first = false;
            }
        });
        Ok(())
    }

    /// Waits until shutdown begins and then until every task has finished, or has been dropped after the grace
    /// period. Says what did not finish.
    pub async fn wait(&self) -> Report {
        let inner = &self.inner;
        inner.drain.cancelled().await;
        inner.tracker.close();
        tokio::select! {
            biased;
            () = inner.tracker.wait() => {}
            () = inner.stop.cancelled() => {}
            () = tokio::time::sleep(inner.grace) => {}
        }
        self.stop_now();
        let cut_off = inner.cut_off.lock().clone().unwrap_or_default();
        let stuck = match tokio::time::timeout(AFTER_STOP, inner.tracker.wait()).await {
            Ok(()) => BTreeMap::new(),
            Err(_) => self.running(),
        };
        Report { failure: inner.failure.lock().clone(), cut_off, stuck }
    }

    /// The tasks that run now, by name.
    pub fn running(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for name in self.inner.running.lock().values() {
            *counts.entry(*name).or_default() += 1;
        }
        counts
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) -> JoinHandle<()> {
    tokio::spawn(future)
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn what_finishes_in_time_is_a_clean_shutdown() {
        let lifecycle = Lifecycle::new(GRACE);
        let drain = lifecycle.drain_token();
        lifecycle.spawn_essential("worker", async move {
            drain.cancelled().await;
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok::<(), String>(())
        });
        lifecycle.shutdown();
        let report = lifecycle.wait().await;
        assert!(report.is_clean(), "{report}");
        assert!(lifecycle.running().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_finish_is_cut_off_or_reported_stuck() {
        let lifecycle = Lifecycle::new(GRACE);
        for _ in 0..2 {
            lifecycle.spawn("forever", std::future::pending());
        }
        let held = lifecycle.hold("thread");
        lifecycle.shutdown();
        let report = lifecycle.wait().await;
        assert_eq!(report.to_string(), "cut off: 2× forever, 1× thread; stuck: 1× thread");
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn an_essential_task_that_ends_takes_the_process_down() {
        let failing: [(&str, BoxedResult); 3] = [
            ("ingress failed: no port", Box::pin(async { Err("no port".to_owned()) })),
            ("ingress ended unexpectedly", Box::pin(async { Ok(()) })),
            ("ingress panicked: boom 7", Box::pin(async { panic!("boom {}", 7) })),
        ];
        for (reason, future) in failing {
            let lifecycle = Lifecycle::new(GRACE);
            lifecycle.spawn_essential("ingress", future);
            let report = lifecycle.wait().await;
            assert_eq!(report.failure.as_deref(), Some(reason));
            assert!(report.cut_off.is_empty());
        }
    }

    type BoxedResult = std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

    #[tokio::test(start_paused = true)]
    async fn a_panic_of_another_task_ends_only_that_task() {
        let lifecycle = Lifecycle::new(GRACE);
        lifecycle.spawn("connection", async { panic!("boom") }).await.unwrap();
        assert!(!lifecycle.is_draining());
        lifecycle.stop_now();
        assert!(lifecycle.wait().await.is_clean());
    }

    #[tokio::test]
    async fn a_real_sigterm_begins_the_shutdown_and_a_second_one_ends_it() {
        let lifecycle = Lifecycle::new(Duration::from_secs(600));
        lifecycle.shutdown_on_signals().unwrap();
        lifecycle.spawn("forever", std::future::pending());
        let send =
            || std::process::Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
        send().unwrap();
        lifecycle.drain_token().cancelled().await;
        assert!(!lifecycle.stop_token().is_cancelled());
        send().unwrap();
        let report = lifecycle.wait().await;
        assert_eq!(report.cut_off, BTreeMap::from([("forever", 1)]));
    }
}
