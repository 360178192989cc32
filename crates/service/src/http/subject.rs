//! Who calls. Without authentication configured, everybody is an admin; tokens will be checked here and only here.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::ApiError;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// What concerns the caller's own orders.
    Customer,
}

/// Who calls, as an extractor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    subject: Cow<'static, str>,
    role: Role,
}

impl Caller {
    /// The subject of everybody while no authentication is configured. Persisted in idempotency scopes: never
    /// change it.
    const EVERYBODY: &'static str = "everybody";

    /// Any caller while no authentication is configured: an admin.
    pub fn open() -> Self {
        Self { subject: Cow::Borrowed(Self::EVERYBODY), role: Role::Admin }
    }

    /// A caller whose token was checked.
    pub fn new(subject: impl Into<Cow<'static, str>>, role: Role) -> Self {
        Self { subject: subject.into(), role }
    }

    /// Who it is; part of the scope of idempotency keys.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What it may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether it may do everything.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Whether it may act for the user `user_id`: itself, or anybody if it is an admin.
    pub fn may_act_for(&self, user_id: &str) -> bool {
        self.is_admin() || self.subject == user_id
    }

    /// Whether a price that differs from the product's rejects the order (`PRICE_CHANGED`) instead of being accepted
    /// and recorded.
    pub fn enforce_price(&self) -> bool {
        self.role == Role::Customer
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::open())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_decide_what_is_allowed() {
        let (open, customer) = (Caller::open(), Caller::new("user-1", Role::Customer));
        assert!(open.is_admin() && open.may_act_for("anyone") && !open.enforce_price());
        assert!(
            customer.may_act_for("user-1") && !customer.may_act_for("user-2") && customer.enforce_price()
        );
    }
}
