//! Takes rows apart; [`crate::store::stored`] proves what is in them.

use std::fmt::Display;

use holdfast_contract::{Key, ProductId, ReservationId, Timestamp};
use holdfast_storage::StoreError;
use rusqlite::Row;
use rusqlite::types::FromSql;

use crate::domain::{Hold, HoldId, HttpReservation, LedgerMovement, MovementId, Shelf};
pub(super) use crate::store::stored::inconsistent;
use crate::store::stored::{
    StoredDecision, StoredHold, StoredHttp, StoredMovement, StoredOwner, StoredShelf, of_row,
};

/// A column that has the type it must have.
fn column<T: FromSql>(row: &Row<'_>, name: &str) -> Result<T, StoreError> {
    row.get(name).map_err(|e| inconsistent(name, e))
}

/// As [`column`], for texts, which are not copied.
fn text<'r>(row: &'r Row<'_>, name: &str) -> Result<&'r str, StoreError> {
    row.get_ref(name)?.as_str().map_err(|e| inconsistent(name, e))
}

fn text_if_there<'r>(row: &'r Row<'_>, name: &str) -> Result<Option<&'r str>, StoreError> {
    row.get_ref(name)?.as_str_or_null().map_err(|e| inconsistent(name, e))
}

/// A column whose text or number has to be proved.
fn proved<T: FromSql, R, E: Display>(
    row: &Row<'_>,
    name: &str,
    prove: impl FnOnce(T) -> Result<R, E>,
) -> Result<R, StoreError> {
    prove(column(row, name)?).map_err(|e| inconsistent(name, e))
}

pub(super) fn product_id(row: &Row<'_>, name: &str) -> Result<ProductId, StoreError> {
    Ok(ProductId::from_bytes(column(row, name)?))
}

pub(super) fn reservation_id(row: &Row<'_>, name: &str) -> Result<ReservationId, StoreError> {
    proved(row, name, |key| Key::from_i64(key).ok_or("is negative")).map(ReservationId::new)
}

fn timestamp(row: &Row<'_>, name: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(column(row, name)?))
}

/// The columns of [`shelf`], from `products AS p JOIN stock AS s`.
pub(super) const SHELF: &str = "p.id, p.name, p.description, p.price, p.currency, p.category, p.sku, p.brand, p.tags,
    p.image_url, p.rating, p.review_count, p.is_active, p.hidden, p.created_at, p.updated_at, s.on_hand, s.reserved,
    s.version, s.last_movement";

pub(super) fn shelf(row: &Row<'_>) -> Result<Shelf, StoreError> {
    let id = product_id(row, "id")?;
    of_row(format_args!("product {id}"), stored_shelf(row, id).and_then(StoredShelf::prove))
}

fn stored_shelf<'r>(row: &'r Row<'_>, id: ProductId) -> Result<StoredShelf<'r>, StoreError> {
    Ok(StoredShelf {
        id,
        name: text(row, "name")?,
        description: text(row, "description")?,
        price: column(row, "price")?,
        currency: text(row, "currency")?,
        category: text_if_there(row, "category")?,
        sku: text_if_there(row, "sku")?,
        brand: text_if_there(row, "brand")?,
        tags: serde_json::from_str(text(row, "tags")?).map_err(|e| inconsistent("tags", e))?,
        image_url: text_if_there(row, "image_url")?,
        rating: column(row, "rating")?,
        review_count: column(row, "review_count")?,
        is_active: column(row, "is_active")?,
        hidden: column(row, "hidden")?,
        created_at: timestamp(row, "created_at")?,
        updated_at: timestamp(row, "updated_at")?,
        on_hand: column(row, "on_hand")?,
        reserved: column(row, "reserved")?,
        version: column(row, "version")?,
        last_movement: column(row, "last_movement")?,
    })
}

fn owner<'r>(row: &'r Row<'_>) -> Result<StoredOwner<'r>, StoreError> {
    let (reservation, http_order) = (column(row, "reservation")?, text_if_there(row, "http_order")?);
    Ok(StoredOwner { reservation, http_order })
}

pub(super) fn movement(row: &Row<'_>) -> Result<LedgerMovement, StoreError> {
    let id = MovementId(column(row, "id")?);
    of_row(id, stored_movement(row, id).and_then(StoredMovement::prove))
}

fn stored_movement<'r>(row: &'r Row<'_>, id: MovementId) -> Result<StoredMovement<'r>, StoreError> {
    Ok(StoredMovement {
        id,
        previous: column(row, "previous")?,
        product: product_id(row, "product")?,
        product_name: text(row, "product_name")?,
        owner: owner(row)?,
        line: column(row, "line")?,
        kind: column(row, "kind")?,
        on_hand_delta: column(row, "on_hand_delta")?,
        reserved_delta: column(row, "reserved_delta")?,
        hold: column(row, "hold")?,
        on_hand: column(row, "on_hand")?,
        reserved: column(row, "reserved")?,
        cause: text(row, "cause")?,
        at: timestamp(row, "at")?,
    })
}

pub(super) fn hold(row: &Row<'_>) -> Result<Hold, StoreError> {
    let id = HoldId(MovementId(column(row, "id")?));
    of_row(id, stored_hold(row, id).and_then(StoredHold::prove))
}

fn stored_hold<'r>(row: &'r Row<'_>, id: HoldId) -> Result<StoredHold<'r>, StoreError> {
    Ok(StoredHold {
        id,
        product: product_id(row, "product")?,
        owner: owner(row)?,
        line: column(row, "line")?,
        quantity: column(row, "quantity")?,
        consumed: column(row, "consumed")?,
        at: timestamp(row, "at")?,
    })
}

pub(super) fn http_reservation(row: &Row<'_>) -> Result<HttpReservation, StoreError> {
    StoredHttp {
        order: text(row, "http_order")?,
        product: product_id(row, "product")?,
        state: column(row, "state")?,
        quantity: column(row, "quantity")?,
        hold: column(row, "hold")?,
        new_stock: column(row, "new_stock")?,
        at: timestamp(row, "at")?,
    }
    .prove()
}

/// A row of `reservations`.
pub(super) fn decision(row: &Row<'_>) -> Result<StoredDecision, StoreError> {
    Ok(StoredDecision {
        id: reservation_id(row, "id")?,
        number: column(row, "number")?,
        at: timestamp(row, "at")?,
        state: column(row, "state")?,
        first: column(row, "first_movement")?,
        count: column(row, "movements")?,
        detail: column(row, "detail")?,
    })
}
