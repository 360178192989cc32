//! A file of the VFS beneath a layer.

use std::ffi::c_int;
use std::marker::PhantomData;

use rusqlite::ffi;

use crate::Code;

/// The same file one layer down, for the time of one call.
pub struct Beneath<'c> {
    file: *mut ffi::sqlite3_file,
    /// SQLite's flags of the flush that is under way.
    flush: c_int,
    call: PhantomData<&'c mut ()>,
}

/// Turns a result code into a result.
pub(crate) fn done(code: c_int) -> Result<(), Code> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(Code(code)) }
}

fn offset_of(offset: u64) -> Result<ffi::sqlite3_int64, Code> {
    i64::try_from(offset).map_err(|_| Code(ffi::SQLITE_MISUSE))
}

impl Beneath<'_> {
    /// # Safety
    /// `file` must be open, and nobody else may use it while this lives.
    pub(crate) unsafe fn new(file: *mut ffi::sqlite3_file, flush: c_int) -> Self {
        Self { file, flush, call: PhantomData }
    }

    /// # Safety
    /// None beyond `new`: the methods of an open file stay where they are until it is closed.
    fn methods(&self) -> &ffi::sqlite3_io_methods {
        // SAFETY: an open file has methods (that is what `xOpen` promises), and they are static tables.
        unsafe { &*(*self.file).pMethods }
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`Code::SHORT_READ`] if the file ends before; the rest is zero then. Others if the disk fails.
    pub fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<(), Code> {
        let read = self.methods().xRead.ok_or(Code::READ)?;
        let amount = c_int::try_from(buffer.len()).map_err(|_| Code(ffi::SQLITE_MISUSE))?;
        // SAFETY: the file is open (`new`), and the buffer has `amount` bytes to write to.
        done(unsafe { read(self.file, buffer.as_mut_ptr().cast(), amount, offset_of(offset)?) })
    }

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// If the disk fails or is full.
    pub fn write(&mut self, data: &[u8], offset: u64) -> Result<(), Code> {
        let write = self.methods().xWrite.ok_or(Code::WRITE)?;
        let amount = c_int::try_from(data.len()).map_err(|_| Code(ffi::SQLITE_MISUSE))?;
        // SAFETY: the file is open (`new`), and `data` has `amount` bytes to read.
        done(unsafe { write(self.file, data.as_ptr().cast(), amount, offset_of(offset)?) })
    }

    /// Cuts the file off at `size` bytes.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn truncate(&mut self, size: u64) -> Result<(), Code> {
        let truncate = self.methods().xTruncate.ok_or(Code::TRUNCATE)?;
        // SAFETY: the file is open (`new`).
        done(unsafe { truncate(self.file, offset_of(size)?) })
    }

    /// Flushes what was written to the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&mut self) -> Result<(), Code> {
        let sync = self.methods().xSync.ok_or(Code::FLUSH)?;
        // SAFETY: the file is open (`new`).
        done(unsafe { sync(self.file, self.flush) })
    }
}
