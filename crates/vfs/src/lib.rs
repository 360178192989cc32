//! Layers between SQLite and its files.
//!
//! SQLite reaches the disk through a table of C functions, its VFS. [`register`] puts a [`Layer`] on top of such a VFS
//! under a name of its own; a connection that is opened with that name passes through the layer. What the layer does not
//! care for (locks, shared memory, paths) goes straight to the VFS beneath.
//!
//! This is the one crate with `unsafe`: a layer is written in safe Rust.
#![allow(unsafe_code)]

mod beneath;
mod register;
mod shim;
#[cfg(test)]
mod tests;

use std::path::Path;

use rusqlite::ffi;

pub use beneath::Beneath;
pub use register::{RegisterError, register, reserve_bytes};

/// A result code of SQLite that is not `SQLITE_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

impl Code {
    /// The disk failed while reading.
    pub const READ: Self = Self(ffi::SQLITE_IOERR_READ);
    /// Fewer bytes were there than asked for; the rest of the buffer is zero. Not a failure: SQLite expects it.
    pub const SHORT_READ: Self = Self(ffi::SQLITE_IOERR_SHORT_READ);
    /// What was read is not what was written: a checksum says so.
    pub const DATA: Self = Self(ffi::SQLITE_IOERR_DATA);
    /// The disk failed while writing.
    pub const WRITE: Self = Self(ffi::SQLITE_IOERR_WRITE);
    /// The disk failed while flushing.
    pub const FLUSH: Self = Self(ffi::SQLITE_IOERR_FSYNC);
    /// The disk failed while cutting a file off.
    pub const TRUNCATE: Self = Self(ffi::SQLITE_IOERR_TRUNCATE);
    /// The disk failed while deleting a file.
    pub const DELETE: Self = Self(ffi::SQLITE_IOERR_DELETE);
    /// The disk is full.
    pub const FULL: Self = Self(ffi::SQLITE_FULL);
    /// A file cannot be opened.
    pub const CANNOT_OPEN: Self = Self(ffi::SQLITE_CANTOPEN);
}

/// What SQLite keeps in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The database.
    Database,
    /// A rollback journal.
    Journal,
    /// The write-ahead log.
    Log,
    /// Anything that is gone when the connection is: temporary tables, statement journals.
    Temporary,
}

/// A file that is being opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'f> {
    /// Its absolute path; `None` for a temporary file without a name.
    pub path: Option<&'f Path>,
    /// What is in it.
    pub kind: Kind,
    /// Whether it is made if it is not there.
    pub create: bool,
}

/// What lies between SQLite and its files. Called by many threads at once.
pub trait Layer: Send + Sync + 'static {
    /// Opens a file; `beneath` opens it for real.
    ///
    /// # Errors
    /// What SQLite is told.
    fn open(
        &self,
        file: &Opening<'_>,
        beneath: &mut dyn FnMut() -> Result<(), Code>,
    ) -> Result<Box<dyn File>, Code>;

    /// Deletes a file; `beneath` does it for real. With `durable` it stays deleted if power is lost right after.
    ///
    /// # Errors
    /// What SQLite is told.
    fn delete(
        &self,
        path: &Path,
        durable: bool,
        beneath: &mut dyn FnMut() -> Result<(), Code>,
    ) -> Result<(), Code> {
        let _ = (path, durable);
        beneath()
    }
}

/// One open file of one connection. Every method may pass the call on to what lies beneath, and by itself does nothing
/// else. Must not panic: there is nothing above that could catch it.
///
/// # Errors
/// Every method: what SQLite is told.
pub trait File: Send {
    /// Fills `buffer` from `offset` on; see [`Code::SHORT_READ`].
    fn read(&mut self, beneath: &mut Beneath<'_>, buffer: &mut [u8], offset: u64) -> Result<(), Code> {
        beneath.read(buffer, offset)
    }

    /// Writes all of `data` at `offset`.
    fn write(&mut self, beneath: &mut Beneath<'_>, data: &[u8], offset: u64) -> Result<(), Code> {
        beneath.write(data, offset)
    }

    /// Cuts the file off at `size` bytes.
    fn truncate(&mut self, beneath: &mut Beneath<'_>, size: u64) -> Result<(), Code> {
        beneath.truncate(size)
    }

    /// Flushes what was written to the disk.
    fn sync(&mut self, beneath: &mut Beneath<'_>) -> Result<(), Code> {
        beneath.sync()
    }
}
