//! What can go wrong with a server that a test starts.

use std::io;

use thiserror::Error;

/// Why a server could not be started, reached or disturbed.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A program or file is not on this machine. The only error for which a test may be skipped.
    #[error("{what} is not here: {remedy}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// It ended by itself, or was not ready in time.
    #[error("{server} {how}; the end of its log:\n{log}")]
    Failed {
        /// Which server, with its address.
        server: String,
        /// What happened to it.
        how: String,
        /// The last lines of its log.
        log: String,
    },
    /// It is stopped, and what was asked for needs it running.
    #[error("{0} is not running")]
    NotRunning(String),
    /// A program that belongs to a server (a command-line tool) failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// Which program.
        program: String,
        /// What it said.
        said: String,
    },
    /// A command to MongoDB failed.
    #[error("a command to MongoDB failed")]
    Mongo(#[from] mongodb::error::Error),
    /// The certificates for TLS could not be made.
    #[error("certificates could not be made")]
    Certificates(#[from] rcgen::Error),
    /// The operating system refused something.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
}

impl ServerError {
    /// For `map_err`: what was being done when the operating system refused.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
