//! Connections that requests carry: Server-Sent Events (a GET that accepts `text/event-stream`), long
//! polling (other GETs, DELETE), and what both send (POST).
//!
//! The first GET takes the connection up, on the node where it lands. Every other request may land
//! anywhere and is sent on to that node.

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

use super::identify::connection_token;
use super::query::QueryPairs;
use super::refusal::Refusal;
use super::{App, polling_response};
use crate::auth::Identity;
use crate::connection::Outbox;
use crate::connection_token::ConnectionToken;
use crate::peers::{Hop, Place};
use crate::session::{AddressConnection, Arrival, Held, Link, LinkEnd, LinkKind, Over, Settings, Transport};

/// What the owner of a connection may take longer than its own deadlines.
const FORWARD_GRACE: Duration = Duration::from_secs(5);
/// What a request takes that waits for nothing.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Events,
    Poll,
    Send,
    End,
}

/// Serves a request, here or where its connection lives.
pub(super) async fn serve(
    app: Arc<App>,
    query: &QueryPairs,
    identity: Identity,
    request: Request,
) -> Result<Response, Refusal> {
    let want = Want::of(request.method(), request.headers());
    let token = connection_token(&app, query, &identity)?.ok_or(Refusal::NoConnectionId)?;
    let id = token.connection_id;
    if let Some(held) = app.registry.find(id) {
        return here(&app.sessions.settings, want, held, request).await;
    }
    let hop = app.peers.hop(&request);
    if hop == Hop::Forged {
        return Err(Refusal::Unauthorized);
    }
    if app.registry.has_ended(id) {
        return Err(Refusal::NoSuchConnection);
    }
    let now = Timestamp::now();
    let place = if token.is_over(now) || want.kind().is_none() {
        app.peers.find(id).await?
    } else if app.readiness.is_refusing() {
        return Err(Refusal::Unavailable);
    } else {
        app.peers.claim(id, token.left(now)).await?
    };
    match place {
        Some(Place::At(owner)) if hop == Hop::None => {
            let deadline = want.deadline(&app.sessions.settings);
            app.peers.forward(owner, request, deadline).await.map_err(|error| {
                tracing::info!(connection = %id, %owner, %error, "the node of a connection is gone");
                Refusal::NoSuchConnection
            })
        }
        Some(Place::At(_)) => Err(Refusal::NoSuchConnection),
        // Another request took it up just now, or it is over.
        Some(Place::Here) => match app.registry.find(id) {
            Some(held) => here(&app.sessions.settings, want, held, request).await,
            None => Err(Refusal::NoSuchConnection),
        },
        None => match want.kind() {
            _ if token.is_over(now) => Err(Refusal::NoSuchConnection),
            Some(kind) => {
                let address = app.addresses.open(request.headers(), request.extensions())?;
                attach(&app, kind, &token, (identity, address))
            }
            None => Err(Refusal::WrongTransport),
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

    /// What it takes a connection up as, if it can.
    fn kind(self) -> Option<LinkKind> {
        match self {
            Self::Events => Some(LinkKind::EventStream),
            Self::Poll => Some(LinkKind::LongPoll),
            Self::Send | Self::End => None,
        }
    }

    /// How long the owner may take.
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

/// A request for a connection that lives here.
async fn here(settings: &Settings, want: Want, held: Held, request: Request) -> Result<Response, Refusal> {
    let link = match held {
        // Sends on a WebSocket go over the WebSocket.
        Held::ByWebSocket(_) if want == Want::Send => return Err(Refusal::WrongMethod),
        Held::ByWebSocket(_) => return Err(Refusal::WrongTransport),
        Held::ByLink(link) => link,
    };
    match (want, link.kind()) {
        (Want::Send, _) => send(settings, &link, request.into_body()).await,
        (Want::Poll, LinkKind::LongPoll) => polling_response::poll(settings.poll_idle, &link).await,
        (Want::End, LinkKind::LongPoll) => {
            link.delete();
            Ok(StatusCode::ACCEPTED.into_response())
        }
        (Want::Events, LinkKind::EventStream) => Err(Refusal::AlreadyConnected),
        _ => Err(Refusal::WrongTransport),
    }
}

async fn send(settings: &Settings, link: &Link, body: Body) -> Result<Response, Refusal> {
    let whole = async { to_bytes(body, POST_BYTES).await.map_err(|_| Refusal::TooLarge) };
    let posted = tokio::time::timeout(settings.post_timeout, link.post(whole)).await;
    posted.map_err(|_| Refusal::Unavailable)??;
    let text = HeaderValue::from_static("text/plain");
    Ok(([(header::CONTENT_TYPE, text)], Body::empty()).into_response())
}

impl From<Over> for Refusal {
    fn from(_: Over) -> Self {
        Self::NoSuchConnection
    }
}

/// Takes a connection up whose place is this node's, and answers its first GET.
fn attach(
    app: &Arc<App>,
    kind: LinkKind,
    token: &ConnectionToken,
    (identity, address): (Identity, Option<AddressConnection>),
) -> Result<Response, Refusal> {
    let (id, arrived) = (token.connection_id, Instant::now());
    let token_ends = arrived + token.left(Timestamp::now());
    let (link, end) = Link::open(kind, app.sessions.settings.poll_gap_max);
    let outbox = Arc::new(Outbox::default());
    let claim = app.registry.claim(id, token_ends, &outbox, Held::ByLink(Arc::clone(&link)))?;
    let response = match kind {
        LinkKind::EventStream => polling_response::events(link.reader().ok_or(Refusal::NoSuchConnection)?),
        LinkKind::LongPoll => polling_response::empty_poll(),
    };
    let expires = identity.expires;
    let principal = Arc::new(identity.into_principal());
    let arrival = Arrival { connection_id: id, principal, expires, outbox, claim, rejoin: None, address, arrived };
    app.sessions.lifecycle.spawn(live(Arc::clone(app), arrival, end, token_ends));
    Ok(response)
}

/// The session, and its address for as long as it lives.
async fn live(app: Arc<App>, arrival: Arrival, end: LinkEnd, token_ends: Instant) {
    let id = arrival.connection_id;
    let session = Box::pin(app.sessions.run(arrival, Transport::Link(end)));
    app.peers.keep_while(id, token_ends, session).await;
}
