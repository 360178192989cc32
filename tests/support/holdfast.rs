//! The program `holdfast`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::{Ended, Running};

/// A running `holdfast`, killed when dropped.
pub(crate) struct Holdfast {
    process: Running,
    pub(crate) orders: SocketAddr,
    pub(crate) products: SocketAddr,
}

/// `holdfast` with a data folder, free ports and an empty catalogue; nothing of the caller's environment or folder leaks
/// in.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .env_clear()
        .current_dir(data)
        .env("DATA_DIR", data)
        .env("ORDERS_ADDR", "127.0.0.1:0")
        .env("PRODUCTS_ADDR", "127.0.0.1:0")
        .env("WEB_ADDRS", "")
        .env("SAMPLE_DATA", "false")
        .stdin(Stdio::null());
    command
}

impl Holdfast {
    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_as(&mut command(data))
    }

    /// Starts what [`command`] made.
    pub(crate) fn start_as(command: &mut Command) -> Self {
        let process = Running::start(command);
        let (orders, products) = (process.addr("orders"), process.addr("products"));
        Self { process, orders, products }
    }

    /// See [`Running::pid`].
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// See [`Running::hear`].
    pub(crate) fn hear(&self, text: &str) -> String {
        self.process.hear(text)
    }

    /// See [`Running::kill`].
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// See [`Running::terminate`].
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// See [`Running::is_running`].
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// See [`Running::wait`].
    pub(crate) fn wait(self) -> Ended {
        self.process.wait()
    }

    /// See [`Running::stop`].
    pub(crate) fn stop(self) {
        self.process.stop();
    }
}

/// Runs `holdfast audit`; gives its exit and what it printed.
pub(crate) fn audit(data: &Path) -> (ExitStatus, String) {
    audit_as(&mut command(data))
}

/// Runs `holdfast audit` on what [`command`] was given.
pub(crate) fn audit_as(command: &mut Command) -> (ExitStatus, String) {
    let output = command.arg("audit").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status, text)
}
