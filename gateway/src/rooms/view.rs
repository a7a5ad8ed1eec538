//! A room as one member sees it.

use rts_common::ids::{Person, RoomId, UserId};
use rts_common::limits;
use rts_common::message::MessageState;
use rts_common::redis::room_hash;
use rts_common::redis::scripts;
use rts_common::room::{Marks, Membership, Role, Room, RoomKind, RoomSnapshot};
use rts_common::seq::Seq;

use super::history::{Counted, CountedAt};
use super::messages::state;
use super::snapshot::{self, member_count, seq_field};
use super::{RoomError, Rooms};

/// A room with the data of one member.
#[derive(Clone, Debug)]
pub struct RoomView {
    /// The room with its members; of a large room in a list, only the member itself.
    pub snapshot: RoomSnapshot,
    /// Number of its members.
    pub member_count: usize,
    /// The member's own marks.
    pub marks: Marks,
    /// The room's head when the member joined.
    pub joined_seq: Seq,
    /// Unread messages, up to the cap.
    pub unread: u64,
    /// True if more may be unread: the room was rebuilt, and messages of before may not be stored yet.
    pub unread_at_least: bool,
    /// Number of the unread messages that mention the member.
    pub mentions: u64,
    /// Its newest message; may be a tombstone.
    pub last_message: Option<MessageState>,
    /// Number of messages that were read to count the unread ones, where Redis alone could not.
    pub counted: usize,
}

impl RoomView {
    /// Returns the room for clients.
    pub fn room(&self) -> Room {
        let mut room = self.snapshot.room();
        room.member_count = self.member_count;
        room
    }

    /// True if a member may remove others.
    pub fn may_remove(&self, user: &UserId) -> bool {
        let owns = |(member, _): &(Membership, Marks)| member.user_id == *user && member.role == Some(Role::Owner);
        self.snapshot.facts.kind == RoomKind::Group && self.snapshot.members.iter().any(owns)
    }

    /// Returns the seq of the newest message, or the moment of creation: lists are ordered by it.
    pub fn activity(&self) -> Seq {
        let created = Seq::new(self.snapshot.facts.created_at.millis().saturating_mul(1000)).unwrap_or_default();
        self.last_message.as_ref().map_or(created, |message| message.seq.max(created))
    }
}

impl Rooms {
    /// Returns a room with all its members.
    pub async fn view(&self, person: &Person, room: &RoomId) -> Result<RoomView, RoomError> {
        self.look(person, room, "").await
    }

    /// Returns a room as it appears in lists.
    pub async fn glance(&self, person: &Person, room: &RoomId) -> Result<RoomView, RoomError> {
        self.look(person, room, &limits::ROOM_MEMBERS_INLINE.to_string()).await
    }

    /// True if a room is archived; for anyone but a member, there is no such room.
    pub async fn is_archived(&self, person: &Person, room: &RoomId) -> Result<bool, RoomError> {
        let reply = self.as_member(&scripts::ACCESS, room, person, &[]).await?;
        Ok(reply.text(1)? != "0")
    }

    async fn look(&self, person: &Person, room: &RoomId, inline: &str) -> Result<RoomView, RoomError> {
        let expired = self.expired();
        let recount = self.store.retention().expired_a_while_ago();
        let arguments = [inline, &expired.to_string(), &recount.to_string()];
        let reply = self.as_member(&scripts::VIEW, room, person, &arguments).await?;
        let meta = reply.texts(1)?;
        let unreadable = || RoomError::Fault(format!("room {room} cannot be read"));
        let snapshot = snapshot::parse(room, &meta, &reply.texts(2)?, &reply.texts(3)?).ok_or_else(unreadable)?;
        let (marks, joined_seq) = snapshot
            .members
            .iter()
            .find(|(member, _)| member.user_id == person.user)
            .map(|(member, marks)| (*marks, member.joined_seq))
            .ok_or_else(unreadable)?;
        let last = seq_field(&meta, room_hash::meta::LAST).unwrap_or_default();
        let last_message = if last <= expired {
            None
        } else if reply.has(5) {
            Some(state(room, &reply.list(5)?, 0)?)
        } else {
            Box::pin(self.store.message(room, last)).await?
        };
        // Where all has expired nothing is unread, whatever was counted.
        let knows_unread = last > expired && reply.text(4)? != "unknown";
        let knows_mentions = reply.text(6)? != "unknown";
        let mut counted = Counted::default();
        if last > expired && (!knows_unread || !knows_mentions) {
            let late = seq_field(&meta, room_hash::meta::LATE).unwrap_or_default();
            let at = CountedAt { read: marks.read_seq, head: snapshot.head_seq, late };
            counted = self.count_unread(person, room, at, !knows_mentions).await?;
        }
        let unread = if knows_unread { reply.number(4)? } else { counted.unread };
        let mentions = if knows_mentions { reply.number(6)? } else { counted.mentions };
        let member_count = member_count(&meta).ok_or_else(unreadable)?;
        let unread_at_least = self.may_lack_messages(seq_field(&meta, room_hash::meta::REBUILT));
        let counted = counted.looked_at;
        Ok(RoomView {
            snapshot,
            member_count,
            marks,
            joined_seq,
            unread,
            unread_at_least,
            mentions,
            last_message,
            counted,
        })
    }
}
