//! Users: their lists of rooms and their names.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::display_name;
use rts_common::ids::{OrgId, Person, RoomId, UserId};
use rts_common::limits::NAME_CHARS;
use rts_common::record::RoomChange;
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::redis::{keys, read, scripts};
use rts_common::room::{Membership, Role};
use rts_common::seq::Seq;

use super::{RoomError, Rooms};

/// The longest wait for a turn to load a list of rooms.
const LOAD_TURN_MAX: Duration = Duration::from_secs(10);
/// Commands to Redis under way at once for one request.
const AT_ONCE: usize = 32;

/// A room in a user's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRoom {
    /// The room.
    pub room_id: RoomId,
    /// The version of the user's last change in it.
    pub version: Seq,
    /// False if they have left it.
    pub is_member: bool,
}

impl Rooms {
    /// Returns the rooms of a user.
    pub async fn rooms_of(&self, person: &Person) -> Result<Vec<RoomId>, RoomError> {
        let listed = self.listed_rooms(person).await?;
        Ok(listed.into_iter().filter(|listed| listed.is_member).map(|listed| listed.room_id).collect())
    }

    /// Returns the rooms of a user, and those that they have left, with the version of the change.
    pub async fn listed_rooms(&self, person: &Person) -> Result<Vec<ListedRoom>, RoomError> {
        let mut list = self.room_list(person).await?;
        if !is_whole(&list) {
            let turn = tokio::time::timeout(LOAD_TURN_MAX, self.list_loads.acquire()).await;
            let _turn =
                turn.map_err(|_| RoomError::Unavailable("too many lists of rooms are being loaded".to_owned()))?;
            // Another call of the user may have loaded it meanwhile.
            list = self.room_list(person).await?;
            if !is_whole(&list) {
                let stored = Box::pin(self.store.rooms_of(person)).await?;
                let rooms: Vec<_> = stored.iter().map(|room| (&room.room_id, room.version, room.is_member)).collect();
                merge_rooms(&self.redis, person, RoomList::Load, &rooms).await?;
                list = self.room_list(person).await?;
            }
        }
        Ok(list
            .into_iter()
            .filter_map(|(room, value)| {
                let (is_member, version) = value.split_once(' ')?;
                let (room_id, version) = (RoomId::parse(&room).ok()?, Seq::parse(version)?);
                Some(ListedRoom { room_id, version, is_member: is_member == "1" })
            })
            .collect())
    }

    async fn room_list(&self, person: &Person) -> Result<Vec<(String, String)>, RoomError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(keys::person_rooms(person));
        Ok(read(self.redis.command("rooms_of", &command).await?)?)
    }

    /// Adds a room to the lists of users whose membership began, removes it from the lists of users whose membership
    /// ended, and notifies their nodes.
    pub async fn list_room(
        &self,
        org: &OrgId,
        room: &RoomId,
        memberships: &[(UserId, Seq, bool)],
    ) -> Result<(), RoomError> {
        let merges = memberships.iter().map(async |(user, version, member)| {
            let person = Person { org: org.clone(), user: user.clone() };
            merge_rooms(&self.redis, &person, RoomList::Change, &[(room, *version, *member)]).await
        });
        let merges: Vec<_> = merges.collect();
        stream::iter(merges).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(())
    }

    /// Returns the last known names of users; a user without one is called by their id.
    pub async fn names(&self, org: &OrgId, users: &[UserId]) -> Result<Vec<String>, RoomError> {
        let lookups = users.iter().map(async |user| {
            let mut command = redis::cmd("HGET");
            command.arg(keys::person_profile(&Person { org: org.clone(), user: user.clone() })).arg("name");
            let name: Option<String> = read(self.redis.command("name", &command).await?)?;
            Ok::<_, RoomError>(name)
        });
        let lookups: Vec<_> = lookups.collect();
        let known: Vec<Option<String>> = stream::iter(lookups).buffered(AT_ONCE).try_collect().await?;
        let unknown: Vec<UserId> =
            users.iter().zip(&known).filter(|(_, name)| name.is_none()).map(|(user, _)| user.clone()).collect();
        let stored =
            if unknown.is_empty() { HashMap::default() } else { Box::pin(self.store.profiles(org, &unknown)).await? };
        Ok(users
            .iter()
            .zip(known)
            .map(|(user, name)| {
                name.or_else(|| stored.get(user).map(|profile| profile.display_name.clone()))
                    .unwrap_or_else(|| display_name::of_person("", NAME_CHARS, user))
            })
            .collect())
    }

    /// True if this is the last known name of a user, and it is noted everywhere.
    pub async fn knows_name(&self, person: &Person, name: &str) -> Result<bool, RoomError> {
        let mut command = redis::cmd("HGET");
        command.arg(keys::person_profile(person)).arg("durable");
        let known: Option<String> = read(self.redis.command("name", &command).await?)?;
        Ok(known.as_deref() == Some(name))
    }

    /// Notes the name that a user's token carries.
    pub async fn note_name(&self, person: &Person, name: &str) -> Result<(), RoomError> {
        let mut command = redis::cmd("HSET");
        command.arg(keys::person_profile(person)).arg("name").arg(name).arg("v").arg(Seq::now().get());
        self.redis.command("note_name", &command).await?;
        Ok(())
    }

    /// Notes that a name is noted everywhere. Until then, the user's next connection notes it again.
    pub async fn name_is_durable(&self, person: &Person, name: &str) -> Result<(), RoomError> {
        let mut command = redis::cmd("HSET");
        command.arg(keys::person_profile(person)).arg("durable").arg(name);
        self.redis.command("note_name", &command).await?;
        Ok(())
    }

    /// Sets a member's name in a room; returns the change for the journal.
    pub async fn name_member(
        &self,
        person: &Person,
        room: &RoomId,
        name: &str,
    ) -> Result<Option<RoomChange>, RoomError> {
        let reply = self.as_member(&scripts::NAME_MEMBER, room, person, &[name]).await?;
        if reply.status()? == "unchanged" {
            return Ok(None);
        }
        let version = reply.seq(1)?;
        let member = Membership {
            user_id: person.user.clone(),
            display_name: name.to_owned(),
            role: Some(if reply.text(2)? == "o" { Role::Owner } else { Role::Member }),
            version,
            joined_seq: reply.seq(3)?,
        };
        Ok(Some(RoomChange::Room { room_id: room.clone(), version, facts: None, members: vec![member], closing: None }))
    }
}

/// True if Redis has all of a user's list, and not only changes since it was lost.
fn is_whole(list: &[(String, String)]) -> bool {
    list.iter().any(|(field, _)| field == "*")
}
