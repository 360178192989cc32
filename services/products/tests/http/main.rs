//! The Products service as its clients see it: a router in process over a temporary SQLite database.

mod bad_input;
mod catalogue;
mod document;
mod ledger;
mod sample;
mod service;
mod stock;
mod support;
