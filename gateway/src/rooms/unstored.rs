//! Reads for the reconciler: one recorded message version, and the whole state of a room.

use redis::Value;
use rts_common::ids::{OrgId, RoomId, UserId};
use rts_common::limits;
use rts_common::message::MessageState;
use rts_common::record::RoomChange;
use rts_common::redis::journaled::message_member;
use rts_common::redis::keys::Partition;
use rts_common::redis::room_hash::meta;
use rts_common::redis::stored::parse_member;
use rts_common::redis::stream::{self, StreamEntry};
use rts_common::redis::{Redis, keys, read};
use rts_common::room::{Closing, Membership};
use rts_common::seq::Seq;

use super::event::Entry;
use super::snapshot::{self, seq_field};
use super::{RoomError, Rooms};

/// New messages that one call made in one room: the journal sends them together.
pub struct SentTogether {
    /// The room's organization.
    pub org: OrgId,
    /// The messages, as they were sent.
    pub messages: Vec<MessageState>,
}

impl SentTogether {
    /// Returns the index of a message.
    pub fn position(&self, seq: Seq) -> Option<usize> {
        self.messages.iter().position(|message| message.seq == seq)
    }
}

impl Rooms {
    /// Returns a message at a version, as its room's stream recorded it; `None` if it is not there.
    pub async fn recorded(&self, room: &RoomId, version: Seq) -> Result<Option<(OrgId, MessageState)>, RoomError> {
        let found = self.stream_entries(room, version, version, version).await?;
        let Some((_, message)) = found.into_iter().next() else { return Ok(None) };
        Ok(self.org(room).await?.map(|org| (org, message)))
    }

    /// True while a message at its version is not known to be stored.
    pub async fn awaits_storing(&self, message: &MessageState) -> Result<bool, RoomError> {
        let member = message_member(&message.room_id, message.seq, message.version);
        let mut score = redis::cmd("ZSCORE");
        score.arg(Partition::of_room(&message.room_id).unstored()).arg(member);
        Ok(self.redis.command("awaits_storing", &score).await? != Value::Nil)
    }

    /// Returns the new message with this seq, and those that the same call made in its room; `None` if it is not in the
    /// stream.
    pub async fn sent_together(&self, room: &RoomId, seq: Seq) -> Result<Option<SentTogether>, RoomError> {
        let span = limits::SEND_TOGETHER as u64 - 1;
        let (from, to) = (seq.get().saturating_sub(span), seq.get().saturating_add(span));
        let around = (Seq::new(from).unwrap_or_default(), Seq::new(to).unwrap_or(seq));
        let mut messages = Vec::new();
        for (kind, message) in self.stream_entries(room, seq, around.0, around.1).await? {
            let follows = messages.last().is_some_and(|last: &MessageState| last.seq.next() == message.seq);
            if kind != "c" || !follows {
                // Messages up to here belong to another call, unless the message is among them.
                if messages.iter().any(|known| known.seq == seq) {
                    break;
                }
                messages.clear();
            }
            if kind == "c" {
                messages.push(message);
            }
        }
        if !messages.iter().any(|known| known.seq == seq) {
            return Ok(None);
        }
        Ok(self.org(room).await?.map(|org| SentTogether { org, messages }))
    }

    /// Reads the messages at the versions that the stream recorded in a range, with the kind of each event. Only the
    /// version that is asked for has to be readable: a neighbor may be of a newer release.
    async fn stream_entries(
        &self,
        room: &RoomId,
        asked: Seq,
        from: Seq,
        to: Seq,
    ) -> Result<Vec<(String, MessageState)>, RoomError> {
        let range = stream::range(room, from, to);
        let entries: Vec<(String, Vec<String>)> = read(self.redis.command("recorded", &range).await?)?;
        let mut messages = Vec::with_capacity(entries.len());
        for (id, fields) in &entries {
            let message = StreamEntry::read(id, fields).map(|entry| match entry.kind {
                "u" => Some(None),
                kind => Entry::from(entry).state(room).map(|state| Some((kind.to_owned(), state))),
            });
            match message.flatten() {
                Some(message) => messages.extend(message),
                None if id.split('-').next().and_then(Seq::parse) != Some(asked) => {}
                None => return Err(RoomError::Fault(format!("entry {id} of room {room} cannot be read"))),
            }
        }
        Ok(messages)
    }

    async fn org(&self, room: &RoomId) -> Result<Option<OrgId>, RoomError> {
        let mut org = redis::cmd("HGET");
        org.arg(keys::room_meta(room)).arg(meta::ORG);
        let org: Option<String> = read(self.redis.command("recorded", &org).await?)?;
        let unreadable = || RoomError::Fault(format!("the organization of room {room} cannot be read"));
        org.map(|org| OrgId::parse(&org).map_err(|_| unreadable())).transpose()
    }

    /// Returns all of a room's facts and memberships, also of members who left, under a version of the unstored index;
    /// `None` if Redis does not have the room.
    pub async fn whole_change(&self, room: &RoomId, version: Seq) -> Result<Option<(OrgId, RoomChange)>, RoomError> {
        let meta = self.flat_hash(&keys::room_meta(room)).await?;
        if meta.is_empty() {
            return Ok(None);
        }
        let members = self.flat_hash(&keys::room_members(room)).await?;
        let snapshot = snapshot::parse(room, &meta, &[], &[])
            .ok_or_else(|| RoomError::Fault(format!("room {room} cannot be read")))?;
        let members: Vec<_> =
            members.chunks_exact(2).filter_map(|pair| parse_member(&UserId::parse(&pair[0]).ok()?, &pair[1])).collect();
        let closing = match snapshot.facts.archived_at {
            Some(_) => Some(self.closing(room, &meta, &members).await?),
            None => None,
        };
        let facts = Some(snapshot.facts);
        Ok(Some((snapshot.org, RoomChange::Room { room_id: room.clone(), version, facts, members, closing })))
    }

    /// Returns the contents of an archived room. Nothing is sent to it any more: these are its contents when it was
    /// archived, except for members who left it since.
    async fn closing(&self, room: &RoomId, fields: &[String], members: &[Membership]) -> Result<Closing, RoomError> {
        let field = |name| seq_field(fields, name).unwrap_or_default();
        let is_member = |member: &&Membership| member.role.is_some();
        Ok(Closing {
            members: members.iter().filter(is_member).map(|member| member.user_id.clone()).collect(),
            first_seq: self.first_message(room).await?.unwrap_or_default(),
            last_seq: field(meta::LAST),
            message_count: field(meta::COUNT).get(),
        })
    }

    async fn flat_hash(&self, key: &str) -> Result<Vec<String>, RoomError> {
        flat_hash(&self.redis, key).await
    }
}

/// Reads a hash as a flat list of fields and values.
pub(super) async fn flat_hash(redis: &Redis, key: &str) -> Result<Vec<String>, RoomError> {
    let mut command = redis::cmd("HGETALL");
    command.arg(key);
    let pairs: Vec<(String, String)> = match redis.command("whole_room", &command).await? {
        Value::Nil => Vec::new(),
        value => read(value)?,
    };
    Ok(pairs.into_iter().flat_map(|(field, value)| [field, value]).collect())
}
