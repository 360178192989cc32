//! The invariants of contract §5 that are Products' own, on random histories.

mod demand;
mod histories;
mod sample;
