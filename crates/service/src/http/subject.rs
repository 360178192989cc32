//! Who calls, and what it may do. Without authentication configured, everybody is an admin.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::ApiError;
use super::layers::RequestContext;
use crate::auth::Refusal;

/// What a caller may do. The tables of routes say more exactly who may call what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// What the work with orders and stock needs, for all users.
    Operator,
    /// Another program: stock by the piece, and what operators' tools ask.
    Service,
    /// What concerns the caller's own orders, and looking at the catalogue.
    Customer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Service, Self::Customer];

    /// Its name in the claim `role`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Service => "service",
            Self::Customer => "customer",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Who calls, as an extractor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    subject: Cow<'static, str>,
    role: Role,
}

impl Caller {
    /// The subject of everybody while no authentication is configured. Persisted in idempotency scopes: never
    /// change it. No token may have it.
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

    /// Whether it works for the shop, and so sees everybody's orders.
    pub fn is_staff(&self) -> bool {
        matches!(self.role, Role::Admin | Role::Operator)
    }

    /// Whether it may act for the user `user_id`: itself, or anybody if it is staff.
    pub fn may_act_for(&self, user_id: &str) -> bool {
        self.is_staff() || self.subject == user_id
    }

    /// Whether a price that differs from the product's rejects the order (`PRICE_CHANGED`) instead of being accepted
    /// and recorded.
    pub fn enforce_price(&self) -> bool {
        self.role == Role::Customer
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    /// Behind a table of routes, whom the table let through. A route that anybody may call has no caller then.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match (parts.extensions.get::<Self>(), parts.extensions.get::<RequestContext>()) {
            (Some(caller), _) => Ok(caller.clone()),
            (None, Some(context)) if context.is_open() => Ok(Self::open()),
            // Never an admin by omission.
            (None, _) => Err(Refusal::Missing.into()),
        }
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
        let [operator, service] = [Role::Operator, Role::Service].map(|role| Caller::new("x", role));
        assert!(operator.may_act_for("anyone") && !operator.is_admin() && !operator.enforce_price());
        assert!(!service.may_act_for("anyone") && !service.is_staff());
    }

    #[test]
    fn every_role_has_a_name() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        assert_eq!(Role::from_name("Admin"), None);
    }
}
