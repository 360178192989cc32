//! Between SQLite and its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_vfs::{Beneath, Code, File, Kind, Layer, Opening};

use crate::drive::{Drive, Shared};
use crate::{Act, Fault};

pub(crate) struct FaultLayer {
    pub(crate) drive: Arc<Drive>,
}

impl Layer for FaultLayer {
    fn open(
        &self,
        file: &Opening<'_>,
        beneath: &mut dyn FnMut() -> Result<(), Code>,
    ) -> Result<Box<dyn File>, Code> {
        // What is gone with the connection needs no counting: nothing of it is found again.
        let Some(path) = file.path.filter(|_| file.kind != Kind::Temporary) else {
            beneath()?;
            return Ok(Box::new(Plain));
        };
        let disk = self.drive.disk();
        let mut state = disk.lock();
        if file.create && state.files.is_missing(path) {
            match state.point(Act::Make, path) {
                None => {}
                Some(Fault::Full) => return Err(Code::FULL),
                Some(Fault::Refused | Fault::Short) => return Err(Code::CANNOT_OPEN),
            }
            beneath()?;
            state.files.made(path);
        } else {
            beneath()?;
        }
        drop(state);
        let is_database = file.kind == Kind::Database;
        Ok(Box::new(Faulty { state: disk, path: path.to_owned(), is_database }))
    }

    fn delete(
        &self,
        path: &Path,
        durable: bool,
        beneath: &mut dyn FnMut() -> Result<(), Code>,
    ) -> Result<(), Code> {
        let disk = self.drive.disk();
        let mut state = disk.lock();
        if state.files.is_missing(path) {
            return beneath();
        }
        match state.point(Act::Delete, path) {
            Some(Fault::Refused | Fault::Short) => return Err(Code::DELETE),
            Some(Fault::Full) | None => {}
        }
        beneath()?;
        state.files.deleted(path, durable);
        Ok(())
    }
}

/// A temporary file.
struct Plain;

impl File for Plain {}

struct Faulty {
    state: Shared,
    path: PathBuf,
    is_database: bool,
}

impl File for Faulty {
    fn read(&mut self, beneath: &mut Beneath<'_>, buffer: &mut [u8], offset: u64) -> Result<(), Code> {
        if self.state.lock().read() {
            return Err(Code::READ);
        }
        beneath.read(buffer, offset)
    }

    fn write(&mut self, beneath: &mut Beneath<'_>, data: &[u8], offset: u64) -> Result<(), Code> {
        let mut state = self.state.lock();
        let (written, result) = match state.point(Act::Write, &self.path) {
            None => (data, Ok(())),
            Some(Fault::Refused) => return Err(Code::WRITE),
            Some(Fault::Full) => return Err(Code::FULL),
            Some(Fault::Short) => (&data[..data.len() / 2], Err(Code::WRITE)),
        };
        beneath.write(written, offset)?;
        state.files.written(&self.path, offset, written);
        result
    }

    fn truncate(&mut self, beneath: &mut Beneath<'_>, size: u64) -> Result<(), Code> {
        let mut state = self.state.lock();
        match state.point(Act::Truncate, &self.path) {
            Some(Fault::Refused | Fault::Short) => return Err(Code::TRUNCATE),
            Some(Fault::Full) | None => {}
        }
        beneath.truncate(size)?;
        state.files.truncated(&self.path, size);
        Ok(())
    }

    fn sync(&mut self, _: &mut Beneath<'_>) -> Result<(), Code> {
        let mut state = self.state.lock();
        match state.point(Act::Flush, &self.path) {
            Some(Fault::Refused | Fault::Short) => return Err(Code::FLUSH),
            Some(Fault::Full) | None => {}
        }
        state.files.flushed(&self.path, self.is_database);
        Ok(())
    }
}
