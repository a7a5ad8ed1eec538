//! Cursors of a search: a point in time, signed together with the user and the query. A client cannot make one, nor use
//! one for another query.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use rts_common::config::Secret;
use rts_common::ids::RoomId;
use rts_common::seq::Seq;
use sha2::Sha256;

use super::Query;

/// Keeps cursors apart from other data that is signed with the same secret.
const PURPOSE: &str = "search";
const SIGNATURE_BYTES: usize = 16;
/// The greatest length of a valid cursor.
const TEXT_BYTES_MAX: usize = 128;

/// The position to continue from: before a seq. With a room, also at that seq in the rooms after it; two rooms may have
/// a message of the same microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) before: Seq,
    pub(super) room: Option<RoomId>,
}

pub(super) struct CursorSigner(Hmac<Sha256>);

impl CursorSigner {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length"))
    }

    pub(super) fn sign(&self, cursor: &Cursor, query: &Query<'_>) -> String {
        let mut bytes = cursor.before.get().to_be_bytes().to_vec();
        bytes.extend_from_slice(cursor.room.as_ref().map_or("", RoomId::as_str).as_bytes());
        let signature = self.mac(&bytes, query).finalize().into_bytes();
        bytes.extend_from_slice(&signature[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the cursor, if it belongs to this query.
    pub(super) fn verify(&self, text: &str, query: &Query<'_>) -> Option<Cursor> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        self.mac(payload, query).verify_truncated_left(signature).ok()?;
        let (before, room) = payload.split_first_chunk()?;
        let room = std::str::from_utf8(room).ok()?;
        Some(Cursor {
            before: Seq::new(u64::from_be_bytes(*before))?,
            room: if room.is_empty() { None } else { Some(RoomId::parse(room).ok()?) },
        })
    }

    /// Signs each part with its length, so that no two different lists have the same signature.
    fn mac(&self, payload: &[u8], query: &Query<'_>) -> Hmac<Sha256> {
        let (person, words) = (query.person.key(), query.words.key());
        let room = query.room.map_or("", RoomId::as_str);
        let parts = [PURPOSE.as_bytes(), person.as_bytes(), words.as_bytes(), room.as_bytes(), payload];
        parts.iter().fold(self.0.clone(), |mac, part| mac.chain_update(part.len().to_be_bytes()).chain_update(part))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Words;
    use super::*;
    use rts_common::ids::{OrgId, Person, UserId};

    fn person(org: &str, user: &str) -> Person {
        Person { org: OrgId::parse(org).unwrap(), user: UserId::parse(user).unwrap() }
    }

    #[test]
    fn a_cursor_is_valid_for_its_query_only() {
        let signer = CursorSigner::new(&Secret::new("secret"));
        let (ann, words, room) = (person("acme", "ann"), Words::parse("a b").unwrap(), RoomId::new_group());
        let query = Query { person: &ann, words: &words, room: None, cursor: None, limit: 10 };
        for room in [None, Some(room.clone())] {
            let cursor = Cursor { before: Seq::new(1_700_000_000_000_000).unwrap(), room };
            let text = signer.sign(&cursor, &query);
            assert_eq!(signer.verify(&text, &query), Some(cursor));
            assert_eq!(CursorSigner::new(&Secret::new("other")).verify(&text, &query), None);
            let (bob, foreign) = (person("acme", "bob"), person("other", "ann"));
            let (fewer, inside) = (Words::parse("a").unwrap(), RoomId::new_group());
            for other in [
                Query { person: &bob, ..query },
                Query { person: &foreign, ..query },
                Query { words: &fewer, ..query },
                Query { room: Some(&inside), ..query },
            ] {
                assert_eq!(signer.verify(&text, &other), None);
            }
            for at in 0..text.len() {
                let mut changed = text.clone().into_bytes();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                assert_eq!(signer.verify(&String::from_utf8(changed).unwrap(), &query), None, "changed at {at}");
            }
        }
        for garbage in ["", "A", "!!", "ä", &"A".repeat(10_000), &"A".repeat(32)] {
            assert_eq!(signer.verify(garbage, &query), None);
        }
    }
}
