//! What the background audit reads.

use holdfast_contract::{ProductId, ReservationId};
use holdfast_storage::StoreError;
use rusqlite::{Connection, params};

use super::read::{all, bound, decisions};
use super::rows;
use crate::domain::{HoldId, MovementId};
use crate::store::{Book, HeldPage, codes};

pub(super) fn books(
    connection: &Connection,
    after: Option<ProductId>,
    limit: usize,
) -> Result<Vec<Book>, StoreError> {
    let mut books = all(
        connection,
        "SELECT p.id, p.name, s.on_hand, s.reserved, s.version, s.last_movement
         FROM products AS p LEFT JOIN stock AS s ON s.product = p.id
         WHERE ?1 IS NULL OR p.id > ?1 ORDER BY p.id LIMIT ?2",
        params![after.map(|id| *id.as_bytes()), bound(limit)],
        |row| {
            let (on_hand, reserved, version): (Option<i64>, Option<i64>, Option<u64>) =
                (row.get(2)?, row.get(3)?, row.get(4)?);
            let stock =
                on_hand.zip(reserved).zip(version).map(|((on_hand, reserved), v)| (on_hand, reserved, v));
            Ok(Book::new(rows::product_id(row, "id")?, row.get(1)?, stock, row.get(5)?))
        },
    )?;
    let mut holds = connection.prepare_cached(
        "SELECT h.id, h.quantity - h.consumed,
                CASE WHEN h.reservation IS NULL THEN x.state = ?2 AND x.hold = h.id
                     ELSE r.state = ?3 AND h.id >= r.first_movement AND h.id < r.first_movement + r.movements END
         FROM holds AS h LEFT JOIN reservations AS r ON r.id = h.reservation
              LEFT JOIN http_reservations AS x ON x.http_order = h.http_order AND x.product = h.product
         WHERE h.product = ?1",
    )?;
    for book in &mut books {
        let mut open = holds.query(params![book.product.as_bytes(), codes::HTTP_HELD, codes::HELD])?;
        while let Some(row) = open.next()? {
            let owned: Option<bool> = row.get(2)?;
            book.hold(HoldId(MovementId(row.get(0)?)), row.get(1)?, owned == Some(true));
        }
    }
    Ok(books)
}

pub(super) fn held(
    connection: &Connection,
    after: Option<ReservationId>,
    limit: usize,
) -> Result<HeldPage, StoreError> {
    let movement: Option<u64> =
        connection.query_row("SELECT max(id) FROM movements", [], |row| row.get(0))?;
    let ids = all(
        connection,
        "SELECT id, state FROM reservations WHERE id > ?1 ORDER BY id LIMIT ?2",
        params![after.map_or(-1, |id| id.key().as_i64()), bound(limit)],
        |row| Ok((rows::reservation_id(row, "id")?, row.get::<_, i64>(1)? == codes::HELD)),
    )?;
    let mut page = HeldPage {
        movement: movement.unwrap_or(0),
        examined: ids.len() as u64,
        through: ids.last().map(|(id, _)| *id),
        ..HeldPage::default()
    };
    let ids: Vec<ReservationId> = ids.into_iter().filter(|(_, held)| *held).map(|(id, _)| id).collect();
    page.held = decisions(connection, &ids)?;
    let mut open = connection.prepare_cached("SELECT 1 FROM holds WHERE product = ?1 AND id = ?2")?;
    for decision in &page.held {
        for movement in decision.movements() {
            let Some(hold) = movement.hold else { continue };
            if !open.exists(params![movement.product.as_bytes(), hold.0.0])? {
                page.unheld.push((decision.id, movement.product, hold));
            }
        }
    }
    Ok(page)
}
