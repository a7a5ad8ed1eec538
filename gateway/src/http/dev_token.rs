//! The login for development: issues a token for any user that is asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, header};
use rts_common::ids::{OrgId, Person, UserId};
use rts_common::seq::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::request_error::RequestError;

/// The headers in which proxies tell the address of their client.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "x-real-ip", "forwarded", "via"];
/// The default lifetime of a token.
const LIFE_SECONDS: u64 = 3600;
/// The longest lifetime of a token.
const LIFE_SECONDS_MAX: u64 = 30 * 86_400;

/// True if a request was sent to this machine by its own name or address, and no proxy says that it comes from beyond it:
/// a page elsewhere may make a browser here believe that its name is this machine's, and a proxy here may be one that the
/// world reaches. Further addresses may be allowed.
fn is_from_here(headers: &HeaderMap, allowed: &[IpAddr]) -> bool {
    let is_near = |address: IpAddr| address.to_canonical().is_loopback() || allowed.contains(&address);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let is_host = host.is_some_and(|host| {
        let name = host.host().trim_matches(['[', ']']);
        name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_near)
    });
    let said = FORWARDED.iter().flat_map(|name| headers.get_all(*name));
    let entries = said.flat_map(|value| value.to_str().unwrap_or("not text").split(','));
    // `Forwarded: for="[::1]:80";proto=http`, or an address alone.
    let addresses = entries.map(|entry| {
        let pair = entry.split(';').find_map(|pair| pair.trim().strip_prefix("for=")).unwrap_or(entry);
        let text = pair.trim().trim_matches('"');
        text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip())).ok()
    });
    is_host && addresses.into_iter().all(|address| address.is_some_and(is_near))
}

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
    headers: HeaderMap,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, RequestError> {
    let issuer = app.dev_tokens.as_ref().ok_or(RequestError::NoSuchConnection)?;
    if !is_from_here(&headers, issuer.allowed()) {
        tracing::warn!("a token for development was asked for from beyond this machine, and refused");
        return Err(RequestError::NotFromHere);
    }
    let Json(wanted) = wanted.map_err(|rejection| {
        RequestError::Malformed(match rejection {
            JsonRejection::MissingJsonContentType(_) => "The content-type has to be application/json",
            _ => "The body is not {\"userId\", \"orgId\", \"name\"?, \"ttlSeconds\"?} in JSON",
        })
    })?;
    let person = Person {
        org: OrgId::parse(&wanted.org_id).map_err(|_| RequestError::Malformed("orgId is not 1 to 128 bytes"))?,
        user: UserId::parse(&wanted.user_id).map_err(|_| RequestError::Malformed("userId is not 1 to 128 bytes"))?,
    };
    let seconds = wanted.ttl_seconds.unwrap_or(LIFE_SECONDS);
    if !(1..=LIFE_SECONDS_MAX).contains(&seconds) {
        return Err(RequestError::Malformed("ttlSeconds is not 1 to 2592000"));
    }
    let (token, expires_at) = issuer.issue(&person, wanted.name.as_deref(), Duration::from_secs(seconds));
    Ok(Json(Issued { token, expires_at }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_from_here(host: &str, more: &[(&'static str, &str)]) -> bool {
        let mut headers: HeaderMap =
            more.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        headers.insert(header::HOST, host.parse().unwrap());
        super::is_from_here(&headers, &["10.0.0.8".parse().unwrap()])
    }

    #[test]
    fn only_this_machine_and_allowed_addresses_get_tokens() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "127.0.0.1", "LOCALHOST", "10.0.0.8:80"] {
            assert!(is_from_here(host, &[]), "{host}");
        }
        // A name that a foreign page made point to this machine.
        for host in ["evil.example:8080", "localhost.evil.example", "10.0.0.9", "127.0.0.1.evil.example", "", "@"] {
            assert!(!is_from_here(host, &[]), "{host}");
        }
        // The balancer of the local cluster, and one that the world reaches.
        for (name, near, far) in [
            ("x-forwarded-for", "127.0.0.1, 127.0.0.1", "203.0.113.9, 127.0.0.1"),
            ("x-real-ip", "::1", "203.0.113.9"),
            ("forwarded", "for=\"[::1]:80\";proto=http, for=127.0.0.1", "for=unknown"),
        ] {
            assert!(is_from_here("localhost:8080", &[(name, near)]), "{near}");
            assert!(!is_from_here("localhost:8080", &[(name, far)]), "{far}");
        }
    }
}
