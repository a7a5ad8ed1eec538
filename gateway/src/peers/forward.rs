//! Forwards a request to the node of its connection, and returns the answer.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, Uri, header};
use hyper::body::Incoming;
use rts_common::seq::Timestamp;

use super::Peers;
use super::hop::{Forwarded, HOP};
use crate::auth::Identity;
use crate::connection::ConnectionId;

/// The headers of a request that the owner needs. The origin is checked on the node that the request reached.
pub(super) const REQUEST_HEADERS: [HeaderName; 3] = [header::ACCEPT, header::CONTENT_TYPE, header::CONTENT_LENGTH];
/// The headers of the answer that a client needs.
pub(super) const RESPONSE_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// The hop mark of a request, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// It comes from a client.
    None,
    /// It comes from a node, which says who the user is; it is not forwarded again.
    FromNode(Identity),
    /// It has an invalid mark of a node.
    Forged,
}

/// The reason why the owner cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// No answer within the deadline.
    #[error("no answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(#[from] hyper_util::client::legacy::Error),
    /// The request cannot be built.
    #[error("no request: {0}")]
    Request(#[from] http::Error),
    /// There is the maximum number of tunnels, or of requests of the connection.
    #[error("too many tunnels or requests")]
    Full,
}

impl Peers {
    /// Checks the hop mark of a request.
    pub fn hop(&self, request: &Request) -> Hop {
        match request.headers().get(HOP) {
            None => Hop::None,
            Some(mark) => {
                let forwarded = Forwarded { method: request.method(), uri: request.uri(), owner: self.own };
                self.hops.read(mark, forwarded, Timestamp::now()).map_or(Hop::Forged, Hop::FromNode)
            }
        }
    }

    /// Forwards a request; the head of the answer has to arrive in time, its body streams.
    pub async fn forward(
        &self,
        owner: SocketAddr,
        id: ConnectionId,
        (request, identity): (Request, &Identity),
        deadline: Duration,
    ) -> Result<Response, Unreachable> {
        let _one = self.forwards.open(&id).ok_or(Unreachable::Full)?;
        let answer = self.send_on(owner, (request, identity), &REQUEST_HEADERS, deadline).await?;
        Ok(passed_on(answer, &RESPONSE_HEADERS))
    }

    pub(super) async fn send_on(
        &self,
        owner: SocketAddr,
        (request, identity): (Request, &Identity),
        headers: &[HeaderName],
        deadline: Duration,
    ) -> Result<http::Response<Incoming>, Unreachable> {
        let (parts, body) = request.into_parts();
        let target = without_token(&parts.uri);
        let uri = Uri::builder().scheme("http").authority(owner.to_string()).path_and_query(target).build()?;
        let mut request = Request::new(body);
        *request.headers_mut() = only(headers, &parts.headers);
        let forwarded = Forwarded { method: &parts.method, uri: &uri, owner };
        request.headers_mut().insert(HOP, self.hops.sign(forwarded, identity, Timestamp::now()));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        let answered = tokio::time::timeout(deadline, self.client.request(request)).await;
        Ok(answered.map_err(|_| Unreachable::Timeout)??)
    }
}

/// Returns what a request asks for, without the token that browsers put there.
fn without_token(uri: &Uri) -> String {
    let Some(query) = uri.query() else { return uri.path().to_owned() };
    let kept: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("access_token=")).collect();
    format!("{}?{}", uri.path(), kept.join("&"))
}

/// Returns the owner's answer for the client.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_sent_on() {
        let stripped = |uri: &'static str| without_token(&Uri::from_static(uri));
        assert_eq!(stripped("/hubs/chat?id=a&access_token=secret"), "/hubs/chat?id=a");
        assert_eq!(stripped("/hubs/chat?access_token=secret&id=a%20b&access_token=x"), "/hubs/chat?id=a%20b");
        assert_eq!(stripped("/hubs/chat"), "/hubs/chat");
        assert!(!REQUEST_HEADERS.contains(&header::AUTHORIZATION));
    }
}
