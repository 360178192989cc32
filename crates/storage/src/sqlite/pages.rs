//! A checksum in every page of the database: what is read is what was written, or an error ([ADR 0016]).
//!
//! SQLite itself has checksums only in its write-ahead log. A bit that turns in a page of the database would be served as
//! it is: another address, another quantity. So the last eight bytes of each page, which SQLite leaves to us, hold a
//! CRC-32 of the page and of its number, set when the page is written to the database and proved whenever it is read from
//! there. A page that was zeroed, or that belongs somewhere else, does not pass either.
//!
//! [ADR 0016]: ../../../../docs/adr/0016-a-checksum-in-every-page.md

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_vfs::{Beneath, Code, File, Kind, Layer, Opening, RegisterError, register};

use crate::error::StoreError;

/// Bytes of each page that SQLite leaves to us.
pub(super) const RESERVED: u8 = 8;
/// The last bytes of a page with a checksum.
const TAG: &[u8; 4] = b"HFs1";
/// How the header of a database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where the header of a database says how much of each page is reserved.
const RESERVED_AT: usize = 20;
const SMALLEST_PAGE: usize = 512;

/// SQLite's name for the layer over the operating system's files. It is there once a database was opened.
pub const PAGES_VFS: &str = "holdfast-pages";

/// Makes sure that the layer is there, over the VFS `beneath`; gives its name.
pub(super) fn vfs(beneath: Option<&str>) -> Result<String, StoreError> {
    let name = beneath.map_or_else(|| PAGES_VFS.to_owned(), |beneath| format!("{PAGES_VFS}-on-{beneath}"));
    match register(&name, beneath, Arc::new(Pages)) {
        Ok(()) | Err(RegisterError::Taken(_)) => Ok(name),
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

thread_local! {
    /// What the last read of this thread found, until somebody tells of it.
    static FOUND: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Takes what this thread's last failed read has found.
pub(super) fn found() -> Option<String> {
    FOUND.take()
}

struct Pages;

impl Layer for Pages {
    fn open(
        &self,
        file: &Opening<'_>,
        beneath: &mut dyn FnMut() -> Result<(), Code>,
    ) -> Result<Box<dyn File>, Code> {
        beneath()?;
        Ok(match file.path {
            Some(path) if file.kind == Kind::Database => Box::new(Checked {
                path: path.to_owned(),
                has_sums: None,
                early: Vec::new(),
                page: Vec::new(),
            }),
            _ => Box::new(Unchecked),
        })
    }
}

/// Logs and journals, which have checksums of their own, and what is gone with its connection.
struct Unchecked;

impl File for Unchecked {}

struct Checked {
    path: PathBuf,
    /// Whether this database was made with checksums, once that is known.
    has_sums: Option<bool>,
    /// Pages of a new database that were written before the first one said whether they have checksums.
    early: Vec<u32>,
    /// A page on its way to the file.
    page: Vec<u8>,
}

/// The number of the page that is these bytes, if they are one. SQLite also reads the header alone.
fn page_number(length: usize, offset: u64) -> Option<u32> {
    let is_page = length >= SMALLEST_PAGE && length.is_power_of_two() && offset.is_multiple_of(length as u64);
    is_page.then(|| u32::try_from(offset / length as u64).unwrap_or(u32::MAX).saturating_add(1))
}

/// Whether a database that starts with this page has checksums. Either sign is enough: one may be damaged.
fn first_page_has_sums(page: &[u8]) -> bool {
    page.get(RESERVED_AT) == Some(&RESERVED) || page.ends_with(TAG)
}

fn sum(content: &[u8], number: u32) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new_with_initial(number);
    hasher.update(content);
    hasher.finalize().to_le_bytes()
}

fn is_whole(page: &[u8], number: u32) -> bool {
    page.split_last_chunk::<{ RESERVED as usize }>()
        .is_some_and(|(content, last)| last[..4] == sum(content, number) && last[4..] == TAG[..])
}

fn damaged(path: &Path, number: u32) -> Code {
    let what = format!(
        "{}: page {number} is damaged (its checksum does not match); put a backup in its place",
        path.display()
    );
    tracing::error!("{what}");
    metrics::counter!("store_damaged_pages_total").increment(1);
    FOUND.set(Some(what));
    Code::DATA
}

impl Checked {
    fn write_page(&mut self, beneath: &mut Beneath<'_>, data: &[u8], number: u32) -> Result<(), Code> {
        let content = &data[..data.len() - usize::from(RESERVED)];
        self.page.clear();
        self.page.extend_from_slice(content);
        self.page.extend_from_slice(&sum(content, number));
        self.page.extend_from_slice(TAG);
        beneath.write(&self.page, u64::from(number - 1) * data.len() as u64)
    }

    fn has_sums(&mut self, beneath: &mut Beneath<'_>, page_size: usize) -> Result<bool, Code> {
        if let Some(known) = self.has_sums {
            return Ok(known);
        }
        let mut first = vec![0; page_size];
        match beneath.read(&mut first, 0) {
            Ok(()) if first.starts_with(MAGIC) => Ok(*self.has_sums.insert(first_page_has_sums(&first))),
            // There is no first page yet, or only the room for it.
            Ok(()) | Err(Code::SHORT_READ) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl File for Checked {
    fn read(&mut self, beneath: &mut Beneath<'_>, buffer: &mut [u8], offset: u64) -> Result<(), Code> {
        beneath.read(buffer, offset)?;
        let Some(number) = page_number(buffer.len(), offset) else { return Ok(()) };
        if number == 1 {
            self.has_sums = Some(first_page_has_sums(buffer));
        }
        if self.has_sums(beneath, buffer.len())? && !is_whole(buffer, number) {
            return Err(damaged(&self.path, number));
        }
        Ok(())
    }

    fn write(&mut self, beneath: &mut Beneath<'_>, data: &[u8], offset: u64) -> Result<(), Code> {
        let Some(number) = page_number(data.len(), offset) else { return beneath.write(data, offset) };
        if number == 1 {
            self.has_sums = Some(data.get(RESERVED_AT) == Some(&RESERVED));
        }
        if !self.has_sums(beneath, data.len())? {
            if self.has_sums.is_none() {
                self.early.push(number);
            }
            return beneath.write(data, offset);
        }
        for early in std::mem::take(&mut self.early) {
            let mut page = vec![0; data.len()];
            beneath.read(&mut page, u64::from(early - 1) * data.len() as u64)?;
            self.write_page(beneath, &page, early)?;
        }
        self.write_page(beneath, data, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_only_as_it_was_written_and_where() {
        let mut page = vec![7; 4088];
        let crc = sum(&page, 3);
        page.extend_from_slice(&crc);
        page.extend_from_slice(TAG);
        assert!(is_whole(&page, 3));
        assert!(!is_whole(&page, 4), "the page of another place");
        assert!(!is_whole(&vec![0; 4096], 3), "zeroes");
        for at in (0..4096).step_by(97) {
            page[at] ^= 0x10;
            assert!(!is_whole(&page, 3), "byte {at}");
            page[at] ^= 0x10;
        }
    }

    #[test]
    fn the_header_alone_is_no_page() {
        assert_eq!(page_number(100, 0), None);
        assert_eq!(page_number(16, 24), None);
        assert_eq!(page_number(4096, 0), Some(1));
        assert_eq!(page_number(4096, 8192), Some(3));
    }
}
