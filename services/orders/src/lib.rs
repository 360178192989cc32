//! The Orders service: takes orders, keeps them, and tells clients live.
//!
//! [`domain`] says what an order is, [`store`] how it is kept ([`sqlite`]), [`usecase`] what can be done with it,
//! [`http`] and [`live`] how clients reach it, [`consumer`] what Products' answers do; [`service`] puts it together.

pub mod consumer;
pub mod domain;
pub mod http;
pub mod live;
pub mod parked;
pub mod recovery;
pub mod service;
pub mod sqlite;
pub mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod usecase;
