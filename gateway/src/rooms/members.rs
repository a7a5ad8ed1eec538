//! Users: their lists of rooms.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::ids::{OrgId, Person, RoomId, UserId};
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::redis::{keys, scripts};
use rts_common::seq::Seq;

use super::reply::Reply;
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
        if list.is_none() {
            let turn = tokio::time::timeout(LOAD_TURN_MAX, self.list_loads.acquire(person)).await;
            let _turn =
                turn.map_err(|_| RoomError::Unavailable("too many lists of rooms are being loaded".to_owned()))?;
            // Another call of the user may have loaded it meanwhile.
            list = self.room_list(person).await?;
            if list.is_none() {
                let stored = Box::pin(self.store.rooms_of(person)).await?;
                let rooms: Vec<_> = stored.iter().map(|room| (&room.room_id, room.version, room.is_member)).collect();
                merge_rooms(&self.redis, person, RoomList::Load, &rooms).await?;
                list = self.room_list(person).await?;
            }
        }
        let unavailable = || RoomError::Unavailable("a list of rooms was lost again while it was loaded".to_owned());
        Ok(list
            .ok_or_else(unavailable)?
            .into_iter()
            .filter_map(|(room, value)| {
                let (is_member, version) = value.split_once(' ')?;
                let (room_id, version) = (RoomId::parse(&room).ok()?, Seq::parse(version)?);
                Some(ListedRoom { room_id, version, is_member: is_member == "1" })
            })
            .collect())
    }

    /// True if a room is in a user's list. Costs the same whether or not there is such a room, except that the list of
    /// a user who is not connected may have to be loaded.
    pub(super) async fn is_listed(&self, person: &Person, room: &RoomId) -> Result<bool, RoomError> {
        let reply = self.user_list(person, &[room.as_str()]).await?;
        if reply.status()? == "part" {
            return Ok(self.rooms_of(person).await?.contains(room));
        }
        Ok(reply.text(1)?.starts_with("1 "))
    }

    async fn user_list(&self, person: &Person, room: &[&str]) -> Result<Reply, RoomError> {
        let is_cluster = if self.redis.is_cluster() { "1" } else { "0" };
        let arguments: Vec<_> = [is_cluster].into_iter().chain(room.iter().copied()).collect();
        Ok(Reply::new(self.redis.run(&scripts::USER_LIST, &keys::person_rooms(person), &arguments).await?)?)
    }

    /// Returns a user's list, if Redis has all of it, and not only what it had before it lost something, or changes since.
    async fn room_list(&self, person: &Person) -> Result<Option<Vec<(String, String)>>, RoomError> {
        let reply = self.user_list(person, &[]).await?;
        if reply.status()? == "part" {
            return Ok(None);
        }
        let list = reply.texts(1)?;
        Ok(Some(list.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()))
    }

    /// Adds a room to the lists of users whose membership began, removes it from the lists of users whose membership
    /// ended, and notifies their nodes. Returns the names that users brought themselves: read after the room is listed, so
    /// that a name is either found here or its user's node finds the room.
    pub async fn list_room(
        &self,
        org: &OrgId,
        room: &RoomId,
        memberships: &[(UserId, Seq, bool)],
    ) -> Result<Vec<(UserId, String)>, RoomError> {
        let merges = memberships.iter().map(async |(user, version, member)| {
            let person = Person { org: org.clone(), user: user.clone() };
            merge_rooms(&self.redis, &person, RoomList::Change, &[(room, *version, *member)]).await?;
            let name = self.noted_name(&person).await?;
            Ok::<_, RoomError>(name.map(|(name, _)| (user.clone(), name)))
        });
        let merges: Vec<_> = merges.collect();
        let names: Vec<_> = stream::iter(merges).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(names.into_iter().flatten().collect())
    }
}
