//! What is durable of each file, and what was done to it since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One thing done to a file that is not durable.
pub(crate) enum Change {
    Make,
    Write { offset: u64, data: Vec<u8> },
    Truncate(u64),
    Delete,
}

/// A file: `None` is one that is not there.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) durable: Option<Vec<u8>>,
    /// Oldest first.
    pub(crate) since: Vec<Change>,
    /// Whether it is there now.
    there: bool,
}

#[derive(Default)]
pub(crate) struct Files(pub(crate) BTreeMap<PathBuf, Record>);

/// Puts bytes into a file; what lies between its end and them is zero.
pub(crate) fn put(content: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(data);
}

pub(crate) fn cut(content: &mut Vec<u8>, size: u64) {
    content.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
}

impl Record {
    /// What was written becomes durable, and whether the file is there.
    fn flush(&mut self) {
        for change in self.since.drain(..) {
            match (change, &mut self.durable) {
                (Change::Make, durable) => *durable = Some(Vec::new()),
                (Change::Delete, durable) => *durable = None,
                (Change::Write { offset, data }, Some(content)) => put(content, offset, &data),
                (Change::Truncate(size), Some(content)) => cut(content, size),
                (_, None) => {}
            }
        }
    }

    /// Whether the file is there becomes durable; what was written does not.
    fn flush_name(&mut self) {
        let mut rest = Vec::new();
        for change in self.since.drain(..) {
            match change {
                Change::Make => self.durable = Some(Vec::new()),
                Change::Delete => {
                    self.durable = None;
                    rest.clear();
                }
                written => rest.push(written),
            }
        }
        self.since = rest;
    }

    fn is_new(&self) -> bool {
        self.since.iter().any(|change| matches!(change, Change::Make))
    }
}

impl Files {
    fn record(&mut self, path: &Path) -> &mut Record {
        self.0.entry(path.to_owned()).or_insert_with(|| {
            // Seen for the first time: whatever is there is durable.
            let durable = std::fs::read(path).ok();
            Record { there: durable.is_some(), durable, since: Vec::new() }
        })
    }

    /// Whether opening it makes it.
    pub(crate) fn is_missing(&mut self, path: &Path) -> bool {
        !self.record(path).there
    }

    pub(crate) fn made(&mut self, path: &Path) {
        let record = self.record(path);
        record.there = true;
        record.since.push(Change::Make);
    }

    pub(crate) fn written(&mut self, path: &Path, offset: u64, data: &[u8]) {
        self.record(path).since.push(Change::Write { offset, data: data.to_vec() });
    }

    pub(crate) fn truncated(&mut self, path: &Path, size: u64) {
        self.record(path).since.push(Change::Truncate(size));
    }

    /// SQLite flushes the folder too when it flushes a journal or a log that it has made.
    pub(crate) fn flushed(&mut self, path: &Path, is_database: bool) {
        let record = self.record(path);
        let folder = !is_database && record.is_new();
        record.flush();
        if folder {
            self.flush_folder(path);
        }
    }

    pub(crate) fn deleted(&mut self, path: &Path, durable: bool) {
        let record = self.record(path);
        record.there = false;
        record.since.push(Change::Delete);
        if durable {
            self.flush_folder(path);
        }
    }

    fn flush_folder(&mut self, path: &Path) {
        let folder = path.parent();
        for (other, record) in &mut self.0 {
            if other.parent() == folder {
                record.flush_name();
            }
        }
    }
}
