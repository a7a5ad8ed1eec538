//! What a node says of a request that it forwards: who the user is, and when; and what it says of itself in the
//! directory: that a connection is at its address. Both carry an HMAC with the secret that all nodes share.
//!
//! A client's own token is not sent on: whoever got hold of it could be the user anywhere. A statement is good for one
//! request to one node, and half a minute.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use http::{HeaderValue, Method, Uri};
use rts_common::config::Secret;
use rts_common::ids::{OrgId, Person, UserId};
use rts_common::seq::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::auth::Identity;
use crate::connection::ConnectionId;

/// The header of the mark.
pub(super) const HOP: &str = "rts-hop";
/// The greatest age of a mark, and difference of clocks.
const LIFE: Duration = Duration::from_secs(30);
/// The greatest age of an address in the directory: it is renewed three times as often.
const ADDRESS_LIFE: Duration = Duration::from_secs(45);
/// Keeps what has the same secret apart: statements, addresses, and connection tokens.
const PURPOSE: &str = "hop";
const ADDRESS_PURPOSE: &str = "place";

pub(super) struct HopSigner(Hmac<Sha256>);

/// A user as one node describes them to another.
#[derive(Deserialize, Serialize)]
struct Statement {
    org: OrgId,
    user: UserId,
    name: String,
    service: bool,
    issued: Option<u64>,
    /// The expiry of their token, in milliseconds since the Unix epoch.
    expires: u64,
}

impl Statement {
    fn of(identity: &Identity, now: Timestamp) -> Self {
        let left = identity.expires.saturating_duration_since(Instant::now());
        Self {
            org: identity.person.org.clone(),
            user: identity.person.user.clone(),
            name: identity.display_name.clone(),
            service: identity.is_service,
            issued: identity.issued_at,
            expires: now.millis().saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    fn identity(self, now: Timestamp) -> Option<Identity> {
        let left = self.expires.checked_sub(now.millis()).filter(|left| *left > 0)?;
        Some(Identity {
            person: Person { org: self.org, user: self.user },
            display_name: self.name,
            is_service: self.service,
            issued_at: self.issued,
            expires: Instant::now().checked_add(Duration::from_millis(left))?,
        })
    }
}

/// A request that is forwarded.
#[derive(Clone, Copy)]
pub(super) struct Forwarded<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    /// The node that it goes to.
    pub(super) owner: SocketAddr,
}

impl HopSigner {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// Returns the mark of a request of a user: `time.statement.signature`.
    pub(super) fn sign(&self, request: Forwarded<'_>, identity: &Identity, now: Timestamp) -> HeaderValue {
        let millis = now.millis();
        let statement = serde_json::to_vec(&Statement::of(identity, now)).expect("texts and numbers are JSON");
        let statement = URL_SAFE_NO_PAD.encode(statement);
        let signature = self.mac(request, &statement, millis).finalize().into_bytes();
        let mark = format!("{millis}.{statement}.{}", URL_SAFE_NO_PAD.encode(signature));
        HeaderValue::try_from(mark).expect("digits and base64url")
    }

    /// Returns the user of a request, if a node made the mark for it and for this node, and it is recent.
    pub(super) fn read(&self, mark: &HeaderValue, request: Forwarded<'_>, now: Timestamp) -> Option<Identity> {
        let mut parts = mark.to_str().ok()?.split('.');
        let (millis, statement, signature) = (parts.next()?.parse::<u64>().ok()?, parts.next()?, parts.next()?);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_recent = u128::from(now.millis().abs_diff(millis)) <= LIFE.as_millis();
        if parts.next().is_some()
            || !is_recent
            || self.mac(request, statement, millis).verify_slice(&signature).is_err()
        {
            return None;
        }
        let statement: Statement = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(statement).ok()?).ok()?;
        statement.identity(now)
    }

    /// Returns an address for the directory: `address time signature`. Only nodes can make one, so that whoever can
    /// write to Redis cannot have requests sent to themselves.
    pub(super) fn sign_address(&self, id: ConnectionId, address: SocketAddr, now: Timestamp) -> String {
        let millis = now.millis();
        let signature = self.address_mac(id, address, millis).finalize().into_bytes();
        format!("{address} {millis} {}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the address of a connection, if a node wrote it for that connection not long ago.
    pub(super) fn read_address(&self, id: ConnectionId, text: &str, now: Timestamp) -> Option<SocketAddr> {
        let mut parts = text.split(' ');
        let (address, millis) = (parts.next()?.parse().ok()?, parts.next()?.parse::<u64>().ok()?);
        let signature = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let is_recent = u128::from(now.millis().abs_diff(millis)) <= ADDRESS_LIFE.as_millis();
        (is_recent && self.address_mac(id, address, millis).verify_slice(&signature).is_ok()).then_some(address)
    }

    fn mac(&self, request: Forwarded<'_>, statement: &str, millis: u64) -> Hmac<Sha256> {
        let Forwarded { method, uri, owner } = request;
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        self.0.clone().chain_update(format!("{PURPOSE}\n{millis}\n{owner}\n{method}\n{target}\n{statement}"))
    }

    fn address_mac(&self, id: ConnectionId, address: SocketAddr, millis: u64) -> Hmac<Sha256> {
        self.0.clone().chain_update(format!("{ADDRESS_PURPOSE}\n{millis}\n{id}\n{address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            person: crate::test_support::person("acme", "ann"),
            display_name: "Ann 김".to_owned(),
            is_service: false,
            issued_at: Some(7),
            expires: Instant::now() + Duration::from_mins(1),
        }
    }

    #[test]
    fn a_mark_is_valid_for_its_request_its_node_and_a_short_time_and_cannot_be_forged() {
        let (ours, theirs) = (HopSigner::new(&Secret::new("ours")), HopSigner::new(&Secret::new("theirs")));
        let (uri, other) = (Uri::from_static("/hubs/chat?id=a"), Uri::from_static("/hubs/chat?id=b"));
        let owner = "10.0.0.1:8080".parse().unwrap();
        let request = Forwarded { method: &Method::GET, uri: &uri, owner };
        let at = |seconds: u64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        let mark = ours.sign(request, &identity(), at(100));
        let read = ours.read(&mark, request, at(100)).unwrap();
        assert_eq!((read.person, read.display_name), (identity().person, identity().display_name));
        assert_eq!((read.is_service, read.issued_at), (false, Some(7)));
        assert!(read.expires <= identity().expires);
        assert!(ours.read(&mark, request, at(70)).is_some(), "clocks differ");
        assert!(ours.read(&mark, request, at(131)).is_none());
        for wrong in [
            Forwarded { method: &Method::POST, ..request },
            Forwarded { uri: &other, ..request },
            Forwarded { owner: "10.0.0.2:8080".parse().unwrap(), ..request },
        ] {
            assert!(ours.read(&mark, wrong, at(100)).is_none());
        }
        assert!(theirs.read(&mark, request, at(100)).is_none());
        let expired = Identity { expires: Instant::now(), ..identity() };
        assert!(ours.read(&ours.sign(request, &expired, at(100)), request, at(101)).is_none());
        let text = mark.to_str().unwrap();
        let [_, _, signature] = text.split('.').collect::<Vec<_>>().try_into().unwrap();
        let service =
            URL_SAFE_NO_PAD.encode(r#"{"org":"a","user":"b","name":"c","service":true,"expires":9999999999999}"#);
        for bad in
            ["", ".", "1.x", "x.AAAA.AAAA", &format!("{text}.x"), &format!("1700000100000.{service}.{signature}")]
        {
            assert!(ours.read(&HeaderValue::from_str(bad).unwrap(), request, at(100)).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_of_its_connection_and_a_node_wrote_it_not_long_ago() {
        let (ours, theirs) = (HopSigner::new(&Secret::new("ours")), HopSigner::new(&Secret::new("theirs")));
        let (id, other) = (ConnectionId::random(), ConnectionId::random());
        let address: SocketAddr = "10.0.0.1:8080".parse().unwrap();
        let at = |seconds: u64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        let text = ours.sign_address(id, address, at(100));
        assert_eq!(ours.read_address(id, &text, at(140)), Some(address));
        assert_eq!(ours.read_address(id, &text, at(146)), None, "an old one that is played again");
        assert_eq!(ours.read_address(other, &text, at(100)), None);
        assert_eq!(theirs.read_address(id, &text, at(100)), None);
        for bad in ["10.6.6.6:80", &text.replace("10.0.0.1", "10.6.6.6"), "", "10.0.0.1:8080 1 AAAA"] {
            assert_eq!(ours.read_address(id, bad, at(100)), None, "{bad}");
        }
    }
}
