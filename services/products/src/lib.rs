//! The Products service: owns stock, and decides who gets it.

pub mod access;
pub mod alone;
pub mod audit;
pub mod consumer;
pub mod database;
pub mod decider;
pub mod domain;
pub mod http;
pub mod mongodb;
pub mod sample;
pub mod service;
pub mod sqlite;
pub mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
