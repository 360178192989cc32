//! The disk, and handles on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use holdfast_service::backend::Backend;
use holdfast_storage::{Outgoing, StoreError};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::MemoryOptions;
use super::inbox::Positions;
use super::log::Log;
use super::outbox::Published;
use super::view::View;

type Observer = Arc<dyn Fn(u64) + Send + Sync>;

/// Everything that is kept. `S` is what the service itself keeps.
pub(super) struct State<S> {
    pub(super) log: Log,
    pub(super) published: Published,
    pub(super) inbox: Positions,
    pub(super) body: S,
    pub(super) commits: u64,
}

struct Disk<S> {
    options: MemoryOptions,
    state: Mutex<State<S>>,
    observer: Mutex<Option<Observer>>,
    /// The newest handle's number; of a disk that is not shared it is the only one that works.
    newest: AtomicU64,
}

struct Connection {
    number: u64,
    closed: AtomicBool,
}

/// A handle on a store in memory. Clones are the same handle.
pub struct Memory<S> {
    disk: Arc<Disk<S>>,
    connection: Arc<Connection>,
}

impl<S> Clone for Memory<S> {
    fn clone(&self) -> Self {
        Self { disk: self.disk.clone(), connection: self.connection.clone() }
    }
}

impl<S: Send> Memory<S> {
    pub(super) fn over(options: &MemoryOptions, log: Log, body: S) -> Self {
        let state = State {
            log,
            published: Published::new(options.shards.max(1)),
            inbox: Positions::default(),
            body,
            commits: 0,
        };
        let disk = Disk {
            options: *options,
            state: Mutex::new(state),
            observer: Mutex::default(),
            newest: AtomicU64::new(0),
        };
        Self::on(Arc::new(disk))
    }

    fn on(disk: Arc<Disk<S>>) -> Self {
        let number = disk.newest.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = Connection { number, closed: AtomicBool::new(false) };
        Self { disk, connection: Arc::new(connection) }
    }

    /// Another handle, as a process has it that starts on this disk. If the disk is not shared, all handles before it end.
    #[must_use]
    pub fn open(&self) -> Self {
        Self::on(self.disk.clone())
    }

    /// Ends this handle: later calls fail with [`StoreError::Unavailable`], and what it has claimed is not given back but
    /// runs out. So close it first and drop its services then, and that is a crash; drop them first, and it is a clean end.
    pub fn close(&self) {
        self.connection.closed.store(true, Ordering::Relaxed);
    }

    /// Whether calls of this handle work.
    pub fn is_open(&self) -> bool {
        !self.connection.closed.load(Ordering::Relaxed) && self.works(self.connection.number)
    }

    /// How the store was made.
    pub fn options(&self) -> &MemoryOptions {
        &self.disk.options
    }

    /// Has `observer` called after every commit that took effect, by any handle, with its number (from 1), before the
    /// commit is answered. It may look at the store. One at a time: a later one replaces it.
    pub fn on_commit(&self, observer: impl Fn(u64) + Send + Sync + 'static) {
        *self.disk.observer.lock() = Some(Arc::new(observer));
    }

    /// Looks at what is stored, past the traits: also through a handle that is closed. `look` must not call the store.
    pub fn look<T>(&self, look: impl FnOnce(&View<'_, S>) -> T) -> T {
        look(&View::new(&self.disk.state.lock()))
    }

    /// Puts a record into the journal that no commit of the service has, as a program does that writes past it.
    pub fn intrude(&self, outgoing: Outgoing) {
        let mut state = self.disk.state.lock();
        state.log.append(outgoing);
        state.log.announce();
    }

    /// Which handle it is.
    pub(super) fn number(&self) -> u64 {
        self.connection.number
    }

    /// Whether a handle with this number may still hold something: any one may of a disk that is shared.
    pub(super) fn works(&self, number: u64) -> bool {
        self.disk.options.shared || self.disk.newest.load(Ordering::Relaxed) == number
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.is_open() { Ok(()) } else { Err(StoreError::Unavailable("the store is closed".to_owned())) }
    }

    pub(super) fn inspect<T>(&self, inspect: impl FnOnce(&State<S>) -> T) -> Result<T, StoreError> {
        self.check_open()?;
        Ok(inspect(&self.disk.state.lock()))
    }

    /// Changes what no commit changes: claims, turns, what is forgotten.
    pub(super) fn tend<T>(&self, tend: impl FnOnce(&mut State<S>) -> T) -> Result<T, StoreError> {
        self.check_open()?;
        Ok(tend(&mut self.disk.state.lock()))
    }

    /// Commits: `apply` must not have changed anything when it fails.
    pub(super) fn commit_with<T, E: From<StoreError>>(
        &self,
        apply: impl FnOnce(&mut State<S>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.check_open()?;
        let (done, number) = {
            let mut state = self.disk.state.lock();
            let done = apply(&mut state)?;
            state.commits += 1;
            state.log.announce();
            (done, state.commits)
        };
        let observer = self.disk.observer.lock().clone();
        if let Some(observer) = observer {
            observer(number);
        }
        Ok(done)
    }
}

#[async_trait]
impl<S: Send + 'static> Backend for Memory<S> {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.check_open()
    }

    async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    async fn close(&self) {
        Self::close(self);
    }
}
