//! Making a layer known to SQLite.

use std::ffi::{CString, NulError};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, ffi};
use thiserror::Error;

use crate::Layer;
use crate::beneath::done;
use crate::shim;

/// Why a layer was not registered.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// A name has a zero byte.
    #[error("not a name of a VFS")]
    Name(#[from] NulError),
    /// There is no VFS of the name that it should lie on.
    #[error("SQLite has no VFS {0}")]
    Unknown(String),
    /// There is a VFS of its name.
    #[error("SQLite has a VFS {0} already")]
    Taken(String),
    /// SQLite refused.
    #[error("SQLite refused with {0}")]
    Refused(i32),
}

/// Puts `layer` on top of the VFS `beneath` (`None`: the operating system's) as the VFS `name`, for the rest of the
/// process: connections may use it to their end, so a few hundred bytes are never given back.
///
/// # Errors
/// See [`RegisterError`].
pub fn register(name: &str, beneath: Option<&str>, layer: Arc<dyn Layer>) -> Result<(), RegisterError> {
    // Between looking for the name and taking it nobody else may.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let c_name = CString::new(name)?;
    let below = beneath.map(CString::new).transpose()?;
    // SAFETY: the names are C strings or null, which asks for the default.
    let (taken, base) = unsafe {
        (
            ffi::sqlite3_vfs_find(c_name.as_ptr()),
            ffi::sqlite3_vfs_find(below.as_ref().map_or(ptr::null(), |name| name.as_ptr())),
        )
    };
    if !taken.is_null() {
        return Err(RegisterError::Taken(name.to_owned()));
    }
    if base.is_null() {
        return Err(RegisterError::Unknown(beneath.unwrap_or("(default)").to_owned()));
    }
    // SAFETY: SQLite found `base`, and a registered VFS is valid for the rest of the process (nothing here unregisters).
    let vfs = unsafe { shim::vfs(base, c_name, layer) };
    // SAFETY: `vfs` is complete and leaked, hence valid for ever; 0 keeps the default as it is.
    match unsafe { ffi::sqlite3_vfs_register(Box::leak(vfs), 0) } {
        ffi::SQLITE_OK => Ok(()),
        code => Err(RegisterError::Refused(code)),
    }
}

/// Has SQLite leave the last `bytes` (0 to 255) of every page to the layers, if the database is new or when it is next
/// vacuumed.
///
/// # Errors
/// If the connection has no database.
pub fn reserve_bytes(connection: &Connection, bytes: u8) -> rusqlite::Result<()> {
    let mut bytes = i32::from(bytes);
    // SAFETY: the handle is open for as long as `connection` is borrowed, and this operation takes a pointer to an int,
    // which it reads and writes during the call only.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_RESERVE_BYTES,
            ptr::from_mut(&mut bytes).cast(),
        )
    };
    done(code).map_err(|code| rusqlite::Error::SqliteFailure(ffi::Error::new(code.0), None))
}
