//! The HTTP API of the catalogue and its stock: one file for each call.

mod adjust;
mod create;
mod delete;
mod errors;
mod get;
mod holds;
mod idempotent;
mod input;
mod list;
mod model;
mod movements;
mod openapi;
mod operational;
mod release;
mod reserve;
mod search;
mod update;
mod version;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use holdfast_contract::{Currency, ProductId};
use holdfast_service::KeySource;
use holdfast_service::http::ApiResult;

use crate::decider::Decider;
use crate::domain::{ProductView, Refusal, Shelf};
use crate::store::ProductStore;

pub use create::check_new_product;
pub use openapi::openapi;

/// Where the collection is.
pub const PRODUCTS_PATH: &str = "/api/v1/products";

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Reads.
    pub store: Arc<dyn ProductStore>,
    /// Changes: every one of stock or catalogue goes through it.
    pub decider: Decider,
    /// Ids of new products.
    pub keys: Arc<dyn KeySource>,
    /// Of every price.
    pub currency: Currency,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("currency", &self.currency).finish_non_exhaustive()
    }
}

impl App {
    /// The product with its stock, hidden or not.
    ///
    /// # Errors
    /// `PRODUCT_NOT_FOUND` if there never was one.
    async fn shelf(&self, id: ProductId) -> ApiResult<Shelf> {
        let shelf = self.store.shelves(vec![id]).await.map_err(errors::store)?.pop();
        shelf.ok_or_else(|| errors::refusal(&Refusal::ProductNotFound(id), "id"))
    }

    /// The product as everybody sees it.
    ///
    /// # Errors
    /// `PRODUCT_NOT_FOUND` if there is none or it was deleted.
    async fn product(&self, id: ProductId) -> ApiResult<ProductView> {
        let shelf = self.shelf(id).await?;
        if shelf.hidden {
            return Err(errors::refusal(&Refusal::ProductNotFound(id), "id"));
        }
        Ok(ProductView { product: shelf.product, level: shelf.level })
    }
}

/// Every route. The API document is checked against this list.
fn routes() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        (PRODUCTS_PATH, get(list::list).post(create::create)),
        ("/api/v1/products/search", get(search::search)),
        ("/api/v1/products/{id}", get(get::get).put(update::update).delete(delete::delete)),
        ("/api/v1/products/{id}/holds", get(holds::holds)),
        ("/api/v1/products/{id}/movements", get(movements::movements)),
        ("/api/v1/products/{id}/adjust", post(adjust::adjust)),
        ("/api/v1/products/{id}/reserve", post(reserve::reserve)),
        ("/api/v1/products/{id}/release", post(release::release)),
    ]
}

/// The API's routes, without the outer layer ([`holdfast_service::http::finish`]).
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes() {
        router = router.route(path, methods);
    }
    // The contract writes `GET /` under this path; both ways of reading that work.
    router = router.route("/api/v1/products/", get(list::list).post(create::create));
    router.with_state(app)
}

/// How much, for people.
fn units(quantity: u64) -> String {
    if quantity == 1 { "1 unit".to_owned() } else { format!("{quantity} units") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_and_the_document_have_the_same_paths() {
        let document = openapi();
        let mut documented: Vec<&str> =
            document.paths.paths.keys().map(String::as_str).filter(|p| p.starts_with("/api/")).collect();
        let mut routed: Vec<&str> = routes().into_iter().map(|(path, _)| path).collect();
        routed.extend(holdfast_service::operator::ROUTES.iter().map(|(_, path)| *path));
        documented.sort_unstable();
        routed.sort_unstable();
        assert_eq!(documented, routed);
    }
}
