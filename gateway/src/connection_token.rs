//! Connection tokens: a negotiate issues them and a transport presents them. Signed and stateless, so that no memory is
//! held for a client that never connects, and any node can accept them.
//!
//! `1.<payload>.<signature>` in base64url, `2.…` where stateful reconnect (protocol version 2) was granted. Payload:
//! expiry (8 bytes, milliseconds), connection id (16), digest of the user (16), and the id of the node that issued it.
//! The connection belongs to the node that accepts it, whichever node issued the token. Signature: HMAC-SHA256 of
//! everything before it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use rts_common::config::Secret;
use rts_common::ids::{NodeId, Person};
use rts_common::seq::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::connection::ConnectionId;

/// Time for which a token is accepted: as long as the reference server keeps an id to which nothing connects.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15);
/// The greatest length of a token that this cluster issues.
const TOKEN_BYTES_MAX: usize = 256;
const PLAIN: &str = "1";
const STATEFUL: &str = "2";

/// Issues and checks tokens with the secret that all nodes share.
#[derive(Clone)]
pub struct TokenSigner {
    mac: Hmac<Sha256>,
    node: NodeId,
}

/// The content of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionToken {
    /// The connection that it is for.
    pub connection_id: ConnectionId,
    /// The node that issued it.
    pub node: NodeId,
    /// Its expiry.
    pub expires: Timestamp,
    /// True if stateful reconnect was granted.
    pub is_stateful: bool,
    person: [u8; 16],
}

/// A token that is foreign, was changed, or has expired: the client cannot tell these apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such connection")]
pub struct InvalidToken;

impl TokenSigner {
    /// Returns a signer with the shared secret, for tokens that name this node.
    pub fn new(secret: &Secret, node: NodeId) -> Self {
        let mac = Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
        Self { mac, node }
    }

    /// Returns a token for a connection of a user, valid from now on.
    pub fn sign(&self, connection_id: ConnectionId, person: &Person, now: Timestamp) -> String {
        self.sign_as(PLAIN, connection_id, person, now)
    }

    /// Returns a token that grants stateful reconnect.
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

    /// Returns the content of a token if this cluster issued it and it has not expired.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<ConnectionToken, InvalidToken> {
        self.read(token).and_then(|token| if token.is_over(now) { Err(InvalidToken) } else { Ok(token) })
    }

    /// Returns the content of a token if this cluster issued it. Requests carry it as long as the connection is open,
    /// but a connection can only be opened with it before it expires.
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
    /// True if the token was issued to this user.
    pub fn is_of(&self, person: &Person) -> bool {
        self.person == digest(person)
    }

    /// True if it has expired.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Returns the time until it expires.
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
    fn any_node_with_the_secret_accepts_a_token_for_its_user_only() {
        let (ann, id) = (person("acme", "ann"), ConnectionId::random());
        let token = signer("secret", "one").sign(id, &ann, NOW);
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{token}");
        let read = signer("secret", "two").verify(&token, NOW).unwrap();
        assert_eq!((read.connection_id, read.node.as_str()), (id, "one"));
        assert!(read.is_of(&ann));
        assert!(!read.is_of(&person("acme", "bob")) && !read.is_of(&person("other", "ann")));
    }

    #[test]
    fn a_grant_cannot_be_changed() {
        let one = signer("secret", "one");
        let (id, ann) = (ConnectionId::random(), person("acme", "ann"));
        let (plain, stateful) = (one.sign(id, &ann, NOW), one.sign_stateful(id, &ann, NOW));
        assert!(!one.verify(&plain, NOW).unwrap().is_stateful && one.verify(&stateful, NOW).unwrap().is_stateful);
        assert_eq!(one.verify(&plain.replacen('1', "2", 1), NOW), Err(InvalidToken));
    }

    #[test]
    fn a_token_expires() {
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
