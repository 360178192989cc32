//! What is the same in the API document of every service, and cannot be said where a call is described.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, Required, ResponseBuilder};

use super::subject::Role;
use crate::auth::{Allowed, Rule};

/// Completes what the routes say of themselves: an empty query parameter is one that is not given ([`super::StrictQuery`]
/// takes it so, as forms send it), and who may call each of them, by the table of the service.
///
/// # Panics
/// If the table does not have a route that is documented: nobody could call it.
pub fn complete(document: &mut OpenApi, access: &[&[Rule]]) {
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(SCHEME.to_owned(), bearer());
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let parameters = operation.parameters.iter_mut().flatten();
            parameters.filter(|p| is_optional_in_query(p)).for_each(may_be_empty);
            let mut rules = access.iter().copied().flatten();
            let rule = rules.find(|rule| rule.method == method && rule.path == path);
            match rule.unwrap_or_else(|| panic!("nobody may call {method} {path}")).allowed {
                Allowed::Public => {}
                Allowed::Roles(roles) => ask_for(operation, roles),
            }
        }
    }
}

/// The name of the only way in.
const SCHEME: &str = "token";

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "Where the service is configured to ask for tokens (`ACCESS_TOKEN_SECRET`, `JWKS_FILE`, `JWKS_URL`); otherwise \
             every caller is an admin.",
        ))
        .build();
    SecurityScheme::Http(scheme)
}

fn ask_for(operation: &mut Operation, roles: &[Role]) {
    // Without a token too, for that is how the service may be configured.
    operation.security =
        Some(vec![SecurityRequirement::default(), SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    let only = format!("`FORBIDDEN`: only for the roles {}", names.join(", "));
    let mut refuse = |status: &str, description: &str| {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| {
            let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
            ResponseBuilder::new().description(description).content("application/json", body).into()
        });
    };
    refuse("401", "`UNAUTHENTICATED`: no token, or none that is taken");
    refuse("403", &only);
    refuse("429", "`RATE_LIMITED`: too often; `Retry-After` says when");
    operation.extensions.get_or_insert_default().merge(Extensions::from_iter([("x-roles", names)]));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn is_optional_in_query(parameter: &Parameter) -> bool {
    parameter.parameter_in == ParameterIn::Query && parameter.required != Required::True
}

fn may_be_empty(parameter: &mut Parameter) {
    // A keyword of OpenAPI that the library has no field for.
    let empty = Extensions::from_iter([("allowEmptyValue", true)]);
    parameter.extensions.get_or_insert_default().merge(empty);
}
