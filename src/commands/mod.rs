//! What the subcommands do, one file each. `bench` has its own folder.

pub mod ceiling;
pub mod run;
pub mod seed;
