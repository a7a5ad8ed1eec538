//! The hub's address: every transport comes here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use rts_common::seq::Timestamp;

use super::App;
use super::identify::identify;
use super::query::QueryPairs;
use super::refusal::Refusal;
use super::upgrade;
use crate::auth::Identity;
use crate::connection_token::ConnectionToken;

/// A WebSocket, or what other transports ask.
pub(super) async fn connect(
    State(app): State<Arc<App>>,
    query: QueryPairs,
    request: Request,
) -> Result<Response, Refusal> {
    match *request.method() {
        Method::GET if asks_for_websocket(request.headers()) => upgrade::upgrade(app, &query, request).await,
        Method::GET | Method::POST | Method::DELETE => {
            let identity = identify(&app, request.headers(), &query).await?;
            Ok(other_transport(&app, &query, &identity, request.method()).into_response())
        }
        _ => Err(Refusal::WrongMethod),
    }
}

/// What Server-Sent Events (GET that accepts `text/event-stream`), long polling (GET, DELETE) and sends
/// (POST) get while the WebSocket is the only transport.
fn other_transport(app: &App, query: &QueryPairs, identity: &Identity, method: &Method) -> Refusal {
    let token = match connection_token(app, query, identity) {
        Ok(Some(token)) => token,
        Ok(None) => return Refusal::NoConnectionId,
        Err(refusal) => return refusal,
    };
    if app.registry.has_ended(token.connection_id) {
        return Refusal::NoSuchConnection;
    }
    match *method {
        // Sends on a WebSocket go over the WebSocket.
        Method::POST if app.registry.is_live(token.connection_id) => Refusal::WrongMethod,
        _ => Refusal::WrongTransport,
    }
}

/// The connection that a request is about, if it names one. Somebody else's is as good as none.
pub(super) fn connection_token(
    app: &App,
    query: &QueryPairs,
    identity: &Identity,
) -> Result<Option<ConnectionToken>, Refusal> {
    let Some(token) = query.get("id") else { return Ok(None) };
    app.connection_tokens
        .verify(token, Timestamp::now())
        .ok()
        .filter(|token| token.is_of(&identity.person))
        .map(Some)
        .ok_or(Refusal::NoSuchConnection)
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
