//! `holdfast health`: whether the services of this machine are ready. For container engines and probes, in images that
//! have nothing else to ask with.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use holdfast_service::config::{OrdersArgs, ProductsArgs};
use holdfast_service::origin::Origin;
use holdfast_service::tls::TlsArgs;
use holdfast_service::trust::Trust;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::operator::{ServiceName, complain};
use crate::cli::RuntimeArgs;

/// A service gives each of its checks two seconds, all at once; those who ask wait for five.
const PATIENCE: Duration = Duration::from_secs(4);

/// Much more than a service says; whatever else listens there must not fill the memory.
const MAX_ANSWER: usize = 64 * 1024;

/// What a service needs of the broker: to hear from it, and to tell it.
const OF_THE_BROKER: [&str; 2] = ["bus", "relay"];

/// Arguments of `holdfast health`.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    /// Only this service. A container that runs one has a variable for it, because its health check takes no arguments.
    #[arg(value_enum, env = "HEALTH_SERVICE", value_name = "SERVICE")]
    pub service: Option<ServiceName>,

    /// Also ready while the Kafka broker is away: orders are taken then, and the catalogue is shown.
    #[arg(long)]
    pub without_broker: bool,

    /// Where Orders listens.
    #[command(flatten)]
    pub orders: OrdersArgs,

    /// Where Products listens.
    #[command(flatten)]
    pub products: ProductsArgs,

    /// Whether they speak TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// Asks, and says on `out` who is ready.
///
/// # Errors
/// If the output cannot be written. A service that is not ready is said on standard error, and the exit code is 1.
pub async fn run(args: HealthArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let mut all = true;
    for name in ServiceName::ALL.into_iter().filter(|name| args.service.is_none_or(|only| only == *name)) {
        let addr = match name {
            ServiceName::Orders => args.orders.orders_addr,
            ServiceName::Products => args.products.products_addr,
        };
        let answer = tokio::time::timeout(PATIENCE, ask(&Origin::here(addr, args.tls.is_on()))).await;
        let judged = match answer {
            Ok(Ok((status, said))) => judge(name, status, &said, args.without_broker),
            Ok(Err(error)) => Err(format!("does not answer at {addr}: {error}")),
            Err(_) => Err(format!("does not answer at {addr} within {} s", PATIENCE.as_secs())),
        };
        match judged {
            Ok(text) => writeln!(out, "{}: {text}", name.as_str())?,
            Err(problem) => {
                all = false;
                complain(&format_args!("{} {problem}", name.as_str()));
            }
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(origin: &Origin) -> io::Result<(StatusCode, Value)> {
    // Nothing secret is sent, and what comes back opens nothing. The certificate need not be valid either: one that has run
    // out is no reason to stop the service that shows it.
    let stream = origin.connect(&Trust::in_anybody()).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::get("/health/ready")
        .header(HOST, origin.authority())
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let exchange = async move {
        let (head, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(io::Error::other)?.to_bytes();
        Ok((head.status, serde_json::from_slice(&body).unwrap_or_default()))
    };
    // What the connection meets, the exchange meets too.
    tokio::join!(exchange, connection).0
}

/// What to make of an answer of `/health/ready`.
fn judge(
    name: ServiceName,
    status: StatusCode,
    said: &Value,
    without_broker: bool,
) -> Result<&'static str, String> {
    let stranger = || format!("is not what answers there (HTTP {status})");
    if status == StatusCode::OK {
        return if said["data"]["service"] == name.as_str() { Ok("ready") } else { Err(stranger()) };
    }
    let Some(checks) = said["details"]["checks"].as_object() else { return Err(stranger()) };
    let mut failed = checks.iter().filter(|(_, found)| *found != "ok").peekable();
    let forgiven = |check: &str| without_broker && OF_THE_BROKER.contains(&check);
    // A 503 without any failed check is none of ours.
    if failed.peek().is_some() && failed.clone().all(|(check, _)| forgiven(check)) {
        return Ok("ready, without the broker");
    }
    let failed: Vec<_> =
        failed.map(|(check, found)| format!("{check}: {}", found.as_str().unwrap_or_default())).collect();
    Err(format!("is not ready: {}", failed.join("; ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(status: u16, said: &Value, without_broker: bool) -> Result<&'static str, String> {
        judge(ServiceName::Orders, StatusCode::from_u16(status).unwrap(), said, without_broker)
    }

    fn unready(checks: &Value) -> Value {
        json!({"success": false, "code": "SERVICE_UNAVAILABLE", "details": {"checks": checks}})
    }

    #[test]
    fn ready_is_what_says_so_and_is_the_service() {
        let answer = |service: &str| json!({"success": true, "data": {"status": "ok", "service": service}});
        assert_eq!(judged(200, &answer("orders"), false), Ok("ready"));
        for (status, said) in
            [(200, answer("products")), (200, Value::Null), (404, Value::Null), (503, json!("away"))]
        {
            let problem = judged(status, &said, true).unwrap_err();
            assert!(problem.contains(&format!("HTTP {status}")), "{problem}");
        }
    }

    #[test]
    fn only_the_broker_is_forgiven_and_only_if_asked() {
        let away = unready(&json!({"store": "ok", "bus": "no Kafka", "relay": "not connected"}));
        assert_eq!(
            judged(503, &away, false),
            Err("is not ready: bus: no Kafka; relay: not connected".to_owned())
        );
        assert_eq!(judged(503, &away, true), Ok("ready, without the broker"));
        for checks in [
            json!({"store": "gone", "bus": "no Kafka"}),
            json!({"lifecycle": "shutting down", "bus": "ok"}),
            json!({"bus": "ok"}),
            json!({}),
        ] {
            assert!(judged(503, &unready(&checks), true).is_err(), "{checks}");
        }
    }
}
