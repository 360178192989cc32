//! `holdfast` started as a child process: what it prints when it is ready, and that it never outlives its parent.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What a child may still need from the environment it was started in. Everything else is left out, so that what it does
/// depends on its command line alone.
const INHERITED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"];
/// The argument of a system and of a service that makes it end when its standard input is closed, which [`Child`] does at the
/// latest when its parent ends.
pub(crate) const EXIT_WITH_STDIN: &str = "--exit-with-stdin";

/// Which service listens where.
pub(crate) type Addresses = Vec<(String, SocketAddr)>;

/// How to start a child.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) executable: PathBuf,
    /// The subcommand, if any, and its flags.
    pub(crate) args: Vec<String>,
    /// Its working folder, which has no `.env` file.
    pub(crate) folder: PathBuf,
    /// What it says on standard error is put at the end of this file.
    pub(crate) log: PathBuf,
    /// Its environment.
    pub(crate) variables: Vec<(String, String)>,
}

/// A child process. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    pid: u32,
    log: PathBuf,
    /// The child ends when this is closed: even a parent that was killed itself leaves no process behind.
    _stdin: ChildStdin,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    drain: JoinSet<()>,
}

/// One line that a child prints.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Notice {
    Listening { service: String, addr: SocketAddr },
    Ready,
}

/// What a child may take over from this process's environment.
pub(crate) fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| INHERITED.iter().any(|kept| name == OsStr::new(kept)))
}

impl Program {
    /// Starts it. It is not ready yet: see [`Child::ready`].
    ///
    /// # Errors
    /// If there is no such program, or its log cannot be written to.
    pub(crate) fn spawn(&self) -> anyhow::Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        let mut process = Command::new(&self.executable)
            .args(&self.args)
            .env_clear()
            .envs(inherited())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            // Its own group, so that Ctrl-C reaches only its parent.
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.executable.display()))?;
        let (Some(pid), Some(stdin), Some(stdout)) =
            (process.id(), process.stdin.take(), process.stdout.take())
        else {
            bail!("the system ended at once");
        };
        let lines = Some(BufReader::new(stdout).lines());
        Ok(Child { process, pid, log: self.log.clone(), _stdin: stdin, lines, drain: JoinSet::new() })
    }
}

impl Child {
    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until it says that it is ready; gives where it listens. Once.
    ///
    /// # Errors
    /// If it ends before that, or takes longer than `limit`; with the last that it said.
    pub(crate) async fn ready(&mut self, limit: Duration) -> anyhow::Result<Addresses> {
        let mut lines = self.lines.take().context("it was waited for before")?;
        let addresses = match timeout(limit, ready(&mut lines)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(error.context(did_not_start(&self.log))),
            Err(_) => {
                let late = anyhow!("not ready after {} s", limit.as_secs());
                return Err(late.context(did_not_start(&self.log)));
            }
        };
        // Read to the end: a full pipe would stop it.
        self.drain.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(addresses)
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        // An error means that it has already ended.
        let _ = self.process.kill().await;
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Waits until it ends by itself, for at most `limit`.
    pub(crate) async fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        timeout(limit, self.process.wait()).await.ok()?.ok()
    }
}

async fn ready(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<Addresses> {
    let mut addresses = Vec::new();
    while let Some(line) = lines.next_line().await? {
        match notice(&line) {
            Some(Notice::Listening { service, addr }) => addresses.push((service, addr)),
            Some(Notice::Ready) => return Ok(addresses),
            None => {}
        }
    }
    bail!("it ended before it was ready")
}

/// `None` for whatever else it prints, such as log lines.
fn notice(line: &str) -> Option<Notice> {
    serde_json::from_str(line).ok()
}

/// The end of what a child that failed wrote to its standard error.
fn did_not_start(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(10)..].join("\n");
    if last.is_empty() {
        "the system did not start".to_owned()
    } else {
        format!("the system did not start:\n{last}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_told_from_log_lines() {
        let listening = r#"{"event":"listening","service":"orders","addr":"127.0.0.1:41234"}"#;
        let expected =
            Notice::Listening { service: "orders".to_owned(), addr: "127.0.0.1:41234".parse().unwrap() };
        assert_eq!(notice(listening), Some(expected));
        assert_eq!(notice(r#"{"event":"ready"}"#), Some(Notice::Ready));
        for other in ["", "ready", "{}", r#"{"level":"INFO","message":"x"}"#, r#"{"event":"step"}"#] {
            assert_eq!(notice(other), None, "{other}");
        }
    }
}
