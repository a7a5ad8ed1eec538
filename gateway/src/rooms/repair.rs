//! What the reconciler needs of a room: one recorded message version, and the whole state.

use redis::Value;
use rts_common::ids::{OrgId, RoomId, UserId};
use rts_common::message::MessageState;
use rts_common::record::RoomChange;
use rts_common::redis::stored::parse_member;
use rts_common::redis::{keys, read};
use rts_common::room::{Closing, Membership};
use rts_common::seq::Seq;

use super::event::Entry;
use super::snapshot::{self, seq_field};
use super::{Refusal, Rooms};

impl Rooms {
    /// A message at a version, as its room's stream recorded it; `None` if it is not there.
    pub async fn recorded(&self, room: &RoomId, version: Seq) -> Result<Option<(OrgId, MessageState)>, Refusal> {
        let id = format!("{version}-0");
        let base = keys::room(room);
        let mut range = redis::cmd("XRANGE");
        range.arg(format!("{base}:stream")).arg(&id).arg(&id);
        let entries: Vec<(String, Vec<String>)> = read(self.redis.command("recorded", &range).await?)?;
        let mut org = redis::cmd("HGET");
        org.arg(format!("{base}:meta")).arg("org");
        let org: Option<String> = read(self.redis.command("recorded", &org).await?)?;
        let (Some((_, fields)), Some(org)) = (entries.into_iter().next(), org) else {
            return Ok(None);
        };
        let [_, kind, _, prev, _, message, _, ordinal, _, _, _, body] = fields.as_slice() else {
            return Err(Refusal::Fault(format!("an entry of room {room} cannot be read")));
        };
        let unreadable = || Refusal::Fault(format!("message {version} of room {room} cannot be read"));
        let entry = Entry {
            kind,
            seq: version,
            prev: Seq::parse(prev).ok_or_else(unreadable)?,
            message: Seq::parse(message).ok_or_else(unreadable)?,
            ordinal: ordinal.parse().map_err(|_| unreadable())?,
            version: None,
            body,
        };
        let org = OrgId::parse(&org).map_err(|_| unreadable())?;
        Ok(Some((org, entry.state(room).ok_or_else(unreadable)?)))
    }

    /// All of a room's facts and memberships, those who left too, under a version of the unstored
    /// index; `None` if Redis does not have the room.
    pub async fn whole_change(&self, room: &RoomId, version: Seq) -> Result<Option<(OrgId, RoomChange)>, Refusal> {
        let base = keys::room(room);
        let meta = self.flat_hash(&format!("{base}:meta")).await?;
        if meta.is_empty() {
            return Ok(None);
        }
        let members = self.flat_hash(&format!("{base}:members")).await?;
        let snapshot = snapshot::parse(room, &meta, &[], &[])
            .ok_or_else(|| Refusal::Fault(format!("room {room} cannot be read")))?;
        let members: Vec<_> =
            members.chunks_exact(2).filter_map(|pair| parse_member(&UserId::parse(&pair[0]).ok()?, &pair[1])).collect();
        let closing = match snapshot.facts.archived_at {
            Some(_) => Some(self.closing(room, &meta, &members).await?),
            None => None,
        };
        let facts = Some(snapshot.facts);
        Ok(Some((snapshot.org, RoomChange::Room { room_id: room.clone(), version, facts, members, closing })))
    }

    /// What an archived room holds. Nothing is sent to it any more: this is what it held when it was closed, but for
    /// who left it since.
    async fn closing(&self, room: &RoomId, meta: &[String], members: &[Membership]) -> Result<Closing, Refusal> {
        let field = |name| seq_field(meta, name).unwrap_or_default();
        let is_member = |member: &&Membership| member.role.is_some();
        Ok(Closing {
            members: members.iter().filter(is_member).map(|member| member.user_id.clone()).collect(),
            first_seq: self.first_message(room).await?.unwrap_or_default(),
            last_seq: field("last"),
            message_count: field("count").get(),
        })
    }

    async fn flat_hash(&self, key: &str) -> Result<Vec<String>, Refusal> {
        let mut command = redis::cmd("HGETALL");
        command.arg(key);
        let pairs: Vec<(String, String)> = match self.redis.command("whole_room", &command).await? {
            Value::Nil => Vec::new(),
            value => read(value)?,
        };
        Ok(pairs.into_iter().flat_map(|(field, value)| [field, value]).collect())
    }
}
