//! What back-ends have stored becomes values, and proves its invariants again; what cannot is inconsistent. Shared by all
//! back-ends: each takes its own rows or documents apart, and this puts them together.

use std::fmt::Display;
use std::sync::Arc;

use holdfast_contract::event::PriceDifference;
use holdfast_contract::stock::{Balances, MovementKind, RejectReason, Shortage};
use holdfast_contract::text::Name;
use holdfast_contract::{Currency, Key, LineId, Money, ProductId, Quantity, ReservationId, Timestamp};
use holdfast_storage::StoreError;
use serde::{Deserialize, Serialize};

use super::codes;
use crate::domain::{
    Decision, Description, Held, Hold, HoldId, HttpReservation, HttpState, LedgerMovement, MovementId,
    OrderRef, Owner, Product, ProductDetails, Rating, Rejected, Reservation, Settled, Shelf, StockLevel, Tag,
};

pub(crate) fn inconsistent(what: &str, why: impl Display) -> StoreError {
    StoreError::Inconsistent(format!("{what}: {why}"))
}

/// Says of which row something is inconsistent: the audit passes it on to a person.
pub(crate) fn of_row<T>(name: impl Display, read: Result<T, StoreError>) -> Result<T, StoreError> {
    match read {
        Err(StoreError::Inconsistent(why)) => Err(inconsistent(&name.to_string(), why)),
        other => other,
    }
}

fn proved<R, E: Display>(name: &str, proof: Result<R, E>) -> Result<R, StoreError> {
    proof.map_err(|e| inconsistent(name, e))
}

/// Proves what may be absent.
fn if_there<T, R, E: Display>(
    name: &str,
    stored: Option<T>,
    prove: impl FnOnce(T) -> Result<R, E>,
) -> Result<Option<R>, StoreError> {
    stored.map(|stored| proved(name, prove(stored))).transpose()
}

/// A product with its stock.
pub(crate) struct StoredShelf<'a> {
    pub(crate) id: ProductId,
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) price: i64,
    pub(crate) currency: &'a str,
    pub(crate) category: Option<&'a str>,
    pub(crate) sku: Option<&'a str>,
    pub(crate) brand: Option<&'a str>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) image_url: Option<&'a str>,
    pub(crate) rating: Option<u16>,
    pub(crate) review_count: u32,
    pub(crate) is_active: bool,
    pub(crate) hidden: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) version: u64,
    pub(crate) last_movement: Option<u64>,
}

impl StoredShelf<'_> {
    pub(crate) fn prove(self) -> Result<Shelf, StoreError> {
        let currency: Currency = proved("currency", self.currency.parse())?;
        let price = proved("price", u64::try_from(self.price))?;
        let details = ProductDetails {
            name: proved("name", self.name.parse())?,
            description: proved("description", Description::new(self.description))?,
            price: proved("price", Money::from_minor(price, currency))?,
            category: if_there("category", self.category, str::parse)?,
            sku: if_there("sku", self.sku, str::parse)?,
            brand: if_there("brand", self.brand, str::parse)?,
            tags: self.tags,
            image_url: if_there("image_url", self.image_url, str::parse)?,
            rating: if_there("rating", self.rating, Rating::from_hundredths)?,
            review_count: self.review_count,
            is_active: self.is_active,
        };
        let (created_at, updated_at) = (self.created_at, self.updated_at);
        let level = StockLevel::restore(self.on_hand, self.reserved, self.version);
        Ok(Shelf {
            product: Arc::new(Product { id: self.id, details, created_at, updated_at }),
            level: proved("stock", level)?,
            last_movement: self.last_movement.map(MovementId),
            hidden: self.hidden,
        })
    }
}

/// For whom something is held or moved: one of the two, or nobody.
#[derive(Clone, Copy, Default)]
pub(crate) struct StoredOwner<'a> {
    pub(crate) reservation: Option<i64>,
    pub(crate) http_order: Option<&'a str>,
}

impl<'a> From<Option<&'a Owner>> for StoredOwner<'a> {
    fn from(owner: Option<&'a Owner>) -> Self {
        match owner {
            Some(Owner::Reservation(id)) => Self { reservation: Some(id.key().as_i64()), http_order: None },
            Some(Owner::Http(order)) => Self { reservation: None, http_order: Some(order.as_str()) },
            None => Self::default(),
        }
    }
}

impl StoredOwner<'_> {
    fn prove(self) -> Result<Option<Owner>, StoreError> {
        if let Some(key) = self.reservation {
            let key = Key::from_i64(key).ok_or_else(|| inconsistent("reservation", "is negative"))?;
            return Ok(Some(Owner::Reservation(ReservationId::new(key))));
        }
        Ok(if_there("http_order", self.http_order, OrderRef::new)?.map(Owner::Http))
    }
}

/// A movement of the ledger.
pub(crate) struct StoredMovement<'a> {
    pub(crate) id: MovementId,
    pub(crate) previous: Option<u64>,
    pub(crate) product: ProductId,
    pub(crate) product_name: &'a str,
    pub(crate) owner: StoredOwner<'a>,
    pub(crate) line: Option<u16>,
    pub(crate) kind: i64,
    pub(crate) on_hand_delta: i64,
    pub(crate) reserved_delta: i64,
    pub(crate) hold: Option<u64>,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) cause: &'a str,
    pub(crate) at: Timestamp,
}

impl StoredMovement<'_> {
    pub(crate) fn prove(self) -> Result<LedgerMovement, StoreError> {
        Ok(LedgerMovement {
            id: self.id,
            previous: self.previous.map(MovementId),
            product: self.product,
            product_name: proved("product_name", Name::new(self.product_name))?,
            owner: self.owner.prove()?,
            line_id: self.line.map(LineId),
            kind: codes::kind_of(self.kind).ok_or_else(|| inconsistent("kind", "unknown"))?,
            on_hand_delta: self.on_hand_delta,
            reserved_delta: self.reserved_delta,
            hold: self.hold.map(MovementId).map(HoldId),
            balances: Balances::new(self.on_hand, self.reserved),
            cause: proved("cause", self.cause.parse().map_err(|()| format!("not a cause: {}", self.cause)))?,
            at: self.at,
        })
    }
}

/// An open hold.
pub(crate) struct StoredHold<'a> {
    pub(crate) id: HoldId,
    pub(crate) product: ProductId,
    pub(crate) owner: StoredOwner<'a>,
    pub(crate) line: u16,
    pub(crate) quantity: u64,
    pub(crate) consumed: u32,
    pub(crate) at: Timestamp,
}

impl StoredHold<'_> {
    pub(crate) fn prove(self) -> Result<Hold, StoreError> {
        Ok(Hold {
            id: self.id,
            product: self.product,
            owner: self.owner.prove()?.ok_or_else(|| inconsistent("owner", "is nobody"))?,
            line_id: LineId(self.line),
            quantity: proved("quantity", Quantity::new(self.quantity))?,
            consumed: self.consumed,
            at: self.at,
        })
    }
}

/// A single-line reservation over HTTP.
pub(crate) struct StoredHttp<'a> {
    pub(crate) order: &'a str,
    pub(crate) product: ProductId,
    pub(crate) state: i64,
    pub(crate) quantity: Option<u64>,
    pub(crate) hold: Option<u64>,
    pub(crate) new_stock: Option<u64>,
    pub(crate) at: Timestamp,
}

impl<'a> From<&'a HttpReservation> for StoredHttp<'a> {
    fn from(reservation: &'a HttpReservation) -> Self {
        let (state, quantity, hold, new_stock) = match reservation.state {
            HttpState::Held { quantity, hold, new_stock } => {
                (codes::HTTP_HELD, Some(quantity.get().into()), Some(hold.0.0), Some(new_stock))
            }
            HttpState::Released { quantity, new_stock } => {
                (codes::HTTP_RELEASED, Some(quantity.get().into()), None, Some(new_stock))
            }
            HttpState::NeverHeld => (codes::HTTP_NEVER_HELD, None, None, None),
        };
        let HttpReservation { order, product, at, .. } = reservation;
        Self { order: order.as_str(), product: *product, state, quantity, hold, new_stock, at: *at }
    }
}

impl StoredHttp<'_> {
    pub(crate) fn prove(self) -> Result<HttpReservation, StoreError> {
        let order = proved("http_order", OrderRef::new(self.order))?;
        let missing = || inconsistent(&format!("HTTP reservation of {order}"), "is incomplete");
        let quantity = if_there("quantity", self.quantity, Quantity::new)?;
        let (hold, new_stock) = (self.hold.map(MovementId).map(HoldId), self.new_stock);
        let state = match self.state {
            codes::HTTP_HELD => HttpState::Held {
                quantity: quantity.ok_or_else(missing)?,
                hold: hold.ok_or_else(missing)?,
                new_stock: new_stock.ok_or_else(missing)?,
            },
            codes::HTTP_RELEASED => HttpState::Released {
                quantity: quantity.ok_or_else(missing)?,
                new_stock: new_stock.ok_or_else(missing)?,
            },
            codes::HTTP_NEVER_HELD => HttpState::NeverHeld,
            _ => return Err(missing()),
        };
        Ok(HttpReservation { product: self.product, state, at: self.at, order })
    }
}

/// The `detail` of a rejected reservation.
#[derive(Serialize, Deserialize)]
struct RejectedDetail {
    reason: RejectReason,
    shortages: Vec<Shortage>,
}

/// A decision, apart from its movements: they are a stretch of the ledger.
pub(crate) struct StoredDecision {
    pub(crate) id: ReservationId,
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
    pub(crate) state: i64,
    pub(crate) first: Option<u64>,
    pub(crate) count: u64,
    pub(crate) detail: Option<String>,
}

impl StoredDecision {
    /// What is stored of `decision`.
    pub(crate) fn of(decision: &Decision) -> Result<Self, StoreError> {
        let state = match decision.reservation {
            Reservation::Rejected(_) => codes::REJECTED,
            Reservation::Held(_) => codes::HELD,
            Reservation::Released(_) => codes::RELEASED,
            Reservation::Fulfilled(_) => codes::FULFILLED,
            Reservation::Returned(_) => codes::RETURNED,
        };
        let movements = decision.movements();
        let detail = match &decision.reservation {
            Reservation::Rejected(r) => Some(serde_json::to_string(&RejectedDetail {
                reason: r.reason,
                shortages: r.shortages.clone(),
            })),
            Reservation::Held(held) if !held.price_differences.is_empty() => {
                Some(serde_json::to_string(&held.price_differences))
            }
            _ => None,
        };
        Ok(Self {
            id: decision.id,
            number: decision.number,
            at: decision.at,
            state,
            first: movements.first().map(|m| m.id.0),
            count: movements.len() as u64,
            detail: detail.transpose().map_err(|e| inconsistent(&decision.id.to_string(), e))?,
        })
    }

    /// The numbers of its movements.
    pub(crate) fn movements(&self) -> std::ops::Range<u64> {
        self.first.map_or(0..0, |first| first..first.saturating_add(self.count))
    }

    /// Puts decision and movements together, if they fit each other.
    pub(crate) fn prove(self, movements: Vec<Arc<LedgerMovement>>) -> Result<Decision, StoreError> {
        let broken = |why: &str| inconsistent(&self.id.to_string(), why);
        let owner = Owner::Reservation(self.id);
        if movements.len() as u64 != self.count {
            return Err(broken("movements are missing"));
        }
        if movements.iter().any(|m| m.owner.as_ref() != Some(&owner) || m.hold.is_none()) {
            return Err(broken("a movement is not its own"));
        }
        let only = |kinds: &[MovementKind]| movements.iter().all(|m| kinds.contains(&m.kind));
        let fits = match self.state {
            codes::REJECTED => movements.is_empty(),
            codes::HELD => !movements.is_empty() && only(&[MovementKind::Reserved]),
            codes::RELEASED => only(&[MovementKind::Released]),
            codes::FULFILLED => !movements.is_empty() && only(&[MovementKind::Fulfilled]),
            codes::RETURNED => {
                !movements.is_empty() && only(&[MovementKind::Fulfilled, MovementKind::Returned])
            }
            _ => false,
        };
        if !fits {
            return Err(broken("its movements do not fit its state"));
        }
        let reservation = match (self.state, self.detail.as_deref()) {
            (codes::REJECTED, Some(detail)) => {
                let detail: RejectedDetail =
                    serde_json::from_str(detail).map_err(|e| broken(&e.to_string()))?;
                Reservation::Rejected(Rejected { reason: detail.reason, shortages: detail.shortages })
            }
            (codes::REJECTED, None) => return Err(broken("says not why it was rejected")),
            (codes::HELD, detail) => {
                let differences: Result<Vec<PriceDifference>, _> =
                    detail.map_or_else(|| Ok(Vec::new()), serde_json::from_str);
                let price_differences = differences.map_err(|e| broken(&e.to_string()))?;
                Reservation::Held(Held { movements, price_differences })
            }
            (codes::RELEASED, _) => Reservation::Released(Settled { movements }),
            (codes::FULFILLED, _) => Reservation::Fulfilled(Settled { movements }),
            _ => Reservation::Returned(Settled { movements }),
        };
        Ok(Decision { id: self.id, number: self.number, at: self.at, reservation })
    }
}
