//! Identifies the user of a request.

use http::{HeaderMap, header};

use super::App;
use super::query::QueryPairs;
use super::request_error::RequestError;
use crate::auth::Identity;
use crate::connection_token::ConnectionToken;

/// Authenticates by the token of the `Authorization` header, else of the query: browsers cannot set headers on a
/// WebSocket.
pub(super) async fn identify(app: &App, headers: &HeaderMap, query: &QueryPairs) -> Result<Identity, RequestError> {
    let token = bearer(headers).or_else(|| query.get("access_token")).ok_or(RequestError::Unauthorized)?;
    Ok(app.authenticator.authenticate(token).await?)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the connection that a request names. Another user's counts as none.
pub(super) fn connection_token(
    app: &App,
    query: &QueryPairs,
    identity: &Identity,
) -> Result<Option<ConnectionToken>, RequestError> {
    let Some(token) = query.get("id") else { return Ok(None) };
    let token = app.connection_tokens.read(token).ok().filter(|token| token.is_of(&identity.person));
    token.map(Some).ok_or(RequestError::NoSuchConnection)
}
