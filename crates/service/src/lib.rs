//! What every service of Holdfast has: configuration, lifecycle, telemetry, the HTTP envelope, health.
//!
//! Clock, keys and spawning are values that are passed in; the globals behind them are touched here and nowhere else.

pub mod alone;
pub mod audit;
pub mod auth;
pub mod backend;
pub mod broker;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod http;
pub mod keys;
pub mod lifecycle;
pub mod operator;
pub mod origin;
pub mod process;
mod remote;
pub mod steps;
pub mod telemetry;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;

pub mod tls;
pub mod traces;
pub mod trust;

pub use clock::{Clock, ManualClock, SystemClock};
pub use keys::{KeySource, SequentialKeys, TimeOrderedKeys};
pub use lifecycle::Lifecycle;
pub use process::Process;
pub use steps::Steps;
pub use traces::Traces;
