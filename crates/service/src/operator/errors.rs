//! Failures of the operator's calls as answers. The one place where they become HTTP.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use holdfast_bus::BusError;
use holdfast_contract::ErrorCode;
use holdfast_storage::StoreError;
use serde_json::json;

use super::{DeadLetterError, DeadLetterId, Operator};
use crate::http::{ApiError, Caller, Role};

/// A caller that is no customer; customers are refused with `FORBIDDEN`. The table of routes says so too: what is behind
/// it is worth a second lock.
pub(super) struct Admin;

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::of(&Caller::from_request_parts(parts, state).await?)
    }
}

impl Admin {
    fn of(caller: &Caller) -> Result<Self, ApiError> {
        if caller.role() == Role::Customer {
            Err(ApiError::new(ErrorCode::Forbidden, "Customers may not do this"))
        } else {
            Ok(Self)
        }
    }
}

pub(super) fn no_such_topic(name: &str) -> ApiError {
    let name: String = name.chars().take(100).collect();
    ApiError::new(ErrorCode::TopicNotFound, format!("There is no topic {name:?}"))
}

pub(super) fn bad_query(parameter: &str, problem: impl Into<String>) -> ApiError {
    ApiError::of_field(ErrorCode::InvalidQuery, parameter, problem)
}

pub(super) fn no_such_letter(id: &DeadLetterId) -> ApiError {
    let why = "perhaps it was replayed or discarded meanwhile";
    ApiError::new(ErrorCode::DeadLetterNotFound, format!("There is no dead letter {id} here; {why}"))
}

pub(super) fn store(error: StoreError) -> ApiError {
    if error.is_transient() || error.is_stale() {
        ApiError::unavailable(error)
    } else {
        ApiError::internal(error)
    }
}

pub(super) fn bus(error: BusError) -> ApiError {
    match error {
        BusError::Unavailable(error) => store(error),
        // Nobody gave a place in a log.
        other => ApiError::internal(other),
    }
}

pub(super) fn dead_letter(operator: &Operator, id: &DeadLetterId, error: DeadLetterError) -> ApiError {
    match error {
        DeadLetterError::NotFound(_) => no_such_letter(id),
        DeadLetterError::Behind { first } => {
            let first = operator.letter(first);
            ApiError::new(
                ErrorCode::DeadLetterBehind,
                format!("{id} waits for {first}, which is of the same order and topic and comes first"),
            )
            .details(json!({ "first": first.to_string() }))
        }
        DeadLetterError::StillPoison { error, attempts } => {
            ApiError::new(ErrorCode::StillPoison, format!("{id} still cannot be processed: {error}"))
                .details(json!({ "error": error, "attempts": attempts }))
        }
        DeadLetterError::Overloaded => {
            ApiError::new(ErrorCode::Overloaded, "More is queued than can be done in time")
        }
        DeadLetterError::Store(error) => store(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_not_let_in() {
        assert!(Admin::of(&Caller::open()).is_ok());
        let customer = Caller::new("user-1", Role::Customer);
        assert_eq!(Admin::of(&customer).err().map(|error| error.code()), Some(ErrorCode::Forbidden));
    }
}
