//! What is left when the power goes.
//!
//! Of what was written and not flushed since, any part may have reached the disk: each sector of each write or not, so
//! that a page is torn, a later write is there and an earlier one is not, a file is longer than what was written of it.
//! Whether files are there follows from a prefix of what was done to the folder, because file systems keep a journal of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::file::{Change, Files, cut, put};

/// What a disk writes at once or not at all.
const SECTOR: usize = 512;

/// How much of what was not flushed is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: what `kill -9` leaves, because the operating system still writes it.
    Nothing,
    /// All of it.
    Everything,
    /// Each sector by chance: `percent` of them, as `seed` says.
    Sectors {
        /// The same seed loses the same.
        seed: u64,
        /// From 0 to 100.
        percent: u8,
    },
}

/// Files with their contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(pub BTreeMap<PathBuf, Vec<u8>>);

impl Image {
    /// Writes the files into a folder, by their names alone.
    ///
    /// # Errors
    /// If that fails.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (path, content) in &self.0 {
            if let Some(name) = path.file_name() {
                std::fs::write(folder.join(name), content)?;
            }
        }
        Ok(())
    }
}

struct Chance {
    loss: Loss,
    state: u64,
}

impl Chance {
    /// Whether something survives.
    fn keeps(&mut self) -> bool {
        match self.loss {
            Loss::Nothing => true,
            Loss::Everything => false,
            Loss::Sectors { percent, .. } => self.roll() % 100 >= u64::from(percent),
        }
    }

    fn roll(&mut self) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub(crate) fn after(files: &Files, loss: Loss) -> Image {
    let seed = match loss {
        Loss::Sectors { seed, .. } => seed,
        Loss::Nothing | Loss::Everything => 0,
    };
    let mut chance = Chance { loss, state: seed };
    let mut image = Image::default();
    for (path, record) in &files.0 {
        let mut content = record.durable.clone();
        for change in &record.since {
            match change {
                Change::Make if chance.keeps() => content = Some(Vec::new()),
                Change::Delete if chance.keeps() => content = None,
                Change::Make | Change::Delete => break,
                Change::Truncate(size) => {
                    if let Some(content) = content.as_mut().filter(|_| chance.keeps()) {
                        cut(content, *size);
                    }
                }
                Change::Write { offset, data } => {
                    let Some(content) = &mut content else { continue };
                    write_some(content, *offset, data, &mut chance);
                }
            }
        }
        if let Some(content) = content {
            image.0.insert(path.clone(), content);
        }
    }
    image
}

fn write_some(content: &mut Vec<u8>, mut offset: u64, mut data: &[u8], chance: &mut Chance) {
    while !data.is_empty() {
        let into = usize::try_from(offset % SECTOR as u64).unwrap_or(0);
        let (sector, rest) = data.split_at(data.len().min(SECTOR - into));
        if chance.keeps() {
            put(content, offset, sector);
        }
        offset += sector.len() as u64;
        data = rest;
    }
}
