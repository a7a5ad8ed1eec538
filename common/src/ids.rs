//! Identities as newtypes: whatever names a room, a user or a message is checked once, at the edge, and is never a bare
//! `String` inside.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Longest user or organization id, in bytes: twice a UUID with prefixes, and a DynamoDB key has room for both.
pub const ID_BYTES_MAX: usize = 128;
/// Longest client-made message id, in characters.
pub const CLIENT_ID_CHARS_MAX: usize = 64;

/// An id that does not have the form of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct MalformedId(pub &'static str);

/// The kind of thing an [`Id`] names, and the form of its text.
pub trait IdKind {
    /// The name of the kind in errors.
    const WHAT: &'static str;
    /// True if a text has the form.
    fn is_valid(text: &str) -> bool;
}

/// A checked id of one kind; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id<K>(Arc<str>, PhantomData<K>);

/// A user's id within its organization (the token's `sub`): 1 to 128 bytes, no control characters.
pub type UserId = Id<kind::User>;
/// An organization (tenant; the token's `org`): 1 to 128 bytes, no control characters.
pub type OrgId = Id<kind::Org>;
/// An id from the caller's own system that a room belongs to: 1 to 128 bytes, no control characters.
pub type CaseId = Id<kind::Case>;
/// A room: `g_`, `d_` or `c_` (group, direct, case) followed by 22 characters of base64url.
pub type RoomId = Id<kind::Room>;
/// The length of a [`RoomId`], in characters.
pub const ROOM_ID_CHARS: usize = 24;
/// The id that a client makes for a message, so that sending it twice creates one message: 1 to 64 characters.
pub type ClientId = Id<kind::Client>;
/// A gateway node, unique per process start: 1 to 64 of `A-Za-z0-9-_`.
pub type NodeId = Id<kind::Node>;
/// An uploaded file: 22 characters of base64url.
pub type AttachmentId = Id<kind::Attachment>;

/// The kinds of ids.
pub mod kind {
    use super::{CLIENT_ID_CHARS_MAX, IdKind, ROOM_ID_CHARS, is_base64url, is_name_like};

    /// The kind of [`super::UserId`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum User {}
    /// The kind of [`super::OrgId`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Org {}
    /// The kind of [`super::CaseId`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Case {}
    /// The kind of [`super::RoomId`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Room {}
    /// The kind of [`super::ClientId`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Client {}
    /// The kind of [`super::NodeId`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Node {}
    /// The kind of [`super::AttachmentId`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Attachment {}

    impl IdKind for User {
        const WHAT: &'static str = "user id";
        fn is_valid(text: &str) -> bool {
            is_name_like(text)
        }
    }
    impl IdKind for Org {
        const WHAT: &'static str = "organization id";
        fn is_valid(text: &str) -> bool {
            is_name_like(text)
        }
    }
    impl IdKind for Case {
        const WHAT: &'static str = "case id";
        fn is_valid(text: &str) -> bool {
            is_name_like(text)
        }
    }
    impl IdKind for Room {
        const WHAT: &'static str = "room id";
        fn is_valid(text: &str) -> bool {
            let tail = text.strip_prefix(['g', 'd', 'c']).and_then(|rest| rest.strip_prefix('_'));
            text.len() == ROOM_ID_CHARS && tail.is_some_and(is_base64url)
        }
    }
    impl IdKind for Client {
        const WHAT: &'static str = "clientId";
        fn is_valid(text: &str) -> bool {
            !text.is_empty() && text.chars().count() <= CLIENT_ID_CHARS_MAX && !text.chars().any(char::is_control)
        }
    }
    impl IdKind for Node {
        const WHAT: &'static str = "node id";
        fn is_valid(text: &str) -> bool {
            (1..=64).contains(&text.len()) && is_base64url(text)
        }
    }
    impl IdKind for Attachment {
        const WHAT: &'static str = "attachment id";
        fn is_valid(text: &str) -> bool {
            text.len() == 22 && is_base64url(text)
        }
    }
}

fn is_name_like(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control)
}

fn is_base64url(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl<K: IdKind> Id<K> {
    /// Parses an id, and checks its form.
    pub fn parse(text: &str) -> Result<Self, MalformedId> {
        if K::is_valid(text) { Ok(Self::known(text.into())) } else { Err(MalformedId(K::WHAT)) }
    }
}

impl<K> Id<K> {
    /// Returns the id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn known(text: Arc<str>) -> Self {
        Self(text, PhantomData)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl RoomId {
    /// Makes the id of a new group room.
    pub fn new_group() -> Self {
        Self::known(room_text('g', uuid::Uuid::new_v4().as_bytes()))
    }

    /// Returns the id of a room that is derived from something, `d` or `c` by its kind, of a digest of that.
    pub fn derived(kind: char, digest: &[u8; 16]) -> Self {
        debug_assert!(matches!(kind, 'd' | 'c'), "a group's id is random");
        Self::known(room_text(kind, digest))
    }

    /// Derives the id that a pair's direct room had before deployments had a secret for ids: anyone can.
    pub fn direct(org: &OrgId, one: &UserId, other: &UserId) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        Self::known(room_text('d', &digest(&["direct", org.as_str(), first.as_str(), second.as_str()])))
    }

    /// Derives the id that a case's room had before deployments had a secret for ids: anyone can.
    pub fn case(org: &OrgId, case: &CaseId) -> Self {
        Self::known(room_text('c', &digest(&["case", org.as_str(), case.as_str()])))
    }
}

impl AttachmentId {
    /// Makes a fresh id that nobody can guess.
    pub fn random() -> Self {
        use base64::Engine as _;
        let bytes: [u8; 16] = *uuid::Uuid::new_v4().as_bytes();
        Self::known(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes).into())
    }
}

impl NodeId {
    /// Makes a fresh id for this process.
    pub fn random() -> Self {
        Self::known(format!("n{}", uuid::Uuid::new_v4().simple()).into())
    }
}

/// Hashes length-prefixed parts, so that no two different lists hash alike.
fn digest(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

fn room_text(prefix: char, bytes: &[u8; 16]) -> Arc<str> {
    use base64::Engine as _;
    let tail = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    format!("{prefix}_{tail}").into()
}

/// A user of an organization: the same `sub` in two organizations means two users.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person {
    /// The organization.
    pub org: OrgId,
    /// The user within the organization.
    pub user: UserId,
}

impl Person {
    /// Returns one text for both parts, `org/user` with `/` and `%` of the organization escaped: the part before the
    /// first `/` is always the organization.
    pub fn key(&self) -> String {
        let org = self.org.as_str().replace('%', "%25").replace('/', "%2F");
        format!("{org}/{}", self.user)
    }

    /// Parses a [`Person::key`].
    pub fn from_key(key: &str) -> Result<Self, MalformedId> {
        let (org, user) = key.split_once('/').ok_or(MalformedId("person key"))?;
        let org = org.replace("%2F", "/").replace("%25", "%");
        Ok(Self { org: OrgId::parse(&org)?, user: UserId::parse(user)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    #[test]
    fn a_direct_room_is_the_same_from_both_sides_and_apart_by_organization() {
        let acme = OrgId::parse("acme").unwrap();
        let other = OrgId::parse("other").unwrap();
        let room = RoomId::direct(&acme, &user("ann"), &user("bob"));
        assert_eq!(room, RoomId::direct(&acme, &user("bob"), &user("ann")));
        assert_ne!(room, RoomId::direct(&other, &user("ann"), &user("bob")));
        assert_ne!(RoomId::direct(&acme, &user("a"), &user("bc")), RoomId::direct(&acme, &user("ab"), &user("c")));
        assert_eq!(RoomId::parse(room.as_str()), Ok(room));
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in ["", "g_", "x_AAAAAAAAAAAAAAAAAAAAAA", "g_AAAAAAAAAAAAAAAAAAAA/A", "g_AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(RoomId::parse(text).is_err(), "{text}");
        }
        assert!(UserId::parse("").is_err());
        assert!(UserId::parse("a\u{0}b").is_err());
        assert!(UserId::parse(&"x".repeat(129)).is_err());
        assert!(ClientId::parse(&"é".repeat(64)).is_ok());
        assert!(ClientId::parse(&"é".repeat(65)).is_err());
    }

    #[test]
    fn a_person_key_is_unambiguous() {
        for (org, name) in [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("조직", "김/민수")] {
            let person = Person { org: OrgId::parse(org).unwrap(), user: user(name) };
            assert_eq!(Person::from_key(&person.key()), Ok(person));
        }
    }
}
