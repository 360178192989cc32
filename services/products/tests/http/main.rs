//! The Products service as its clients see it: a router in process over a temporary SQLite database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod bad_input;
mod catalogue;
mod document;
mod ledger;
mod operator;
mod sample;
mod service;
mod stock;
mod support;
