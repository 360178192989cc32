//! Serves a router on a socket: bounded connections, no slow headers, a drain that finishes what runs.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::guard::Guarded;
use super::layers::InvalidHttp;
use super::roster::{Roster, Watched};
use crate::config::CommonArgs;
use crate::descriptors;
use crate::lifecycle::Lifecycle;
use crate::tls::Tls;

/// How a server behaves below HTTP.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections served at once. One more closes the one that has waited for its client for longest.
    pub max_connections: usize,
    /// Bytes of bodies that are arriving and of answers that are not taken yet, for all connections together. More
    /// close the connections of clients that have been slow for longest.
    pub max_held_bytes: usize,
    /// How long a request's head may take to arrive, and how long a kept connection may be idle.
    pub header_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub answer_timeout: Duration,
    /// The largest request head, in bytes.
    pub max_head_bytes: usize,
    /// With what connections are encrypted; `None`: plain HTTP.
    pub tls: Option<Tls>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            max_held_bytes: 64 << 20,
            header_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(10),
            max_head_bytes: 32 * 1024,
            tls: None,
        }
    }
}

impl ServerOptions {
    /// As configured, as far as the operating system's limit of open files allows it.
    ///
    /// # Errors
    /// If the TLS certificate cannot be used.
    pub fn from_args(args: &CommonArgs) -> Result<Self, InvalidHttp> {
        let max_connections = args.max_connections.min(descriptors::share());
        Ok(Self { max_connections, tls: Tls::from_args(&args.tls)?, ..Self::default() })
    }
}

/// A bound socket that does not serve yet: bind everything first, print the addresses, then serve.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    addr: SocketAddr,
    options: ServerOptions,
}

impl HttpServer {
    /// Binds `addr`; port 0 picks a free one.
    ///
    /// # Errors
    /// If the address cannot be bound; the text names it.
    pub async fn bind(addr: SocketAddr, options: ServerOptions) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {addr}: {e}"));
        let listener = TcpListener::bind(addr).await.map_err(named)?;
        let addr = listener.local_addr().map_err(named)?;
        Ok(Self { listener, addr, options })
    }

    /// The address that is bound, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves `router` as essential tasks of `lifecycle` until it drains. Then no connection is accepted, idle ones
    /// are closed at once, and the others after the request that runs on them.
    pub fn serve(self, router: Router, lifecycle: &Lifecycle) {
        let accepting = lifecycle.clone();
        lifecycle.spawn_essential("http server", async move {
            let Self { listener, options, .. } = self;
            let drain = accepting.drain_token();
            let accept = accept(listener, router, options, &accepting);
            drain.run_until_cancelled(accept).await;
            Ok::<(), io::Error>(())
        });
    }
}

async fn accept(listener: TcpListener, router: Router, options: ServerOptions, lifecycle: &Lifecycle) {
    let roster = Roster::new(options.max_connections, options.max_held_bytes);
    let slow = metrics::counter!("http_slow_clients_total");
    let drain = lifecycle.drain_token();
    let tls = options.tls.as_ref().map(Tls::acceptor);
    let mut builder = http1::Builder::new();
    // No `pipeline_flush`: with it, hyper closes on a head that is too large before it has flushed the 431.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(options.max_head_bytes.max(8192));
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // The peer is gone, or descriptors have run out; the latter passes when connections close.
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
                {
                    tracing::warn!("cannot accept connections: {error}");
                    roster.close_longest_waiting();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        // Not before it has come: nobody is closed for somebody who may never come.
        let Some(seat) = roster.seat(addr.ip()).await else { return };
        // Without it, a small answer on a kept connection may wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let stream = Guarded::new(stream, options.answer_timeout, slow.clone());
        let (builder, router, drain) = (builder.clone(), router.clone(), drain.clone());
        let (tls, handshake_timeout) = (tls.clone(), options.header_timeout);
        lifecycle.spawn("http connection", async move {
            let service = seat.serve(router);
            let served = async {
                match tls {
                    None => connection(stream, builder, service, drain).await,
                    Some(tls) => {
                        let handshake = tokio::time::timeout(handshake_timeout, tls.accept(stream));
                        // Without one, or after a failed one, there is nobody to tell.
                        if let Some(Ok(Ok(stream))) = drain.run_until_cancelled(handshake).await {
                            connection(stream, builder, service, drain).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = served => {}
                () = seat.closed() => {}
            }
        });
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    builder: http1::Builder,
    service: Watched,
    drain: CancellationToken,
) {
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let result = {
        let mut draining = pin!(drain.cancelled());
        let mut asked = false;
        std::future::poll_fn(|context| {
            if !asked && draining.as_mut().poll(context).is_ready() {
                asked = true;
                served.as_mut().graceful_shutdown();
            }
            served.as_mut().poll(context)
        })
        .await
    };
    if let Err(error) = result {
        // Clients that go away or talk nonsense: nothing that an operator could mend.
        tracing::debug!("connection: {}", crate::telemetry::chain(&error));
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
