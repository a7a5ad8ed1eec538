//! Who makes a request.

use http::{HeaderMap, header};

use super::App;
use super::query::QueryPairs;
use super::refusal::Refusal;
use crate::auth::Identity;

/// By the token of the `Authorization` header, else of the query: browsers cannot set headers on a
/// WebSocket.
pub(super) async fn identify(app: &App, headers: &HeaderMap, query: &QueryPairs) -> Result<Identity, Refusal> {
    let token = bearer(headers).or_else(|| query.get("access_token")).ok_or(Refusal::Unauthorized)?;
    Ok(app.authenticator.authenticate(token).await?)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
