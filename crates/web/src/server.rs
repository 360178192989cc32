//! Listens, and sends each request to the app, to a service, or to the demo.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::routing::{any, get};
use holdfast_contract::{Currency, ErrorCode};
use holdfast_service::Lifecycle;
use holdfast_service::auth::{ADMINS, Access, Authenticator, Rule};
use holdfast_service::config::{CommonArgs, is_exposed};
use holdfast_service::http::{
    ApiError, ApiResult, HttpOptions, HttpServer, InvalidHttp, RequestContext, ServerOptions, finish, ok,
};
use serde::Serialize;
use thiserror::Error;

use crate::args::WebArgs;
use crate::assets;
use crate::upstream::{Upstream, contain, without_prefix};

const ORDERS: &str = "/services/orders";
const PRODUCTS: &str = "/services/products";
/// Long polling of live clients takes as long as it takes.
const LIVE: &str = "/services/orders/socket.io";

/// Who may call what. The app itself is for everybody, and holds nothing; the services it hands requests on to ask for
/// the token themselves.
const ACCESS: &[Rule] = &[
    Rule::public("GET", "/"),
    Rule::public("GET", "/{*path}"),
    Rule::public("GET", "/config"),
    Rule::public("*", "/services/{*rest}"),
    Rule::public("*", "/demo/{*rest}"),
    Rule::new("POST", "/demo/poison", ADMINS),
    Rule::new("POST", "/demo/duplicates", ADMINS),
    Rule::new("GET", "/demo/consumer", ADMINS),
    Rule::new("PUT", "/demo/consumer", ADMINS),
];

/// What is served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Orders service.
    pub orders: Upstream,
    /// The Products service.
    pub products: Upstream,
    /// The currency of the catalogue.
    pub currency: Currency,
    /// What carries messages, in a word: `embedded` or `kafka`.
    pub bus: &'static str,
    /// Who checks tokens; `None`: nobody is asked for one.
    pub auth: Option<Arc<Authenticator>>,
    /// What the demo can do to the running system (paths below `/demo`). `None`: the app offers no demo.
    pub demo: Option<Router>,
}

/// Why the web app is not served.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address that was asked for cannot be had.
    #[error("{0}; stop what listens there, or set WEB_ADDRS to other addresses (empty: no web app)")]
    Listen(io::Error),
    /// `CORS_ORIGINS`, or the certificate.
    #[error(transparent)]
    Http(#[from] InvalidHttp),
}

/// Serves the app as tasks of `lifecycle`; gives where. `default` are the addresses if none are configured: of those,
/// one that is taken is left out.
///
/// # Errors
/// See [`StartError`].
pub async fn start(
    args: &WebArgs,
    default: &[SocketAddr],
    common: &CommonArgs,
    settings: Settings,
    lifecycle: &Lifecycle,
) -> Result<Vec<SocketAddr>, StartError> {
    let (wanted, optional) = (args.wanted(default), args.web_addrs.is_none());
    let shared = Arc::new(Shared { settings, lifecycle: lifecycle.clone() });
    let mut served = Vec::new();
    for &addr in wanted {
        match HttpServer::bind(addr, ServerOptions::from_args(common)?).await {
            Ok(server) => {
                if is_exposed(addr) && shared.settings.auth.is_none() {
                    tracing::warn!("{addr} can be reached from other machines, and every caller is an admin");
                }
                let access = Access::new(shared.settings.auth.as_ref(), &[ACCESS]);
                let options = HttpOptions {
                    service: "web",
                    untimed_prefix: LIVE,
                    access,
                    ..HttpOptions::from_args(common, addr)?
                };
                served.push(server.local_addr());
                server.serve(finish(router(&shared), options), lifecycle);
            }
            Err(error) if optional => tracing::warn!("The web app is not on {addr}: {error}"),
            Err(error) => return Err(StartError::Listen(error)),
        }
    }
    for addr in &served {
        let scheme = if common.tls.is_on() { "https" } else { "http" };
        tracing::info!("Web app on {scheme}://{addr}");
    }
    Ok(served)
}

struct Shared {
    settings: Settings,
    lifecycle: Lifecycle,
}

fn router(shared: &Arc<Shared>) -> Router {
    let router = Router::new()
        .route("/config", get(config))
        .route("/services/{*rest}", any(service))
        .with_state(Arc::clone(shared))
        .route("/", get(assets::serve))
        .route("/{*path}", get(assets::serve));
    match shared.settings.demo.clone() {
        Some(demo) => router.nest("/demo", demo),
        None => router.route("/demo/{*rest}", any(no_demo)),
    }
}

#[derive(Serialize)]
struct Config {
    version: &'static str,
    currency: Currency,
    bus: &'static str,
    demo: bool,
    /// Whether the services ask for a token.
    authentication: bool,
}

/// What the app has to know before it starts.
async fn config(State(shared): State<Arc<Shared>>) -> ApiResult {
    let Settings { currency, bus, demo, auth, .. } = &shared.settings;
    let config = Config {
        version: env!("CARGO_PKG_VERSION"),
        currency: *currency,
        bus,
        demo: demo.is_some(),
        authentication: auth.is_some(),
    };
    let mut response = ok("Configuration", &config)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn service(State(shared): State<Arc<Shared>>, mut request: Request<Body>) -> ApiResult {
    let Settings { orders, products, .. } = &shared.settings;
    for (prefix, upstream) in [(ORDERS, orders), (PRODUCTS, products)] {
        if let Some(uri) = without_prefix(request.uri(), prefix) {
            *request.uri_mut() = uri;
            // One request has one id, in the answer's header as in the service's log.
            let id = request.extensions().get::<RequestContext>().map(RequestContext::id);
            if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
                request.headers_mut().insert("x-request-id", id);
            }
            let mut response = upstream.call(request, &shared.lifecycle).await?;
            contain(&mut response);
            return Ok(response);
        }
    }
    Err(ApiError::new(ErrorCode::RouteNotFound, "There is no such service"))
}

async fn no_demo() -> ApiError {
    ApiError::new(ErrorCode::RouteNotFound, "There is no such demonstration here")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::Method;
    use holdfast_service::test_support::TestClient;
    use holdfast_service::trust::Trust;

    use super::*;

    /// A service that says what it was asked.
    fn echo(name: &'static str) -> Router {
        let said = move |request: Request| async move {
            let host = request.headers().get("host").and_then(|h| h.to_str().ok()).unwrap_or("-").to_owned();
            let origin = request.headers().contains_key("origin");
            format!("{name} {} {} host={host} origin={origin}", request.method(), request.uri())
        };
        Router::new().fallback(said)
    }

    fn settings(products: Upstream) -> Settings {
        Settings {
            orders: Upstream::Here(echo("orders")),
            products,
            currency: Currency::USD,
            bus: "embedded",
            auth: None,
            demo: None,
        }
    }

    fn client(products: Upstream) -> TestClient {
        let lifecycle = Lifecycle::new(Duration::from_secs(1));
        let shared = Arc::new(Shared { settings: settings(products), lifecycle });
        TestClient::new(finish(
            router(&shared),
            HttpOptions { untimed_prefix: LIVE, ..HttpOptions::default() },
        ))
    }

    #[tokio::test]
    async fn each_service_is_called_by_its_own_paths_and_names() {
        let client = client(Upstream::Here(echo("products")));
        let asked = client
            .request(Method::PATCH, "/services/orders/api/v1/orders/x?y=1")
            .header("host", "127.0.0.1:1");
        let answer = asked.send().await;
        assert_eq!(answer.text(), "orders PATCH /api/v1/orders/x?y=1 host=localhost origin=false");
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(
            client.get("/services/products/x").send().await.text(),
            "products GET /x host=localhost origin=false"
        );
        assert_eq!(client.get("/services/other/x").send().await.code(), "ROUTE_NOT_FOUND");
    }

    #[tokio::test]
    async fn only_its_own_pages_may_call() {
        let client = client(Upstream::Here(echo("products")));
        let ask = |origin, host| {
            let asked = client.request(Method::POST, "/services/orders/api/v1/orders");
            asked.header("host", host).header("origin", origin).send()
        };
        assert_eq!(ask("http://localhost:3006", "localhost:3006").await.status, 200);
        assert_eq!(ask("http://localhost:9999", "localhost:9999").await.status, 200);
        assert_eq!(ask("http://evil.example", "localhost:3006").await.status, 403);
        assert_eq!(ask("http://evil.example:3006", "evil.example:3006").await.status, 403);
    }

    #[tokio::test]
    async fn a_service_elsewhere_is_asked_over_http_and_one_that_is_away_is_said() {
        let lifecycle = Lifecycle::new(Duration::from_secs(1));
        let server = HttpServer::bind(([127, 0, 0, 1], 0).into(), ServerOptions::default()).await.unwrap();
        let addr = server.local_addr();
        server.serve(echo("far"), &lifecycle);
        let client = client(Upstream::There(format!("http://{addr}").parse().unwrap(), Trust::default()));
        let answer =
            client.get("/services/products/api?z").header("origin", "http://localhost:3006").send().await;
        assert_eq!(answer.text(), format!("far GET /api?z host={addr} origin=false"));
        lifecycle.shutdown();
        lifecycle.wait().await;
        let answer = client.get("/services/products/api").send().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "SERVICE_UNAVAILABLE"));
    }

    #[tokio::test]
    async fn the_app_is_told_what_it_has_to_know() {
        let answer = client(Upstream::Here(echo("products"))).get("/config").send().await;
        assert_eq!(answer.json["data"]["demo"], false);
        assert_eq!(answer.json["data"]["currency"], "USD");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_left_out_unless_it_was_asked_for() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            common: CommonArgs,
            #[command(flatten)]
            web: WebArgs,
        }
        let taken = HttpServer::bind(([127, 0, 0, 1], 0).into(), ServerOptions::default()).await.unwrap();
        let addr = taken.local_addr();
        let lifecycle = Lifecycle::new(Duration::from_secs(1));
        let start_with = async |flags: &[&str]| {
            let cli = Cli::parse_from([&["x"], flags].concat());
            let settings = settings(Upstream::Here(echo("products")));
            start(&cli.web, &[addr], &cli.common, settings, &lifecycle).await
        };
        assert!(start_with(&[]).await.unwrap().is_empty());
        assert!(start_with(&["--web-addrs", ""]).await.unwrap().is_empty());
        let asked = start_with(&["--web-addrs", &addr.to_string()]).await.unwrap_err();
        assert!(asked.to_string().contains("WEB_ADDRS"), "{asked}");
        let served = start_with(&["--web-addrs", "127.0.0.1:0,127.0.0.1:0"]).await.unwrap();
        assert_eq!(served.len(), 2);
        lifecycle.shutdown();
        lifecycle.wait().await;
    }
}
