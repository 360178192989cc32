//! The services, if they run.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use holdfast_service::origin::Origin;
use holdfast_service::telemetry::chain;
use holdfast_service::tls::{Tls, TlsArgs};
use holdfast_service::trust::Trust;
use serde_json::Value;

use super::Finding;
use crate::client::{Endpoint, TokenArgs};
use crate::commands::operator::{CallError, Service, ServiceName};

/// What helps if a service asks who asks.
const NO_TOKEN: &str = "set HOLDFAST_TOKEN to an admin's token: holdfast token makes one";

/// Whether what listens can show its certificate, and whom to believe then: its holder, whose name may be none of this
/// machine's. Nothing if there is none.
pub(super) fn certificate(args: &TlsArgs) -> (Option<Finding>, Option<Trust>) {
    let (check, advice) = ("TLS", "set TLS_CERT_FILE and TLS_KEY_FILE to a certificate and its key, in PEM");
    let Some(file) = &args.tls_cert_file else { return (None, None) };
    let found = match Tls::from_args(args) {
        Ok(_) => Finding::ok(check, format!("{} and its key can be used", file.display())),
        Err(error) => Finding::fail(check, chain(&error), advice),
    };
    // What it cannot read, nobody shows either.
    (Some(found), Some(Trust::in_holder(file).unwrap_or_default()))
}

/// Whether a service's address is free, or who answers there and how well that is. Where the services have a certificate,
/// `trust` is who is believed.
pub(super) async fn check(
    name: ServiceName,
    addr: SocketAddr,
    trust: Option<&Trust>,
    token: &TokenArgs,
) -> Vec<Finding> {
    let (check, variable) = match name {
        ServiceName::Orders => ("orders service", "ORDERS_ADDR"),
        ServiceName::Products => ("products service", "PRODUCTS_ADDR"),
    };
    match TcpListener::bind(addr) {
        Ok(_) => return vec![Finding::ok(check, format!("does not run; {addr} is free"))],
        Err(error) if error.kind() != ErrorKind::AddrInUse => {
            let advice =
                format!("set {variable} to an address of this machine and a port that this user may have");
            return vec![Finding::fail(check, format!("{addr} cannot be had: {error}"), advice)];
        }
        Err(_) => {}
    }
    let mut endpoint = Endpoint::new(Origin::here(addr, trust.is_some()));
    endpoint.trust = trust.cloned().unwrap_or_default();
    // Without the token: nobody knows yet who is there.
    let ready = Service::new(name, endpoint.clone()).get("/health/ready").await;
    if let Err(stranger @ (CallError::Stranger { .. } | CallError::Away { .. })) = &ready {
        let mut advice = format!("stop what listens there, or set {variable} to another address");
        if trust.is_some() {
            advice += "; if it is this service, it was started without TLS, or has another certificate than TLS_CERT_FILE";
        }
        let found = match stranger {
            CallError::Away { why, .. } => format!("something else listens at {addr} ({why})"),
            _ => format!("something else listens at {addr}"),
        };
        return vec![Finding::fail(check, found, advice)];
    }
    endpoint.authorization = token.authorization();
    let mut service = Service::new(name, endpoint);
    let audit = service.get("/health/audit").await;
    let letters = service.get("/api/v1/dead-letters?limit=1").await;
    vec![readiness(check, addr, ready), books(check, audit), parked(check, letters)]
}

fn readiness(check: &'static str, addr: SocketAddr, said: Result<Value, CallError>) -> Finding {
    match said {
        Ok(_) => Finding::ok(check, format!("is ready at {addr}")),
        Err(error) => Finding::fail(check, error.to_string(), "mend what it names, and look into its log"),
    }
}

fn books(check: &'static str, said: Result<Value, CallError>) -> Finding {
    match said {
        Err(error) => Finding::warn(check, format!("audit: {error}"), NO_TOKEN),
        Ok(said) => match said["data"]["status"].as_str().unwrap_or_default() {
            "mismatch" => Finding::fail(
                check,
                "audit: the books do not balance",
                "run holdfast audit: it says what is wrong",
            ),
            "stale" => Finding::warn(
                check,
                "audit: no round was finished for long",
                "look whether the other service runs",
            ),
            "off" => Finding::warn(check, "audit: off", "set AUDIT_EVERY_SECONDS to something else than 0"),
            status => Finding::ok(check, format!("audit: {status}")),
        },
    }
}

fn parked(check: &'static str, said: Result<Value, CallError>) -> Finding {
    match said {
        Err(error) => Finding::warn(check, format!("dead letters: {error}"), NO_TOKEN),
        Ok(said) => match said["data"]["deadLetters"].as_array().map_or(0, Vec::len) {
            0 => Finding::ok(check, "no dead letters"),
            _ => Finding::warn(
                check,
                "has dead letters",
                "look at them with holdfast dlq; docs/dead-letters.md says what to do",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    #[test]
    fn what_a_service_says_is_judged() {
        let books = |status: &str| books("x", Ok(json!({"data": {"status": status}}))).state;
        assert_eq!(
            ["clean", "running", "standby", "off", "stale", "mismatch"].map(books),
            [State::Ok, State::Ok, State::Ok, State::Warn, State::Warn, State::Fail]
        );
        let letters = |letters: Value| parked("x", Ok(json!({"data": {"deadLetters": letters}}))).state;
        assert_eq!([letters(json!([])), letters(json!([{}]))], [State::Ok, State::Warn]);
    }

    #[tokio::test]
    async fn a_stranger_at_the_port_is_no_service() {
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = stranger.local_addr().unwrap();
        // Whoever connects is hung up on.
        let served = std::thread::spawn(move || stranger.accept().map(drop));
        let found = check(ServiceName::Orders, addr, None, &TokenArgs::default()).await;
        served.join().unwrap().unwrap();
        assert!(found[0].state == State::Fail && found[0].found.contains("something else"), "{found:?}");
        assert_eq!(
            check(ServiceName::Orders, ([127, 0, 0, 1], 0).into(), None, &TokenArgs::default()).await[0]
                .state,
            State::Ok
        );
    }
}
