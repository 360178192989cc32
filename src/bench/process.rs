//! What Linux says about a process and a folder. Elsewhere these figures are left out.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// Clock ticks of `/proc/<pid>/stat` in a second: fixed by Linux's interface.
const TICKS_PER_SECOND: u64 = 100;

/// Resident memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident_bytes: u64,
    /// At most, so far.
    pub(crate) peak_bytes: u64,
}

/// The memory of process `pid`.
fn memory(pid: u32) -> Option<Memory> {
    parse_memory(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// The memory of these processes together; `None` if there are none.
pub(crate) fn memory_of(pids: &[u32]) -> Option<Memory> {
    let each = pids.iter().map(|pid| memory(*pid)).collect::<Option<Vec<_>>>()?;
    each.into_iter().reduce(|a, b| Memory {
        resident_bytes: a.resident_bytes + b.resident_bytes,
        peak_bytes: a.peak_bytes + b.peak_bytes,
    })
}

/// Processor time that these processes have taken together; `None` if there are none.
pub(crate) fn processor_time_of(pids: &[u32]) -> Option<Duration> {
    let each = pids.iter().map(|pid| processor_time(*pid)).collect::<Option<Vec<_>>>()?;
    each.into_iter().reduce(|a, b| a + b)
}

fn parse_memory(status: &str) -> Option<Memory> {
    let kilobytes = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some(Memory { resident_bytes: kilobytes("VmRSS")? * 1024, peak_bytes: kilobytes("VmHWM")? * 1024 })
}

/// Processor time that process `pid` has taken, in user and kernel mode; good to 10 ms.
pub(crate) fn processor_time(pid: u32) -> Option<Duration> {
    parse_processor_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_processor_time(stat: &str) -> Option<Duration> {
    // The name, in parentheses, may hold anything, also spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The type of file system that `folder` is on, such as `ext4` or `tmpfs`.
pub(crate) fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    parse_file_system(&fs::read_to_string("/proc/mounts").ok()?, &folder)
}

fn parse_file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (fields.next(), fields.next()) else { continue };
        let depth = Path::new(point).components().count();
        // Of two mounts on one folder the later hides the earlier.
        if folder.starts_with(point) && best.is_none_or(|(deepest, _)| depth >= deepest) {
            best = Some((depth, kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// The median time that 4 KiB take to be appended and flushed (fdatasync) in `folder`.
///
/// # Errors
/// If the folder cannot be written to.
pub(crate) fn flush_time(folder: &Path) -> io::Result<Duration> {
    let path = folder.join("flush-probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..101 {
        let started = Instant::now();
        file.write_all(&[b'x'; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_status() {
        let status = "Name:\tholdfast\nVmPeak:\t  900 kB\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n";
        let memory = parse_memory(status).unwrap();
        assert_eq!((memory.resident_bytes, memory.peak_bytes), (1 << 20, 2 << 20));
        assert_eq!(parse_memory("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn processor_time_is_read_whatever_the_process_is_called() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 5 0 1234 0 0";
        assert_eq!(parse_processor_time(stat), Some(Duration::from_secs(4)));
        assert_eq!(parse_processor_time("77 (x) S 1"), None);
    }

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "/dev/sda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/sdb /tmp/data xfs rw 0 0\n";
        let kind = |folder: &str| parse_file_system(mounts, Path::new(folder));
        assert_eq!(kind("/home/x").as_deref(), Some("ext4"));
        assert_eq!(kind("/tmp/x").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/tmp/data/x").as_deref(), Some("xfs"));
        assert_eq!(kind("/tmpx").as_deref(), Some("ext4"));
    }

    #[test]
    fn flushing_is_measured_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert!(flush_time(folder.path()).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(flush_time(&folder.path().join("missing")).is_err());
    }
}
