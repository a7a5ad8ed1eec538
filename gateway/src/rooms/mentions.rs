//! Mentions: `@` and the id of a member.
//!
//! An `@` counts if no letter or digit precedes it. The text after it up to a blank may be an id, or begin with one:
//! the longest that is a member's id counts. An id ends where a word does; before Korean, Chinese or Japanese letters
//! it may end anywhere, since particles follow without a blank (`@ann님`). Ids with blanks in them cannot be mentioned.
//! Code, web addresses and e-mail addresses mention nobody, and no id ends inside of one: it may be a whole address,
//! as `@ann@example.com` if that is her id.
//!
//! Redis is asked for the members before the message is sent, and only for a body that has an `@`. A member who is
//! removed in between stays mentioned, but it is not counted, since they do not see the room any more.

use std::collections::HashSet;

use rts_common::ids::{ID_BYTES_MAX, Person, RoomId, UserId};
use rts_common::limits;
use rts_common::redis::scripts;

use super::{RoomError, Rooms, quiet};

/// The beginning of the scripts whose words are followed by particles without a blank: Hangul, then Kana and Han.
pub(super) const FIRST_WITHOUT_BLANKS: char = '\u{1100}';

impl Rooms {
    /// Returns the members that a body mentions, each once, in order.
    pub async fn mentions(&self, person: &Person, room: &RoomId, body: &str) -> Result<Vec<UserId>, RoomError> {
        let starts = starts(body);
        if starts.is_empty() {
            return Ok(Vec::new());
        }
        let mut asked: Vec<&str> = starts.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
        asked.sort_unstable();
        asked.dedup();
        let reply = self.as_member(&scripts::MENTIONED, room, person, &asked).await?;
        let members: HashSet<String> = reply.texts(1)?.into_iter().collect();
        Ok(choose(&starts, |id| members.contains(id)))
    }
}

/// Returns positions where a mention may begin, with all ids that it may mean, the longest first.
fn starts(body: &str) -> Vec<(usize, Vec<&str>)> {
    let mut found = Vec::new();
    let mut asked = 0;
    let mut places = body.match_indices('@').peekable();
    let spans = if places.peek().is_some() { quiet::spans(body) } else { Vec::new() };
    for (at, _) in places {
        if quiet::is_inside(&spans, at) || body[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
            continue;
        }
        let mut ids = ids(&body[at + 1..]);
        ids.retain(|id| !quiet::is_inside(&spans, at + 1 + id.len()));
        asked += ids.len();
        if asked > limits::MENTION_CANDIDATES {
            break;
        }
        if !ids.is_empty() {
            found.push((at + 1, ids));
        }
    }
    found
}

fn ids(text: &str) -> Vec<&str> {
    let mut ids = Vec::new();
    let mut before = None;
    for (end, next) in text.char_indices().map(|(end, next)| (end, Some(next))).chain([(text.len(), None)]) {
        if end > ID_BYTES_MAX {
            break;
        }
        if before.is_some_and(|before| is_end(before, next)) {
            ids.push(&text[..end]);
        }
        if next.is_none_or(|next| next.is_whitespace() || next.is_control()) {
            break;
        }
        before = next;
    }
    ids.reverse();
    ids
}

/// True if an id may end between two characters.
fn is_end(before: char, next: Option<char>) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    next.is_none_or(|next| !is_word(before) || !is_word(next) || next >= FIRST_WITHOUT_BLANKS)
}

fn choose(starts: &[(usize, Vec<&str>)], is_member: impl Fn(&str) -> bool) -> Vec<UserId> {
    let mut mentioned: Vec<UserId> = Vec::new();
    let mut free_from = 0;
    for (at, ids) in starts {
        let Some(id) = ids.iter().find(|id| is_member(id)).filter(|_| *at >= free_from) else {
            continue;
        };
        free_from = at + id.len();
        if let Ok(user) = UserId::parse(id)
            && mentioned.len() < limits::MENTIONS
            && !mentioned.contains(&user)
        {
            mentioned.push(user);
        }
    }
    mentioned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Fixture {
        members: Vec<String>,
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        mentions: Vec<String>,
    }

    #[test]
    fn the_longest_id_of_a_member_is_meant_outside_of_code_and_addresses() {
        let fixture = include_str!("../../../common/fixtures/mentions.json");
        let Fixture { members, cases } = serde_json::from_str(fixture).unwrap();
        for Case { text, mentions } in cases {
            let found = choose(&starts(&text), |id| members.iter().any(|member| member == id));
            assert_eq!(found.iter().map(UserId::as_str).collect::<Vec<_>>(), mentions, "{text}");
        }
    }

    #[test]
    fn candidates_and_mentions_are_bounded() {
        for body in ["@".repeat(16_384), "@.".repeat(8_000), format!("@{}", "-".repeat(16_000)), "@가나".repeat(2_000)]
        {
            let asked: usize = starts(&body).iter().map(|(_, ids)| ids.len()).sum();
            assert!(asked <= limits::MENTION_CANDIDATES, "{asked}");
            assert!(starts(&body).iter().flat_map(|(_, ids)| ids).all(|id| id.len() <= ID_BYTES_MAX));
        }
        let many: Vec<_> = (0..100).map(|number| format!("@u{number}")).collect();
        assert_eq!(choose(&starts(&many.join(" ")), |_| true).len(), limits::MENTIONS);
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in "(https://|www[.]|[@a가 .`()é\\PC]){0,60}") {
            for user in choose(&starts(&body), |id| id.len() % 2 == 1) {
                let mention = format!("@{user}");
                proptest::prop_assert!(body.contains(&mention));
            }
        }
    }
}
