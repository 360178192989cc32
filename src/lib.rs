//! The program `holdfast`: everything in one process, and the operator's commands.

pub mod audit;
pub mod backup;
pub mod bench;
pub mod catalogue;
pub mod chaos;
mod child;
pub mod cli;
pub mod client;
pub mod commands;
mod demo;
pub mod doctor;
mod interrupt;
mod progress;
mod table;
