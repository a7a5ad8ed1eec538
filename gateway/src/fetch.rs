//! Fetches one small document over HTTP or HTTPS, with a deadline and a bound.

use std::io;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Time for everything: name, connection, TLS, answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The greatest size of a document: a hundred keys with certificate chains take less.
const BODY_BYTES_MAX: usize = 512 * 1024;

/// Fetches documents. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

/// The reason why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("no connection: {0}")]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error("status {0}")]
    Status(http::StatusCode),
    #[error("the answer is cut or too long")]
    Body(#[from] axum::Error),
    #[error("no URL")]
    Url(#[from] http::Error),
}

impl Fetcher {
    /// Returns a fetcher that trusts the system's certificates. The configuration decides if plain HTTP is allowed.
    pub(crate) fn new() -> io::Result<Self> {
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Fetches a document, within a deadline.
    pub(crate) async fn fetch(&self, request: Request<Body>) -> Result<Bytes, FetchError> {
        tokio::time::timeout(TIMEOUT, self.get(request)).await.map_err(|_| FetchError::Timeout)?
    }

    async fn get(&self, request: Request<Body>) -> Result<Bytes, FetchError> {
        let response = self.client.request(request).await?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status()));
        }
        Ok(to_bytes(Body::new(response.into_body()), BODY_BYTES_MAX).await?)
    }
}
