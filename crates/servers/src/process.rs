//! A server's process and its folder, which go away with the process that started them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::ServerError;

/// Between two looks at something that is waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server may take this long to become ready or to stop. Generous: it bounds a hang on a busy machine, nothing else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// How much of a log is shown.
const LOG_LINES: usize = 60;

/// Becomes the server (`"$@"`), with a watchdog beside it. The watchdog holds the reading end of a pipe from the process
/// that started the server. If that process ends, however it does, the pipe closes and the watchdog kills the server and
/// removes its folder. The word `release` sends the watchdog away.
const SUPERVISED: &str = r#"
folder=$1; shift
exec 3<&0
(
    trap '' INT TERM HUP
    word=
    IFS= read -r word <&3
    [ "$word" = release ] && exit
    kill -KILL $$
    while kill -0 $$ && [ -e /proc/$$/exe ]; do sleep 0.05; done
    rm -rf "$folder"
) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"#;

/// A program, its arguments and what it adds to the environment.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

impl Program {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, args: Vec::new(), environment: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }
}

/// A server in a temporary folder, running or not.
#[derive(Debug)]
pub(crate) struct Server {
    /// For messages: what it is, and where.
    name: String,
    running: Option<Running>,
    /// Removed last, when nothing writes into it any more.
    folder: TempDir,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Its other end is the watchdog's; closed by the operating system if this process ends.
    watchdog: ChildStdin,
    paused: bool,
}

impl Server {
    /// A server that was not started yet.
    pub(crate) fn new(name: String) -> Result<Self, ServerError> {
        let folder = tempfile::Builder::new()
            .prefix("holdfast-server-")
            .tempdir()
            .map_err(ServerError::io("making a server's folder"))?;
        Ok(Self { name, folder, running: None })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// An empty folder inside the server's own: what was in it is gone.
    pub(crate) fn empty_folder(&self, name: &str) -> Result<PathBuf, ServerError> {
        let folder = self.folder().join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(ServerError::io("emptying a server's folder"))?;
        }
        fs::create_dir(&folder).map_err(ServerError::io("making a server's folder"))?;
        Ok(folder)
    }

    /// Starts it; it must not run. What it prints goes to the end of its log.
    pub(crate) fn start(&mut self, program: &Program) -> Result<(), ServerError> {
        let doing = ServerError::io;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .map_err(doing("opening a server's log"))?;
        let errors = log.try_clone().map_err(doing("opening a server's log"))?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", SUPERVISED, "server"])
            .arg(self.folder())
            .arg(&program.path)
            .args(&program.args)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder())
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C in a terminal is for the process that started the server; its end is then the server's.
            .process_group(0)
            .spawn()
            .map_err(doing("starting a server"))?;
        let Some(watchdog) = child.stdin.take() else {
            return Err(ServerError::NotRunning(self.name.clone()));
        };
        self.running = Some(Running { child, watchdog, paused: false });
        Ok(())
    }

    /// Whether its process is there, paused or not.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Waits until `ready` says so. Fails if the server ends or [`PATIENCE`] does.
    pub(crate) async fn wait_until<F: AsyncFnMut() -> bool>(
        &mut self,
        mut ready: F,
    ) -> Result<(), ServerError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended()? {
                return Err(self.failed(format!("ended by itself ({status})")));
            }
            if ready().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failed(format!("was not ready within {} s", PATIENCE.as_secs())));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How it ended, if it did so by itself.
    fn ended(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        let Some(running) = &mut self.running else {
            return Err(ServerError::NotRunning(self.name.clone()));
        };
        let status = running.child.try_wait().map_err(ServerError::io("looking at a server's process"))?;
        if status.is_some() {
            self.running = None;
        }
        Ok(status)
    }

    /// SIGKILL, and waits until the process is gone. Nothing if it does not run.
    pub(crate) async fn kill(&mut self) -> Result<(), ServerError> {
        let Some(running) = &mut self.running else { return Ok(()) };
        running.child.kill().map_err(ServerError::io("killing a server"))?;
        self.wait_for_end().await
    }

    /// SIGTERM, and waits until it stopped by itself; kills it if that takes too long. Nothing if it does not run.
    pub(crate) async fn stop(&mut self) -> Result<(), ServerError> {
        if !self.is_running() {
            return Ok(());
        }
        self.resume()?;
        self.signal("TERM")?;
        self.wait_for_end().await
    }

    async fn wait_for_end(&mut self) -> Result<(), ServerError> {
        let deadline = Instant::now() + PATIENCE;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                self.running = None;
                return Err(self.failed("did not stop, and was killed".to_owned()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub(crate) fn pause(&mut self) -> Result<(), ServerError> {
        self.signal("STOP")?;
        self.running.iter_mut().for_each(|running| running.paused = true);
        Ok(())
    }

    /// SIGCONT, if it is paused.
    pub(crate) fn resume(&mut self) -> Result<(), ServerError> {
        if self.running.as_ref().is_some_and(|running| running.paused) {
            self.signal("CONT")?;
            self.running.iter_mut().for_each(|running| running.paused = false);
        }
        Ok(())
    }

    fn signal(&self, signal: &str) -> Result<(), ServerError> {
        let Some(running) = &self.running else {
            return Err(ServerError::NotRunning(self.name.clone()));
        };
        // Not reaped yet, so the number is still this server's.
        let said = Command::new("/bin/sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "signal", signal, &running.child.id().to_string()])
            .output()
            .map_err(ServerError::io("signalling a server"))?;
        if said.status.success() {
            return Ok(());
        }
        Err(ServerError::Tool {
            program: format!("kill -{signal}"),
            said: String::from_utf8_lossy(&said.stderr).into_owned(),
        })
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    /// The last lines of its log.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    pub(crate) fn failed(&self, how: String) -> ServerError {
        ServerError::Failed { server: self.name.clone(), how, log: self.log() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the watchdog is there for it.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = self.watchdog.write_all(b"release\n");
    }
}
