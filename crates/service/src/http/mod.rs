//! HTTP as every service speaks it: one envelope, strict input, one outer layer, one server.

mod auth;
#[cfg(test)]
mod auth_tests;
mod body;
mod client_addr;
pub mod cors;
pub mod cursor;
mod duplicates;
pub mod envelope;
pub mod error;
mod gate;
mod guard;
pub mod health;
pub mod hosts;
pub mod idempotency;
pub mod json;
pub mod json_object;
pub mod layers;
mod messages;
mod metrics;
mod objects_only;
pub mod openapi;
pub mod path;
pub mod query;
mod rate;
mod roster;
pub mod server;
pub mod subject;
mod traced;

pub use client_addr::TrustedProxies;
pub use cors::{Cors, DEFAULT_CORS_ORIGINS, InvalidOrigin};
pub use envelope::{
    ErrorBody, SuccessBody, created, json_response, ok, ok_raw, ok_raw_meta, ok_with_meta, raw_list,
};
pub use error::{ApiError, ApiResult};
pub use gate::Gate;
pub use guard::Guarded;
pub use health::{Operational, ReadyCheck, operational_routes};
pub use hosts::{AllowedHosts, InvalidHost};
pub use idempotency::{IdempotencyKey, IdempotencyScope, Running, RunningGuard};
pub use json::{MaybeJson, StrictJson, parse};
pub use json_object::JsonObject;
pub use layers::{HttpOptions, InvalidHttp, RequestContext, finish};
pub use path::{PathId, parse_id};
pub use query::StrictQuery;
pub use rate::RateLimits;
pub use roster::Peer;
pub use server::{HttpServer, ServerOptions};
pub use subject::{Caller, Role};
