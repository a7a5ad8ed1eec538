//! A request on its way to the node that its connection lives on, and the answer on its way back.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, Uri, header};
use hyper::body::Incoming;
use rts_common::seq::Timestamp;

use super::Peers;
use super::hop::HOP;

/// What the owner needs of a request. Its origin is judged where it landed.
pub(super) const REQUEST_HEADERS: [HeaderName; 4] =
    [header::AUTHORIZATION, header::ACCEPT, header::CONTENT_TYPE, header::CONTENT_LENGTH];
/// What a client needs of the answer.
pub(super) const RESPONSE_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// Whether a request was sent on by another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// It comes from a client.
    None,
    /// It comes from a node, and is not sent on again.
    FromNode,
    /// It says so, and does not.
    Forged,
}

/// The owner is gone, or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// No answer within the deadline.
    #[error("no answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(#[from] hyper_util::client::legacy::Error),
    /// The request cannot be written down again.
    #[error("no request: {0}")]
    Request(#[from] http::Error),
    /// As many tunnels as there may be.
    #[error("too many tunnels")]
    Full,
}

impl Peers {
    /// Who sent a request.
    pub fn hop(&self, request: &Request) -> Hop {
        match request.headers().get(HOP) {
            None => Hop::None,
            Some(mark) if self.hops.is_good(mark, request.method(), request.uri(), Timestamp::now()) => Hop::FromNode,
            Some(_) => Hop::Forged,
        }
    }

    /// Sends a request on; the head of the answer has to come in time, its body streams.
    pub async fn forward(
        &self,
        owner: SocketAddr,
        request: Request,
        deadline: Duration,
    ) -> Result<Response, Unreachable> {
        let answer = self.send_on(owner, request, &REQUEST_HEADERS, deadline).await?;
        Ok(passed_on(answer, &RESPONSE_HEADERS))
    }

    pub(super) async fn send_on(
        &self,
        owner: SocketAddr,
        request: Request,
        headers: &[HeaderName],
        deadline: Duration,
    ) -> Result<http::Response<Incoming>, Unreachable> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let uri = Uri::builder().scheme("http").authority(owner.to_string()).path_and_query(target).build()?;
        let mut request = Request::new(body);
        *request.headers_mut() = only(headers, &parts.headers);
        request.headers_mut().insert(HOP, self.hops.sign(&parts.method, &uri, Timestamp::now()));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        let answered = tokio::time::timeout(deadline, self.client.request(request)).await;
        Ok(answered.map_err(|_| Unreachable::Timeout)??)
    }
}

/// The owner's answer as the client gets it.
pub(super) fn passed_on(answer: http::Response<Incoming>, headers: &[HeaderName]) -> Response {
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = parts.status;
    *response.headers_mut() = only(headers, &parts.headers);
    response
}

fn only(names: &[HeaderName], headers: &HeaderMap) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}
