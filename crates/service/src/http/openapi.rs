//! What is the same in the API document of every service, and cannot be said where a call is described.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, Required};

/// Says of every query parameter that need not be given that it may be empty: [`super::StrictQuery`] takes an empty one
/// for one that is not given, as forms send it.
pub fn complete(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let parameters = operation.parameters.iter_mut().flatten();
            parameters.filter(|p| is_optional_in_query(p)).for_each(may_be_empty);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn is_optional_in_query(parameter: &Parameter) -> bool {
    parameter.parameter_in == ParameterIn::Query && parameter.required != Required::True
}

fn may_be_empty(parameter: &mut Parameter) {
    // A keyword of OpenAPI that the library has no field for.
    let empty = Extensions::from_iter([("allowEmptyValue", true)]);
    parameter.extensions.get_or_insert_default().merge(empty);
}
