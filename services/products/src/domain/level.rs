//! How much of a product there is, and how much of it is held: never negative, never oversold.

use holdfast_contract::Quantity;
use holdfast_contract::stock::Balances;
use thiserror::Error;

/// On hand and held, with proof that `0 ≤ reserved ≤ on_hand`; so what is available is never negative.
///
/// Every change gives a new level whose version is one higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockLevel {
    on_hand: u64,
    reserved: u64,
    version: u64,
}

/// Why a level cannot change so. The level stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LevelRefusal {
    /// More is asked for than is available.
    #[error("only {available} available")]
    Short {
        /// What could be had.
        available: u64,
    },
    /// More would be given back or consumed than is held.
    #[error("only {reserved} held")]
    NotHeld {
        /// What is held.
        reserved: u64,
    },
    /// Less would be on hand than is held.
    #[error("{reserved} are held, {remaining} would remain")]
    Held {
        /// What is held.
        reserved: u64,
        /// What would be on hand.
        remaining: i64,
    },
    /// More than [`StockLevel::MAX`] would be on hand.
    #[error("more than {} would be on hand", StockLevel::MAX)]
    TooMuch,
}

/// Stored balances that break the invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{reserved} held of {on_hand} on hand")]
pub struct BrokenLevel {
    on_hand: i64,
    reserved: i64,
}

impl StockLevel {
    /// The most of a product that a person can book in. Far above any real stock, far below what a number can hold.
    pub const MAX: u64 = 1_000_000_000_000;

    /// The first level of a product.
    ///
    /// # Errors
    /// [`LevelRefusal::TooMuch`].
    pub fn new(on_hand: u64) -> Result<Self, LevelRefusal> {
        if on_hand > Self::MAX {
            Err(LevelRefusal::TooMuch)
        } else {
            Ok(Self { on_hand, reserved: 0, version: 1 })
        }
    }

    /// Proves what was stored.
    ///
    /// # Errors
    /// [`BrokenLevel`] if `0 ≤ reserved ≤ on_hand` does not hold.
    pub fn restore(on_hand: i64, reserved: i64, version: u64) -> Result<Self, BrokenLevel> {
        match (u64::try_from(on_hand), u64::try_from(reserved)) {
            (Ok(on_hand), Ok(reserved)) if reserved <= on_hand => Ok(Self { on_hand, reserved, version }),
            _ => Err(BrokenLevel { on_hand, reserved }),
        }
    }

    /// Physically there.
    pub fn on_hand(self) -> u64 {
        self.on_hand
    }

    /// Held for orders.
    pub fn reserved(self) -> u64 {
        self.reserved
    }

    /// Can be sold.
    pub fn available(self) -> u64 {
        self.on_hand - self.reserved
    }

    /// Counts the changes of the product.
    pub fn version(self) -> u64 {
        self.version
    }

    /// The balances, as answers and the ledger show them.
    pub fn balances(self) -> Balances {
        Balances::new(self.on_hand.cast_signed(), self.reserved.cast_signed())
    }

    /// Holds some.
    ///
    /// # Errors
    /// [`LevelRefusal::Short`].
    pub fn hold(self, quantity: Quantity) -> Result<Self, LevelRefusal> {
        let quantity = u64::from(quantity.get());
        if quantity > self.available() {
            return Err(LevelRefusal::Short { available: self.available() });
        }
        Ok(Self { reserved: self.reserved + quantity, ..self.touch() })
    }

    /// Gives back some of what is held.
    ///
    /// # Errors
    /// [`LevelRefusal::NotHeld`].
    pub fn release(self, quantity: Quantity) -> Result<Self, LevelRefusal> {
        Ok(Self { reserved: self.less_held(quantity)?, ..self.touch() })
    }

    /// Lets some of what is held leave.
    ///
    /// # Errors
    /// [`LevelRefusal::NotHeld`].
    pub fn fulfil(self, quantity: Quantity) -> Result<Self, LevelRefusal> {
        let reserved = self.less_held(quantity)?;
        Ok(Self { reserved, on_hand: self.on_hand - u64::from(quantity.get()), ..self.touch() })
    }

    /// Books back in what had left.
    pub fn take_back(self, quantity: Quantity) -> Self {
        Self { on_hand: self.on_hand.saturating_add(u64::from(quantity.get())), ..self.touch() }
    }

    /// Corrects what is on hand.
    ///
    /// # Errors
    /// [`LevelRefusal::Held`], [`LevelRefusal::TooMuch`].
    pub fn adjust(self, delta: i64) -> Result<Self, LevelRefusal> {
        let remaining = self.on_hand.cast_signed().saturating_add(delta);
        match u64::try_from(remaining) {
            Ok(on_hand) if delta > 0 && on_hand > Self::MAX => Err(LevelRefusal::TooMuch),
            Ok(on_hand) if on_hand >= self.reserved => Ok(Self { on_hand, ..self.touch() }),
            _ => Err(LevelRefusal::Held { reserved: self.reserved, remaining }),
        }
    }

    /// The same balances, one version on: something else about the product changed.
    #[must_use]
    pub fn touch(self) -> Self {
        Self { version: self.version + 1, ..self }
    }

    fn less_held(self, quantity: Quantity) -> Result<u64, LevelRefusal> {
        self.reserved
            .checked_sub(u64::from(quantity.get()))
            .ok_or(LevelRefusal::NotHeld { reserved: self.reserved })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(n: u64) -> Quantity {
        Quantity::new(n).unwrap()
    }

    #[test]
    fn invariant_1_no_change_leaves_less_than_nothing() {
        let level = StockLevel::new(5).unwrap().hold(quantity(3)).unwrap();
        assert_eq!(level.hold(quantity(3)), Err(LevelRefusal::Short { available: 2 }));
        assert_eq!(level.release(quantity(4)), Err(LevelRefusal::NotHeld { reserved: 3 }));
        assert_eq!(level.fulfil(quantity(4)), Err(LevelRefusal::NotHeld { reserved: 3 }));
        assert_eq!(level.adjust(-3), Err(LevelRefusal::Held { reserved: 3, remaining: 2 }));
        assert_eq!(
            level.adjust(i64::MIN).unwrap_err(),
            LevelRefusal::Held { reserved: 3, remaining: i64::MIN + 5 }
        );
        assert_eq!(level.adjust(i64::MAX), Err(LevelRefusal::TooMuch));
        assert_eq!(level.adjust(-2).unwrap().available(), 0);
        assert!(StockLevel::restore(2, 3, 1).is_err());
        assert!(StockLevel::restore(-1, -1, 1).is_err());
    }
}
