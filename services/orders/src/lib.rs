//! The Orders service: takes orders, keeps them, and tells clients live.

pub mod domain;
pub mod sqlite;
pub mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
