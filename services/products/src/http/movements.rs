//! `GET /:id/movements`: the ledger of a product.

use axum::extract::State;
use holdfast_contract::ProductId;
use holdfast_service::http::{ApiResult, ErrorBody, PathId, StrictQuery, ok_with_meta};
use serde::Serialize;
use utoipa::ToSchema;

use super::holds::{Stretch, stretch};
use super::model::{MovementBody, MovementsAnswer};
use super::{App, errors};
use crate::domain::MovementId;

/// A stretch of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MovementList {
    /// The movements, newest first.
    movements: Vec<MovementBody>,
    /// How many are in this stretch.
    count: usize,
}

/// List a product's movements
///
/// Newest first: every change of its stock with cause, order, time and the balances after it. The ledger of a deleted
/// product stays.
#[utoipa::path(
    get, path = "/api/v1/products/{id}/movements", tag = "stock", operation_id = "listMovements",
    params(("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$"), Stretch),
    responses(
        (status = 200, description = "Movements", body = MovementsAnswer),
        (status = 400, description = "`INVALID_ID`, `INVALID_QUERY`, `INVALID_CURSOR`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
    ),
)]
pub(super) async fn movements(
    State(app): State<App>,
    PathId(id): PathId<ProductId>,
    StrictQuery(query): StrictQuery<Stretch>,
) -> ApiResult {
    let kind = format!("movements of {id}");
    let (limit, before) = query.read(&kind)?;
    app.shelf(id).await?;
    let before = before.map(MovementId);
    let found = app.store.movements(id, before, limit + 1).await.map_err(errors::store)?;
    let (found, meta) = stretch(&kind, limit, found, |movement| movement.id.0);
    let movements: Vec<MovementBody> = found.iter().map(MovementBody::from).collect();
    ok_with_meta("Movements", &MovementList { count: movements.len(), movements }, &meta)
}
