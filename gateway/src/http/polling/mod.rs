//! Connections over HTTP requests: Server-Sent Events (a GET that accepts `text/event-stream`), long polling (other
//! GETs, DELETE), and the sends of both (POST).
//!
//! The first GET opens the connection, on the node that it reaches. Every other request may reach any node and is
//! forwarded to that node.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rts_common::limits::POST_BYTES;
use rts_common::seq::Timestamp;

use super::identify::{Known, connection_token};
use super::new_session::{Admitted, run_findable};
use super::query::QueryPairs;
use super::request_error::RequestError;
use super::{App, polling_response};
use crate::connection::ConnectionId;
use crate::peers::{NodeLocation, Unreachable};
use crate::session::{AddressConnection, Carrier, HttpTransport, HttpTransportKind, Over, Settings, Transport};

/// The owner of a connection may take this much longer than its own deadlines.
const FORWARD_GRACE: Duration = Duration::from_secs(5);
/// Deadline of a request that waits for nothing.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Events,
    Poll,
    Send,
    End,
}

/// Serves a request, here or on the node of its connection.
pub(super) async fn serve(
    app: Arc<App>,
    query: &QueryPairs,
    Known { identity, is_forwarded }: Known,
    request: Request,
) -> Result<Response, RequestError> {
    let want = Want::of(request.method(), request.headers());
    // An empty id is none, as at the reference server.
    if query.get("id").is_none_or(str::is_empty) {
        return Err(RequestError::NoConnectionId);
    }
    let token = connection_token(&app, query, &identity)?.ok_or(RequestError::NoConnectionId)?;
    let id = token.connection_id;
    if let Some(held) = app.registry.find(id) {
        return here(&app.sessions.settings, want, held, request).await;
    }
    if app.registry.has_ended(id) {
        return Err(RequestError::NoSuchConnection);
    }
    let now = Timestamp::now();
    let beginning = (!token.is_over(now) && want.kind().is_some()).then(|| app.registry.begin(id));
    let place = if beginning.is_none() {
        app.peers.find(id).await?
    } else if app.readiness.is_refusing() {
        return Err(RequestError::Unavailable);
    } else {
        app.peers.claim(id, token.left(now)).await?
    };
    match place {
        Some(NodeLocation::Remote(owner)) if !is_forwarded => {
            let deadline = want.deadline(&app.sessions.settings);
            app.peers.forward(owner, id, (request, &identity), deadline).await.map_err(|error| {
                tracing::info!(connection = %id, %owner, %error, "cannot reach the node of a connection");
                match error {
                    Unreachable::Full => RequestError::Unavailable,
                    _ => RequestError::NoSuchConnection,
                }
            })
        }
        Some(NodeLocation::Remote(_)) => Err(RequestError::NoSuchConnection),
        // Another request took it up just now, or is about to, or it is over.
        Some(NodeLocation::Local) => {
            let held = match beginning {
                Some(beginning) => beginning.taken()?,
                None => app.registry.find(id).ok_or(RequestError::NoSuchConnection)?,
            };
            here(&app.sessions.settings, want, held, request).await
        }
        None => match want.kind() {
            _ if token.is_over(now) => Err(RequestError::NoSuchConnection),
            Some(kind) => {
                let address = app.addresses.open(request.headers(), request.extensions())?;
                let admitted = Admitted { identity, arrived: Instant::now(), token_left: token.left(now) };
                attach(&app, kind, id, admitted, address)
            }
            None => Err(RequestError::WrongTransport),
        },
    }
}

impl Want {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        match *method {
            Method::POST => Self::Send,
            Method::DELETE => Self::End,
            _ if accepts_events(headers) => Self::Events,
            _ => Self::Poll,
        }
    }

    /// Returns the transport of the connection that it opens, if it can open one.
    fn kind(self) -> Option<HttpTransportKind> {
        match self {
            Self::Events => Some(HttpTransportKind::EventStream),
            Self::Poll => Some(HttpTransportKind::LongPoll),
            Self::Send | Self::End => None,
        }
    }

    /// Returns the time that the owner may take.
    fn deadline(self, settings: &Settings) -> Duration {
        match self {
            Self::Events | Self::End => FORWARD_TIMEOUT,
            Self::Poll => settings.poll_idle + FORWARD_GRACE,
            Self::Send => settings.post_timeout + FORWARD_GRACE,
        }
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// Serves a request for a connection on this node.
async fn here(settings: &Settings, want: Want, held: Carrier, request: Request) -> Result<Response, RequestError> {
    let link = match held {
        // A client on a WebSocket sends over the WebSocket.
        Carrier::WebSocket(_) if want == Want::Send => return Err(RequestError::WrongMethod),
        Carrier::WebSocket(_) => return Err(RequestError::WrongTransport),
        Carrier::Http(link) => link,
    };
    match (want, link.kind()) {
        (Want::Send, _) => send(settings, &link, request.into_body()).await,
        (Want::Poll, HttpTransportKind::LongPoll) => polling_response::poll(settings.poll_idle, &link).await,
        (Want::End, HttpTransportKind::LongPoll) => {
            link.delete();
            Ok(StatusCode::ACCEPTED.into_response())
        }
        (Want::Events, HttpTransportKind::EventStream) => Err(RequestError::AlreadyConnected),
        _ => Err(RequestError::WrongTransport),
    }
}

async fn send(settings: &Settings, link: &HttpTransport, body: Body) -> Result<Response, RequestError> {
    let whole = async { to_bytes(body, POST_BYTES).await.map_err(|_| RequestError::TooLarge) };
    let posted = tokio::time::timeout(settings.post_timeout, link.post(whole)).await;
    posted.map_err(|_| RequestError::Unavailable)??;
    let text = HeaderValue::from_static("text/plain");
    Ok(([(header::CONTENT_TYPE, text)], Body::empty()).into_response())
}

impl From<Over> for RequestError {
    fn from(_: Over) -> Self {
        Self::NoSuchConnection
    }
}

/// Opens a connection that belongs to this node, and answers its first GET.
fn attach(
    app: &Arc<App>,
    kind: HttpTransportKind,
    id: ConnectionId,
    admitted: Admitted,
    address: Option<AddressConnection>,
) -> Result<Response, RequestError> {
    let (link, end) = HttpTransport::open(kind, app.sessions.settings.poll_gap_max);
    let mut connection = admitted.connect(app, id, Carrier::Http(Arc::clone(&link)))?;
    connection.address = address;
    let response = match kind {
        HttpTransportKind::EventStream => {
            polling_response::events(link.reader().ok_or(RequestError::NoSuchConnection)?)
        }
        HttpTransportKind::LongPoll => polling_response::empty_poll(),
    };
    app.sessions.lifecycle.spawn(run_findable(Arc::clone(app), connection, Transport::Http(end)));
    Ok(response)
}
