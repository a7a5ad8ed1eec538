//! Publications on a user's channel, and the events that only one user gets.

use bytes::Bytes;
use rts_common::ids::{RoomId, UserId};
use rts_common::redis::stored::StoredNotice;
use rts_common::room::Room;
use rts_common::seq::Seq;
use rts_common::signalr::{self, Protocol};
use serde::Serialize;

use crate::presence::UserStatus;

/// A notification of one user on all their devices.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UserNotification {
    /// They joined a room, or left it.
    Membership(RoomId),
    /// Messages of theirs are stored.
    Stored(StoredNotice),
    /// Their sessions end.
    Revoked,
}

impl UserNotification {
    /// Parses it; `None` if this build does not know it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('\n')?;
        match kind {
            "a" | "l" => RoomId::parse(rest).ok().map(Self::Membership),
            "x" => Some(Self::Revoked),
            "s" => StoredNotice::decode(rest).map(Self::Stored),
            _ => None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomAdded<'a> {
    room: &'a Room,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomRemoved<'a> {
    room_id: &'a RoomId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessagesStored<'a> {
    room_id: &'a RoomId,
    seqs: &'a [Seq],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypingEvent<'a> {
    room_id: &'a RoomId,
    user_id: &'a UserId,
    typing: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PersonChanged<'a> {
    user_id: &'a UserId,
    display_name: &'a str,
}

/// One record, encoded once for each protocol that is requested.
pub(super) struct PerProtocol<F> {
    make: F,
    /// Set once encoded; empty if encoding failed.
    json: Option<Bytes>,
    messagepack: Option<Bytes>,
}

impl<F: Fn(Protocol) -> Option<Bytes>> PerProtocol<F> {
    pub(super) fn new(make: F) -> Self {
        Self { make, json: None, messagepack: None }
    }

    /// Returns the size of the largest encoding.
    pub(super) fn bytes(&self) -> usize {
        [&self.json, &self.messagepack].into_iter().flatten().map(Bytes::len).max().unwrap_or_default()
    }

    /// Returns the encoding; `None` if this protocol cannot carry it.
    pub(super) fn get(&mut self, protocol: Protocol) -> Option<Bytes> {
        let made = match protocol {
            Protocol::Json => &mut self.json,
            Protocol::MessagePack => &mut self.messagepack,
        };
        let made = made.get_or_insert_with(|| (self.make)(protocol).unwrap_or_default());
        Some(made.clone()).filter(|record| !record.is_empty())
    }
}

/// Returns an event's record, encoded when first requested.
pub(super) fn record<T: Serialize>(
    target: &'static str,
    argument: T,
) -> PerProtocol<impl Fn(Protocol) -> Option<Bytes>> {
    PerProtocol::new(move |protocol| {
        signalr::encode_invocation(protocol, target, &argument)
            .inspect_err(|error| tracing::error!(target, %error, "cannot encode an event"))
            .ok()
    })
}

pub(super) fn room_added(room: &Room) -> PerProtocol<impl Fn(Protocol) -> Option<Bytes>> {
    record("RoomAdded", RoomAdded { room })
}

pub(super) fn room_removed(room_id: &RoomId) -> PerProtocol<impl Fn(Protocol) -> Option<Bytes>> {
    record("RoomRemoved", RoomRemoved { room_id })
}

pub(super) fn messages_stored(notice: &StoredNotice) -> PerProtocol<impl Fn(Protocol) -> Option<Bytes>> {
    let argument = MessagesStored { room_id: &notice.room, seqs: &notice.seqs };
    record("MessagesStored", argument)
}

pub(super) fn typing_changed<'a>(
    room_id: &'a RoomId,
    user_id: &'a UserId,
    is_typing: bool,
) -> PerProtocol<impl Fn(Protocol) -> Option<Bytes>> {
    record("Typing", TypingEvent { room_id, user_id, typing: is_typing })
}

/// Returns a user's new name for those who share a room with them.
pub(super) fn person_changed<'a>(
    user_id: &'a UserId,
    display_name: &'a str,
) -> PerProtocol<impl Fn(Protocol) -> Option<Bytes>> {
    record("PersonChanged", PersonChanged { user_id, display_name })
}

/// Returns a user's status for their watchers.
pub(super) fn presence_changed(status: UserStatus) -> PerProtocol<impl Fn(Protocol) -> Option<Bytes>> {
    record("PresenceChanged", status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rts_common::ids::NodeId;

    #[test]
    fn notifications_are_parsed_and_unknown_ones_ignored() {
        let room = RoomId::new_group();
        let membership = Some(UserNotification::Membership(room.clone()));
        assert_eq!(UserNotification::parse(&format!("a\n{room}")), membership);
        assert_eq!(UserNotification::parse(&format!("l\n{room}")), membership);
        assert_eq!(UserNotification::parse("x\n"), Some(UserNotification::Revoked));
        let notice = StoredNotice { room: room.clone(), origin: NodeId::random(), seqs: vec![Seq::ZERO.next()] };
        assert_eq!(UserNotification::parse(&notice.encode()), Some(UserNotification::Stored(notice)));
        for bad in ["", "a", "a\nx", "z\nwhat", "s\n", "w\n1"] {
            assert_eq!(UserNotification::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_record_is_encoded_once_for_each_protocol() {
        let made = std::cell::Cell::new(0);
        let mut record = PerProtocol::new(|_| {
            made.set(made.get() + 1);
            Some(Bytes::from_static(b"x"))
        });
        for protocol in [Protocol::Json, Protocol::Json, Protocol::MessagePack] {
            assert!(record.get(protocol).is_some());
        }
        assert_eq!(made.get(), 2);
    }
}
