//! The names of users: in Redis, in their rooms, and in the directory.

use std::collections::HashMap;
use std::time::Duration;

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

/// A user who is to be added to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitee {
    /// The user.
    pub user: UserId,
    /// Their name; of one who was never here, a text that is marked as none.
    pub name: String,
    /// True if they were here, or are in the directory.
    pub is_known: bool,
    /// True if they are in as many rooms as a user may be.
    pub is_full: bool,
}

impl Rooms {
    /// Returns what adding users to a room depends on, with their last known names.
    pub async fn invitees(&self, org: &OrgId, users: &[UserId], rooms_max: usize) -> Result<Vec<Invitee>, RoomError> {
        let most = rooms_max.to_string();
        let lookups = users.iter().map(async |user| {
            let person = Person { org: org.clone(), user: user.clone() };
            let keys = [keys::person_rooms(&person), keys::person_profile(&person)];
            let found: [String; 3] = read(self.redis.run_on(&scripts::INVITEE, &keys, &[&most]).await?)?;
            let [is_known, name, is_full] = found;
            Ok::<_, RoomError>(((is_known == "1").then_some(name), is_full == "1"))
        });
        let lookups: Vec<_> = lookups.collect();
        let known: Vec<(Option<String>, bool)> = stream::iter(lookups).buffered(AT_ONCE).try_collect().await?;
        let unknown: Vec<UserId> =
            users.iter().zip(&known).filter(|(_, (name, _))| name.is_none()).map(|(user, _)| user.clone()).collect();
        let stored =
            if unknown.is_empty() { HashMap::default() } else { Box::pin(self.store.profiles(org, &unknown)).await? };
        let invitees = users.iter().zip(known).map(|(user, (name, is_full))| {
            let name = name.or_else(|| stored.get(user).map(|profile| profile.display_name.clone()));
            let is_known = name.is_some();
            let name = name.unwrap_or_else(|| display_name::of_unseen(NAME_CHARS, user));
            Invitee { user: user.clone(), name, is_known, is_full }
        });
        Ok(invitees.collect())
    }

    /// Counts a room that a user makes today; if they have made the most, returns the time until they may make another.
    pub async fn count_made(&self, person: &Person, most: usize) -> Result<Option<Duration>, RoomError> {
        self.count_today(&keys::person_made(person), most, 1).await
    }

    /// Counts the bytes of a file that a user begins to upload today, for them and their organization; if either has the
    /// most, returns the time until they may begin another.
    pub async fn count_uploaded(
        &self,
        person: &Person,
        bytes: usize,
        (person_most, org_most): (usize, usize),
    ) -> Result<Option<Duration>, RoomError> {
        let wait = self.count_today(&keys::person_uploaded(person), person_most, bytes).await?;
        if wait.is_some() {
            return Ok(wait);
        }
        self.count_today(&keys::org_uploaded(&person.org), org_most, bytes).await
    }

    async fn count_today(&self, key: &str, most: usize, more: usize) -> Result<Option<Duration>, RoomError> {
        let (most, more) = (most.to_string(), more.to_string());
        let wait: u64 = read(self.redis.run(&scripts::COUNT_MADE, key, &[&most, &more]).await?)?;
        Ok((wait > 0).then(|| Duration::from_secs(wait)))
    }

    /// Notes the name that a user's token carries: rooms that are made from now on have it. True if earlier rooms and the
    /// directory may not have it.
    pub async fn note_name(&self, person: &Person, name: &str) -> Result<bool, RoomError> {
        let is_new: u64 = read(self.redis.run(&scripts::NAME, &keys::person_profile(person), &[name]).await?)?;
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
