//! For tests: a disk under SQLite that fails on demand, and says what a loss of power would have left on it.
//!
//! A [`Disk`] is a VFS of its own ([`Disk::vfs`] is its name) over the operating system's. Everything that SQLite does to
//! a named file is a **point**, counted from 1: opening it to make it, writing, flushing, cutting off, deleting. At any
//! point a [`Fault`] can be planned, and a watcher can ask what would be left if the power went ([`Moment::after_power_loss`]).
//!
//! What is durable is what the disk says, not what the file system does: a flush is counted and noted, and the real one
//! is left out, so that thousands of them cost nothing.

mod drive;
mod file;
mod layer;
mod power;

use std::path::Path;
use std::sync::Arc;

use self::drive::Inserted;
use self::file::Files;

pub use self::power::{Image, Loss};

/// What SQLite asked the disk for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// To make a file.
    Make,
    /// To write.
    Write,
    /// To flush.
    Flush,
    /// To cut a file off.
    Truncate,
    /// To delete a file.
    Delete,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The act fails with an I/O error and changes nothing.
    Refused,
    /// Half of what was to be written arrives, then it fails with an I/O error. Other acts are refused.
    Short,
    /// Nothing more fits: files cannot be made and writes fail as full. Other acts work.
    Full,
}

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The first point that it happens at.
    pub at: u64,
    /// For so many points, that one included.
    pub points: u64,
    /// What.
    pub fault: Fault,
}

/// A point at which the disk stands still: SQLite has asked, and nothing has been done.
pub struct Moment<'d> {
    /// Which point.
    pub point: u64,
    /// What it is about to do.
    pub act: Act,
    /// To which file.
    pub file: &'d Path,
    files: &'d Files,
}

impl Moment<'_> {
    /// What is on the disk if the power goes right now.
    pub fn after_power_loss(&self, loss: Loss) -> Image {
        power::after(self.files, loss)
    }
}

type Watcher = Box<dyn FnMut(&Moment<'_>) + Send>;

#[derive(Default)]
struct State {
    files: Files,
    points: u64,
    reads: u64,
    plan: Option<Plan>,
    bad_read: Option<u64>,
    /// How often something went wrong on purpose.
    faults: u64,
    watcher: Option<Watcher>,
}

/// A disk. Clones are the same one.
#[derive(Clone)]
pub struct Disk(Arc<Inserted>);

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk {
    /// A disk that works, as a VFS that no other disk is at the same time. Close everything that is opened with it before the
    /// last clone is dropped: then the VFS may become another disk.
    ///
    /// # Panics
    /// If SQLite cannot take another VFS.
    pub fn new() -> Self {
        Self(Arc::new(Inserted::new()))
    }

    /// What is in the named files now.
    pub fn image(&self) -> Image {
        power::after(&self.0.state.lock().files, Loss::Nothing)
    }

    /// What to open connections with.
    pub fn vfs(&self) -> &str {
        self.0.name()
    }

    /// Points so far.
    pub fn points(&self) -> u64 {
        self.0.state.lock().points
    }

    /// Reads of named files so far.
    pub fn reads(&self) -> u64 {
        self.0.state.lock().reads
    }

    /// How often something went wrong on purpose.
    pub fn faults(&self) -> u64 {
        self.0.state.lock().faults
    }

    /// Whether what was planned is over, or nothing was.
    pub fn is_well(&self) -> bool {
        let state = self.0.state.lock();
        let over = state.plan.is_none_or(|plan| state.points >= plan.at.saturating_add(plan.points - 1));
        over && state.bad_read.is_none_or(|at| state.reads >= at)
    }

    /// Plans what goes wrong, instead of what was planned before.
    pub fn plan(&self, plan: Plan) {
        self.0.state.lock().plan = Some(plan);
    }

    /// Has the read number `at` (counted from 1) fail with an I/O error.
    pub fn fail_read(&self, at: u64) {
        self.0.state.lock().bad_read = Some(at);
    }

    /// From now on everything works.
    pub fn mend(&self) {
        let mut state = self.0.state.lock();
        state.plan = None;
        state.bad_read = None;
    }

    /// Has `watcher` see every further point. It runs inside SQLite's call: it must not use the disk, and what it panics
    /// with ends the process.
    pub fn watch(&self, watcher: impl FnMut(&Moment<'_>) + Send + 'static) {
        self.0.state.lock().watcher = Some(Box::new(watcher));
    }

    /// Nobody sees the points any more.
    pub fn unwatch(&self) {
        self.0.state.lock().watcher = None;
    }
}

impl State {
    /// Counts a point; says what goes wrong at it.
    fn point(&mut self, act: Act, file: &Path) -> Option<Fault> {
        self.points += 1;
        let point = self.points;
        if let Some(watcher) = &mut self.watcher {
            watcher(&Moment { point, act, file, files: &self.files });
        }
        let plan = self.plan.filter(|plan| point >= plan.at && point - plan.at < plan.points)?;
        let hit = plan.fault != Fault::Full || matches!(act, Act::Make | Act::Write);
        self.faults += u64::from(hit);
        hit.then_some(plan.fault)
    }

    /// Counts a read; says whether it fails.
    fn read(&mut self) -> bool {
        self.reads += 1;
        let fails = self.bad_read == Some(self.reads);
        self.faults += u64::from(fails);
        fails
    }
}

#[cfg(test)]
mod tests;
