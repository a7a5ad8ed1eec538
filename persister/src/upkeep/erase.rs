//! Erasure of a person.
//!
//! Their messages become tombstones of a sender that is nobody, in their places, so that the rooms of others keep their
//! order. Texts of others stay as they are; reactions of the person, and their id among those who are mentioned, go. What
//! is left where, and in which order:
//!
//! 1. Their sessions are ended, and tokens from before are refused. The issuer of tokens has to have given them up.
//! 2. Of each room, everything is stored first, as the unstored index tells: nothing is under way that would write it
//!    again. Then the tables are cleaned, the membership last, because it tells that they were in the room; and Redis
//!    forgets the room, in one step that does nothing if something of it waits to be stored. Who asks for the room then
//!    has it rebuilt from the clean tables.
//! 3. Once more, until a pass finds nothing: somebody may have changed a message in between.
//! 4. The directory, the archive index, and the person's own keys.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rts_common::files::{object_key, room_prefix};
use rts_common::ids::{AttachmentId, Person, RoomId, UserId};
use rts_common::message::MessageState;
use rts_common::redis::upkeep::{self, Forgetting, Forgotten};
use rts_common::room::{Role, RoomKind};
use rts_common::store::StoredRoom;
use rts_common::store::upkeep::heir;
use tokio::time::{Instant, sleep};

use super::{Erased, Upkeep};

/// Passes after which somebody keeps writing what is to be erased.
const PASSES_MAX: usize = 10;
/// Time between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(200);
/// Messages, or files, that are changed at once.
pub(super) const AT_ONCE: usize = 16;

impl Upkeep {
    /// Counts what would be erased of a person.
    pub async fn would_erase(&self, person: &Person) -> anyhow::Result<Erased> {
        let rooms = self.rooms_of(person).await?;
        let mut found = self.clean_rooms(person, &rooms, None).await?;
        for room in &rooms {
            self.look_at(room, &mut found).await?;
        }
        found.directory = self.keeper.directory_items(&person.org, &person.user, false).await?;
        found.archived = self.keeper.archive_entries(&person.org, &person.user, false).await?;
        if let Some(redis) = &self.redis {
            found.redis_keys += upkeep::person_keys(redis, person, false).await?;
        }
        Ok(found)
    }

    /// Erases a person.
    pub async fn erase(&self, person: &Person) -> anyhow::Result<Erased> {
        let redis = self.redis()?;
        self.end_sessions(std::slice::from_ref(person)).await?;
        let alias = UserId::parse(&format!("erased-{}", AttachmentId::random()))?;
        let rooms = self.rooms_of(person).await?;
        let mut erased = Erased::default();
        let mut is_clean = rooms.is_empty();
        for _ in 0..PASSES_MAX {
            if is_clean {
                break;
            }
            for room in &rooms {
                self.await_stored(room).await?;
            }
            let pass = self.clean_rooms(person, &rooms, Some(&alias)).await?;
            is_clean = pass.is_nothing();
            erased.add(&pass);
            for room in &rooms {
                erased.redis_keys += self.forget(room, &person.user).await?;
            }
        }
        if !is_clean {
            bail!("somebody keeps writing what is to be erased; run it again");
        }
        erased.directory += self.keeper.directory_items(&person.org, &person.user, true).await?;
        erased.archived += self.keeper.archive_entries(&person.org, &person.user, true).await?;
        erased.redis_keys += upkeep::person_keys(redis, person, true).await?;
        Ok(erased)
    }

    /// Ends the sessions of users, and waits until they are.
    pub(super) async fn end_sessions(&self, people: &[Person]) -> anyhow::Result<()> {
        let redis = self.redis()?;
        let mut was_there = false;
        for person in people {
            was_there |= upkeep::person_keys(redis, person, false).await? > 0;
            upkeep::revoke(redis, person, self.times.revoked.as_secs()).await?;
        }
        let until = Instant::now() + self.times.wait;
        for person in people {
            while upkeep::connections(redis, person).await? > 0 {
                if Instant::now() > until {
                    bail!("a user stays connected although their sessions were ended");
                }
                sleep(LOOK).await;
            }
        }
        if was_there {
            sleep(self.times.settle).await;
        }
        Ok(())
    }

    /// Cleans the tables and the bucket of a person's traces in these rooms; without an alias, counts them.
    async fn clean_rooms(&self, person: &Person, rooms: &[RoomId], alias: Option<&UserId>) -> anyhow::Result<Erased> {
        let mut pass = Erased::default();
        for room in rooms {
            let cleaned = self.clean_room(person, room, alias).await;
            pass.add(&cleaned.with_context(|| format!("room {room} is not clean"))?);
        }
        pass.rooms = u64::try_from(rooms.len())?;
        Ok(pass)
    }

    async fn clean_room(&self, person: &Person, room: &RoomId, alias: Option<&UserId>) -> anyhow::Result<Erased> {
        let mut pass = Erased::default();
        let Some(stored) = self.store().room(room).await? else { return Ok(pass) };
        let mut files = BTreeSet::new();
        self.each_page(room, &stored.facts, async |page: Vec<MessageState>| {
            let own = page.iter().filter(|message| message.content.sender_id == person.user);
            files.extend(
                own.clone()
                    .flat_map(|message| &message.content.attachments)
                    .map(|file| object_key(&person.org, room, &file.attachment_id)),
            );
            pass.messages += u64::try_from(own.clone().count())?;
            let touched = page.iter().filter(|message| names(message, &person.user));
            pass.touched += u64::try_from(touched.clone().count())?;
            let Some(alias) = alias else { return Ok(()) };
            let own = own.map(|message| self.keeper.erase_message(message, alias));
            stream::iter(own).buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await?;
            let touched = touched.map(|message| self.keeper.forget_in_message(message, &person.user));
            stream::iter(touched).buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await?;
            Ok(())
        })
        .await?;
        pass.files = self.clean_files(person, room, files, alias.is_some()).await?;
        pass.add(&self.clean_members(person, room, &stored, alias).await?);
        Ok(pass)
    }

    /// Deletes the files of a person in a room: those of their messages, and those that no message has.
    async fn clean_files(
        &self,
        person: &Person,
        room: &RoomId,
        of_messages: BTreeSet<String>,
        deletes: bool,
    ) -> anyhow::Result<u64> {
        let Some(files) = &self.files else { return Ok(0) };
        let keys = files.list(&room_prefix(&person.org, room)).await?;
        let keys = stream::iter(keys.into_iter().map(async |key| {
            let is_own = of_messages.contains(&key)
                || files.note(&key).await?.is_some_and(|note| note.uploaded_by == person.user.as_str());
            if is_own && deletes {
                files.delete(&key).await?;
            }
            anyhow::Ok(is_own)
        }));
        let own: Vec<bool> = keys.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(u64::try_from(own.iter().filter(|is_own| **is_own).count())?)
    }

    async fn clean_members(
        &self,
        person: &Person,
        room: &RoomId,
        stored: &StoredRoom,
        alias: Option<&UserId>,
    ) -> anyhow::Result<Erased> {
        let members = stored.members.iter().map(|(member, _)| member);
        let own = members.clone().find(|member| member.user_id == person.user);
        let is_creator = stored.facts.created_by == person.user;
        let owned = own.filter(|own| own.role == Some(Role::Owner) && stored.facts.kind == RoomKind::Group);
        let heir = owned.and_then(|_| heir(members, &person.user));
        let found = Erased {
            memberships: u64::from(own.is_some()) + u64::from(is_creator),
            inherited: u64::from(heir.is_some()),
            ..Erased::default()
        };
        let Some(alias) = alias else { return Ok(found) };
        if let Some(heir) = heir {
            self.keeper.promote(room, heir).await?;
        }
        if is_creator {
            self.keeper.replace_creator(room, &person.user, alias).await?;
        }
        if own.is_some() {
            self.keeper.remove_member(room, &person.user).await?;
        }
        Ok(found)
    }

    /// Waits until everything of a room is stored.
    async fn await_stored(&self, room: &RoomId) -> anyhow::Result<()> {
        let redis = self.redis()?;
        let until = Instant::now() + self.times.wait;
        loop {
            match upkeep::forget_room(redis, room, Forgetting::Look, &[]).await? {
                Forgotten::Keys(_) => return Ok(()),
                waiting => self.wait_on(room, waiting, until).await?,
            }
        }
    }

    /// Has Redis forget a room, once everything of it is stored.
    async fn forget(&self, room: &RoomId, user: &UserId) -> anyhow::Result<u64> {
        let redis = self.redis()?;
        let until = Instant::now() + self.times.wait;
        loop {
            match upkeep::forget_room(redis, room, Forgetting::Forget, std::slice::from_ref(user)).await? {
                Forgotten::Keys(keys) => return Ok(keys),
                waiting => self.wait_on(room, waiting, until).await?,
            }
        }
    }

    async fn wait_on(&self, room: &RoomId, waiting: Forgotten, until: Instant) -> anyhow::Result<()> {
        if Instant::now() > until {
            match waiting {
                Forgotten::Unstored(entries) => bail!(
                    "{entries} entries of room {room} are not stored: see to the functions and their dead letters (dlq), and \
                     run it again"
                ),
                _ => bail!("too much waits to be stored: see to the functions, and run it again"),
            }
        }
        sleep(LOOK).await;
        Ok(())
    }

    /// Counts what Redis has of a room.
    pub(super) async fn look_at(&self, room: &RoomId, found: &mut Erased) -> anyhow::Result<()> {
        let Some(redis) = &self.redis else { return Ok(()) };
        match upkeep::forget_room(redis, room, Forgetting::Look, &[]).await? {
            Forgotten::Keys(keys) => found.redis_keys += keys,
            Forgotten::Unstored(entries) => found.unstored += entries,
            Forgotten::Busy => {}
        }
        Ok(())
    }
}

/// True if a message of somebody else names a user: they reacted to it, or it mentions them.
fn names(message: &MessageState, user: &UserId) -> bool {
    let content = &message.content;
    content.sender_id != *user
        && (content.mentions.contains(user) || content.reactions.iter().any(|it| it.user_ids.contains(user)))
}
