//! Making rooms and changing them.

use rts_common::ids::{CaseId, Person, RoomId, UserId};
use rts_common::record::RoomChange;
use rts_common::redis::stored::parse_member;
use rts_common::redis::{keys, scripts};
use rts_common::room::{Membership, Role, Room, RoomFacts, RoomKind};
use rts_common::seq::Seq;

use super::event::UpdateBody;
use super::reply::Reply;
use super::snapshot::member_count;
use super::{Refusal, Rooms, unexpected_status};

/// A room to be made.
pub struct NewRoom<'a> {
    /// Its id.
    pub room_id: &'a RoomId,
    /// Who makes it.
    pub creator: &'a Person,
    /// Direct or group.
    pub kind: RoomKind,
    /// Its name.
    pub name: Option<&'a str>,
    /// The case it belongs to.
    pub case_id: Option<&'a CaseId>,
    /// Everyone in it, the creator too, with roles and names.
    pub members: Vec<(UserId, Role, String)>,
}

/// What came of it.
pub enum CreatedRoom {
    /// It was made; this is for the journal.
    New(RoomChange),
    /// It was there.
    Exists,
}

/// A change of a room.
pub enum RoomOperation<'a> {
    /// Gives it another name.
    Rename(&'a str),
    /// Adds people, with their names, up to a number of members.
    Add(&'a [(UserId, String)], usize),
    /// Takes somebody out.
    Remove(&'a UserId),
    /// The caller goes.
    Leave,
    /// Makes it read-only.
    Archive,
    /// Opens it again.
    Unarchive,
    /// Makes a member owner; done by the node itself.
    Promote(&'a UserId),
}

/// A room after a change.
pub struct RoomChanged {
    /// The room; of a large room, only with the members concerned.
    pub room: Room,
    /// The memberships that changed.
    pub members: Vec<Membership>,
    /// For the journal.
    pub change: RoomChange,
}

impl Rooms {
    /// Makes a room. One whose id is derived (a pair's, a case's) may be in DynamoDB only: it is
    /// looked up there first.
    pub async fn create(&self, new: &NewRoom<'_>) -> Result<CreatedRoom, Refusal> {
        let derived = new.kind == RoomKind::Direct || new.case_id.is_some();
        if derived && Box::pin(self.rebuild(new.room_id)).await? {
            return Ok(CreatedRoom::Exists);
        }
        let mut arguments = vec![
            new.creator.org.as_str(),
            new.creator.user.as_str(),
            match new.kind {
                RoomKind::Direct => "direct",
                RoomKind::Group => "group",
            },
            new.name.unwrap_or_default(),
            new.case_id.map_or("", |case| case.as_str()),
        ];
        for (user, role, name) in &new.members {
            arguments.extend([user.as_str(), if *role == Role::Owner { "o" } else { "m" }, name]);
        }
        let key = keys::room(new.room_id);
        let reply = Reply::new(self.redis.run(&scripts::CREATE_ROOM, &key, &arguments).await?)?;
        if reply.status()? == "exists" {
            return Ok(CreatedRoom::Exists);
        }
        let version = reply.seq(1)?;
        let facts = RoomFacts {
            kind: new.kind,
            name: new.name.map(str::to_owned),
            case_id: new.case_id.cloned(),
            created_by: new.creator.user.clone(),
            created_at: version.timestamp(),
            archived_at: None,
            version,
        };
        let members = new.members.iter().map(|(user, role, name)| Membership {
            user_id: user.clone(),
            display_name: name.clone(),
            role: Some(*role),
            version,
            joined_seq: Seq::ZERO,
        });
        Ok(CreatedRoom::New(RoomChange::Room {
            room_id: new.room_id.clone(),
            version,
            facts: Some(facts),
            members: members.collect(),
        }))
    }

    /// Changes a room; `None` if there was nothing to change.
    pub async fn change_room(
        &self,
        person: &Person,
        room: &RoomId,
        hint: Seq,
        operation: &RoomOperation<'_>,
    ) -> Result<Option<RoomChanged>, Refusal> {
        let hint = hint.to_string();
        let limit;
        let mut arguments = vec![operation.name(), &hint];
        match operation {
            RoomOperation::Rename(name) => arguments.push(name),
            RoomOperation::Add(people, members_max) => {
                limit = members_max.to_string();
                arguments.push(&limit);
                arguments.extend(people.iter().flat_map(|(user, name)| [user.as_str(), name]));
            }
            RoomOperation::Remove(user) | RoomOperation::Promote(user) => {
                arguments.push(user.as_str());
            }
            RoomOperation::Leave | RoomOperation::Archive | RoomOperation::Unarchive => {}
        }
        let reply = if matches!(operation, RoomOperation::Promote(_)) {
            self.as_node(&scripts::CHANGE_ROOM, room, &arguments).await?
        } else {
            self.as_member(&scripts::CHANGE_ROOM, room, person, &arguments).await?
        };
        match reply.status()? {
            "unchanged" => Ok(None),
            "changed" => changed(room, reply.seq(1)?, reply.text(4)?).map(Some),
            _ => Err(unexpected_status(&reply)),
        }
    }

    /// After an owner left: makes the member of the longest standing owner, if there is none.
    pub async fn hand_over(&self, person: &Person, room: &RoomId, hint: Seq) -> Result<Option<RoomChanged>, Refusal> {
        let reply = Reply::new(self.redis.run(&scripts::HEIR, &keys::room(room), &[]).await?)?;
        let Ok(heir) = reply.text(0) else {
            return Ok(None);
        };
        let heir = UserId::parse(heir).map_err(|error| Refusal::Fault(error.to_string()))?;
        self.change_room(person, room, hint, &RoomOperation::Promote(&heir)).await
    }
}

impl RoomOperation<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Rename(_) => "rename",
            Self::Add(..) => "add",
            Self::Remove(_) => "remove",
            Self::Leave => "leave",
            Self::Archive => "archive",
            Self::Unarchive => "unarchive",
            Self::Promote(_) => "promote",
        }
    }
}

fn changed(room_id: &RoomId, version: Seq, body: &str) -> Result<RoomChanged, Refusal> {
    let unreadable = || Refusal::Fault(format!("a change of room {room_id} cannot be read"));
    let body: UpdateBody = serde_json::from_str(body).map_err(|_| unreadable())?;
    let snapshot = body.snapshot(room_id).ok_or_else(unreadable)?;
    let users = body.users();
    let mut room = snapshot.room();
    room.member_count = member_count(&body.meta).ok_or_else(unreadable)?;
    let members = body
        .members
        .chunks_exact(2)
        .filter_map(|pair| parse_member(&UserId::parse(&pair[0]).ok()?, &pair[1]))
        .filter(|member| users.contains(&member.user_id))
        .collect::<Vec<_>>();
    let facts = Some(snapshot.facts).filter(|facts| facts.version == version);
    let change = RoomChange::Room { room_id: room_id.clone(), version, facts, members: members.clone() };
    Ok(RoomChanged { room, members, change })
}
