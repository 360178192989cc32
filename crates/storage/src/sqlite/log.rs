//! Whether a write-ahead log that is about to be read again is all of it.
//!
//! SQLite reads the log up to the first frame whose checksum does not match, and takes what comes after it for the rest
//! of a commit that was under way. That is right after a loss of power, and wrong if a bit has turned: then commits that
//! were answered would be gone without a word. The two can be told apart. Frames are chained: each checksum starts from the one
//! before, and covers whether the frame ends a commit. A commit is flushed before the next one begins, so of what was under
//! way there is one commit at most. So if beyond the first bad frame a good one ends a commit and another is chained to it,
//! that commit was finished, and answered.
//!
//! Only a good frame counts as an end: of one that was under way, a sector of its header may be an older log's.
//!
//! What cannot be told apart is damage to the very last commit, and to the last frame of the one before: it looks as if
//! it had not been finished.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// <https://sqlite.org/fileformat2.html#the_write_ahead_log>
const MAGIC: u32 = 0x377f_0682;
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Checksum words are big-endian, or little-endian.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

type Sum = (u32, u32);

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

fn sum(mut start: Sum, bytes: &[u8], order: Order) -> Sum {
    for pair in bytes.chunks_exact(8) {
        let (a, b) = match order {
            Order::Big => (word(pair, 0), word(pair, 4)),
            Order::Little => (word(pair, 0).swap_bytes(), word(pair, 4).swap_bytes()),
        };
        start.0 = start.0.wrapping_add(a).wrapping_add(start.1);
        start.1 = start.1.wrapping_add(b).wrapping_add(start.0);
    }
    start
}

/// Reads the log at `path`, if there is one; says from which frame on (counted from 1) finished commits cannot be read.
///
/// # Errors
/// If the file cannot be read.
pub fn damage(path: &Path) -> std::io::Result<Option<u64>> {
    match File::open(path) {
        Ok(file) => first_lost(BufReader::with_capacity(1 << 16, file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn first_lost(mut log: impl Read) -> std::io::Result<Option<u64>> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(None);
    }
    let magic = word(&header, 0);
    let order = if magic == MAGIC | 1 { Order::Big } else { Order::Little };
    let stored = (word(&header, 24), word(&header, 28));
    let known = magic | 1 == MAGIC | 1 && sum((0, 0), &header[..24], order) == stored;
    // Ours are of 4 KiB; a header that cannot be believed says nothing.
    let page = if known { word(&header, 8) as usize } else { 4_096 };
    if !page.is_power_of_two() || !(512..=65_536).contains(&page) {
        return Ok(None);
    }
    let mut frame = vec![0; FRAME_HEADER + page];
    // As the frame before says, and as it must be: one of the two may be damaged.
    let mut before = [stored; 2];
    // An older log with other salts may lie behind this one.
    let mut salts = known.then(|| (word(&header, 16), word(&header, 20)));
    let mut first_bad = (!known).then_some(1);
    let mut after_commit = false;
    for number in 1.. {
        if !fill(&mut log, &mut frame)? {
            return Ok(None);
        }
        let here = (word(&frame, 8), word(&frame, 12));
        let stored = (word(&frame, 16), word(&frame, 20));
        let from = |start| sum(sum(start, &frame[..8], order), &frame[FRAME_HEADER..], order);
        let computed = from(before[0]);
        let chained =
            (computed == stored || from(before[1]) == stored) && salts.is_none_or(|salts| salts == here);
        if !known {
            salts = Some(here);
        }
        if chained && after_commit && first_bad.is_some() {
            return Ok(first_bad);
        }
        if !chained && first_bad.is_none() {
            first_bad = Some(number);
        }
        // Only a commit that SQLite does not reach counts.
        after_commit = first_bad.is_some() && chained && word(&frame, 4) != 0;
        before = [stored, computed];
    }
    Ok(None)
}

/// Whether there was enough.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A log of five commits, each of some frames.
    fn log() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a BLOB)").unwrap();
        for _ in 0..4 {
            connection.execute("INSERT INTO t VALUES (randomblob(9000))", []).unwrap();
        }
        std::fs::read(folder.path().join("a.db-wal")).unwrap()
    }

    fn commits(log: &[u8]) -> Vec<usize> {
        let frames = log[HEADER..].chunks_exact(FRAME_HEADER + 4096);
        frames.enumerate().filter(|(_, frame)| word(frame, 4) != 0).map(|(n, _)| n + 1).collect()
    }

    #[test]
    fn a_bit_that_turns_before_the_last_commits_is_noticed_and_a_torn_end_is_none() {
        let log = log();
        let commits = commits(&log);
        assert_eq!(first_lost(&log[..]).unwrap(), None);
        let (last, before) = (commits[commits.len() - 1], commits[commits.len() - 2]);
        for at in (HEADER..log.len()).step_by(61) {
            let mut damaged = log.clone();
            damaged[at] ^= 4;
            let frame = (at - HEADER) / (FRAME_HEADER + 4096) + 1;
            let found = first_lost(&damaged[..]).unwrap();
            if frame < before {
                assert_eq!(found, Some(frame as u64), "byte {at} of frame {frame}");
            } else {
                assert_eq!(
                    found, None,
                    "byte {at} of frame {frame} of the end, and the last commit ends at {last}"
                );
            }
        }
        // What a loss of power may leave of the last commit.
        for cut in (HEADER + before * (FRAME_HEADER + 4096)..log.len()).step_by(512) {
            assert_eq!(first_lost(&log[..cut]).unwrap(), None);
            let mut torn = log.clone();
            torn[cut..log.len().min(cut + 512)].fill(0);
            assert_eq!(first_lost(&torn[..]).unwrap(), None);
        }
    }

    /// Found by losses of power of which a sector was lost in which a frame's header begins: the older log there had a commit
    /// at that place.
    #[test]
    fn an_older_end_of_a_commit_in_a_torn_header_is_none() {
        let log = log();
        let commits = commits(&log);
        let (before, last) = (commits[commits.len() - 2], commits[commits.len() - 1]);
        assert!(last - before > 2, "a frame of the last commit is followed by one that is good");
        let header = HEADER + before * (FRAME_HEADER + 4096);
        let mut torn = log;
        torn[header..header + 8].copy_from_slice(&[0, 0, 0, 2, 0, 0, 0, 9]);
        assert_eq!(first_lost(&torn[..]).unwrap(), None);
    }

    #[test]
    fn a_header_that_turns_is_noticed() {
        for at in [0, 9, 17, 25] {
            let mut damaged = log();
            damaged[at] ^= 1;
            assert_eq!(first_lost(&damaged[..]).unwrap(), Some(1), "byte {at}");
        }
    }
}
