//! Reading one record of the journal.

use rts_common::ids::RoomId;
use rts_common::record::{FORMAT, FenceRecord, MessageRecord, RoomRecord};
use rts_common::redis::journaled::{message_member, room_member};
use rts_common::seq::Seq;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Queue;

/// A record of either queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A message, on `chat-message-queue.fifo`.
    Message(MessageRecord),
    /// A change of a room, on either queue.
    Room(RoomRecord),
    /// A fence, on `chat-message-queue.fifo`.
    Fence(FenceRecord),
}

/// The reason why a body is not a record. Another attempt would fail too, so it is set aside; a newer
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
        lines(body).map(|line| Self::parse(queue, Some(line))).collect()
    }

    fn parse(queue: Queue, body: Option<&str>) -> Result<Self, Poison> {
        let body = body.filter(|body| !body.is_empty()).ok_or(Poison::NoBody)?;
        // The format comes first: the rest of a newer one is unknown here.
        let Format { v, kind } = read(body)?;
        match v {
            FORMAT => {}
            0 => {
                return Err(Poison::Malformed { category: "data", column: 1 });
            }
            newer => return Err(Poison::NewerFormat(newer)),
        }
        match (queue, kind.as_deref()) {
            (Queue::Messages, None) => read(body).map(Self::Message),
            (Queue::Messages, Some("fence")) => read(body).map(Self::Fence),
            (Queue::Messages, Some(_)) | (Queue::Rooms, _) => read(body).map(Self::Room),
        }
    }
}

/// Returns the lines of a body, each of which is to be a record.
pub(crate) fn lines(body: Option<&str>) -> impl Iterator<Item = &str> {
    body.unwrap_or_default().split('\n')
}

/// Returns the room of a record and its member of the unstored index, also of a record that is not read further: those
/// of newer formats are expected to tell as much. `None` if it is in no index.
pub(crate) fn entry_of(line: &str) -> Option<(RoomId, String)> {
    let Place { message, kind, room_id, version } = serde_json::from_str(line).ok()?;
    match (message, kind.as_deref()) {
        (Some(MessagePlace { room_id, seq, version }), _) => {
            let member = message_member(&room_id, seq, version);
            Some((room_id, member))
        }
        (None, Some("room")) => {
            let (room_id, version) = (room_id?, version?);
            let member = room_member(&room_id, version);
            Some((room_id, member))
        }
        (None, _) => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    message: Option<MessagePlace>,
    #[serde(rename = "type")]
    kind: Option<String>,
    room_id: Option<RoomId>,
    version: Option<Seq>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessagePlace {
    room_id: RoomId,
    seq: Seq,
    version: Seq,
}

#[derive(Deserialize)]
struct Format {
    v: u8,
    #[serde(rename = "type")]
    kind: Option<String>,
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

    fn message_room() -> RoomId {
        RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap()
    }

    #[test]
    fn records_of_both_queues_are_read() {
        let message = message("r", 5, 7);
        let body = serde_json::to_string(&message).unwrap();
        assert_eq!(Record::parse(Queue::Messages, Some(&body)), Ok(Record::Message(message)));
        let room = room_record("r", 3, Some(3), &[("ann", 3)]);
        let body = serde_json::to_string(&room).unwrap();
        assert_eq!(Record::parse(Queue::Rooms, Some(&body)), Ok(Record::Room(room.clone())));
        assert_eq!(Record::parse(Queue::Messages, Some(&body)), Ok(Record::Room(room)));
        let fence = FenceRecord { v: FORMAT, room_id: message_room(), number: Seq::new(7).unwrap() };
        let body = r#"{"type":"fence","v":1,"roomId":"g_AAAAAAAAAAAAAAAAAAAAAA","number":7}"#;
        assert_eq!(serde_json::to_string(&fence).unwrap(), body);
        assert_eq!(Record::parse(Queue::Messages, Some(body)), Ok(Record::Fence(fence)));
        assert_eq!(Record::parse(Queue::Rooms, Some(body)).unwrap_err().kind(), "malformed");
    }

    #[test]
    fn the_entry_of_a_record_is_found_in_newer_formats_too() {
        let of_message = message("r", 5, 7);
        let room = of_message.message.room_id.clone();
        let body = serde_json::to_string(&of_message).unwrap();
        let entry = Some((room.clone(), format!("m:{room}:5:7")));
        assert_eq!(entry_of(&body), entry);
        assert_eq!(entry_of(&body.replacen("\"v\":1", "\"v\":9,\"more\":[]", 1)), entry);
        let of_room = serde_json::to_string(&room_record("r", 3, Some(3), &[("ann", 3)])).unwrap();
        assert_eq!(entry_of(&of_room).map(|(_, member)| member), Some(format!("r:{room}:3")));
        for other in ["", "hunter2", "{}", r#"{"type":"marks"}"#, r#"{"type":"room","version":3}"#] {
            assert_eq!(entry_of(other), None, "{other}");
        }
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
