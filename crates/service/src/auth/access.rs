//! What each route asks of its callers, in one table for each service.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::http::Method;
use holdfast_contract::ErrorCode;

use super::{Authenticator, Refusal};
use crate::http::{ApiError, Role};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Anybody, without a token.
    Public,
    /// Who has one of these roles. Whether a customer may touch *this* object is the use case's to decide.
    Roles(&'static [Role]),
}

/// One line of a table: a method, a route as it is written in the router, and who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `GET` is `HEAD` too. `*`: all methods, for a route that hands requests on.
    pub method: &'static str,
    /// With its placeholders: `/api/v1/orders/{id}`.
    pub path: &'static str,
    /// Who.
    pub allowed: Allowed,
}

impl Rule {
    /// A route for those who have one of `roles`.
    pub const fn new(method: &'static str, path: &'static str, roles: &'static [Role]) -> Self {
        Self { method, path, allowed: Allowed::Roles(roles) }
    }

    /// A route for anybody.
    pub const fn public(method: &'static str, path: &'static str) -> Self {
        Self { method, path, allowed: Allowed::Public }
    }
}

/// Who works for the shop, and its customers.
pub const PEOPLE: &[Role] = &[Role::Admin, Role::Operator, Role::Customer];
/// Who works for the shop.
pub const STAFF: &[Role] = &[Role::Admin, Role::Operator];
/// Staff, and other programs.
pub const STAFF_AND_SERVICES: &[Role] = &[Role::Admin, Role::Operator, Role::Service];
/// Who may do everything.
pub const ADMINS: &[Role] = &[Role::Admin];

/// What the HTTP layer asks of callers.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Nothing: everybody is an admin.
    #[default]
    Open,
    /// A token, as the table says.
    Guarded(Arc<AccessTable>),
}

/// A table, and who checks the tokens.
#[derive(Debug)]
pub struct AccessTable {
    pub(crate) authenticator: Arc<Authenticator>,
    rules: HashMap<(&'static str, &'static str), Allowed>,
}

impl Access {
    /// As `rules` say, if tokens are checked at all.
    pub fn new(authenticator: Option<&Arc<Authenticator>>, rules: &[&[Rule]]) -> Self {
        let Some(authenticator) = authenticator else { return Self::Open };
        let rules = rules.iter().copied().flatten().map(|rule| ((rule.method, rule.path), rule.allowed));
        Self::Guarded(Arc::new(AccessTable {
            authenticator: Arc::clone(authenticator),
            rules: rules.collect(),
        }))
    }

    /// Whether nobody is asked for anything.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

impl AccessTable {
    /// Who may call this route; `None` if the table does not have it, and then nobody may.
    pub(crate) fn allowed(&self, method: &Method, path: &str) -> Option<Allowed> {
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        // Found by borrowed texts of any lifetime, which a map with static keys does take.
        self.rules.get(&(method, path)).or_else(|| self.rules.get(&("*", path))).copied()
    }

    /// The other methods of a route, for those who used one that the table does not have; empty if it has none.
    pub(crate) fn others(&self, path: &str) -> Others {
        let mut others = Others::default();
        for ((method, of), allowed) in &self.rules {
            if *of == path {
                others.methods.insert(method);
                others.public |= *allowed == Allowed::Public;
            }
        }
        if others.methods.contains("GET") {
            others.methods.insert("HEAD");
        }
        others
    }
}

/// What a route has in the table.
#[derive(Debug, Default)]
pub(crate) struct Others {
    pub(crate) methods: BTreeSet<&'static str>,
    /// Whether anybody may know that the route is there.
    pub(crate) public: bool,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NoKeys => ErrorCode::Unavailable,
            _ => ErrorCode::Unauthenticated,
        };
        Self::new(code, refusal.to_string())
    }
}
