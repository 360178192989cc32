//! SQLite's tables of C functions, for a VFS with a layer.
//!
//! A file of ours is a [`Shim`], and the file beneath lies right behind it in the same allocation, which SQLite makes as
//! large as `szOsFile` says. SQLite calls a file's methods one at a time: a file belongs to one connection.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use crate::beneath::done;
use crate::{Beneath, Code, File, Kind, Layer, Opening};

/// What `pAppData` points at.
struct App {
    base: *mut sqlite3_vfs,
    layer: Arc<dyn Layer>,
}

/// The head of a file; see the module. SQLite aligns files to 8 bytes, and so does this what lies behind it.
#[repr(C, align(8))]
struct Shim {
    /// First, because to SQLite this is the whole file.
    head: sqlite3_file,
    file: Option<Box<dyn File>>,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // 2: with shared memory, which the write-ahead log needs, and without memory maps, which no layer would see.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// A VFS that is to be registered. Its name and its [`App`] are leaked.
///
/// # Safety
/// `base` must be a VFS that is valid for as long as the result is used.
pub(crate) unsafe fn vfs(base: *mut sqlite3_vfs, name: CString, layer: Arc<dyn Layer>) -> Box<sqlite3_vfs> {
    // SAFETY: `base` is valid.
    let (file, longest) = unsafe { ((*base).szOsFile, (*base).mxPathname) };
    Box::new(sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<Shim>() as c_int + file,
        mxPathname: longest,
        pNext: ptr::null_mut(),
        zName: name.into_raw(),
        pAppData: Box::into_raw(Box::new(App { base, layer })).cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        // Only for loading extensions, which is never allowed.
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(get_last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    })
}

fn code(result: Result<(), Code>) -> c_int {
    result.map_or_else(|Code(code)| code, |()| ffi::SQLITE_OK)
}

/// # Safety
/// `vfs` must be one that [`vfs`] made.
unsafe fn app<'a>(vfs: *mut sqlite3_vfs) -> &'a App {
    // SAFETY: `pAppData` is an `App` that is never freed.
    unsafe { &*(*vfs).pAppData.cast::<App>() }
}

/// # Safety
/// `name` must be a C string that outlives the result.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: as the caller says.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

/// The file beneath.
///
/// # Safety
/// `file` must be the start of `szOsFile` bytes.
unsafe fn below(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: it lies right behind the head, inside the same allocation.
    unsafe { file.cast::<Shim>().add(1).cast() }
}

/// The layer's side of a file, and the file beneath.
///
/// # Safety
/// `file` must have been opened by [`open`] and not be closed, and nothing else may use it during `'c`.
unsafe fn parts<'c>(file: *mut sqlite3_file, flush: c_int) -> (Option<&'c mut dyn File>, Beneath<'c>) {
    // SAFETY: an open file starts with a `Shim`, and the one behind it was opened with it.
    unsafe {
        let shim = &mut *file.cast::<Shim>();
        (shim.file.as_deref_mut().map(|file| file as &mut dyn File), Beneath::new(below(file), flush))
    }
}

unsafe extern "C" fn open(
    this: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with our VFS, `szOsFile` bytes at `file` that hold nothing yet, aligned to 8, and a
    // name that is null or lives as long as the file. Until `head` has methods, SQLite does not close the file.
    unsafe {
        let shim = file.cast::<Shim>();
        shim.write(Shim { head: sqlite3_file { pMethods: ptr::null() }, file: None });
        let App { base, layer } = app(this);
        let kind = match flags {
            f if f & ffi::SQLITE_OPEN_MAIN_DB != 0 => Kind::Database,
            f if f & ffi::SQLITE_OPEN_WAL != 0 => Kind::Log,
            f if f & (ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL) != 0 => Kind::Journal,
            _ => Kind::Temporary,
        };
        let opening = Opening {
            path: (!name.is_null()).then(|| path(name)),
            kind,
            create: flags & ffi::SQLITE_OPEN_CREATE != 0,
        };
        let below = below(file);
        let mut opened = false;
        let mut beneath = || {
            let Some(open) = (**base).xOpen else { return Err(Code::CANNOT_OPEN) };
            (*below).pMethods = ptr::null();
            let result = done(open(*base, name, below, flags, out_flags));
            // A file that has methods must be closed, even if it could not be opened.
            opened = !(*below).pMethods.is_null();
            result
        };
        let result = layer.open(&opening, &mut beneath);
        match result {
            Ok(layered) if opened => {
                (*shim).file = Some(layered);
                (*shim).head.pMethods = &raw const METHODS;
                ffi::SQLITE_OK
            }
            failed => {
                if opened && let Some(close) = (*(*below).pMethods).xClose {
                    close(below);
                }
                failed.err().unwrap_or(Code::CANNOT_OPEN).0
            }
        }
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once, and does not use it again.
    unsafe {
        let below = below(file);
        let result = (*(*below).pMethods).xClose.map_or(ffi::SQLITE_OK, |close| close(below));
        drop((*file.cast::<Shim>()).file.take());
        result
    }
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open and SQLite uses it once at a time; `buffer` has `amount` writable bytes, which are made
    // defined before a slice is made of them.
    unsafe {
        let (Some(layer), mut beneath) = parts(file, 0) else { return ffi::SQLITE_IOERR_READ };
        ptr::write_bytes(buffer.cast::<u8>(), 0, amount as usize);
        let buffer = std::slice::from_raw_parts_mut(buffer.cast(), amount as usize);
        code(layer.read(&mut beneath, buffer, offset as u64))
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open and SQLite uses it once at a time; `data` has `amount` bytes.
    unsafe {
        let (Some(layer), mut beneath) = parts(file, 0) else { return ffi::SQLITE_IOERR_WRITE };
        let data = std::slice::from_raw_parts(data.cast(), amount as usize);
        code(layer.write(&mut beneath, data, offset as u64))
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: the file is open and SQLite uses it once at a time.
    unsafe {
        let (Some(layer), mut beneath) = parts(file, 0) else { return ffi::SQLITE_IOERR_TRUNCATE };
        code(layer.truncate(&mut beneath, size as u64))
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file is open and SQLite uses it once at a time.
    unsafe {
        let (Some(layer), mut beneath) = parts(file, flags) else { return ffi::SQLITE_IOERR_FSYNC };
        code(layer.sync(&mut beneath))
    }
}

unsafe extern "C" fn delete(this: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite gives our VFS and a C string.
    unsafe {
        let App { base, layer } = app(this);
        let mut beneath = || match (**base).xDelete {
            Some(delete) => done(delete(*base, name, sync_folder)),
            None => Err(Code::DELETE),
        };
        code(layer.delete(path(name), sync_folder != 0, &mut beneath))
    }
}

/// Methods of a file that go straight to the one beneath.
macro_rules! straight {
    ($($name:ident = $method:ident($($argument:ident: $type:ty),*) -> $otherwise:expr;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file, $($argument: $type),*) -> c_int {
            // SAFETY: SQLite calls this on an open file with what the method of the file beneath, which is open with it,
            // is to be called with.
            unsafe {
                let below = below(file);
                (*(*below).pMethods).$method.map_or($otherwise, |method| method(below, $($argument),*))
            }
        }
    )*};
}

straight! {
    file_size = xFileSize(size: *mut sqlite3_int64) -> ffi::SQLITE_IOERR_FSTAT;
    lock = xLock(level: c_int) -> ffi::SQLITE_IOERR_LOCK;
    unlock = xUnlock(level: c_int) -> ffi::SQLITE_IOERR_UNLOCK;
    check_reserved_lock = xCheckReservedLock(result: *mut c_int) -> ffi::SQLITE_IOERR_CHECKRESERVEDLOCK;
    file_control = xFileControl(operation: c_int, argument: *mut c_void) -> ffi::SQLITE_NOTFOUND;
    sector_size = xSectorSize() -> 4096;
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> ffi::SQLITE_IOERR_SHMMAP;
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> ffi::SQLITE_IOERR_SHMLOCK;
    shm_unmap = xShmUnmap(delete: c_int) -> ffi::SQLITE_OK;
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: as `straight!`.
    let beneath = unsafe {
        let below = below(file);
        (*(*below).pMethods).xDeviceCharacteristics.map_or(0, |ask| ask(below))
    };
    // Else SQLite reads parts of pages past its cache, and no layer could prove them.
    beneath & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: as `straight!`.
    unsafe {
        let below = below(file);
        if let Some(barrier) = (*(*below).pMethods).xShmBarrier {
            barrier(below);
        }
    }
}

/// Functions of a VFS that go straight to the one beneath.
macro_rules! straight_vfs {
    ($($name:ident = $method:ident($($argument:ident: $type:ty),*) -> $otherwise:expr;)*) => {$(
        unsafe extern "C" fn $name(this: *mut sqlite3_vfs, $($argument: $type),*) -> c_int {
            // SAFETY: SQLite calls this on our VFS with what the function of the one beneath is to be called with.
            unsafe {
                let base = app(this).base;
                (*base).$method.map_or($otherwise, |method| method(base, $($argument),*))
            }
        }
    )*};
}

straight_vfs! {
    access = xAccess(name: *const c_char, flags: c_int, result: *mut c_int) -> ffi::SQLITE_IOERR_ACCESS;
    full_pathname = xFullPathname(name: *const c_char, length: c_int, out: *mut c_char) -> ffi::SQLITE_CANTOPEN;
    randomness = xRandomness(length: c_int, out: *mut c_char) -> 0;
    sleep = xSleep(microseconds: c_int) -> 0;
    current_time = xCurrentTime(now: *mut f64) -> ffi::SQLITE_ERROR;
    get_last_error = xGetLastError(length: c_int, out: *mut c_char) -> 0;
    current_time_int64 = xCurrentTimeInt64(now: *mut sqlite3_int64) -> ffi::SQLITE_ERROR;
}
