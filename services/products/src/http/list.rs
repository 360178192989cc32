//! `GET /`: the catalogue, filtered, sorted, page by page.

use axum::extract::State;
use holdfast_contract::{Currency, Decimal, ErrorCode, Money};
use holdfast_service::http::{ApiError, ApiResult, ErrorBody, StrictQuery, ok_with_meta};
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::{PageMeta, ProductBody, ProductList, ProductPageAnswer};
use super::{App, errors};
use crate::store::{InvalidSort, Limits, ProductQuery, Sort};

/// Characters of a search text at most.
const MAX_SEARCH: usize = 200;

/// Which products, in which order.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only this category; upper and lower case are the same.
    category: Option<String>,
    /// Only what costs at least this much; up to 2^53 - 1 of the smallest unit of the currency.
    #[param(value_type = Option<f64>, minimum = 0, example = 10)]
    min_price: Option<String>,
    /// Only what costs at most this much; up to 2^53 - 1 of the smallest unit of the currency.
    #[param(value_type = Option<f64>, minimum = 0, example = 49.99)]
    max_price: Option<String>,
    /// Only what is (or, with `false`, is not) available.
    in_stock: Option<bool>,
    /// Words that name, description, category, brand, SKU or tags contain, each at least as the start of a word.
    #[param(max_length = 200)]
    search: Option<String>,
    /// `name`, `price`, `stock`, `rating` or `createdAt`; with a `-` before it for the opposite order. Without it: best
    /// match first for a search, otherwise by name.
    #[param(pattern = "^-?(name|price|stock|rating|createdAt)$", example = "-price")]
    sort: Option<String>,
    /// From 1.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64, default = 1)]
    page: Option<u32>,
    /// Products on a page.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<u32>,
}

impl ListQuery {
    /// No filter but a search text, for `GET /search`.
    pub(super) fn searching(
        text: String,
        page: Option<u32>,
        limit: Option<u32>,
        sort: Option<String>,
    ) -> Self {
        Self { search: Some(text), page, limit, sort, ..Self::default() }
    }

    fn read(self, currency: Currency) -> ApiResult<ProductQuery> {
        let min_price = self.min_price.as_deref().map(|t| amount("minPrice", t, currency)).transpose()?;
        let max_price = self.max_price.as_deref().map(|t| amount("maxPrice", t, currency)).transpose()?;
        if min_price.zip(max_price).is_some_and(|(min, max)| min > max) {
            return Err(invalid("maxPrice", "must not be less than minPrice"));
        }
        if self.search.as_deref().is_some_and(|s| s.chars().nth(MAX_SEARCH).is_some()) {
            return Err(invalid("search", "must be at most 200 characters"));
        }
        let sort = self.sort.as_deref().map(str::parse::<Sort>).transpose();
        let sort = sort.map_err(|e: InvalidSort| invalid("sort", &e.to_string()))?;
        let page = self.page.unwrap_or(1);
        if page == 0 {
            return Err(invalid("page", "must be at least 1"));
        }
        let limit = self.limit.unwrap_or(Limits::DEFAULT);
        if !(1..=Limits::MAX).contains(&limit) {
            return Err(invalid("limit", "must be from 1 to 200"));
        }
        let ListQuery { category, in_stock, search, .. } = self;
        Ok(ProductQuery { category, min_price, max_price, in_stock, search, sort, page, limit })
    }
}

fn invalid(parameter: &str, problem: &str) -> ApiError {
    ApiError::of_field(ErrorCode::InvalidQuery, parameter, problem)
}

fn amount(parameter: &str, text: &str, currency: Currency) -> ApiResult<u64> {
    Decimal::parse(text)
        .and_then(|decimal| Money::from_decimal(decimal, currency))
        .map(Money::minor)
        .map_err(|e| invalid(parameter, &e.to_string()))
}

/// List products
///
/// The catalogue without deleted products. Parameters that are unknown, given twice or malformed are refused.
#[utoipa::path(
    get, path = "/api/v1/products", tag = "products", operation_id = "listProducts", params(ListQuery),
    responses(
        (status = 200, description = "A page of products", body = ProductPageAnswer),
        (status = 400, description = "`INVALID_QUERY`", body = ErrorBody),
    ),
)]
pub(super) async fn list(State(app): State<App>, StrictQuery(query): StrictQuery<ListQuery>) -> ApiResult {
    page(&app, query).await
}

/// Answers a list or a search.
pub(super) async fn page(app: &App, query: ListQuery) -> ApiResult {
    let query = query.read(app.currency)?;
    let (page, limit) = (query.page, query.limit);
    let found = app.store.list(query).await.map_err(errors::store)?;
    let products: Vec<ProductBody> = found.products.iter().map(ProductBody::from).collect();
    let meta = PageMeta { page, limit, total: found.total, pages: found.total.div_ceil(limit.into()) };
    let message = match found.total {
        1 => "1 product".to_owned(),
        total => format!("{total} products"),
    };
    ok_with_meta(&message, &ProductList { count: products.len(), products }, &meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: ListQuery) -> ApiResult<ProductQuery> {
        query.read(Currency::USD)
    }

    #[test]
    fn prices_are_exact_and_ordered() {
        let query = |min: &str, max: &str| ListQuery {
            min_price: Some(min.to_owned()),
            max_price: Some(max.to_owned()),
            ..ListQuery::default()
        };
        let read_back = read(query("10", "29.99")).unwrap();
        assert_eq!((read_back.min_price, read_back.max_price), (Some(1000), Some(2999)));
        for (min, max) in [("2", "1"), ("x", "1"), ("0", "1e400"), ("-1", "5"), ("0.001", "5"), ("NaN", "5")]
        {
            assert_eq!(read(query(min, max)).unwrap_err().code(), ErrorCode::InvalidQuery, "{min} {max}");
        }
    }
}
