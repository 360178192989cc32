//! The rules of stock, as pure functions of state and input: no I/O, no clock, no randomness.

mod decision;
mod demand;
mod desk;
mod http_hold;
mod level;
mod movement;
mod product;
mod refusal;
#[cfg(test)]
mod tests;

pub use decision::{Decision, Held, Rejected, Reservation, Settled};
pub use demand::{Verdict, decide_reserve};
pub use desk::{BrokenStock, Desk, Effects, Origin, Outcome, Shelf, StockChange};
pub use http_hold::{HttpReservation, HttpReserve, HttpState, decide_http_release, decide_http_reserve};
pub use level::{BrokenLevel, LevelRefusal, StockLevel};
pub use movement::{
    Cause, Hold, HoldId, HoldSource, InvalidOrderRef, LedgerMovement, MovementId, OrderRef, Owner,
};
pub use product::{
    Category, Description, ImageUrl, InvalidDescription, InvalidRating, Product, ProductDetails,
    ProductPatch, ProductView, Rating, Sku, Tag,
};
pub use refusal::Refusal;
