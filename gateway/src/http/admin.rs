//! What operators change, on the admin address: a drain, and the end of a person's sessions.
//!
//! Whoever can reach the address may read metrics. Changes are accepted from the machine itself, or with the admin
//! secret; and never from a web page, which a browser on the machine may have loaded from anywhere.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode, header};
use rts_common::config::Secret;
use rts_common::ids::{OrgId, Person, UserId};
use serde::Deserialize;
use sha2::Sha256;

use super::Admin;
use super::client_address::{Peer, is_forwarded};

/// Says who may make changes.
#[derive(Clone)]
pub struct AdminGuard {
    /// The tag of the header that has the secret: compared in constant time, whatever its length.
    expected: Option<Hmac<Sha256>>,
    tag: Vec<u8>,
}

impl AdminGuard {
    /// Accepts changes from the machine itself, and with a secret if there is one.
    pub fn new(secret: Option<&Secret>) -> Self {
        let key: [u8; 32] = rand::random();
        let mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        let Some(secret) = secret else { return Self { expected: None, tag: Vec::new() } };
        let tag = mac.clone().chain_update(secret.expose()).finalize().into_bytes().to_vec();
        Self { expected: Some(mac), tag }
    }

    /// True if a change is accepted.
    fn accepts(&self, headers: &HeaderMap, peer: Option<Peer>) -> bool {
        if headers.contains_key(header::ORIGIN) {
            return false;
        }
        let is_here = peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) && !is_forwarded(headers);
        is_here || self.knows(headers)
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let Some((mac, (scheme, secret))) = self.expected.as_ref().zip(bearer) else { return false };
        scheme.eq_ignore_ascii_case("bearer") && mac.clone().chain_update(secret.trim()).verify_slice(&self.tag).is_ok()
    }
}

/// Refuses a change that is not accepted.
pub(super) async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    if !admin.guard.accepts(request.headers(), peer) {
        tracing::warn!(peer = ?peer.map(|peer| peer.0), path = ?request.uri().path(), "an admin call was refused");
        return (StatusCode::FORBIDDEN, "Only from this machine, or with the admin secret").into_response();
    }
    next.run(request).await
}

/// Begins the drain; the process exits when it is done.
pub(super) async fn drain(State(admin): State<Admin>) -> Response {
    tracing::info!("shutdown requested over the admin address");
    admin.lifecycle.shut_down();
    (StatusCode::ACCEPTED, "draining").into_response()
}

/// A person whose sessions are to end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whose {
    user_id: UserId,
    org_id: OrgId,
}

/// Ends the sessions of a person on all nodes; tokens that were issued until now begin no other.
pub(super) async fn revoke(State(admin): State<Admin>, whose: Result<Json<Whose>, JsonRejection>) -> Response {
    let Ok(Json(whose)) = whose else {
        return (StatusCode::BAD_REQUEST, "The body is not {\"userId\", \"orgId\"} in JSON").into_response();
    };
    let person = Person { org: whose.org_id, user: whose.user_id };
    match admin.rooms.revoke(&person).await {
        Ok(()) => {
            tracing::info!(org = ?person.org, user = ?person.user, "sessions revoked");
            (StatusCode::ACCEPTED, "revoked").into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "cannot revoke sessions");
            (StatusCode::SERVICE_UNAVAILABLE, "Redis does not answer; try again").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn accepts(secret: Option<&str>, peer: &str, headers: &[(&'static str, &str)]) -> bool {
        let guard = AdminGuard::new(secret.map(Secret::new).as_ref());
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        guard.accepts(&headers, Some(Peer(SocketAddr::new(peer.parse().unwrap(), 1))))
    }

    #[test]
    fn changes_come_from_the_machine_itself_or_with_the_secret_and_never_from_a_page() {
        let bearer = format!("Bearer {SECRET}");
        let secret = ("authorization", bearer.as_str());
        assert!(accepts(None, "127.0.0.1", &[]) && accepts(None, "::1", &[]) && accepts(None, "::ffff:127.0.0.1", &[]));
        assert!(!accepts(None, "10.0.0.7", &[]), "whoever can read metrics");
        assert!(!accepts(None, "10.0.0.7", &[secret]), "there is no secret");
        assert!(accepts(Some(SECRET), "10.0.0.7", &[secret]));
        assert!(!accepts(Some(SECRET), "10.0.0.7", &[("authorization", "Bearer other")]));
        assert!(!accepts(Some(SECRET), "10.0.0.7", &[("authorization", SECRET)]));
        for peer in ["127.0.0.1", "10.0.0.7"] {
            assert!(!accepts(Some(SECRET), peer, &[secret, ("origin", "http://127.0.0.1:9080")]), "a page");
        }
        for proxy in ["x-forwarded-for", "forwarded", "via"] {
            assert!(!accepts(None, "127.0.0.1", &[(proxy, "203.0.113.9")]), "{proxy}: it comes from elsewhere");
        }
    }
}
