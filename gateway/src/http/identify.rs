//! Identifies the user of a request.

use http::{HeaderMap, header};

use super::App;
use super::query::QueryPairs;
use super::request_error::RequestError;
use crate::auth::{AuthError, Identity, refusals};
use crate::connection_token::ConnectionToken;
use crate::metrics::TokenFault;
use crate::peers::Hop;

/// Authenticates by the token of the `Authorization` header, else of the query: browsers cannot set headers on a
/// WebSocket.
pub(super) async fn identify(app: &App, headers: &HeaderMap, query: &QueryPairs) -> Result<Identity, RequestError> {
    let checked = match bearer(headers).or_else(|| query.get("access_token")) {
        Some(token) => app.authenticator.authenticate(token).await,
        None => Err(AuthError::Refused(TokenFault::Missing)),
    };
    if let Err(AuthError::Refused(fault)) = checked {
        refusals::note(fault);
    }
    Ok(checked?)
}

/// A user, and whether another node says so.
pub(super) struct Known {
    pub(super) identity: Identity,
    /// True if a node forwarded the request: it is not forwarded again.
    pub(super) is_forwarded: bool,
}

/// Authenticates a request of a client like [`identify`], and one that another node forwarded by that node's word.
pub(super) async fn identify_any(
    app: &App,
    hop: Hop,
    headers: &HeaderMap,
    query: &QueryPairs,
) -> Result<Known, RequestError> {
    match hop {
        Hop::FromNode(identity) => Ok(Known { identity, is_forwarded: true }),
        Hop::Forged => {
            refusals::note(TokenFault::Node);
            Err(RequestError::Unauthorized(TokenFault::Node))
        }
        Hop::None => {
            let identity = identify(app, headers, query).await?;
            Ok(Known { identity, is_forwarded: false })
        }
    }
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
