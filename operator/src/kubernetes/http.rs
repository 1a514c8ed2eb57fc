//! A small HTTP server: three pages for probes and for Prometheus.
//!
//! Whoever reaches the port may ask, so that everything has an end: the length of a request's head, the
//! time of a connection, and how many there are at once. A connection serves one request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// Connections at once; further ones wait until one has ended.
const CONNECTIONS: usize = 32;
/// How long a connection may last.
const LIFE: Duration = Duration::from_secs(10);
/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(5);
/// Bytes of a request's head, and lines in it.
const HEAD_BYTES: usize = 8192;
const HEAD_LINES: usize = 64;
/// Where the system has no room for one more connection, it may have some soon.
const NO_ROOM: Duration = Duration::from_millis(100);

/// What stands on the pages.
pub trait Pages {
    /// Whether whoever waits for this process may go on, or why not.
    fn ready(&self) -> Result<(), &'static str>;

    /// All metrics; nothing where they cannot be written.
    fn metrics(&self) -> Option<String>;
}

/// The address that was asked for.
///
/// # Errors
/// When the system does not give it.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        anyhow::anyhow!(
            "cannot listen on {address}: {error}. Name another one with --listen, or none"
        )
    })
}

/// Serves the pages for ever.
pub async fn serve(listener: &TcpListener, pages: &impl Pages) -> Infallible {
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = connections.next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => connections.push(connection(stream, pages)),
                Err(_) => sleep(NO_ROOM).await,
            },
        }
    }
}

async fn connection(stream: TcpStream, pages: &impl Pages) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, pages);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut server = Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .keep_alive(false);
    // Whoever asked has gone, or spoke no HTTP: that is nobody else's affair.
    let _ = timeout(LIFE, server.serve_connection(TokioIo::new(stream), service)).await;
}

fn answer<B>(request: &Request<B>, pages: &impl Pages) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match pages.ready() {
            Ok(()) => text(StatusCode::OK, "ok\n"),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => match pages.metrics() {
            Some(metrics) => page(StatusCode::OK, OPENMETRICS, metrics),
            None => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be written\n",
            ),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "/healthz, /readyz and /metrics are here\n",
        ),
    }
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    page(status, "text/plain; charset=utf-8", body)
}

fn page(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;
