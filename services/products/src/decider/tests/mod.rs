//! The decider on a real SQLite store, fed by the embedded bus.

mod calls;
mod messages;
mod parking;
mod rig;
