//! `holdfast backup` and `holdfast restore`: both databases as they were at one instant, and back.

mod folder;
mod manifest;
mod restore;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use holdfast_service::{Clock, SystemClock};
use holdfast_storage::sqlite::{Frozen, Identity, Migrations, check_file, freeze, known_version};
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

pub use self::restore::{RestoreArgs, restore};

use self::folder::{Staging, sha256};
use self::manifest::{FileEntry, Manifest};
use crate::audit;
use crate::cli::RuntimeArgs;
use crate::interrupt::{INTERRUPTED, or_interrupted};
use crate::progress;

/// Arguments of `holdfast backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// Folder of the databases; the system may be running on them.
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Folder to make for the backup; it must not be there yet.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// A database of the system, and the tables that this build knows in it.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// Of its file in the data folder.
    pub(crate) name: &'static str,
    tables: Migrations,
}

/// What a backup is of.
pub(crate) const KEPT: [Kept; 2] = [
    Kept { name: holdfast_orders::service::DATABASE_FILE, tables: holdfast_orders::sqlite::ORDERS },
    Kept { name: holdfast_products::service::DATABASE_FILE, tables: holdfast_products::sqlite::PRODUCTS },
];

/// Whether this build can read a database with this schema, and whether it would change it by opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// It is this build's.
    Same,
    /// Opening brings it forward.
    Older,
}

/// Compares a schema with what this build knows.
///
/// # Errors
/// If it is newer.
pub(crate) fn schema_of(kept: Kept, schema: &BTreeMap<String, u32>) -> anyhow::Result<Schema> {
    let mut all = Schema::Same;
    for (component, &found) in schema {
        let known = known_version(kept.tables, component).unwrap_or(0);
        if found > known {
            bail!(
                "{} has schema version {found} of {component}, this build knows {known}: use the build that wrote it, or a newer one",
                kept.name
            );
        }
        if found < known {
            all = Schema::Older;
        }
    }
    Ok(all)
}

/// Copies both databases as they are at one instant to a new folder, proves the copy, and says on `out` what is in it. Exit
/// code 0 if the copy is whole and the books in it balance, 1 if it is whole and they do not, 130 after Ctrl-C.
///
/// # Errors
/// If there is something at the place of the backup, or a database cannot be read or copied. Then there is no backup.
pub async fn run(args: BackupArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let to = &args.to;
    if to.symlink_metadata().is_ok() {
        bail!("{} is there already: give a new folder; nothing is overwritten", to.display());
    }
    let stop = CancellationToken::new();
    let work = take(&args, &stop);
    let Some(manifest) = or_interrupted(&stop, work).await?.transpose()?.flatten() else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let bytes: u64 = manifest.files.values().map(|file| file.bytes).sum();
    writeln!(
        out,
        "Backup of {} at {}: {} bytes in {}",
        args.data_dir.display(),
        manifest.taken_at,
        bytes,
        to.display()
    )?;
    match manifest.audit_problems {
        Some(0) => writeln!(out, "Every page was proved, and the books balance.")?,
        Some(problems) => {
            writeln!(
                out,
                "Every page was proved, but the audit finds {problems} problems, as it will in the system itself: run holdfast audit."
            )?;
            return Ok(ExitCode::FAILURE);
        }
        None => writeln!(
            out,
            "Every page was proved. It was written by an older build, so the books were not audited: restore does that."
        )?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `None` if it was stopped before the end.
async fn take(args: &BackupArgs, stop: &CancellationToken) -> anyhow::Result<Option<Manifest>> {
    let (data, to, stopped) = (args.data_dir.clone(), args.to.clone(), stop.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&data, &to, &stopped)).await??;
    let Some(copied) = copied else { return Ok(None) };
    let folder = copied.staging.path().to_owned();
    let problems = match copied.schema {
        Schema::Same => Some(audit::problems_in(&folder).await.context("auditing the copy")?),
        Schema::Older => None,
    };
    tokio::task::spawn_blocking(move || copied.seal(problems)).await?.map(Some)
}

/// Copies, with all pages proved.
struct Copied {
    staging: Staging,
    taken_at: String,
    schema: Schema,
    identities: Vec<Identity>,
}

fn copy(data: &Path, to: &Path, stop: &CancellationToken) -> anyhow::Result<Option<Copied>> {
    let files = KEPT.map(|kept| data.join(kept.name));
    let frozen = freeze(&files.each_ref().map(PathBuf::as_path)).context("opening the databases")?;
    let taken_at = SystemClock.now().to_string();
    let identities = frozen.iter().map(Frozen::identity).collect::<Result<Vec<_>, _>>()?;
    let mut schema = Schema::Same;
    for (kept, identity) in KEPT.into_iter().zip(&identities) {
        if schema_of(kept, &identity.schema)? == Schema::Older {
            schema = Schema::Older;
        }
    }
    let staging = Staging::beside(to)?;
    let sizes = frozen.iter().map(Frozen::bytes).collect::<Result<Vec<_>, _>>()?;
    let bar = progress::bytes(sizes.iter().sum(), "copied");
    let whole = copy_each(&frozen, &sizes, staging.path(), &bar, stop);
    bar.finish_and_clear();
    if !whole? {
        return Ok(None);
    }
    // Lets the system's write-ahead logs start anew before the rest, which takes a while too.
    drop(frozen);
    if schema == Schema::Older {
        // The audit proves the pages otherwise, but would bring the copy to this build's schema.
        for kept in KEPT {
            check_file(&staging.path().join(kept.name))?;
        }
    }
    Ok((!stop.is_cancelled()).then_some(Copied { staging, taken_at, schema, identities }))
}

fn copy_each(
    frozen: &[Frozen],
    sizes: &[u64],
    folder: &Path,
    bar: &ProgressBar,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    let mut before = 0;
    for ((kept, frozen), size) in KEPT.iter().zip(frozen).zip(sizes) {
        let copied = frozen.copy_to(&folder.join(kept.name), |bytes| {
            bar.set_position(before + bytes);
            !stop.is_cancelled()
        });
        if !copied.with_context(|| format!("copying {}", kept.name))? {
            return Ok(false);
        }
        before += size;
    }
    Ok(true)
}

impl Copied {
    /// Adds the manifest and puts all of it in its place.
    fn seal(self, audit_problems: Option<u64>) -> anyhow::Result<Manifest> {
        let folder = self.staging.path();
        remove_locks(folder)?;
        let mut files = BTreeMap::new();
        for (kept, identity) in KEPT.into_iter().zip(&self.identities) {
            let path = folder.join(kept.name);
            let entry = FileEntry {
                bytes: path.metadata()?.len(),
                sha256: sha256(&path, |_| {})?,
                schema: identity.schema.clone(),
                incarnation: format!("{:016x}", identity.incarnation.0),
            };
            files.insert(kept.name.to_owned(), entry);
        }
        let manifest = Manifest::new(self.taken_at, audit_problems, files);
        manifest.write(folder)?;
        self.staging.publish()?;
        Ok(manifest)
    }
}

/// The lock files of databases that were opened in `folder` and are closed again.
fn remove_locks(folder: &Path) -> anyhow::Result<()> {
    for kept in KEPT {
        let lock = folder.join(format!("{}.lock", kept.name));
        if lock.exists() {
            std::fs::remove_file(&lock).with_context(|| format!("removing {}", lock.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_refused_and_an_older_one_told() {
        let [orders, _] = KEPT;
        let schema = |storage| BTreeMap::from([("storage".to_owned(), storage), ("orders".to_owned(), 1)]);
        let known = known_version(orders.tables, "storage").unwrap();
        assert_eq!(schema_of(orders, &schema(known)).unwrap(), Schema::Same);
        assert_eq!(schema_of(orders, &schema(known - 1)).unwrap(), Schema::Older);
        let said = schema_of(orders, &schema(known + 1)).unwrap_err().to_string();
        assert!(said.contains("orders.db") && said.contains("newer"), "{said}");
        let foreign = BTreeMap::from([("products".to_owned(), 1)]);
        assert!(schema_of(orders, &foreign).is_err(), "the other service's database");
    }
}
