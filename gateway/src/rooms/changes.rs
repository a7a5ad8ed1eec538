//! Creates and changes rooms.

use rts_common::ids::{CaseId, Person, RoomId, UserId};
use rts_common::record::RoomChange;
use rts_common::redis::stored::parse_member;
use rts_common::redis::{keys, scripts};
use rts_common::room::{Membership, Role, RoomFacts, RoomKind};
use rts_common::seq::Seq;

use super::event::UpdateBody;
use super::reply::Reply;
use super::{RoomError, Rooms, unexpected_status};

/// A room to be created.
pub struct NewRoom<'a> {
    /// Its id.
    pub room_id: &'a RoomId,
    /// The user who creates it.
    pub creator: &'a Person,
    /// Direct or group.
    pub kind: RoomKind,
    /// Its name.
    pub name: Option<&'a str>,
    /// The case it belongs to.
    pub case_id: Option<&'a CaseId>,
    /// All its members, the creator too, with roles and names.
    pub members: Vec<(UserId, Role, String)>,
}

/// The result of a creation.
pub enum CreatedRoom {
    /// It was created; the change is for the journal.
    New(RoomChange),
    /// It existed. The node that created or changed it may have died before that was journaled: then the change is for
    /// the journal.
    Exists(Option<RoomChange>),
}

/// A change of a room.
pub enum RoomOperation<'a> {
    /// Renames it.
    Rename(&'a str),
    /// Adds users, with their names, up to a number of members.
    Add(&'a [(UserId, String)], usize),
    /// Removes a member.
    Remove(&'a UserId),
    /// Removes the caller.
    Leave,
    /// Makes it read-only.
    Archive,
    /// Opens it again.
    Unarchive,
    /// Makes the caller, with a name, its only owner, whether they are in it or not.
    TakeOver(&'a str),
}

/// The result of a change.
pub enum RoomOutcome {
    /// It was made. For the journal, with the memberships that changed.
    Changed(RoomChange),
    /// It had been made before. The node that made it may have died before it was journaled: then it is for the
    /// journal.
    Unchanged(Option<RoomChange>),
}

impl RoomOutcome {
    /// Returns the memberships that changed.
    pub fn members(&self) -> &[Membership] {
        match self {
            Self::Changed(RoomChange::Room { members, .. }) => members,
            _ => &[],
        }
    }
}

impl Rooms {
    /// Returns the one of the ids that a pair's or a case's room may have under which it exists, else the first.
    pub async fn existing<'a>(&self, ids: &'a [RoomId]) -> Result<&'a RoomId, RoomError> {
        for id in ids.iter().skip(1) {
            if self.is_in_redis(id).await? || Box::pin(self.store.facts_of(std::slice::from_ref(id))).await?.len() == 1
            {
                return Ok(id);
            }
        }
        ids.first().ok_or_else(|| RoomError::Fault("no secret for the ids of rooms".to_owned()))
    }

    /// Creates a room. One whose id is derived (a pair's, a case's) may be in DynamoDB only: it is looked up there
    /// first, and rebuilt only for a member.
    pub async fn create(&self, new: &NewRoom<'_>) -> Result<CreatedRoom, RoomError> {
        let derived = new.kind == RoomKind::Direct || new.case_id.is_some();
        if derived && !self.is_in_redis(new.room_id).await? {
            match Box::pin(self.store.membership(new.room_id, &new.creator.user)).await? {
                Some(true) => {
                    Box::pin(self.rebuild(new.room_id)).await?;
                }
                Some(false) => return Ok(CreatedRoom::Exists(None)),
                None => {}
            }
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
        if reply.status()? == "cold" {
            return Err(RoomError::Unavailable("the room was lost again while it was rebuilt".to_owned()));
        }
        if reply.status()? == "exists" {
            return Ok(CreatedRoom::Exists(self.owed(new.room_id, reply.text(1)?).await?));
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
            closing: None,
        }))
    }

    /// Changes a room. A last owner who leaves a group passes the role to another member, in the same step.
    pub async fn change_room(
        &self,
        person: &Person,
        room: &RoomId,
        operation: &RoomOperation<'_>,
    ) -> Result<RoomOutcome, RoomError> {
        let hint = self.hints.of(room).get().to_string();
        let limit;
        let mut arguments = vec![operation.name(), &hint];
        match operation {
            RoomOperation::Rename(name) | RoomOperation::TakeOver(name) => arguments.push(name),
            RoomOperation::Add(people, members_max) => {
                limit = members_max.to_string();
                arguments.push(&limit);
                arguments.extend(people.iter().flat_map(|(user, name)| [user.as_str(), name]));
            }
            RoomOperation::Remove(user) => arguments.push(user.as_str()),
            RoomOperation::Leave | RoomOperation::Archive | RoomOperation::Unarchive => {}
        }
        let reply = if matches!(operation, RoomOperation::TakeOver(_)) {
            arguments.splice(0..0, [person.org.as_str(), person.user.as_str()]);
            self.on_room(&scripts::CHANGE_ROOM, room, &arguments).await?
        } else {
            self.as_member(&scripts::CHANGE_ROOM, room, person, &arguments).await?
        };
        match reply.status()? {
            "unchanged" => Ok(RoomOutcome::Unchanged(self.owed(room, reply.text(1)?).await?)),
            "changed" => {
                let version = reply.seq(1)?;
                self.hints.of(room).raise(version);
                // An archived room is journaled with its whole entry in the archive index.
                let owes = !reply.text(2)?.is_empty() || matches!(operation, RoomOperation::Archive);
                let whole = if owes { self.whole_change(room, version).await? } else { None };
                let change = whole.map_or_else(|| changed(room, version, &reply), |(_, change)| Ok(change))?;
                Ok(RoomOutcome::Changed(change))
            }
            _ => Err(unexpected_status(&reply)),
        }
    }

    /// Returns the whole room for the journal, if a version of it is not known to be stored.
    async fn owed(&self, room: &RoomId, unstored: &str) -> Result<Option<RoomChange>, RoomError> {
        let Some(version) = Seq::parse(unstored) else {
            return Ok(None);
        };
        Ok(self.whole_change(room, version).await?.map(|(_, change)| change))
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
            Self::TakeOver(_) => "takeOver",
        }
    }
}

/// Builds the change from the bodies of its events: a leave that makes another member the owner has two.
fn changed(room_id: &RoomId, version: Seq, reply: &Reply) -> Result<RoomChange, RoomError> {
    let unreadable = || RoomError::Fault(format!("a change of room {room_id} cannot be read"));
    let (mut members, mut last) = (Vec::new(), None);
    for index in (3..).take_while(|index| reply.has(*index)) {
        let body: UpdateBody = serde_json::from_str(reply.text(index)?).map_err(|_| unreadable())?;
        let users = body.users();
        let known = body.members.chunks_exact(2);
        members.retain(|member: &Membership| !users.contains(&member.user_id));
        members.extend(
            known
                .filter_map(|pair| parse_member(&UserId::parse(&pair[0]).ok()?, &pair[1]))
                .filter(|member| users.contains(&member.user_id)),
        );
        last = Some(body);
    }
    let snapshot = last.and_then(|body| body.snapshot(room_id)).ok_or_else(unreadable)?;
    let facts = Some(snapshot.facts).filter(|facts| facts.version == version);
    Ok(RoomChange::Room { room_id: room_id.clone(), version, facts, members, closing: None })
}
