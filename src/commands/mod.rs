//! What the subcommands do, one file each. `bench` has its own folder.

pub mod api_docs;
pub mod ceiling;
pub mod dlq;
pub mod groups;
pub mod health;
pub mod operator;
pub mod run;
pub mod seed;
pub mod sim;
pub mod token;
pub mod topics;
