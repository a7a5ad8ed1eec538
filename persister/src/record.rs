//! Reading one record of the journal.

use rts_common::record::{FORMAT, MessageRecord, RoomRecord};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Queue;

/// A record of either queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A record of `chat-message-queue.fifo`.
    Message(MessageRecord),
    /// A record of `chat-room-queue`.
    Room(RoomRecord),
}

/// The reason why a body is not a record. Another attempt would fail too, so it ends in the dead-letter queue; a newer
/// format may be replayed from there once this function knows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// There is no body.
    #[error("it has no body")]
    NoBody,
    /// The format is newer than this build.
    #[error("its format {0} is newer than {FORMAT}")]
    NewerFormat(u8),
    /// It is not the JSON of a record. Only the position is reported: bodies are users' messages.
    #[error("it is not a record: {category} at column {column}")]
    Malformed {
        /// `syntax`, `data` or `eof`.
        category: &'static str,
        /// The position of the error, in bytes from 1.
        column: usize,
    },
}

impl Poison {
    /// Returns a short name, for logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoBody => "noBody",
            Self::NewerFormat(_) => "newerFormat",
            Self::Malformed { .. } => "malformed",
        }
    }
}

impl Record {
    /// Reads the body of a queue's message: a record, or several of one group, one per line.
    pub fn parse_all(queue: Queue, body: Option<&str>) -> Vec<Result<Self, Poison>> {
        let lines = body.unwrap_or_default().split('\n');
        lines.map(|line| Self::parse(queue, Some(line))).collect()
    }

    fn parse(queue: Queue, body: Option<&str>) -> Result<Self, Poison> {
        let body = body.filter(|body| !body.is_empty()).ok_or(Poison::NoBody)?;
        // The format comes first: the rest of a newer one is unknown here.
        let Format { v } = read(body)?;
        match v {
            FORMAT => {}
            0 => {
                return Err(Poison::Malformed { category: "data", column: 1 });
            }
            newer => return Err(Poison::NewerFormat(newer)),
        }
        match queue {
            Queue::Messages => read(body).map(Self::Message),
            Queue::Rooms => read(body).map(Self::Room),
        }
    }
}

#[derive(Deserialize)]
struct Format {
    v: u8,
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Poison> {
    serde_json::from_str(body).map_err(|error| Poison::Malformed {
        category: match error.classify() {
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Eof => "eof",
            serde_json::error::Category::Data | serde_json::error::Category::Io => "data",
        },
        column: error.column(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{message, room_record};

    #[test]
    fn records_of_both_queues_are_read() {
        let message = message("r", 5, 7);
        let body = serde_json::to_string(&message).unwrap();
        assert_eq!(Record::parse(Queue::Messages, Some(&body)), Ok(Record::Message(message)));
        let room = room_record("r", 3, Some(3), &[("ann", 3)]);
        let body = serde_json::to_string(&room).unwrap();
        assert_eq!(Record::parse(Queue::Rooms, Some(&body)), Ok(Record::Room(room)));
    }

    #[test]
    fn poison_is_classified_and_does_not_show_the_body() {
        let body = serde_json::to_string(&message("r", 5, 7)).unwrap();
        let parse = |body: &str| Record::parse(Queue::Messages, Some(body)).unwrap_err();
        assert_eq!(Record::parse(Queue::Messages, None), Err(Poison::NoBody));
        assert_eq!(parse(""), Poison::NoBody);
        assert_eq!(parse(r#"{"v":2,"anything":true}"#), Poison::NewerFormat(2));
        for malformed in [
            "hunter2",
            "null",
            "[]",
            r#"{"v":0}"#,
            r#"{"v":1}"#,
            r#"{"v":"hunter2"}"#,
            &body[..body.len() - 1],
            &body.replace("\"g_", "\"hunter2"),
        ] {
            let poison = parse(malformed);
            assert_eq!(poison.kind(), "malformed", "{malformed}");
            assert!(!poison.to_string().contains("hunter2"), "{poison}");
        }
        assert_eq!(Record::parse(Queue::Rooms, Some(&body)).unwrap_err().kind(), "malformed");
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(text in "\\PC{0,80}", at in 0..400_usize, with in 0..128_u8) {
            let _ = Record::parse(Queue::Rooms, Some(&text));
            let mut body = serde_json::to_string(&message("r", 5, 7)).unwrap().into_bytes();
            let at = at % body.len();
            body[at] = with;
            let _ = Record::parse(Queue::Messages, std::str::from_utf8(&body).ok());
        }
    }
}
