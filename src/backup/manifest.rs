//! What a backup says of itself: `manifest.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// The file's name in a backup.
pub(super) const MANIFEST: &str = "manifest.json";
/// Of this file; a reader refuses others.
const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    /// How this file is to be read.
    pub(super) format: u32,
    /// The build that took it.
    pub(super) version: String,
    /// The instant that the databases are of (RFC 3339).
    pub(super) taken_at: String,
    /// Problems that the audit found in the copy; `None` if it was not audited.
    pub(super) audit_problems: Option<u64>,
    /// The databases, by the names of their files.
    pub(super) files: BTreeMap<String, FileEntry>,
}

/// One database in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileEntry {
    pub(super) bytes: u64,
    /// Hexadecimal.
    pub(super) sha256: String,
    /// Version of each component's tables.
    pub(super) schema: BTreeMap<String, u32>,
    /// Which life of the journal it was taken of, hexadecimal.
    pub(super) incarnation: String,
}

impl Manifest {
    pub(super) fn new(
        taken_at: String,
        audit_problems: Option<u64>,
        files: BTreeMap<String, FileEntry>,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, taken_at, audit_problems, files }
    }

    /// Reads that of the backup in `folder`.
    ///
    /// # Errors
    /// If there is none, or one that this build cannot read.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path)
            .with_context(|| format!("{}: is {} a backup?", path.display(), folder.display()))?;
        /// Read first: of another format nothing else may be readable.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let broken = || format!("{} is damaged", path.display());
        let head: Head = serde_json::from_slice(&text).with_context(broken)?;
        if head.format != FORMAT {
            bail!(
                "{} has format {}, this build reads {FORMAT}: use a newer build",
                path.display(),
                head.format
            );
        }
        serde_json::from_slice(&text).with_context(broken)
    }

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(MANIFEST);
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_other_formats_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::new("2026-01-02T03:04:05.006Z".to_owned(), Some(0), BTreeMap::new());
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);

        fs::write(folder.path().join(MANIFEST), r#"{"format": 2, "all": "else"}"#).unwrap();
        let said = Manifest::read(folder.path()).unwrap_err().to_string();
        assert!(said.contains("format 2") && said.contains("newer build"), "{said}");
        fs::remove_file(folder.path().join(MANIFEST)).unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("a backup?"));
    }
}
