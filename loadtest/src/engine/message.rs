//! The messages of virtual users, which carry their author, the time when they were meant to be sent, and a checksum.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::checker::MessageKey;

/// The filler after a message's head.
const FILLER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// Writes and recognizes the messages of one run.
#[derive(Clone, Debug)]
pub struct Author {
    run: String,
    body_bytes: usize,
}

/// A message of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authored {
    /// The room it was sent to.
    pub room: u32,
    /// Its sender and number.
    pub key: MessageKey,
    /// The time it was meant to be sent, in microseconds since the Unix epoch.
    pub intended_us: u64,
}

impl Author {
    /// Makes the author of the run with this id.
    pub fn new(run: &str, body_bytes: usize) -> Self {
        Self { run: run.to_owned(), body_bytes }
    }

    /// Returns the `clientId` of a message.
    pub fn client_id(&self, message: Authored) -> String {
        let MessageKey { sender, number } = message.key;
        format!("{}-{}-{sender}-{number}", self.run, message.room)
    }

    /// Returns the body of a message: a checksum over its content, the intended time, and filler.
    pub fn body(&self, message: Authored) -> String {
        let mut body = format!("lt {:016x} {} ", self.seal(message), message.intended_us);
        while body.len() < self.body_bytes {
            let missing = self.body_bytes - body.len();
            body.push_str(&FILLER[..missing.min(FILLER.len())]);
        }
        body
    }

    /// Returns the message that a `clientId` and a body belong to, if this run wrote exactly that.
    pub fn recognize(&self, client_id: &str, body: &str) -> Option<Authored> {
        let mut parts = client_id.strip_prefix(&self.run)?.strip_prefix('-')?.split('-');
        let room = parts.next()?.parse().ok()?;
        let sender = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        let mut words = body.strip_prefix("lt ")?.splitn(3, ' ');
        let seal = u64::from_str_radix(words.next()?, 16).ok()?;
        let intended_us = words.next()?.parse().ok()?;
        let message = Authored { room, key: MessageKey { sender, number }, intended_us };
        let whole = seal == self.seal(message) && is_filler(words.next()?);
        (whole && body.len() == self.body_bytes).then_some(message)
    }

    fn seal(&self, message: Authored) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.run, message.room, message.key, message.intended_us).hash(&mut hasher);
        hasher.finish()
    }
}

fn is_filler(text: &str) -> bool {
    text.as_bytes().chunks(FILLER.len()).all(|chunk| FILLER.as_bytes().starts_with(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unaltered_messages_of_the_run_are_recognized() {
        let author = Author::new("r1", 200);
        let key = MessageKey { sender: 7, number: 99 };
        let message = Authored { room: 3, key, intended_us: 1_700_000_000_000_000 };
        let (id, body) = (author.client_id(message), author.body(message));
        assert_eq!((id.as_str(), body.len()), ("r1-3-7-99", 200));
        assert_eq!(author.recognize(&id, &body), Some(message));
        let altered = format!("{}!", &body[..199]);
        for (id, body) in [
            ("r2-3-7-99", body.as_str()),
            ("r1-4-7-99", &body),
            ("r1-3-7-100", &body),
            (&id, &altered),
            (&id, &body[..199]),
            (&id, &body.replace("17000", "17001")),
            (&id, ""),
        ] {
            assert_eq!(author.recognize(id, body), None, "{id} {body}");
        }
    }
}
