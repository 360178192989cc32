//! How clients ask: through the proxies, with a time limit, and not knowing whether what was not answered was done.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Uri};
use serde_json::Value;

use super::system::Service;
use crate::client::{Client, Endpoint};

/// A client that was not answered by then sends again.
const PATIENCE: Duration = Duration::from_secs(2);
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Bytes,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// It is the first answer again.
    pub(crate) replayed: bool,
    retry_after: bool,
    pub(crate) text: Bytes,
    pub(crate) body: Value,
}

/// A client of both services.
#[derive(Debug)]
pub(crate) struct Http {
    orders: Client,
    products: Client,
}

impl Call {
    pub(crate) fn get(service: Service, path: String) -> Self {
        Self { service, method: Method::GET, path, key: None, body: Bytes::new() }
    }

    /// For messages: what is asked, and with which key.
    pub(crate) fn name(&self) -> String {
        let key = self.key.as_ref().map(|key| format!(" with key {key}")).unwrap_or_default();
        format!("{} {}{key}", self.method, self.path)
    }
}

impl Reply {
    /// The code of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Whether it says to come again later.
    pub(crate) fn says_later(&self) -> bool {
        self.status == 503 || (self.status == 409 && self.code() == "IDEMPOTENCY_IN_PROGRESS")
    }

    /// What is wrong with it whatever was asked, if anything: every answer has one envelope.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let body = &self.body;
        if self.status < 300 {
            return (body["success"] != true || body["data"].is_null()).then_some("no envelope of a success");
        }
        if body["success"] != false || body["statusCode"] != self.status || self.code().is_empty() {
            return Some("no envelope of an error");
        }
        (self.says_later() && !(self.retry_after && body["retryAfter"].is_u64()))
            .then_some("come again later, without Retry-After")
    }

    /// For messages: the status and the beginning of the text.
    pub(crate) fn name(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.text).chars().take(300).collect();
        format!("{} {text}", self.status)
    }
}

impl Http {
    /// Of the services behind these addresses.
    pub(crate) fn new(orders: SocketAddr, products: SocketAddr) -> Self {
        let [orders, products] = [orders, products].map(|addr| Client::new(&Endpoint::here(addr)));
        Self { orders, products }
    }

    /// Asks once. `None`: no answer, or not a whole one.
    pub(crate) async fn ask(&mut self, call: &Call) -> Option<Reply> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.path.parse::<Uri>().ok()?;
        if !call.body.is_empty() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = &call.key {
            request.headers_mut().insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key).ok()?);
        }
        let client = match call.service {
            Service::Orders => &mut self.orders,
            Service::Products => &mut self.products,
        };
        let answer = tokio::time::timeout(PATIENCE, client.send(request)).await.ok()?.ok()?;
        Some(Reply {
            status: answer.status.as_u16(),
            replayed: answer.headers.contains_key(REPLAYED),
            retry_after: answer.headers.contains_key(RETRY_AFTER),
            body: serde_json::from_slice(&answer.body).unwrap_or_default(),
            text: answer.body,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(status: u16, retry_after: bool, body: Value) -> Reply {
        Reply { status, replayed: false, retry_after, text: Bytes::new(), body }
    }

    #[test]
    fn every_answer_has_its_envelope() {
        assert_eq!(reply(200, false, json!({"success": true, "data": {}})).fault(), None);
        assert!(reply(200, false, json!({"success": true})).fault().is_some());
        let refusal = json!({"success": false, "statusCode": 409, "code": "STOCK_HELD"});
        assert_eq!(reply(409, false, refusal.clone()).fault(), None);
        assert!(reply(422, false, refusal.clone()).fault().is_some(), "another status");
        assert!(reply(502, false, Value::Null).fault().is_some());
        let later = json!({"success": false, "statusCode": 503, "code": "OVERLOADED", "retryAfter": 1});
        assert_eq!(reply(503, true, later.clone()).fault(), None);
        assert!(reply(503, false, later).fault().is_some(), "no header");
    }
}
