//! The embedded back-end: one SQLite database per service.
//!
//! One writer thread takes everything that is queued, runs each request in a savepoint of its own inside one
//! transaction, commits once with a flush to disk, and then answers all. Readers have their own connections.

mod backup;
mod checkpoint;
mod database;
mod inbox;
mod journal;
mod log;
mod outbox;
mod pages;
mod schema;
mod tail;
mod writer;

pub use backup::{Frozen, Identity, begin_new_life, check_file, freeze, identity, known_version};
pub use checkpoint::CHECKPOINT_PAGES;
pub use database::{Database, Options, connect};
pub use inbox::{count_attempts, remove_parked};
pub use log::damage as log_damage;
pub use outbox::JournalOutbox;
pub use pages::PAGES_VFS;
pub use schema::Migrations;
pub use writer::WriteTx;

impl From<rusqlite::Error> for crate::StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi::{ErrorCode as Code, SQLITE_IOERR_DATA};
        if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_DATA) {
            return Self::Inconsistent(pages::found().unwrap_or_else(|| error.to_string()));
        }
        match error.sqlite_error_code() {
            // The disk or another process: the same request may succeed later.
            Some(
                Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::DiskFull
                | Code::SystemIoFailure
                | Code::CannotOpen
                | Code::OutOfMemory
                | Code::OperationInterrupted
                | Code::ReadOnly
                | Code::FileLockingProtocolFailed
                | Code::PermissionDenied,
            ) => Self::Unavailable(error.to_string()),
            // Damage, a constraint about to be broken, a row that is not what it must be: no retry mends it.
            _ => Self::Inconsistent(error.to_string()),
        }
    }
}
