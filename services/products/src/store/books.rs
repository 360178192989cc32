//! What the background audit reads: what is stored of a product and of its holds, in one go and not yet proved.

use std::sync::Arc;

use holdfast_contract::stock::Balances;
use holdfast_contract::{ProductId, ReservationId};

use crate::domain::{Decision, HoldId, MovementId};

/// Stands for a set of open holds: the sum of their quantities, and one that the wrong holds of the right sum do not have.
/// Changes of holds can be added up in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldsDigest {
    /// Held together.
    pub quantity: i64,
    mix: u64,
}

impl HoldsDigest {
    /// So many more are held by this hold; a negative number takes away.
    pub fn change(&mut self, hold: HoldId, by: i64) {
        self.quantity = self.quantity.wrapping_add(by);
        // A number of its own for each hold (splitmix64).
        let mut z = hold.0.0.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.mix = self.mix.wrapping_add((z ^ z >> 31).wrapping_mul(by.cast_unsigned()));
    }
}

/// Holds without an owner that are named.
pub(crate) const NAMED: usize = 10;

/// What is stored of one product, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// Which product.
    pub product: ProductId,
    /// Its name, as it is stored.
    pub name: String,
    /// Its balances; `None` if there are none.
    pub balances: Option<Balances>,
    /// Counts its changes; `None` if there are no balances.
    pub version: Option<u64>,
    /// Its newest movement, as it says itself.
    pub last_movement: Option<MovementId>,
    /// How many holds are open.
    pub holds: u64,
    /// Stands for them.
    pub held: HoldsDigest,
    /// Of the open holds the first few that no decision on a reservation, and no reservation over HTTP, knows of.
    pub unowned: Vec<HoldId>,
}

impl Book {
    /// A product without holds. `stock`: on hand, reserved, version.
    pub fn new(
        product: ProductId,
        name: String,
        stock: Option<(i64, i64, u64)>,
        last_movement: Option<u64>,
    ) -> Self {
        Self {
            product,
            name,
            balances: stock.map(|(on_hand, reserved, _)| Balances::new(on_hand, reserved)),
            version: stock.map(|(_, _, version)| version),
            last_movement: last_movement.map(MovementId),
            holds: 0,
            held: HoldsDigest::default(),
            unowned: Vec::new(),
        }
    }

    /// Takes in the next open hold; `owned`: a decision or a reservation over HTTP knows of it.
    pub fn hold(&mut self, hold: HoldId, quantity: i64, owned: bool) {
        self.holds += 1;
        self.held.change(hold, quantity);
        if !owned && self.unowned.len() < NAMED {
            self.unowned.push(hold);
        }
    }
}

/// The reservations of a stretch of ids that hold stock, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldPage {
    /// The newest movement of the ledger at that moment; 0 if there is none.
    pub movement: u64,
    /// How many decisions were looked at.
    pub examined: u64,
    /// The last one that was looked at; `None`: there was none.
    pub through: Option<ReservationId>,
    /// Decisions that hold something, in the order of their ids.
    pub held: Vec<Arc<Decision>>,
    /// Holds of these decisions that are not open.
    pub unheld: Vec<(ReservationId, ProductId, HoldId)>,
}
