//! From an HTTP request to a session on a WebSocket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rts_common::seq::Timestamp;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::App;
use super::hub::connection_token;
use super::identify::identify;
use super::origin::Standing;
use super::query::QueryPairs;
use super::refusal::Refusal;
use crate::auth::Identity;
use crate::hub::Caller;
use crate::peers::Place;
use crate::session::{Arrival, ClaimError, ConnectionId, Held, Outbox, SharedStream, Transport, WebSocket};

/// The one version of the WebSocket protocol.
const VERSION: &str = "13";

/// Checks everything, then switches protocols and spawns the session.
pub(super) async fn upgrade(app: Arc<App>, query: &QueryPairs, mut request: Request) -> Result<Response, Refusal> {
    let arrived = Instant::now();
    if app.readiness.is_refusing() {
        return Err(Refusal::Unavailable);
    }
    if app.origins.standing(request.headers()) == Standing::Foreign {
        return Err(Refusal::ForeignOrigin);
    }
    let identity = identify(&app, request.headers(), query).await?;
    if request.headers().get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Ok(wrong_version());
    }
    let accept = accept_key(request.headers()).ok_or(Refusal::Malformed("No WebSocket handshake"))?;
    let arrival = claim(&app, query, identity, arrived).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    let sessions = Arc::clone(&app.sessions);
    app.sessions.lifecycle.spawn(async move {
        // Boxed: what an upgrade needs is not kept for the life of the session.
        let deadline = arrived + sessions.settings.handshake_timeout;
        if let Some(socket) = Box::pin(upgraded(upgrade, deadline, &arrival.outbox)).await {
            sessions.run(arrival, Transport::WebSocket(socket)).await;
        }
    });
    Ok(switching(accept))
}

/// Takes the connection that the request names, or a new one.
async fn claim(app: &App, query: &QueryPairs, identity: Identity, arrived: Instant) -> Result<Arrival, Refusal> {
    // Without negotiation: nothing could come back with this id.
    let (connection_id, token_left) = match connection_token(app, query, &identity)? {
        None => (ConnectionId::random(), Duration::ZERO),
        Some(token) => {
            let left = token.left(Timestamp::now());
            take_place(app, token.connection_id, left).await?;
            (token.connection_id, left)
        }
    };
    let outbox = Arc::new(Outbox::default());
    let claim = app.registry.claim(connection_id, arrived + token_left, &outbox, None);
    let claim = claim.map_err(|error| match error {
        ClaimError::InUse => Refusal::AlreadyConnected,
        ClaimError::Ended => Refusal::NoSuchConnection,
        ClaimError::Full => Refusal::Unavailable,
    })?;
    let caller = Arc::new(Caller { person: identity.person, display_name: identity.display_name });
    Ok(Arrival { connection_id, caller, expires: identity.expires, outbox, claim, arrived })
}

/// Takes an id among all nodes, for as long as its token could be used a second time.
async fn take_place(app: &App, id: ConnectionId, token_left: Duration) -> Result<(), Refusal> {
    match app.registry.find(id) {
        Some(Held::ByWebSocket) => return Err(Refusal::AlreadyConnected),
        Some(Held::ByLink(_)) => return Err(Refusal::WrongTransport),
        None if app.registry.has_ended(id) => return Err(Refusal::NoSuchConnection),
        None => {}
    }
    match app.peers.claim(id, token_left).await? {
        None => Ok(()),
        Some(Place::At(_)) => Err(Refusal::AlreadyConnected),
        Some(Place::Here) => Err(Refusal::NoSuchConnection),
    }
}

/// The socket once HTTP is done with it. Taken out of hyper's wrapping: it is always TCP here.
async fn upgraded(upgrade: OnUpgrade, deadline: Instant, outbox: &Outbox) -> Option<WebSocket<SharedStream>> {
    let upgraded = tokio::time::timeout_at(deadline.into(), upgrade).await.ok()?.ok()?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    let stream = SharedStream::new(parts.io.into_inner());
    outbox.set_stream(stream.clone());
    Some(WebSocket::new(stream, &parts.read_buf))
}

fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get(header::CONNECTION)?.to_str().ok()?;
    let asks = connection.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

fn switching(accept: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn wrong_version() -> Response {
    let version = [(header::SEC_WEBSOCKET_VERSION, VERSION)];
    (StatusCode::UPGRADE_REQUIRED, version, "WebSocket version 13 is required").into_response()
}
