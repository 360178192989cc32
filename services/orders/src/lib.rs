//! The Orders service: takes orders, keeps them, and tells clients live.
//!
//! [`domain`] says what an order is, [`store`] how it is kept ([`sqlite`], [`mongodb`]), [`usecase`] what can be done with it,
//! [`http`] and [`live`] how clients reach it, [`consumer`] what Products' answers do;
//! [`audit`] what is proved all the time; [`service`] puts it together over a [`database`], [`alone`] runs it in a process of its own.

pub mod access;
pub mod alone;
pub mod audit;
pub mod consumer;
pub mod database;
pub mod domain;
pub mod http;
pub mod live;
pub mod mongodb;
pub mod parked;
pub mod recovery;
pub mod service;
pub mod sqlite;
pub mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod usecase;
