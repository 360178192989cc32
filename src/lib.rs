//! The program `holdfast`: everything in one process, and the operator's commands.

pub mod audit;
pub mod bench;
pub mod cli;
pub mod client;
pub mod commands;
mod demo;
mod table;
