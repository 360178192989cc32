//! Where disks are put in.
//!
//! SQLite keeps a VFS for ever and looks through all of them for each connection. So there is not one for each of thousands of
//! disks, but one for each that is there at once: what a disk that nobody has any more was in takes the next one.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::State;
use crate::layer::FaultLayer;

/// The state of a disk.
pub(crate) type Shared = Arc<Mutex<State>>;

/// A VFS, and the disk that is in it.
pub(crate) struct Drive {
    name: String,
    disk: Mutex<Shared>,
}

static EMPTY: Mutex<Vec<Arc<Drive>>> = Mutex::new(Vec::new());

impl Drive {
    /// One that is empty, or a new one.
    fn take() -> Arc<Self> {
        static MADE: Mutex<u64> = Mutex::new(0);
        if let Some(drive) = EMPTY.lock().pop() {
            return drive;
        }
        let mut made = MADE.lock();
        *made += 1;
        let drive = Arc::new(Self { name: format!("faultfs-{made}"), disk: Mutex::default() });
        holdfast_vfs::register(&drive.name, None, Arc::new(FaultLayer { drive: drive.clone() }))
            .expect("a name that nobody has");
        drive
    }

    /// The disk that is in it.
    pub(crate) fn disk(&self) -> Shared {
        self.disk.lock().clone()
    }
}

/// A disk in its drive; taken out when it is dropped. Files that are still open then stay files of that disk.
pub(crate) struct Inserted {
    drive: Arc<Drive>,
    pub(crate) state: Shared,
}

impl Inserted {
    /// A disk that works.
    pub(crate) fn new() -> Self {
        let (drive, state) = (Drive::take(), Shared::default());
        *drive.disk.lock() = state.clone();
        Self { drive, state }
    }

    pub(crate) fn name(&self) -> &str {
        &self.drive.name
    }
}

impl Drop for Inserted {
    fn drop(&mut self) {
        *self.drive.disk.lock() = Shared::default();
        EMPTY.lock().push(self.drive.clone());
    }
}
