//! The data folder and its databases.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use holdfast_service::{Clock, SystemClock};
use holdfast_storage::sqlite::identity;

use super::Finding;
use crate::backup::{KEPT, Kept, Schema, schema_of};

const FOLDER: &str = "data folder";
const SPACE: &str = "disk space";
const CLOCK: &str = "clock";
const MIB: u64 = 1 << 20;
/// Below this, a checkpoint of the write-ahead logs may not find room.
const LEAST: u64 = 512 * MIB;
/// Below this it will not be long.
const LITTLE: u64 = 4 * 1024 * MIB;
/// Clocks of one machine and its disk differ by less.
const AHEAD: Duration = Duration::from_secs(60);

/// Everything about the files in a data folder.
pub(super) fn check(folder: &Path) -> Vec<Finding> {
    let mut findings = vec![writable(folder)];
    // Where it will be made, if it is not there.
    let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("."));
    findings.push(match rustix::fs::statvfs(there) {
        Ok(disk) => space(disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => Finding::warn(SPACE, error.to_string(), "look with df"),
    });
    for kept in KEPT {
        findings.push(database(folder, kept));
    }
    findings.push(clock(folder, SystemClock.now().as_millis()));
    findings
}

fn writable(folder: &Path) -> Finding {
    let shown = folder.display();
    if !folder.exists() {
        return Finding::ok(FOLDER, format!("{shown} is not there; the first start makes it"));
    }
    match tempfile::tempfile_in(folder) {
        Ok(_) => Finding::ok(FOLDER, format!("{shown} can be written")),
        Err(error) => Finding::fail(
            FOLDER,
            format!("{shown} cannot be written: {error}"),
            "give it to the user that runs holdfast (chown), or set DATA_DIR to another folder",
        ),
    }
}

fn space(free: u64) -> Finding {
    let found = format!("{} MiB are free", free / MIB);
    let advice = "make room, or move DATA_DIR to a larger disk: without room nothing can be accepted";
    match free {
        free if free < LEAST => Finding::fail(SPACE, found, advice),
        free if free < LITTLE => Finding::warn(SPACE, found, advice),
        _ => Finding::ok(SPACE, found),
    }
}

fn database(folder: &Path, kept: Kept) -> Finding {
    let (name, file) = (kept.name, folder.join(kept.name));
    if !file.exists() {
        return Finding::ok(name, "is not there; the first start makes it");
    }
    let lock = File::open(folder.join(format!("{name}.lock")));
    let in_use = lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    let identity = match identity(&file) {
        Ok(identity) => identity,
        Err(error) => {
            return Finding::fail(
                name,
                error.to_string(),
                "restore a backup (holdfast restore), and keep this file",
            );
        }
    };
    let used = if in_use { ", in use by a running holdfast" } else { "" };
    match schema_of(kept, &identity.schema) {
        Err(error) => Finding::fail(
            name,
            error.to_string(),
            "go back to that build; an older one needs a backup from before the upgrade",
        ),
        Ok(Schema::Older) => Finding::warn(
            name,
            format!("has an older schema{used}"),
            "take a backup before you start this build: it brings the schema forward, and there is no way back",
        ),
        Ok(Schema::Same) => Finding::ok(name, format!("has the schema of this build{used}")),
    }
}

/// Whether the clock has gone back since the databases were written: order ids are made of time.
fn clock(folder: &Path, now_millis: i64) -> Finding {
    let now = UNIX_EPOCH + Duration::from_millis(now_millis.unsigned_abs());
    let written =
        KEPT.iter().filter_map(|kept| fs::metadata(folder.join(kept.name)).ok()?.modified().ok()).max();
    match written.and_then(|written| written.duration_since(now).ok()) {
        Some(ahead) if ahead > AHEAD => Finding::fail(
            CLOCK,
            format!("the databases were written {} s in the future", ahead.as_secs()),
            "set the clock (chronyc makestep, timedatectl set-ntp true)",
        ),
        _ => Finding::ok(CLOCK, SystemClock.now().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn little_room_is_said() {
        assert_eq!(space(LEAST - 1).state, State::Fail);
        assert_eq!(space(LITTLE - 1).state, State::Warn);
        assert_eq!(space(LITTLE).state, State::Ok);
    }

    #[test]
    fn a_folder_that_is_not_there_is_made_and_a_file_is_no_folder() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("a/b");
        assert!(check(&missing).iter().all(|found| found.check == SPACE || found.state == State::Ok));
        assert!(!missing.exists(), "looking makes nothing");
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(writable(&file).state, State::Fail);
    }

    #[test]
    fn what_is_no_database_and_what_was_written_tomorrow_are_said() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(KEPT[0].name), vec![7; 8192]).unwrap();
        assert_eq!(database(root.path(), KEPT[0]).state, State::Fail);
        assert_eq!(clock(root.path(), SystemClock.now().as_millis()).state, State::Ok);
        let hour_ago = SystemClock.now().as_millis() - 3_600_000;
        assert_eq!(clock(root.path(), hour_ago).state, State::Fail);
    }
}
