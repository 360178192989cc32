//! Rows become values, and prove their invariants again; what cannot is inconsistent.

use std::fmt::Display;
use std::sync::Arc;

use holdfast_contract::stock::{Balances, MovementKind, RejectReason, Shortage};
use holdfast_contract::text::Name;
use holdfast_contract::{Key, LineId, Money, ProductId, Quantity, ReservationId, Timestamp};
use holdfast_storage::StoreError;
use rusqlite::Row;
use rusqlite::types::FromSql;
use serde::{Deserialize, Serialize};

use super::codes;
use crate::domain::{
    Decision, Held, Hold, HoldId, HttpReservation, HttpState, LedgerMovement, MovementId, OrderRef, Owner,
    Product, ProductDetails, Rating, Rejected, Reservation, Settled, Shelf, StockLevel,
};

pub(super) fn inconsistent(what: &str, why: impl Display) -> StoreError {
    StoreError::Inconsistent(format!("{what}: {why}"))
}

/// Says of which row something is inconsistent: the audit passes it on to a person.
fn of_row<T>(name: impl Display, read: Result<T, StoreError>) -> Result<T, StoreError> {
    match read {
        Err(StoreError::Inconsistent(why)) => Err(inconsistent(&name.to_string(), why)),
        other => other,
    }
}

/// A column that has the type it must have.
fn column<T: FromSql>(row: &Row<'_>, name: &str) -> Result<T, StoreError> {
    row.get(name).map_err(|e| inconsistent(name, e))
}

/// A column whose text or number has to be proved.
fn proved<T: FromSql, R, E: Display>(
    row: &Row<'_>,
    name: &str,
    prove: impl FnOnce(T) -> Result<R, E>,
) -> Result<R, StoreError> {
    prove(column(row, name)?).map_err(|e| inconsistent(name, e))
}

fn proved_option<T: FromSql, R, E: Display>(
    row: &Row<'_>,
    name: &str,
    prove: impl FnOnce(T) -> Result<R, E>,
) -> Result<Option<R>, StoreError> {
    match column::<Option<T>>(row, name)? {
        Some(value) => prove(value).map(Some).map_err(|e| inconsistent(name, e)),
        None => Ok(None),
    }
}

pub(super) fn product_id(row: &Row<'_>, name: &str) -> Result<ProductId, StoreError> {
    proved(row, name, |bytes: [u8; 12]| Ok::<_, &str>(ProductId::from_bytes(bytes)))
}

fn timestamp(row: &Row<'_>, name: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(column(row, name)?))
}

fn movement_id(row: &Row<'_>, name: &str) -> Result<Option<MovementId>, StoreError> {
    Ok(column::<Option<u64>>(row, name)?.map(MovementId))
}

/// The columns of [`shelf`], from `products AS p JOIN stock AS s`.
pub(super) const SHELF: &str = "p.id, p.name, p.description, p.price, p.currency, p.category, p.sku, p.brand, p.tags,
    p.image_url, p.rating, p.review_count, p.is_active, p.hidden, p.created_at, p.updated_at, s.on_hand, s.reserved,
    s.version, s.last_movement";

pub(super) fn shelf(row: &Row<'_>) -> Result<Shelf, StoreError> {
    let id = product_id(row, "id")?;
    of_row(format_args!("product {id}"), shelf_of(row, id))
}

fn shelf_of(row: &Row<'_>, id: ProductId) -> Result<Shelf, StoreError> {
    let currency = proved(row, "currency", |text: String| text.parse())?;
    let details = ProductDetails {
        name: proved(row, "name", |t: String| t.parse())?,
        description: proved(row, "description", |t: String| crate::domain::Description::new(&t))?,
        price: proved(row, "price", |minor: u64| Money::from_minor(minor, currency))?,
        category: proved_option(row, "category", |t: String| t.parse())?,
        sku: proved_option(row, "sku", |t: String| t.parse())?,
        brand: proved_option(row, "brand", |t: String| t.parse())?,
        tags: proved(row, "tags", |t: String| serde_json::from_str(&t))?,
        image_url: proved_option(row, "image_url", |t: String| t.parse())?,
        rating: proved_option(row, "rating", Rating::from_hundredths)?,
        review_count: column(row, "review_count")?,
        is_active: column(row, "is_active")?,
    };
    let product = Product {
        id,
        details,
        created_at: timestamp(row, "created_at")?,
        updated_at: timestamp(row, "updated_at")?,
    };
    let (on_hand, reserved, version) =
        (column(row, "on_hand")?, column(row, "reserved")?, column(row, "version")?);
    let level = StockLevel::restore(on_hand, reserved, version).map_err(|e| inconsistent("stock", e))?;
    let last_movement = movement_id(row, "last_movement")?;
    Ok(Shelf { product: Arc::new(product), level, last_movement, hidden: column(row, "hidden")? })
}

fn owner(row: &Row<'_>) -> Result<Option<Owner>, StoreError> {
    if let Some(key) = column::<Option<i64>>(row, "reservation")? {
        let key = Key::from_i64(key).ok_or_else(|| inconsistent("reservation", "is negative"))?;
        return Ok(Some(Owner::Reservation(ReservationId::new(key))));
    }
    Ok(proved_option(row, "http_order", |t: String| OrderRef::new(&t))?.map(Owner::Http))
}

pub(super) fn movement(row: &Row<'_>) -> Result<LedgerMovement, StoreError> {
    let id = MovementId(column(row, "id")?);
    of_row(id, movement_of(row, id))
}

fn movement_of(row: &Row<'_>, id: MovementId) -> Result<LedgerMovement, StoreError> {
    let kind = column(row, "kind")?;
    let name = row.get_ref("product_name")?.as_str().map_err(|e| inconsistent("product_name", e))?;
    Ok(LedgerMovement {
        id,
        previous: movement_id(row, "previous")?,
        product: product_id(row, "product")?,
        product_name: Name::new(name).map_err(|e| inconsistent("product_name", e))?,
        owner: owner(row)?,
        line_id: column::<Option<u16>>(row, "line")?.map(LineId),
        kind: codes::kind_of(kind).ok_or_else(|| inconsistent("kind", "unknown"))?,
        on_hand_delta: column(row, "on_hand_delta")?,
        reserved_delta: column(row, "reserved_delta")?,
        hold: movement_id(row, "hold")?.map(HoldId),
        balances: Balances::new(column(row, "on_hand")?, column(row, "reserved")?),
        cause: proved(row, "cause", |t: String| t.parse().map_err(|()| format!("not a cause: {t}")))?,
        at: timestamp(row, "at")?,
    })
}

pub(super) fn hold(row: &Row<'_>) -> Result<Hold, StoreError> {
    let id = HoldId(MovementId(column(row, "id")?));
    of_row(id, hold_of(row, id))
}

fn hold_of(row: &Row<'_>, id: HoldId) -> Result<Hold, StoreError> {
    Ok(Hold {
        id,
        product: product_id(row, "product")?,
        owner: owner(row)?.ok_or_else(|| inconsistent("owner", "is nobody"))?,
        line_id: LineId(column(row, "line")?),
        quantity: proved(row, "quantity", Quantity::new)?,
        consumed: column(row, "consumed")?,
        at: timestamp(row, "at")?,
    })
}

pub(super) fn http_reservation(row: &Row<'_>) -> Result<HttpReservation, StoreError> {
    let order = proved(row, "http_order", |t: String| OrderRef::new(&t))?;
    let missing = || inconsistent(&format!("HTTP reservation of {order}"), "is incomplete");
    let quantity = proved_option(row, "quantity", Quantity::new)?;
    let new_stock = column::<Option<u64>>(row, "new_stock")?;
    let hold = movement_id(row, "hold")?.map(HoldId);
    let state = match column(row, "state")? {
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
    Ok(HttpReservation { product: product_id(row, "product")?, state, at: timestamp(row, "at")?, order })
}

/// The `detail` of a rejected reservation.
#[derive(Serialize, Deserialize)]
pub(super) struct RejectedDetail {
    pub(super) reason: RejectReason,
    pub(super) shortages: Vec<Shortage>,
}

/// A row of `reservations`, before its movements were read.
pub(super) struct DecisionRow {
    id: ReservationId,
    number: u32,
    at: Timestamp,
    state: i64,
    pub(super) first: Option<u64>,
    pub(super) count: u64,
    detail: Option<String>,
}

pub(super) fn decision(row: &Row<'_>) -> Result<DecisionRow, StoreError> {
    let key = proved(row, "id", |key| Key::from_i64(key).ok_or("is negative"))?;
    Ok(DecisionRow {
        id: ReservationId::new(key),
        number: column(row, "number")?,
        at: timestamp(row, "at")?,
        state: column(row, "state")?,
        first: column(row, "first_movement")?,
        count: column(row, "movements")?,
        detail: column(row, "detail")?,
    })
}

impl DecisionRow {
    /// Puts row and movements together, if they fit each other.
    pub(super) fn with(self, movements: Vec<Arc<LedgerMovement>>) -> Result<Decision, StoreError> {
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
                let differences = detail.map_or_else(|| Ok(Vec::new()), serde_json::from_str);
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
