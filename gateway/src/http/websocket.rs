//! From an HTTP request to a session on a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rts_common::seq::Timestamp;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::App;
use super::arrivals::WatchedStream;
use super::identify::{Known, connection_token, identify_any};
use super::new_session::{Admitted, run_findable};
use super::origin_policy::OriginCheck;
use super::query::QueryPairs;
use super::request_error::RequestError;
use crate::auth::Identity;
use crate::connection::{ConnectionId, SharedStream};
use crate::peers::{NodeLocation, Unreachable};
use crate::session::{Carrier, NewConnection, ReconnectSlot, ReturnedSocket, Transport, WebSocket};

/// The only version of the WebSocket protocol.
const VERSION: &str = "13";
/// Time for the node of a session to accept its next socket.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);

/// The destination of an upgrade.
enum Goal {
    Session(NewConnection),
    /// A session that outlived its last socket.
    ReconnectSlot(Arc<ReconnectSlot>),
    /// The node that has or had the session: it knows the answer.
    Owner(SocketAddr),
}

/// Checks the request, then switches protocols and spawns the session, or gives it its next socket.
pub(super) async fn upgrade(app: Arc<App>, query: &QueryPairs, mut request: Request) -> Result<Response, RequestError> {
    let arrived = Instant::now();
    if app.readiness.is_refusing() {
        return Err(RequestError::Unavailable);
    }
    if app.origins.check(request.headers()) == OriginCheck::Foreign {
        return Err(RequestError::ForeignOrigin);
    }
    let Known { identity, is_forwarded } =
        identify_any(&app, app.peers.hop(&request), request.headers(), query).await?;
    if request.headers().get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Ok(wrong_version());
    }
    let accept = accept_key(request.headers()).ok_or(RequestError::Malformed("No WebSocket handshake"))?;
    let expires = identity.expires;
    let deadline = arrived + app.sessions.settings.handshake_timeout;
    match goal(&app, query, &identity, arrived, is_forwarded).await? {
        Goal::Session(mut arrival) => {
            arrival.address = app.addresses.open(request.headers(), request.extensions())?;
            let upgrade = hyper::upgrade::on(&mut request);
            app.sessions.lifecycle.spawn(begin(Arc::clone(&app), arrival, upgrade, deadline));
        }
        Goal::ReconnectSlot(rejoin) => {
            let upgrade = hyper::upgrade::on(&mut request);
            app.sessions.lifecycle.spawn(async move {
                if let Some(socket) = upgraded(upgrade, deadline).await {
                    rejoin.offer(ReturnedSocket { socket, expires });
                }
            });
        }
        Goal::Owner(owner) => return send_on(&app, owner, (request, &identity)).await,
    }
    Ok(switching(accept))
}

/// Finds the session for a socket.
async fn goal(
    app: &App,
    query: &QueryPairs,
    identity: &Identity,
    arrived: Instant,
    is_forwarded: bool,
) -> Result<Goal, RequestError> {
    let Some(token) = connection_token(app, query, identity)? else {
        // Without negotiation nothing can reconnect with this id.
        let admitted = Admitted { identity: identity.clone(), arrived, token_left: Duration::ZERO };
        return admitted.connect(app, ConnectionId::random(), Carrier::WebSocket(None)).map(Goal::Session);
    };
    let (id, now) = (token.connection_id, Timestamp::now());
    if let Some(held) = app.registry.find(id) {
        return Goal::held(held);
    }
    if app.registry.has_ended(id) {
        return Err(RequestError::NoSuchConnection);
    }
    // Claimed among all nodes, for as long as its token could be used a second time.
    let left = token.left(now);
    let beginning = (!left.is_zero()).then(|| app.registry.begin(id));
    let place = if beginning.is_some() { app.peers.claim(id, left).await? } else { app.peers.find(id).await? };
    match (place, beginning) {
        (None, Some(_until_claimed)) => {
            let rejoin = token.is_stateful.then(Arc::default);
            let admitted = Admitted { identity: identity.clone(), arrived, token_left: left };
            admitted.connect(app, id, Carrier::WebSocket(rejoin)).map(Goal::Session)
        }
        // Another request took it up just now, or is about to, or it is over.
        (Some(NodeLocation::Local), Some(beginning)) => Goal::held(beginning.taken()?),
        // Whether the id is in use, over, or another transport's, its node alone can tell.
        (Some(NodeLocation::Remote(owner)), _) if !is_forwarded => Ok(Goal::Owner(owner)),
        _ => Err(RequestError::NoSuchConnection),
    }
}

impl Goal {
    /// Of a socket for a connection that is live here.
    fn held(held: Carrier) -> Result<Self, RequestError> {
        match held {
            Carrier::WebSocket(Some(rejoin)) if rejoin.is_open() => Ok(Self::ReconnectSlot(rejoin)),
            Carrier::WebSocket(_) => Err(RequestError::AlreadyConnected),
            Carrier::Http(_) => Err(RequestError::WrongTransport),
        }
    }
}

/// Runs the session of a socket, once there is one.
async fn begin(app: Arc<App>, arrival: NewConnection, upgrade: OnUpgrade, deadline: Instant) {
    // Boxed: the state of the upgrade is not kept during the session.
    let Some(socket) = Box::pin(upgraded(upgrade, deadline)).await else { return };
    if arrival.rejoin.is_some() {
        return Box::pin(run_findable(app, arrival, Transport::WebSocket(socket))).await;
    }
    let sessions = Arc::clone(&app.sessions);
    drop(app);
    sessions.run(arrival, Transport::WebSocket(socket)).await;
}

/// Forwards an upgrade to the node of the session.
async fn send_on(app: &Arc<App>, owner: SocketAddr, request: (Request, &Identity)) -> Result<Response, RequestError> {
    let (response, tunnel) = app.peers.tunnel(owner, request, FORWARD_TIMEOUT).await.map_err(|error| {
        tracing::info!(%owner, %error, "cannot reach the node of a session");
        match error {
            Unreachable::Full => RequestError::Unavailable,
            _ => RequestError::NoSuchConnection,
        }
    })?;
    if let Some(tunnel) = tunnel {
        let lifecycle = app.sessions.lifecycle.clone();
        app.sessions.lifecycle.spawn(async move {
            lifecycle.stopping().run_until_cancelled(tunnel.run(FORWARD_TIMEOUT)).await;
        });
    }
    Ok(response)
}

/// Returns the socket once HTTP is done with it. Taken out of hyper's wrapper: it is always TCP here.
async fn upgraded(upgrade: OnUpgrade, deadline: Instant) -> Option<WebSocket> {
    let upgraded = tokio::time::timeout_at(deadline.into(), upgrade).await.ok()?.ok()?;
    let parts = upgraded.downcast::<TokioIo<WatchedStream>>().ok()?;
    Some(WebSocket::new(SharedStream::new(parts.io.into_inner().into_inner()), &parts.read_buf))
}

fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get(header::CONNECTION)?.to_str().ok()?;
    let asks = connection.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| asks && is_key(key.as_bytes()))?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

/// 16 bytes in base64; some clients make up all 22 characters, so that bits are left over in the last.
fn is_key(key: &[u8]) -> bool {
    const BASE64: GeneralPurpose =
        GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    BASE64.decode(key).is_ok_and(|bytes| bytes.len() == 16)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        for good in ["dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "//////////////////////=="] {
            assert!(is_key(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            "x",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "AAAA",
            "!!!!!!!!!!!!!!!!!!!!!!==",
        ] {
            assert!(!is_key(bad.as_bytes()), "{bad}");
        }
    }
}
