//! Connection tokens: what a negotiate gives out and a transport brings back. Signed and stateless,
//! so that nothing is held for a client that never comes, and any node can take it up.
//!
//! `1.<payload>.<signature>` in base64url, `2.…` where stateful reconnect (protocol version 2) was granted. Payload: expiry (8 bytes, milliseconds), connection id (16),
//! digest of the person (16), and the id of the node that made it. The connection is the node's where
//! it is taken up, whichever made the token. Signature: HMAC-SHA256 of all before it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use rts_common::config::Secret;
use rts_common::ids::{NodeId, Person};
use rts_common::seq::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::connection::ConnectionId;

/// How long a token can be taken up: what the reference server gives an id that never attaches.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15);
/// Longer is no token of ours.
const TOKEN_BYTES_MAX: usize = 256;
const PLAIN: &str = "1";
const STATEFUL: &str = "2";

/// Makes and checks tokens with the secret that all nodes share.
#[derive(Clone)]
pub struct TokenSigner {
    mac: Hmac<Sha256>,
    node: NodeId,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionToken {
    /// The connection it is for.
    pub connection_id: ConnectionId,
    /// The node that made it.
    pub node: NodeId,
    /// When it ends.
    pub expires: Timestamp,
    /// Whether stateful reconnect was granted.
    pub is_stateful: bool,
    person: [u8; 16],
}

/// A token that is not ours, was changed, or is over: all the same to whoever brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such connection")]
pub struct InvalidToken;

impl TokenSigner {
    /// With the shared secret, for tokens that name this node.
    pub fn new(secret: &Secret, node: NodeId) -> Self {
        let mac = Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
        Self { mac, node }
    }

    /// A token for a connection of a person, from now on.
    pub fn sign(&self, connection_id: ConnectionId, person: &Person, now: Timestamp) -> String {
        self.sign_as(PLAIN, connection_id, person, now)
    }

    /// One that grants stateful reconnect.
    pub fn sign_stateful(&self, connection_id: ConnectionId, person: &Person, now: Timestamp) -> String {
        self.sign_as(STATEFUL, connection_id, person, now)
    }

    fn sign_as(&self, version: &str, connection_id: ConnectionId, person: &Person, now: Timestamp) -> String {
        let life = u64::try_from(TOKEN_LIFE.as_millis()).expect("seconds");
        let mut payload = Vec::with_capacity(40 + self.node.as_str().len());
        payload.extend_from_slice(&(now.millis() + life).to_be_bytes());
        payload.extend_from_slice(connection_id.as_bytes());
        payload.extend_from_slice(&digest(person));
        payload.extend_from_slice(self.node.as_str().as_bytes());
        let signed = format!("{version}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.mac.clone().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a token says, if it is one of this cluster's and not over.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<ConnectionToken, InvalidToken> {
        self.read(token).and_then(|token| if token.is_over(now) { Err(InvalidToken) } else { Ok(token) })
    }

    /// What a token says, if it is one of this cluster's. Requests bring it for as long as the
    /// connection lives, which it can be taken up for only while it is not over.
    pub fn read(&self, token: &str) -> Result<ConnectionToken, InvalidToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(InvalidToken);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(InvalidToken)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| InvalidToken)?;
        // Compares in constant time.
        self.mac.clone().chain_update(signed).verify_slice(&signature).map_err(|_| InvalidToken)?;
        let (version, payload) = signed.split_once('.').ok_or(InvalidToken)?;
        if version != PLAIN && version != STATEFUL {
            return Err(InvalidToken);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| InvalidToken)?;
        ConnectionToken::parse(&payload, version == STATEFUL).ok_or(InvalidToken)
    }
}

impl ConnectionToken {
    /// Whether the token was made for this person.
    pub fn is_of(&self, person: &Person) -> bool {
        self.person == digest(person)
    }

    /// Whether it can no longer be taken up.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// How long it can still be taken up.
    pub fn left(&self, now: Timestamp) -> Duration {
        Duration::from_millis(self.expires.millis().saturating_sub(now.millis()))
    }

    fn parse(payload: &[u8], is_stateful: bool) -> Option<Self> {
        let (expires, rest) = payload.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (person, node) = rest.split_first_chunk()?;
        Some(Self {
            connection_id: ConnectionId::from_bytes(*id),
            node: NodeId::parse(std::str::from_utf8(node).ok()?).ok()?,
            expires: Timestamp::from_millis(u64::from_be_bytes(*expires)),
            is_stateful,
            person: *person,
        })
    }
}

fn digest(person: &Person) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(person.key())[..16]);
    short
}

#[cfg(test)]
mod tests {
    use rts_common::ids::{OrgId, UserId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn signer(secret: &str, node: &str) -> TokenSigner {
        TokenSigner::new(&Secret::new(secret), NodeId::parse(node).unwrap())
    }

    fn person(org: &str, user: &str) -> Person {
        Person { org: OrgId::parse(org).unwrap(), user: UserId::parse(user).unwrap() }
    }

    #[test]
    fn any_node_with_the_secret_takes_a_token_up_for_its_person_only() {
        let (ann, id) = (person("acme", "ann"), ConnectionId::random());
        let token = signer("secret", "one").sign(id, &ann, NOW);
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{token}");
        let read = signer("secret", "two").verify(&token, NOW).unwrap();
        assert_eq!((read.connection_id, read.node.as_str()), (id, "one"));
        assert!(read.is_of(&ann));
        assert!(!read.is_of(&person("acme", "bob")) && !read.is_of(&person("other", "ann")));
    }

    #[test]
    fn what_was_granted_cannot_be_changed() {
        let one = signer("secret", "one");
        let (id, ann) = (ConnectionId::random(), person("acme", "ann"));
        let (plain, stateful) = (one.sign(id, &ann, NOW), one.sign_stateful(id, &ann, NOW));
        assert!(!one.verify(&plain, NOW).unwrap().is_stateful && one.verify(&stateful, NOW).unwrap().is_stateful);
        assert_eq!(one.verify(&plain.replacen('1', "2", 1), NOW), Err(InvalidToken));
    }

    #[test]
    fn a_token_ends_after_its_life() {
        let one = signer("secret", "one");
        let token = one.sign(ConnectionId::random(), &person("acme", "ann"), NOW);
        let after = |seconds: u64| Timestamp::from_millis(NOW.millis() + seconds * 1000);
        assert!(one.verify(&token, after(14)).is_ok());
        assert_eq!(one.verify(&token, after(15)), Err(InvalidToken));
    }

    #[test]
    fn forged_and_changed_tokens_are_refused() {
        let one = signer("secret", "one");
        let token = one.sign(ConnectionId::random(), &person("acme", "ann"), NOW);
        assert_eq!(signer("another", "one").verify(&token, NOW), Err(InvalidToken));
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character of base64 may hold unused bits; the decoder refuses those too.
            assert_eq!(one.verify(&changed, NOW), Err(InvalidToken), "changed at {at}");
        }
        for garbage in ["", ".", "1..", "1.AAAA", "x", &"1.".repeat(1000), "1.AAAA.AAAA", "ä.ö.ü"] {
            assert_eq!(one.verify(garbage, NOW), Err(InvalidToken));
        }
    }
}
