//! Erasure of an organization: of all its items, files and keys, nothing is left.
//!
//! Nobody reads its rooms any more, so nothing is waited for: what was under way is given up. Records that wait in the
//! queues may be written once more by the functions, which a second run removes.

use anyhow::bail;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rts_common::files::org_prefix;
use rts_common::ids::{OrgId, Person, RoomId};
use rts_common::redis::upkeep::{self, Forgetting, Forgotten};

use super::erase::AT_ONCE;
use super::{Erased, Upkeep};

impl Upkeep {
    /// Erases an organization, or counts what it has.
    pub async fn erase_organization(&self, org: &OrgId, acts: bool) -> anyhow::Result<Erased> {
        let rooms = self.keeper.rooms_of_org(org).await?;
        let people = self.people_of(org, &rooms).await?;
        let mut erased = Erased { rooms: u64::try_from(rooms.len())?, ..Erased::default() };
        if acts {
            self.redis()?;
            self.end_sessions(&people).await?;
        }
        for room in &rooms {
            self.erase_room(room, acts, &mut erased).await?;
        }
        erased.archived = self.keeper.all_archive_entries(org, acts).await?;
        erased.directory = self.keeper.all_directory_items(org, acts).await?;
        if let Some(files) = &self.files {
            let keys = files.list(&org_prefix(org)).await?;
            erased.files = u64::try_from(keys.len())?;
            if acts {
                let deletes = keys.iter().map(|key| files.delete(key));
                stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            }
        }
        if let Some(redis) = &self.redis {
            for person in &people {
                erased.redis_keys += upkeep::person_keys(redis, person, acts).await?;
            }
            erased.redis_keys += upkeep::org_keys(redis, org, acts).await?;
        }
        Ok(erased)
    }

    /// Returns the users of the directory, and those who are or were in one of these rooms.
    async fn people_of(&self, org: &OrgId, rooms: &[RoomId]) -> anyhow::Result<Vec<Person>> {
        let mut users = self.keeper.users_of(org).await?;
        for room in rooms {
            let stored = self.store().room(room).await?;
            users.extend(stored.into_iter().flat_map(|room| room.members).map(|(member, _)| member.user_id));
        }
        users.sort();
        users.dedup();
        Ok(users.into_iter().map(|user| Person { org: org.clone(), user }).collect())
    }

    async fn erase_room(&self, room: &RoomId, acts: bool, erased: &mut Erased) -> anyhow::Result<()> {
        let Some(stored) = self.store().room(room).await? else { return Ok(()) };
        if acts {
            // First, so that nobody reads it, and no gateway journals what it has of it.
            match upkeep::forget_room(self.redis()?, room, Forgetting::GiveUp, &[]).await? {
                Forgotten::Keys(keys) => erased.redis_keys += keys,
                Forgotten::Unstored(_) | Forgotten::Busy => bail!("too much waits to be stored: run it again"),
            }
        } else {
            self.look_at(room, erased).await?;
        }
        erased.messages += self.keeper.message_items(room, stored.facts.created_at, acts).await?;
        erased.memberships += self.keeper.room_items(room, acts).await?;
        Ok(())
    }
}
