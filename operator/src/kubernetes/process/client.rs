//! The client of the API server.
//!
//! It is kube's own, but for the sockets: kube leaves Nagle's algorithm on, which holds the first request
//! of a connection back until the end of the handshake before it is acknowledged, and that takes 40 ms
//! (measured). Every watch takes a connection, so there are many.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config, Error};
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How often the other end of a connection with nothing to say is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A client.
///
/// # Errors
/// When what the configuration names cannot be used.
pub fn client(config: Config) -> Result<Client, Error> {
    if config.proxy_url.is_some() {
        // This one says that it was built without.
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(KEEPALIVE));
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(RetryLayer::new(RetryPolicy::server_retry()))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http.build::<_, Body>(https));
    Ok(Client::new(service, config.default_namespace))
}
