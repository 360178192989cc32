//! A folder that is there whole or not at all.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

/// A folder in the making, beside the place where it will be; removed when it is dropped before that.
pub(super) struct Staging {
    folder: PathBuf,
    target: PathBuf,
}

impl Staging {
    /// Begins a folder that will be `target`; the folder above is made.
    ///
    /// # Errors
    /// If the file system says so.
    pub(super) fn beside(target: &Path) -> anyhow::Result<Self> {
        let target = std::path::absolute(target).with_context(|| format!("{}", target.display()))?;
        let (Some(above), Some(name)) = (target.parent(), target.file_name()) else {
            bail!("{} is no place for a folder", target.display());
        };
        let folder = above.join(format!(".{}.{}.tmp", name.display(), std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { folder, target })
    }

    /// Begins it inside `target`, which cannot be replaced because something is mounted there.
    fn inside(target: &Path) -> anyhow::Result<Self> {
        let folder = target.join(format!(".{}.tmp", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { folder, target: target.to_owned() })
    }

    /// For a data folder: beside it where that is the same file system, else inside.
    ///
    /// # Errors
    /// If the file system says so.
    pub(super) fn for_data(target: &Path) -> anyhow::Result<Self> {
        if target.is_dir() && is_mounted(target)? {
            return Self::inside(target);
        }
        Self::beside(target)
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Puts it in its place once all of it is on the disk. Begun inside, its files are moved one by one; then a power
    /// loss in between can leave a part of them.
    ///
    /// # Errors
    /// If something is there by now.
    pub(super) fn publish(self) -> anyhow::Result<()> {
        let entries = || fs::read_dir(&self.folder)?.collect::<Result<Vec<_>, _>>();
        for entry in entries()? {
            File::open(entry.path())?.sync_all()?;
        }
        File::open(&self.folder)?.sync_all()?;
        let target = &self.target;
        if self.folder.starts_with(target) {
            for entry in entries()? {
                let to = target.join(entry.file_name());
                fs::rename(entry.path(), &to).with_context(|| format!("moving to {}", to.display()))?;
            }
            File::open(target)?.sync_all()?;
            return Ok(());
        }
        // Replaces an empty folder, and fails on one that is not.
        fs::rename(&self.folder, target).with_context(|| format!("moving to {}", target.display()))?;
        if let Some(above) = target.parent() {
            File::open(above)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // It is gone already if it was moved.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_mounted(folder: &Path) -> anyhow::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let folder = std::path::absolute(folder)?;
    let Some(above) = folder.parent() else { return Ok(true) };
    Ok(fs::metadata(&folder)?.dev() != fs::metadata(above)?.dev())
}

/// The SHA-256 of a file in hexadecimal; `on` is told of every piece that was read.
///
/// # Errors
/// If it cannot be read.
pub(super) fn sha256(path: &Path, mut on: impl FnMut(u64)) -> anyhow::Result<String> {
    let reading = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(reading)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).with_context(reading)? {
            0 => return Ok(format!("{:x}", hasher.finalize())),
            read => {
                hasher.update(&piece[..read]);
                on(read as u64);
            }
        }
    }
}

/// Whether a folder has nothing in it, or is not there. What a file system puts into each of its roots does not count.
///
/// # Errors
/// If it cannot be read, or is no folder.
pub(super) fn is_empty(folder: &Path) -> anyhow::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error).with_context(|| format!("reading {}", folder.display())),
    };
    for entry in entries {
        if entry?.file_name() != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("deep/backup");
        let given_up = Staging::beside(&target).unwrap();
        fs::write(given_up.path().join("a"), "1").unwrap();
        drop(given_up);
        assert!(!target.exists() && is_empty(target.parent().unwrap()).unwrap());

        let staging = Staging::beside(&target).unwrap();
        fs::write(staging.path().join("a"), "1").unwrap();
        staging.publish().unwrap();
        assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "1");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1, "nothing else stays");

        let late = Staging::beside(&target).unwrap();
        assert!(late.publish().is_err(), "what is there is never replaced");
        assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "1");
    }

    #[test]
    fn inside_a_mount_the_files_are_moved() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("lost+found")).unwrap();
        assert!(is_empty(root.path()).unwrap());
        let staging = Staging::inside(root.path()).unwrap();
        fs::write(staging.path().join("a"), "1").unwrap();
        staging.publish().unwrap();
        assert_eq!(fs::read_to_string(root.path().join("a")).unwrap(), "1");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_digest_is_that_of_the_standard() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("abc");
        fs::write(&file, "abc").unwrap();
        let mut read = 0;
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&file, |bytes| read += bytes).unwrap(), expected);
        assert_eq!(read, 3);
    }
}
