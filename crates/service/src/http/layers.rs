//! The one layer around every route: request id, errors in the envelope, panics, time limit, CORS, metrics.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, UPGRADE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use holdfast_contract::ErrorCode;
use thiserror::Error;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::auth;
use super::cors::{self, Cors, Verdict};
use super::error::{ApiError, method_not_allowed};
use super::hosts::AllowedHosts;
use super::metrics::{RequestMetrics, method_label};
use super::rate::RateLimits;
use super::roster::Peer;
use super::traced;
use crate::auth::Access;
use crate::config::{CommonArgs, is_exposed};
use crate::lifecycle::panic_text;
use crate::tls::TlsError;
use crate::traces::Traces;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// An answer is data: a browser that shows it as a page runs nothing of it, and no page may frame it.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// Orders are not for caches on the way.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// For two years.
const ONLY_HTTPS: HeaderValue = HeaderValue::from_static("max-age=63072000");
const MAX_REQUEST_ID: usize = 64;

/// How a service's HTTP behaves.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Who answers, as a label of the metrics.
    pub service: &'static str,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a request may take in all.
    pub request_timeout: Duration,
    /// Which web pages may call.
    pub cors: Cors,
    /// Which names requests may call the service by.
    pub hosts: AllowedHosts,
    /// Whether browsers are told never to come without TLS again.
    pub only_https: bool,
    /// Paths that start so are live connections: no time limit (long polling), and closed to foreign pages also where
    /// they only read.
    pub untimed_prefix: &'static str,
    /// Who may call what. A service sets it itself, by its own table.
    pub access: Access,
    /// How often one may.
    pub rates: RateLimits,
    /// Where spans of requests go.
    pub traces: Traces,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            service: "",
            max_body_bytes: RequestContext::MAX_BODY_BYTES,
            body_timeout: RequestContext::BODY_TIMEOUT,
            request_timeout: Duration::from_secs(30),
            cors: Cors::default(),
            hosts: AllowedHosts::default(),
            only_https: false,
            untimed_prefix: "/socket.io",
            access: Access::Open,
            rates: RateLimits::none(),
            traces: Traces::off(),
        }
    }
}

impl HttpOptions {
    /// As configured, for a service that listens on `addr`.
    ///
    /// # Errors
    /// See [`InvalidHttp`].
    pub fn from_args(args: &CommonArgs, addr: SocketAddr) -> Result<Self, InvalidHttp> {
        let cors = Cors::parse(&args.cors_origins)?;
        let hosts = args.allowed_hosts.clone().listening_on(addr);
        let rates = RateLimits::from_args(&args.rate);
        // On loopback it would be said of `localhost`, and of everything else that listens there.
        let only_https = args.tls.is_on() && is_exposed(addr);
        Ok(Self { max_body_bytes: args.max_body_bytes, cors, hosts, only_https, rates, ..Self::default() })
    }
}

/// HTTP is configured in a way that cannot be.
#[derive(Debug, Error)]
pub enum InvalidHttp {
    /// `CORS_ORIGINS` holds something that is no origin.
    #[error(transparent)]
    Origin(#[from] cors::InvalidOrigin),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What the layer knows about a request; in its extensions.
#[derive(Clone, Debug)]
pub struct RequestContext {
    id: HeaderValue,
    open: bool,
    pub(super) max_body_bytes: usize,
    pub(super) body_timeout: Duration,
}

impl RequestContext {
    pub(super) const MAX_BODY_BYTES: usize = 262_144;
    pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(15);

    /// Whether nobody is asked for a token.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// The request's id: the client's `x-request-id` if it sent a good one.
    pub fn id(&self) -> &str {
        // Only visible ASCII is taken or made.
        self.id.to_str().unwrap_or_default()
    }
}

/// Completes a service's router: fallbacks for unknown paths and methods, and the layer around everything that is in
/// it. Call it last and once; what is merged later has no layer.
pub fn finish(router: Router, options: HttpOptions) -> Router {
    let outer = Outer { shared: Arc::new(Shared::new(options)) };
    let HttpOptions { access, rates, .. } = outer.shared.options.clone();
    let router = router
        .method_not_allowed_fallback(async |method: Method| method_not_allowed(&method))
        .fallback(route_not_found);
    let router = traced::trace(router, outer.shared.options.service, &outer.shared.options.traces);
    auth::guard(router, &access, &rates).layer(outer)
}

async fn route_not_found(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::new(ErrorCode::RouteNotFound, format!("There is nothing at {path}"))
}

#[derive(Debug)]
struct Shared {
    options: HttpOptions,
    metrics: RequestMetrics,
    /// Tells this process's request ids from those of others and of earlier runs.
    process: u32,
    next: AtomicU32,
}

impl Shared {
    fn new(options: HttpOptions) -> Self {
        let process = RandomState::new().build_hasher().finish() as u32 & 0x00FF_FFFF;
        let metrics = RequestMetrics::new(options.service);
        Self { options, metrics, process, next: AtomicU32::new(0) }
    }

    fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(theirs) = headers.get(X_REQUEST_ID) {
            let bytes = theirs.as_bytes();
            if (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic) {
                return theirs.clone();
            }
        }
        let number = u64::from(self.next.fetch_add(1, Ordering::Relaxed));
        let bits = u64::from(self.process) << 32 | number;
        let mut text = [b'-'; 15];
        // Six digits, a dash, eight digits.
        for (index, place) in (0..6).chain(7..15).enumerate() {
            text[place] = b"0123456789abcdef"[(bits >> (52 - 4 * index) & 15) as usize];
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
    }
}

#[derive(Clone, Debug)]
struct Outer {
    shared: Arc<Shared>,
}

impl<S> Layer<S> for Outer {
    type Service = OuterService<S>;

    fn layer(&self, inner: S) -> OuterService<S> {
        OuterService { inner, shared: Arc::clone(&self.shared) }
    }
}

#[derive(Clone, Debug)]
struct OuterService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for OuterService<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let start = Instant::now();
        let shared = Arc::clone(&self.shared);
        let id = shared.request_id(request.headers());
        let about = About {
            verdict: shared.options.cors.judge(request.headers(), request.uri()),
            method: method_label(request.method()),
            matched: request.extensions().get::<MatchedPath>().cloned(),
            id,
        };
        if let Some(host) = shared.options.hosts.refused(request.headers(), request.uri()) {
            let response = about.error(&not_our_name(host), None);
            return Box::pin(std::future::ready(Ok(about.seal(response, &shared, start))));
        }
        if cors::is_preflight(request.method(), request.headers()) {
            let response = cors::preflight(&about.verdict);
            return Box::pin(std::future::ready(Ok(about.seal(response, &shared, start))));
        }
        let prefix = shared.options.untimed_prefix;
        let live = !prefix.is_empty() && request.uri().path().starts_with(prefix);
        // A page that may not read answers must not have effects either: without authentication, whoever reaches
        // a loopback port is an admin, and a browser reaches it for every page that is open. Nor may it hold live
        // connections: browsers let every page read what comes over a WebSocket, and ask nobody.
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let upgrades = request.headers().contains_key(UPGRADE);
        if about.verdict == Verdict::Foreign && (!safe || upgrades || live) {
            let error = ApiError::new(
                ErrorCode::Forbidden,
                "This origin may not call; the operator can add it to CORS_ORIGINS",
            );
            let response = about.error(&error, None);
            return Box::pin(std::future::ready(Ok(about.seal(response, &shared, start))));
        }
        if live && let Some(peer) = request.extensions().get::<Peer>() {
            peer.waits_for_news();
        }
        request.extensions_mut().insert(RequestContext {
            id: about.id.clone(),
            open: shared.options.access.is_open(),
            max_body_bytes: shared.options.max_body_bytes,
            body_timeout: shared.options.body_timeout,
        });
        // The handler's first part may run in `call` already, so that is inside the guard too.
        let inner = std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let answered = match inner {
                Ok(inner) => {
                    let caught = AssertUnwindSafe(inner).catch_unwind();
                    if live {
                        Ok(caught.await)
                    } else {
                        tokio::time::timeout(shared.options.request_timeout, caught).await
                    }
                }
                Err(panic) => Ok(Err(panic)),
            };
            let response = match answered {
                Ok(Ok(Ok(response))) => about.render(response.into_response()),
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(panic)) => about.error(&panicked(&*panic), None),
                Err(_) => {
                    let message = "This took too long; it may or may not have been done";
                    about.error(&ApiError::new(ErrorCode::Unavailable, message), None)
                }
            };
            Ok(about.seal(response, &shared, start))
        })
    }
}

fn not_our_name(host: &[u8]) -> ApiError {
    let host: String = String::from_utf8_lossy(host).chars().take(100).collect();
    let message = format!(
        "This service does not answer to the host name {host:?}; the operator can add it to ALLOWED_HOSTS"
    );
    ApiError::new(ErrorCode::Forbidden, message)
}

fn panicked(panic: &(dyn Any + Send)) -> ApiError {
    ApiError::internal(format!("handler panicked: {}", panic_text(panic)))
}

/// What is remembered of a request until its answer is there.
struct About {
    id: HeaderValue,
    method: &'static str,
    matched: Option<MatchedPath>,
    verdict: Verdict,
}

impl About {
    /// An error gets its body with the request id; anything else stays as it is.
    fn render(&self, mut response: Response) -> Response {
        match response.extensions_mut().remove::<ApiError>() {
            None => response,
            Some(error) => self.error(&error, Some(response)),
        }
    }

    fn error(&self, error: &ApiError, original: Option<Response>) -> Response {
        let id = self.id.to_str().unwrap_or_default();
        error.log(id, self.method, self.matched.as_ref().map_or("", MatchedPath::as_str));
        let mut response = error.render(id);
        // Headers that were added to the error on its way out, such as Allow and Idempotency-Replayed.
        if let Some(original) = original {
            for (name, value) in original.headers() {
                if name == ALLOW || !response.headers().contains_key(name) {
                    response.headers_mut().append(name, value.clone());
                }
            }
        }
        response
    }

    fn seal(self, mut response: Response, shared: &Shared, start: Instant) -> Response {
        let status = response.status().as_u16();
        let path = self.matched.as_ref().map(MatchedPath::as_str);
        let took = start.elapsed();
        shared.metrics.record(self.method, path, status, took);
        tracing::debug!(
            request_id = self.id.to_str().unwrap_or_default(),
            method = self.method,
            path,
            status,
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, self.id);
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(NO_PAGE);
        headers.entry(REFERRER_POLICY).or_insert(NO_REFERRER);
        headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
        if shared.options.only_https {
            headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_HTTPS);
        }
        cors::apply(self.verdict, headers);
        response
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
