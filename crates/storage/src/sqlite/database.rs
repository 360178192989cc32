//! Opening a database, and handing out work to its writer and its readers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use holdfast_contract::Topic;
use holdfast_contract::topic::DEFAULT_PARTITIONS;
use holdfast_vfs::reserve_bytes;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, oneshot};

use super::backup;
use super::checkpoint::{CHECKPOINT_PAGES, Checkpoints};
use super::journal::{self, Appender};
use super::log;
use super::pages;
use super::schema::{self, Migrations};
use super::tail::Tail;
use super::writer::{Job, Measured, Request, WriteTx, Writer};
use crate::error::StoreError;
use crate::record::Incarnation;

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; its folder is made. `<file>.lock` beside it keeps other processes out.
    pub path: PathBuf,
    /// The service's own tables.
    pub migrations: Migrations,
    /// The topics whose records its journal holds.
    pub topics: &'static [Topic],
    /// Partitions of a new journal; an existing one keeps what it has.
    pub partitions: u16,
    /// Read connections.
    pub readers: usize,
    /// Requests that may wait for the writer; beyond that, callers wait.
    pub queue: usize,
    /// Bytes of the newest records to keep in memory for consumers.
    pub tail_bytes: usize,
    /// Pages of 4 KiB in the write-ahead log from which on it is folded into the database.
    pub checkpoint_pages: u32,
    /// SQLite's name of the VFS that the files are reached through; `None`: the operating system's. Tests put a disk that
    /// fails there.
    pub vfs: Option<String>,
}

impl Options {
    /// Sensible bounds for one machine.
    pub fn new(path: impl Into<PathBuf>, migrations: Migrations, topics: &'static [Topic]) -> Self {
        Self {
            path: path.into(),
            migrations,
            topics,
            partitions: DEFAULT_PARTITIONS,
            readers: 3,
            queue: 4_096,
            tail_bytes: 2 << 20,
            checkpoint_pages: CHECKPOINT_PAGES,
            vfs: None,
        }
    }
}

/// A service's database. Closing is [`Database::close`]; dropping it closes too, and blocks until what is
/// queued is done.
pub struct Database {
    topics: &'static [Topic],
    partitions: u16,
    incarnation: Incarnation,
    tail: Arc<Tail>,
    queue: Mutex<Option<flume::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    path: PathBuf,
    failing: Arc<AtomicBool>,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Database {
    /// Opens the database, makes it if it is not there, brings its schema up to date and starts its writer.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it, [`StoreError::NewerSchema`], [`StoreError::Inconsistent`] if the
    /// file is damaged.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        Self::open_file(options).map_err(|error| match error {
            // What SQLite says does not name the file.
            StoreError::Inconsistent(what) => StoreError::Inconsistent(damage_of(&options.path, &what)),
            other => other,
        })
    }

    fn open_file(options: &Options) -> Result<Self, StoreError> {
        let path = &options.path;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| unavailable(folder, &e))?;
        }
        let lock = lock(path)?;
        let log = beside(path, "-wal");
        if let Some(frame) = log::damage(&log).map_err(|e| unavailable(&log, &e))? {
            // Said and not refused: a torn log must never keep a service from starting.
            let log = log.display();
            tracing::error!(
                "{log}: damaged at frame {frame}, and finished commits seem to follow: they are lost"
            );
            metrics::counter!("store_damaged_logs_total").increment(1);
        }
        let vfs = options.vfs.as_deref();
        let mut connection =
            open_with(path, vfs, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        reserve_bytes(&connection, pages::RESERVED)?;
        // FULL: a commit is on the disk before it is answered.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 134217728; PRAGMA cache_size = -16000;
             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
        )?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            let why = format!("{}: no write-ahead log on this file system ({mode})", path.display());
            return Err(StoreError::Unavailable(why));
        }
        schema::migrate(&mut connection, &[schema::STORAGE, options.migrations])?;
        let (incarnation, partitions) = journal::identity(&connection, options.partitions)?;
        let appender = Appender::load(&connection, partitions)?;
        let tail = Arc::new(Tail::new(appender.newest(), options.tail_bytes));
        let readers =
            (0..options.readers.max(1)).map(|_| reader(path, vfs)).collect::<Result<Vec<_>, _>>()?;
        let (sender, queue) = flume::bounded(options.queue);
        let helper = open_with(path, vfs, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let checkpoints = Checkpoints::start(&mut connection, helper, options.checkpoint_pages)?;
        // The writer keeps the lock: nobody else may open the file while it can still write.
        let failing = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            _lock: lock,
            checkpoints,
            connection,
            appender,
            tail: tail.clone(),
            queue,
            failing: failing.clone(),
            measured: Measured::new(&path.file_stem().unwrap_or_default().to_string_lossy()),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| unavailable(path, &e))?;
        Ok(Self {
            topics: options.topics,
            partitions,
            incarnation,
            tail,
            queue: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(thread)),
            readers: Arc::new(Readers { permits: Semaphore::new(readers.len()), idle: Mutex::new(readers) }),
            path: path.clone(),
            failing,
        })
    }

    /// Runs `work` in the next transaction and answers once that is durable. An `Err` of `work` undoes what it did.
    ///
    /// `work` runs on the writer thread, one request at a time: it sees every commit before it, and must not block.
    ///
    /// # Errors
    /// What `work` gives, or [`StoreError::Unavailable`] if the commit fails or the database is closed.
    pub async fn write<R, E, F>(&self, work: F) -> Result<R, E>
    where
        F: FnOnce(&mut WriteTx<'_>) -> Result<R, E> + Send + 'static,
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Request { work: Some(work), result: None, reply });
        let closed = || E::from(StoreError::Unavailable("the store is closed".to_owned()));
        let queue = self.queue.lock().clone().ok_or_else(closed)?;
        if let Err(full) = queue.try_send(job) {
            queue.send_async(full.into_inner()).await.map_err(|_| closed())?;
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether commits become durable. Costs nothing while they do; after one that did not, a small one is tried.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_writes(&self) -> Result<(), StoreError> {
        if !self.failing.load(Ordering::Acquire) {
            return Ok(());
        }
        self.write(|tx| {
            // Writes a page although nothing changes.
            Ok(tx.connection().execute("UPDATE journal_identity SET trimmed = trimmed", []).map(drop)?)
        })
        .await
    }

    /// Reads every page that is in use, and says whether they are whole and make whole trees. Takes as long as reading the
    /// file.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] with the first damage.
    pub async fn check_pages(&self) -> Result<(), StoreError> {
        let path = self.path.clone();
        self.read(move |connection| backup::check_connection(connection, &path)).await
    }

    /// Runs `query` on a read connection, which sees one snapshot and no later commit.
    ///
    /// # Errors
    /// What `query` gives.
    pub async fn read<R, F>(&self, query: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Connection) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let readers = self.readers.clone();
        let permit = readers.permits.acquire().await.map_err(|_| closed_store())?;
        permit.forget();
        let lender = self.readers.clone();
        let work = move || {
            let connection = Lent { readers: &lender, connection: lender.idle.lock().pop() };
            let connection = connection.connection.as_ref().ok_or_else(closed_store)?;
            let snapshot = connection.unchecked_transaction()?;
            query(&snapshot)
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(StoreError::Inconsistent(format!("a read failed: {error}"))))
    }

    /// Finishes what is queued, folds the write-ahead log into the database, closes it and lets other processes have it.
    /// Later calls fail.
    pub async fn close(&self) {
        drop(self.queue.lock().take());
        let thread = self.writer.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.readers.permits.close();
        self.readers.idle.lock().clear();
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    pub(super) fn journal_topics(&self) -> &[Topic] {
        self.topics
    }

    pub(super) fn journal_partitions(&self) -> u16 {
        self.partitions
    }

    pub(super) fn journal_incarnation(&self) -> Incarnation {
        self.incarnation
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.queue.lock().take());
        let thread = self.writer.lock().take();
        // The last handle may be dropped by a request on the writer itself.
        if let Some(thread) = thread.filter(|t| t.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

/// Gives the connection back, also when a query panics.
struct Lent<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle.lock().push(connection);
        }
        self.readers.permits.add_permits(1);
    }
}

fn closed_store() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

/// What to say of a file that cannot be believed.
pub(super) fn damage_of(path: &Path, what: &str) -> String {
    let file = path.display().to_string();
    let what = if what.contains(&file) { what.to_owned() } else { format!("{file}: {what}") };
    let advice = if what.contains("backup") { "" } else { "; put a backup in its place" };
    format!("{what}{advice}, and keep the damaged file: most of it can still be read")
}

/// The file whose name is that of the database and this.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let name = beside(path, ".lock");
    let file = File::create(&name).map_err(|e| unavailable(&name, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(path.display().to_string())),
        Err(std::fs::TryLockError::Error(error)) => Err(unavailable(&name, &error)),
    }
}

/// Opens a database that nobody writes to meanwhile, keeping the checksums of its pages: for tools and tests. What
/// writes to it otherwise leaves pages that are taken for damaged.
///
/// # Errors
/// If it is not there or cannot be opened.
pub fn connect(path: &Path) -> Result<Connection, StoreError> {
    open_with(path, None, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

pub(super) fn open_with(
    path: &Path,
    beneath: Option<&str>,
    flags: OpenFlags,
) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(path, flags, pages::vfs(beneath)?.as_str())?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

pub(super) fn reader(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    // Read-only by pragma: a read-only connection could not recover the write-ahead log.
    let connection = open_with(path, vfs, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4000;")?;
    Ok(connection)
}
