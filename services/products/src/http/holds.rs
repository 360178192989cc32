//! `GET /:id/holds`: for which orders stock of a product is kept.

use axum::extract::State;
use holdfast_contract::{ErrorCode, ProductId};
use holdfast_service::http::{ApiError, ApiResult, ErrorBody, PathId, StrictQuery, cursor, ok_with_meta};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::model::{CursorMeta, HoldBody, HoldsAnswer};
use super::{App, errors};
use crate::domain::{HoldId, MovementId};

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

/// Which stretch of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Stretch {
    /// How many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// `meta.nextCursor` of the stretch before it.
    #[param(pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

impl Stretch {
    /// The limit, and the id that the cursor of the list `kind` of this product holds.
    pub(super) fn read(self, kind: &str) -> ApiResult<(usize, Option<u64>)> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::of_field(ErrorCode::InvalidQuery, "limit", "must be from 1 to 200"));
        }
        let Some(text) = self.cursor else { return Ok((limit.into(), None)) };
        let bytes = cursor::decode(kind, &text)?;
        let id = bytes.try_into().map_err(|_| cursor::invalid())?;
        Ok((limit.into(), Some(u64::from_be_bytes(id))))
    }
}

/// Cuts what was read for one more than `limit`, and makes the cursor of what follows.
pub(super) fn stretch<T>(
    kind: &str,
    limit: usize,
    mut items: Vec<T>,
    id: impl Fn(&T) -> u64,
) -> (Vec<T>, CursorMeta) {
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| cursor::encode(kind, &id(last).to_be_bytes()));
    (items, CursorMeta { next_cursor })
}

/// A stretch of the open holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HoldList {
    /// The holds, oldest first.
    holds: Vec<HoldBody>,
    /// How many are in this stretch.
    count: usize,
}

/// List a product's open holds
///
/// Oldest first. The sum of their quantities is the product's `reserved`.
#[utoipa::path(
    get, path = "/api/v1/products/{id}/holds", tag = "stock", operation_id = "listHolds",
    params(("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$"), Stretch),
    responses(
        (status = 200, description = "Open holds", body = HoldsAnswer),
        (status = 400, description = "`INVALID_ID`, `INVALID_QUERY`, `INVALID_CURSOR`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
    ),
)]
pub(super) async fn holds(
    State(app): State<App>,
    PathId(id): PathId<ProductId>,
    StrictQuery(query): StrictQuery<Stretch>,
) -> ApiResult {
    let kind = format!("holds of {id}");
    let (limit, after) = query.read(&kind)?;
    app.shelf(id).await?;
    let after = after.map(|number| HoldId(MovementId(number)));
    let found = app.store.holds(id, after, limit + 1).await.map_err(errors::store)?;
    let (found, meta) = stretch(&kind, limit, found, |hold| hold.id.0.0);
    let holds: Vec<HoldBody> = found.iter().map(HoldBody::from).collect();
    ok_with_meta("Open holds", &HoldList { count: holds.len(), holds }, &meta)
}
