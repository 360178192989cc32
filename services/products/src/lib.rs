//! The Products service: owns stock, and decides who gets it.

pub mod consumer;
pub mod decider;
pub mod domain;
pub mod sqlite;
pub mod store;
