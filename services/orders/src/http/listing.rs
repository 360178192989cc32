//! What both lists have: filters, sorting, cursors.

use axum::http::StatusCode;
use axum::response::Response;
use holdfast_contract::text::UserId;
use holdfast_contract::{ErrorCode, Key, OrderId};
use holdfast_service::http::{ApiError, cursor, ok_raw_meta, raw_list};
use serde::Deserialize;
use utoipa::IntoParams;

use super::input::StatusParameter;
use super::{errors, schema};
use crate::domain::view;
use crate::store::{Cursor, ListQuery, Search, SortBy, SortOrder};
use crate::usecase::UseCases;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

/// Filters and sorting.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only orders with this status: 1 to 5, or a name such as `cancelled`.
    #[param(schema_with = schema::status_parameter, example = "cancelled")]
    status: Option<StatusParameter>,
    /// Only this user's orders.
    #[param(value_type = Option<String>, max_length = 128)]
    user_id: Option<UserId>,
    /// The beginning of an order number, or of words of a product's name. May lag by a second.
    #[param(max_length = 100, example = "test prod")]
    search: Option<String>,
    /// `date` (the default) or `amount`.
    #[param(schema_with = schema::sort_by, example = "date")]
    sort_by: Option<SortByParameter>,
    /// `desc` (the default) or `asc`.
    #[param(schema_with = schema::sort_order, example = "desc")]
    sort_order: Option<SortOrderParameter>,
    /// Orders on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// `meta.nextCursor` of the page before, with the same filters and sorting.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SortByParameter {
    Date,
    Amount,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SortOrderParameter {
    Asc,
    Desc,
}

fn refuse(parameter: &str, problem: impl Into<String>) -> ApiError {
    ApiError::of_field(ErrorCode::InvalidQuery, parameter, problem)
}

impl ListParams {
    /// The query; `user` is the one that the path or the caller's rights name.
    fn into_query(self, user: Option<UserId>) -> Result<(ListQuery, String), ApiError> {
        if let (Some(asked), Some(fixed)) = (&self.user_id, &user)
            && asked != fixed
        {
            return Err(refuse("userId", "is not the user whose orders these are"));
        }
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(refuse("limit", format!("must be from 1 to {MAX_LIMIT}")));
        }
        let text = self.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let search = text.map(Search::new).transpose().map_err(|e| refuse("search", e.to_string()))?;
        let mut query = ListQuery {
            status: self.status.map(|status| status.0),
            user: user.or(self.user_id),
            search,
            sort_by: match self.sort_by {
                Some(SortByParameter::Amount) => SortBy::Amount,
                Some(SortByParameter::Date) | None => SortBy::Date,
            },
            sort_order: match self.sort_order {
                Some(SortOrderParameter::Asc) => SortOrder::Ascending,
                Some(SortOrderParameter::Desc) | None => SortOrder::Descending,
            },
            limit: usize::from(limit),
            after: None,
        };
        // A cursor carried to other filters or another sorting would skip orders silently.
        let kind = format!(
            "orders/{:?}/{:?}/{:?}/{:?}/{text:?}",
            query.sort_by, query.sort_order, query.status, query.user
        );
        query.after = self.cursor.as_deref().map(|text| read_cursor(&kind, text)).transpose()?;
        Ok((query, kind))
    }
}

fn write_cursor(kind: &str, at: Cursor) -> String {
    let mut payload = at.amount.to_be_bytes().to_vec();
    payload.extend_from_slice(&at.id.key().as_i64().to_be_bytes());
    cursor::encode(kind, &payload)
}

fn read_cursor(kind: &str, text: &str) -> Result<Cursor, ApiError> {
    let payload = cursor::decode(kind, text)?;
    let parts = payload.split_first_chunk::<8>().and_then(|(amount, key)| {
        let key = Key::from_i64(i64::from_be_bytes(key.try_into().ok()?))?;
        Some(Cursor { amount: u64::from_be_bytes(*amount), id: OrderId::new(key) })
    });
    parts.ok_or_else(cursor::invalid)
}

/// Answers a list.
pub(super) async fn answer(
    cases: &UseCases,
    params: ListParams,
    user: Option<UserId>,
) -> Result<Response, ApiError> {
    let (query, kind) = params.into_query(user)?;
    let page = cases.list(&query).await.map_err(errors::store)?;
    let count = page.orders.len().to_string();
    let orders = raw_list(page.orders.iter().map(|order| view::render(order)));
    // A cursor is plain letters and digits: quotes make it JSON.
    let next = page.next.map_or("null".to_owned(), |at| format!("\"{}\"", write_cursor(&kind, at)));
    let total = page.total.to_string();
    Ok(ok_raw_meta(
        StatusCode::OK,
        "Orders found",
        &[("orders", &orders), ("count", count.as_bytes())],
        &[("nextCursor", next.as_bytes()), ("total", total.as_bytes())],
    ))
}
