//! A program that runs: what it says, and how it ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

use super::PATIENCE;

/// A program with services, killed when dropped.
pub(crate) struct Running {
    child: Child,
    heard: Heard,
    listening: BTreeMap<String, SocketAddr>,
}

/// What it has said so far on standard error.
#[derive(Clone, Default)]
struct Heard(Arc<(Mutex<Vec<String>>, Condvar)>);

/// How it ended, and all that it said on standard error.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

/// Runs a program until it ends by itself; gives how, and what it said on standard error.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended { status: output.status, said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

impl Running {
    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let heard = Heard::default();
        let (listener, stderr) = (heard.clone(), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || listener.listen(stderr));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listening = BTreeMap::new();
        loop {
            let Some(line) = lines.next() else {
                child.wait().unwrap();
                panic!("it ended before it was ready: {}", heard.all());
            };
            let Ok(said) = serde_json::from_str::<Value>(&line.unwrap()) else { continue };
            match said["event"].as_str() {
                Some("listening") => {
                    let service = said["service"].as_str().unwrap().to_owned();
                    listening.insert(service, said["addr"].as_str().unwrap().parse().unwrap());
                }
                Some("ready") => break,
                _ => {}
            }
        }
        // Whatever else it prints is read away, so that a full pipe never stops it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, heard, listening }
    }

    /// Where one of its services listens.
    pub(crate) fn addr(&self, service: &str) -> SocketAddr {
        self.listening[service]
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has said, on standard error, a line with `text`; gives the line.
    pub(crate) fn hear(&self, text: &str) -> String {
        let (lines, more) = &*self.heard.0;
        let quiet = |lines: &mut Vec<String>| !lines.iter().any(|l| l.contains(text));
        let (lines, _) = more.wait_timeout_while(lines.lock().unwrap(), PATIENCE, quiet).unwrap();
        let found = lines.iter().find(|l| l.contains(text)).cloned();
        // Others go on listening, also after a failure.
        drop(lines);
        found.unwrap_or_else(|| panic!("never said {text:?}"))
    }

    /// The lines with `text` that it has said by now.
    pub(crate) fn heard(&self, text: &str) -> Vec<String> {
        self.heard.0.0.lock().unwrap().iter().filter(|l| l.contains(text)).cloned().collect()
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ended by itself.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.child.wait().unwrap();
        Ended { status, said: self.heard.all() }
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(self) {
        self.terminate();
        let ended = self.wait();
        assert!(ended.status.success(), "{}: {}", ended.status, ended.said);
    }
}

impl Heard {
    const END: &str = "(end of standard error)";

    fn listen(&self, stderr: impl BufRead) {
        let lines = stderr.lines().map_while(Result::ok).chain([Self::END.to_owned()]);
        for line in lines {
            self.0.0.lock().unwrap().push(line);
            self.0.1.notify_all();
        }
    }

    /// Everything, once it has ended.
    fn all(&self) -> String {
        let goes_on = |lines: &mut Vec<String>| lines.last().is_none_or(|l| l != Self::END);
        let (lines, _) = self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, goes_on).unwrap();
        lines.join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // The end of its story is what one wants to see of a failure, but not what it tells of every order.
            let lines = self.heard.0.0.lock().unwrap();
            let told =
                |line: &&String| [r#""target":"step""#, "/health/ready"].iter().any(|t| line.contains(t));
            let words: Vec<&str> = lines.iter().filter(|line| !told(line)).map(String::as_str).collect();
            let last = &words[words.len().saturating_sub(40)..];
            println!("--- the last words of process {}:\n{}", self.child.id(), last.join("\n"));
        }
    }
}
