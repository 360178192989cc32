//! A cheap HTTP client. The bench shares the machine with what it measures, so what it costs is taken from the result.

mod caller;
mod endpoint;
pub(crate) mod order;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use holdfast_service::origin;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use thiserror::Error;

pub use caller::{CallerArgs, TokenArgs};
pub use endpoint::Endpoint;
pub(crate) use endpoint::endpoint;

/// Why a request got no answer.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// No connection.
    #[error("{endpoint} cannot be reached")]
    Connect {
        /// Where to.
        endpoint: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The connection was closed before the answer.
    #[error("the connection was closed before the answer")]
    Closed,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// One connection, made anew when it broke.
#[derive(Debug)]
pub(crate) struct Client {
    endpoint: Endpoint,
    link: Option<Link>,
}

type Connection = http1::Connection<TokioIo<origin::Connection>, Full<Bytes>>;

#[derive(Debug)]
struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: Pin<Box<Connection>>,
}

impl Client {
    /// Will connect at the first call.
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self { endpoint: endpoint.clone(), link: None }
    }

    /// Connects.
    pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let link = Link::open(endpoint).await?;
        Ok(Self { endpoint: endpoint.clone(), link: Some(link) })
    }

    /// Sends a request and takes the whole answer. After an error the next call connects again.
    pub(crate) async fn exchange(
        &mut self,
        method: Method,
        uri: &Uri,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        self.send(request(method, uri.clone(), body)).await
    }

    /// As [`Client::exchange`], with headers of one's own; `Host` and the token are added. The connection of a call that is dropped before
    /// its answer is closed.
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let mut link = match self.link.take() {
            Some(link) if !link.sender.is_closed() => link,
            _ => Link::open(&self.endpoint).await?,
        };
        request.headers_mut().insert(HOST, self.endpoint.origin.authority());
        if let Some(authorization) = &self.endpoint.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answer = link.exchange(request).await?;
        self.link = Some(link);
        Ok(answer)
    }

    /// Asks for `path`.
    pub(crate) async fn get(&mut self, uri: &Uri) -> Result<Answer, ClientError> {
        self.exchange(Method::GET, uri, Bytes::new()).await
    }
}

/// A request with a JSON body, or without any.
pub(crate) fn request(method: Method, uri: Uri, body: Bytes) -> Request<Full<Bytes>> {
    let has_body = !body.is_empty();
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    if has_body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request
}

impl Link {
    async fn open(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let refused = |source| ClientError::Connect { endpoint: endpoint.to_string(), source };
        let stream = endpoint.origin.connect(&endpoint.trust).await.map_err(refused)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(ClientError::Broken)?;
        Ok(Self { sender, connection: Box::pin(connection) })
    }

    /// Drives the connection and the request in one task: no second task to wake for every answer.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let Self { sender, connection } = self;
        let mut exchange = pin!(async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        });
        poll_fn(|context| {
            if let Poll::Ready(answer) = exchange.as_mut().poll(context) {
                return Poll::Ready(answer.map_err(ClientError::Broken));
            }
            let connection = connection.as_mut().poll(context);
            // Once more: what the connection has just read may complete the answer.
            match (exchange.as_mut().poll(context), connection) {
                (Poll::Ready(answer), _) => Poll::Ready(answer.map_err(ClientError::Broken)),
                (Poll::Pending, Poll::Ready(Ok(()))) => Poll::Ready(Err(ClientError::Closed)),
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(ClientError::Broken(error))),
                (Poll::Pending, Poll::Pending) => Poll::Pending,
            }
        })
        .await
    }
}
