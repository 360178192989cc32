//! The background audit, as far as every service has it the same: when it works and rests ([`run`]), and what it has found
//! ([`Board`]), which `/health/audit`, the metrics and the log show.
//!
//! What is proved, and how, is each service's own.

mod board;
mod patrol;
mod report;

pub use board::{Board, Finding};
pub use patrol::{Patrol, Progress, run};
pub use report::{AuditReport, PartReport, Status};

/// Findings that are shown and kept; more are only counted.
pub const KEPT: usize = 50;
