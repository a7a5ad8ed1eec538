//! The names of users: in Redis, in their rooms, and in the directory.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::display_name;
use rts_common::ids::{OrgId, Person, RoomId, UserId};
use rts_common::limits::NAME_CHARS;
use rts_common::record::RoomChange;
use rts_common::redis::{keys, read, scripts};
use rts_common::room::{Membership, Role};
use rts_common::seq::Seq;

use super::{RoomError, Rooms};

/// Commands to Redis under way at once for one request.
const AT_ONCE: usize = 32;

impl Rooms {
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

    /// Notes the name that a user's token carries: rooms that are made from now on have it. True if earlier rooms and the
    /// directory may not have it.
    pub async fn note_name(&self, person: &Person, name: &str) -> Result<bool, RoomError> {
        let is_new: u64 = read(self.redis.run(&scripts::NAME, &keys::person(person), &[name]).await?)?;
        Ok(is_new == 1)
    }

    /// Returns the name that was noted last, with its version.
    pub async fn noted_name(&self, person: &Person) -> Result<Option<(String, Seq)>, RoomError> {
        let mut command = redis::cmd("HMGET");
        command.arg(keys::person_profile(person)).arg("name").arg("v");
        let [name, version]: [Option<String>; 2] = read(self.redis.command("name", &command).await?)?;
        Ok(name.zip(version.as_deref().and_then(Seq::parse)))
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
