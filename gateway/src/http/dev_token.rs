//! The login for development: issues a token for any user that is asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use rts_common::ids::{OrgId, Person, UserId};
use rts_common::seq::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::request_error::RequestError;

/// The default lifetime of a token.
const LIFE_SECONDS: u64 = 3600;
/// The longest lifetime of a token.
const LIFE_SECONDS_MAX: u64 = 30 * 86_400;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    user_id: String,
    org_id: String,
    name: Option<String>,
    ttl_seconds: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    token: String,
    expires_at: Timestamp,
}

pub(super) async fn issue(
    State(app): State<Arc<App>>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, RequestError> {
    let Json(wanted) = wanted.map_err(|_| {
        RequestError::Malformed("The body is not {\"userId\", \"orgId\", \"name\"?, \"ttlSeconds\"?} in JSON")
    })?;
    let person = Person {
        org: OrgId::parse(&wanted.org_id).map_err(|_| RequestError::Malformed("orgId is not 1 to 128 bytes"))?,
        user: UserId::parse(&wanted.user_id).map_err(|_| RequestError::Malformed("userId is not 1 to 128 bytes"))?,
    };
    let seconds = wanted.ttl_seconds.unwrap_or(LIFE_SECONDS);
    if !(1..=LIFE_SECONDS_MAX).contains(&seconds) {
        return Err(RequestError::Malformed("ttlSeconds is not 1 to 2592000"));
    }
    let issuer = app.dev_tokens.as_ref().ok_or(RequestError::NoSuchConnection)?;
    let (token, expires_at) = issuer.issue(&person, wanted.name.as_deref(), Duration::from_secs(seconds));
    Ok(Json(Issued { token, expires_at }).into_response())
}
