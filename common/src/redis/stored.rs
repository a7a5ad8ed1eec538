//! The steps after a write to DynamoDB: the unstored index is cleared, a room that was rebuilt meanwhile receives what
//! it missed, and the senders' nodes are notified. All of it is best effort: the reconciler finds what is left.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::ids::{NodeId, OrgId, Person, RoomId};
use crate::record::{MessageRecord, RoomChange, RoomRecord};
use crate::room::{Membership, Role};
use crate::seq::{Seq, Timestamp};

use super::journaled::Journaled;
use super::keys::Partition;
use super::{Redis, RedisFailure, keys, scripts};

/// The number of users whose lists of rooms are merged at once after one change.
const PEOPLE_AT_ONCE: usize = 32;
/// Members of a change that one script merges, messages that it notes, and rooms of a user: Redis serves nobody else
/// meanwhile.
const MEMBERS_AT_ONCE: usize = 250;
const MESSAGES_AT_ONCE: usize = 128;
const ROOMS_AT_ONCE: usize = 1000;

/// Announces that messages of one room are stored: to the unstored index first, then to each sender. All records must
/// be of the same room.
pub async fn messages(redis: &Redis, room: &RoomId, records: &[&MessageRecord]) -> Result<(), RedisFailure> {
    for records in records.chunks(MESSAGES_AT_ONCE) {
        let mut arguments = Vec::with_capacity(records.len() * 5);
        for record in records {
            let message = &record.message;
            arguments.extend([
                message.seq.to_string(),
                message.version.to_string(),
                message.ordinal.to_string(),
                message.content.sender_id.to_string(),
                message.content.client_id.to_string(),
            ]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        redis.run(&scripts::STORED_MESSAGES, &keys::room(room), &arguments).await?;
    }
    for (sender, origin, seqs) in by_sender(records) {
        let notice = StoredNotice { room: room.clone(), origin, seqs };
        let mut publish = redis::cmd("SPUBLISH");
        publish.arg(keys::person_channel(&sender)).arg(notice.encode());
        redis.command("publish_stored", &publish).await?;
    }
    Ok(())
}

fn by_sender(records: &[&MessageRecord]) -> Vec<(Person, NodeId, Vec<Seq>)> {
    let mut groups: Vec<(Person, NodeId, Vec<Seq>)> = Vec::new();
    // Only the storing of the message itself is announced, not that of its later changes.
    for record in records.iter().filter(|record| record.message.seq == record.message.version) {
        let sender = Person { org: record.org.clone(), user: record.message.content.sender_id.clone() };
        let seq = record.message.seq;
        match groups.iter_mut().find(|(who, origin, _)| *who == sender && *origin == record.origin) {
            Some((_, _, seqs)) => seqs.push(seq),
            None => groups.push((sender, record.origin.clone(), vec![seq])),
        }
    }
    groups
}

/// A notification that messages of one sender have been stored, sent over the sender's channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredNotice {
    /// The room of the messages.
    pub room: RoomId,
    /// The node that journaled them.
    pub origin: NodeId,
    /// The seqs of the messages.
    pub seqs: Vec<Seq>,
}

impl StoredNotice {
    /// Writes `s`, the room, the origin and the seqs, one per line.
    pub fn encode(&self) -> String {
        let seqs: Vec<_> = self.seqs.iter().map(Seq::to_string).collect();
        format!("s\n{}\n{}\n{}", self.room, self.origin, seqs.join(","))
    }

    /// Reads the lines after the `s`.
    pub fn decode(text: &str) -> Option<Self> {
        let mut lines = text.splitn(3, '\n');
        let room = RoomId::parse(lines.next()?).ok()?;
        let origin = NodeId::parse(lines.next()?).ok()?;
        let seqs = lines.next()?.split(',').map(Seq::parse).collect::<Option<_>>()?;
        Some(Self { room, origin, seqs })
    }
}

/// The times that messages waited in their queue, sent over the channel of the node that journaled them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitNotice {
    /// The time from SQS's acceptance of each message until a function received it, in milliseconds.
    pub waits_ms: Vec<u64>,
}

impl WaitNotice {
    /// Writes `w` and the waits, one per line.
    pub fn encode(&self) -> String {
        let waits: Vec<_> = self.waits_ms.iter().map(u64::to_string).collect();
        format!("w\n{}", waits.join(","))
    }

    /// Reads what [`Self::encode`] wrote; `None` for a form that this build does not know.
    pub fn decode(text: &str) -> Option<Self> {
        let waits = text.strip_prefix("w\n")?;
        Some(Self { waits_ms: waits.split(',').map(|wait| wait.parse().ok()).collect::<Option<_>>()? })
    }
}

/// Notes of entries of the unstored index that they were set aside: members by their rooms.
pub async fn set_aside(redis: &Redis, entries: &[(RoomId, String)]) -> Result<(), RedisFailure> {
    let score = Journaled::set_aside(Timestamp::now()).score().to_string();
    let notes = entries.iter().map(async |(room, member)| {
        let partition = Partition::of_room(room);
        let keys = [partition.unstored(), partition.journaled()];
        redis.run_on(&scripts::NOTE_JOURNALED, &keys, &[member, &score]).await.map(drop)
    });
    stream::iter(notes).buffer_unordered(PEOPLE_AT_ONCE).try_collect().await
}

/// Gives up entries of the unstored index: nobody will store them.
pub async fn give_up(redis: &Redis, entries: &[(RoomId, String)]) -> Result<(), RedisFailure> {
    for (room, member) in entries {
        let partition = Partition::of_room(room);
        for key in [partition.unstored(), partition.journaled()] {
            let mut remove = redis::cmd("ZREM");
            remove.arg(key).arg(member);
            redis.command("unstored_give_up", &remove).await?;
        }
    }
    Ok(())
}

/// Tells a node how long messages that it journaled have waited.
pub async fn waited(redis: &Redis, node: &NodeId, notice: &WaitNotice) -> Result<(), RedisFailure> {
    let mut publish = redis::cmd("SPUBLISH");
    publish.arg(keys::node_channel(node)).arg(notice.encode());
    redis.command("publish_waited", &publish).await.map(drop)
}

/// The length of the spans of time for which the longest wait in a queue is noted, in milliseconds.
pub const WAIT_SPAN_MS: u64 = 5000;

/// Notes the longest wait of a batch in its queue, from which the gateways' reconcilers tell how far behind the queue
/// is.
pub async fn queue_waited(redis: &Redis, queue: &str, span: u64, longest_ms: u64) -> Result<(), RedisFailure> {
    let mut note = redis::cmd("ZADD");
    note.arg(keys::queue_waits(queue)).arg("GT").arg(longest_ms).arg(span);
    redis.command("queue_waited", &note).await.map(drop)
}

/// Announces that a change of a room is stored. The room lists of the users concerned are merged too, in case the node
/// that made the change died before it did so.
pub async fn room(redis: &Redis, record: &RoomRecord) -> Result<(), RedisFailure> {
    match &record.change {
        RoomChange::Profile { .. } => Ok(()),
        RoomChange::Marks { room_id, user_id, marks } => {
            let (read, delivered) = (marks.read_seq.to_string(), marks.delivered_seq.to_string());
            let arguments = ["0", "", "", "", "0", user_id.as_str(), &read, &delivered];
            redis.run(&scripts::STORED_ROOM, &keys::room(room_id), &arguments).await.map(drop)
        }
        RoomChange::Room { room_id, version, facts, members, .. } => {
            let mut arguments = vec![version.to_string()];
            match facts {
                Some(facts) => arguments.extend([
                    facts.version.to_string(),
                    facts.name.clone().unwrap_or_default(),
                    facts.archived_at.map_or_else(|| "0".to_owned(), |at| at.millis().to_string()),
                ]),
                None => arguments.extend([String::new(), String::new(), String::new()]),
            }
            // The last call says that all of it is stored: until then, it would be stored again.
            let last = members.len().saturating_sub(1) / MEMBERS_AT_ONCE;
            for part in 0..=last {
                let members = members.iter().skip(part * MEMBERS_AT_ONCE).take(MEMBERS_AT_ONCE);
                let mut arguments = arguments.clone();
                if part < last {
                    "0".clone_into(&mut arguments[0]);
                }
                arguments.push(members.len().to_string());
                arguments.extend(members.flat_map(|member| [member.user_id.to_string(), member_value(member)]));
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                redis.run(&scripts::STORED_ROOM, &keys::room(room_id), &arguments).await?;
            }
            let mut merges = Vec::with_capacity(members.len());
            for member in members {
                merges.push(merge_member(redis, &record.org, room_id, member));
            }
            stream::iter(merges).buffer_unordered(PEOPLE_AT_ONCE).try_collect::<()>().await?;
            Ok(())
        }
    }
}

async fn merge_member(redis: &Redis, org: &OrgId, room: &RoomId, member: &Membership) -> Result<(), RedisFailure> {
    let person = Person { org: org.clone(), user: member.user_id.clone() };
    merge_rooms(redis, &person, RoomList::Change, &[(room, member.version, member.role.is_some())]).await
}

/// The reason for merging a user's list of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomList {
    /// A load of all rooms from DynamoDB after a loss; nobody is notified.
    Load,
    /// A change; the user's nodes are notified.
    Change,
}

/// Merges memberships `(room, version, is a member)` into a user's list of rooms.
pub async fn merge_rooms(
    redis: &Redis,
    person: &Person,
    mode: RoomList,
    rooms: &[(&RoomId, Seq, bool)],
) -> Result<(), RedisFailure> {
    let versions: Vec<String> = rooms.iter().map(|(_, version, _)| version.to_string()).collect();
    let is_cluster = if redis.is_cluster() { "1" } else { "0" };
    let merged: Vec<_> = rooms.iter().zip(&versions).collect();
    // The last part of a load says that the list is whole; an empty one is.
    let last = rooms.len().saturating_sub(1) / ROOMS_AT_ONCE;
    for part in 0..=last {
        let mode = match mode {
            RoomList::Load if part < last => "part",
            RoomList::Load => "load",
            RoomList::Change => "change",
        };
        let mut arguments = vec![is_cluster, mode];
        for ((room, _, member), version) in merged.iter().skip(part * ROOMS_AT_ONCE).take(ROOMS_AT_ONCE) {
            arguments.extend([room.as_str(), version.as_str(), if *member { "1" } else { "0" }]);
        }
        redis.run(&scripts::USER_ROOMS, &keys::person_rooms(person), &arguments).await?;
    }
    Ok(())
}

/// Formats a membership as the hash of a room's members holds it: `role version joinedSeq name`.
pub fn member_value(member: &Membership) -> String {
    let role = match member.role {
        Some(Role::Owner) => 'o',
        Some(Role::Member) => 'm',
        None => 'x',
    };
    format!("{role} {} {} {}", member.version, member.joined_seq, member.display_name)
}

/// Reads a [`member_value`].
pub fn parse_member(user_id: &crate::ids::UserId, value: &str) -> Option<Membership> {
    let mut parts = value.splitn(4, ' ');
    let role = match parts.next()? {
        "o" => Some(Role::Owner),
        "m" => Some(Role::Member),
        "x" => None,
        _ => return None,
    };
    let version = Seq::parse(parts.next()?)?;
    let joined_seq = Seq::parse(parts.next()?)?;
    let display_name = parts.next()?.to_owned();
    Some(Membership { user_id: user_id.clone(), display_name, role, version, joined_seq })
}
