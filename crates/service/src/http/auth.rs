//! Asks who calls, before anything is read of a request.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use holdfast_contract::ErrorCode;

use super::error::{ApiError, method_not_allowed};
use super::rate::RateLimits;
use super::roster::Peer;
use super::subject::Caller;
use crate::auth::{Access, AccessTable, Allowed, Others, Refusal};

const NO_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"holdfast\"");
const BAD_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"holdfast\", error=\"invalid_token\"");

/// `router`, behind the table and the limits of callers. Open access costs nothing: there is then nothing in between.
pub(super) fn guard(router: Router, access: &Access, rates: &RateLimits) -> Router {
    match access {
        Access::Open => router,
        Access::Guarded(table) => router.layer(from_fn_with_state((Arc::clone(table), rates.clone()), ask)),
    }
}

async fn ask(
    State((table, rates)): State<(Arc<AccessTable>, RateLimits)>,
    mut request: Request,
    next: Next,
) -> Response {
    // Without a matched route this is a path that does not exist, and says so.
    let Some(route) = request.extensions().get::<MatchedPath>() else { return next.run(request).await };
    let allowed = table.allowed(request.method(), route.as_str());
    if allowed == Some(Allowed::Public) {
        return next.run(request).await;
    }
    let others = if allowed.is_none() { table.others(route.as_str()) } else { Others::default() };
    if others.public {
        return not_so(request.method(), &others);
    }
    let caller = match identify(&table, request.headers()).await {
        Ok(caller) => caller,
        Err(refusal) => {
            let asked = rates.ask_from(request.extensions().get::<Peer>(), request.headers());
            return asked.map_or_else(IntoResponse::into_response, |()| refused(refusal));
        }
    };
    if let Err(too_often) = rates.ask_as(&caller) {
        return too_often.into_response();
    }
    let may = match allowed {
        Some(Allowed::Roles(roles)) => roles.contains(&caller.role()),
        Some(Allowed::Public) => true,
        None if !others.methods.is_empty() => return not_so(request.method(), &others),
        // Whoever adds a route says who may call it.
        None => false,
    };
    if !may {
        let message = format!("The role {} may not do this", caller.role().name());
        return ApiError::new(ErrorCode::Forbidden, message).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn identify(table: &AccessTable, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let token = bearer(headers)?;
    Ok(table.authenticator.check_again(token).await?.caller)
}

/// The token of the one `Authorization` header. Two of them are two readings of a request, and none is taken.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Refusal::Invalid);
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::Invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Refusal::Missing) }
}

/// 405, with the methods that the table has.
fn not_so(method: &Method, others: &Others) -> Response {
    let mut response = method_not_allowed(method).into_response();
    let methods: Vec<_> = others.methods.iter().copied().collect();
    if let Ok(methods) = HeaderValue::from_str(&methods.join(",")) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// 401 with what RFC 6750 wants said.
fn refused(refusal: Refusal) -> Response {
    let mut response = ApiError::from(refusal).into_response();
    if refusal != Refusal::NoKeys {
        let challenge = if refusal == Refusal::Missing { NO_TOKEN } else { BAD_TOKEN };
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
