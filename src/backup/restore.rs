//! `holdfast restore`: a backup becomes the data folder of a new life.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use holdfast_storage::sqlite::begin_new_life;

use super::folder::{Staging, is_empty, sha256};
use super::manifest::{MANIFEST, Manifest};
use super::{KEPT, remove_locks, schema_of};
use crate::audit;
use crate::cli::RuntimeArgs;
use crate::progress;

/// Arguments of `holdfast restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The backup: a folder that `holdfast backup` made.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,

    /// The data folder to be; must be empty, or not there yet.
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// Puts a backup into an empty data folder, all of it or nothing, and says so on `out`. Exit code 0 if the books in it balance, 1
/// if they do not.
///
/// # Errors
/// If the data folder is not empty, the backup is damaged or of a newer build, or the disk says so. Then the data folder is as it was.
pub async fn restore(args: RestoreArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let RestoreArgs { from, data_dir, .. } = args;
    let (source, target) = (from.clone(), data_dir.clone());
    let (manifest, staging) = tokio::task::spawn_blocking(move || stage(&source, &target)).await??;
    let problems = audit::problems_in(staging.path()).await.context("auditing the restored databases")?;
    tokio::task::spawn_blocking(move || {
        remove_locks(staging.path())?;
        staging.publish()
    })
    .await??;
    writeln!(
        out,
        "Restored the state of {} from {} to {}.",
        manifest.taken_at,
        from.display(),
        data_dir.display()
    )?;
    if problems == 0 {
        writeln!(out, "The books balance. Live clients that were connected before are told to load anew.")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "The audit finds {problems} problems, as it did when the backup was taken: run holdfast audit."
    )?;
    Ok(ExitCode::FAILURE)
}

/// Proves the backup and copies it beside its place.
fn stage(from: &Path, data_dir: &Path) -> anyhow::Result<(Manifest, Staging)> {
    let manifest = Manifest::read(from)?;
    if !is_empty(data_dir)? {
        bail!(
            "{} is not empty: stop the holdfast that runs on it, if one does, and move the folder away; nothing is overwritten",
            data_dir.display()
        );
    }
    let expected: Vec<_> = KEPT
        .iter()
        .map(|kept| {
            let entry = manifest.files.get(kept.name);
            entry
                .map(|entry| (*kept, entry))
                .with_context(|| format!("{MANIFEST} does not name {}", kept.name))
        })
        .collect::<Result<_, _>>()?;
    for (kept, entry) in &expected {
        schema_of(*kept, &entry.schema)?;
    }
    let bar = progress::bytes(expected.iter().map(|(_, entry)| entry.bytes).sum(), "proved");
    for (kept, entry) in &expected {
        let path = from.join(kept.name);
        if sha256(&path, |bytes| bar.inc(bytes))? != entry.sha256 {
            bar.finish_and_clear();
            bail!("{} is damaged: its SHA-256 is not that of {MANIFEST}; use another backup", path.display());
        }
    }
    bar.finish_and_clear();
    let staging = Staging::for_data(data_dir)?;
    let copies = KEPT.map(|kept| staging.path().join(kept.name));
    for (copy, (kept, _)) in copies.iter().zip(&expected) {
        let source = from.join(kept.name);
        fs::copy(&source, copy)
            .with_context(|| format!("copying {} to {}", source.display(), copy.display()))?;
    }
    begin_new_life(&copies.each_ref().map(PathBuf::as_path)).context("beginning a new life")?;
    Ok((manifest, staging))
}
