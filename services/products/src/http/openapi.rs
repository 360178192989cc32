//! The API document, made from the handlers.

use holdfast_service::http::ErrorBody;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{
    adjust, create, delete, get, holds, list, movements, operational, release, reserve, search, update,
};

/// What every operation can answer besides what it says itself.
struct CommonErrors;

impl Modify for CommonErrors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
            for operation in all.into_iter().flatten() {
                if operation.request_body.is_some() {
                    add(operation, "413", "`PAYLOAD_TOO_LARGE`");
                    add(operation, "415", "`UNSUPPORTED_MEDIA_TYPE`");
                }
                add(operation, "default", "Any other error, such as `INTERNAL` or `SERVICE_UNAVAILABLE`");
            }
        }
    }
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let schema = Ref::from_schema_name(ErrorBody::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response =
        ResponseBuilder::new().description(description).content("application/json", content).build();
    operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast Products",
        description = "Catalogue and stock. Stock is available (`stock`), held for orders (`reserved`) and on hand \
                       (`onHand`, the sum of both); every change of it is a movement. Every answer has the same \
                       envelope; every error has a `code` from a closed list.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "http://localhost:3001")),
    tags(
        (name = "products", description = "The catalogue"),
        (name = "stock", description = "Holds, movements, corrections"),
        (name = "operation", description = "For operators and their tools"),
    ),
    paths(
        list::list,
        create::create,
        search::search,
        get::get,
        update::update,
        delete::delete,
        holds::holds,
        movements::movements,
        adjust::adjust,
        reserve::reserve,
        release::release,
        operational::live,
        operational::ready,
        operational::audit,
        operational::metrics,
        operational::document,
    ),
    components(schemas(ErrorBody)),
    modifiers(&CommonErrors),
)]
struct Document;

/// The OpenAPI document of the service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi().merge_from(holdfast_service::operator::openapi());
    // The parts that every service has were made without it.
    CommonErrors.modify(&mut document);
    holdfast_service::http::openapi::complete(&mut document, crate::access::ACCESS);
    document
}
