//! Export of a person or an organization: JSON, one object a line, each with its `type`.
//!
//! | type | what |
//! |---|---|
//! | `export` | the first line: whose data it is, and when it was read |
//! | `profile` | a user of the directory |
//! | `presence` | when the person was last seen |
//! | `room` | a room's facts, with all members and their marks; of a person, with their own membership alone |
//! | `message` | a message as clients see it; of a person, those that they wrote |
//! | `reaction`, `mention` | of a person: messages of others that they reacted to, or that mention them |
//! | `file` | what the bucket tells of a file; its bytes are at `key` |
//! | `end` | the last line: the number of each, and what was not stored yet; without it, the export is cut off |
//!
//! It holds what is stored. Of what was sent in the last seconds, `unstored` tells how much is missing.

use std::io::Write;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rts_common::files::{org_prefix, room_prefix};
use rts_common::ids::{OrgId, RoomId, UserId};
use rts_common::message::{Message, MessageState};
use rts_common::redis::upkeep::{self, Forgetting, Forgotten};
use rts_common::room::{Marks, Membership};
use rts_common::seq::Timestamp;
use rts_common::store::StoredRoom;
use serde_json::{Value, json};

use super::erase::AT_ONCE;
use super::{Exported, Subject, Upkeep};

/// Profiles read at once.
const PROFILES_AT_ONCE: usize = 100;

impl Upkeep {
    /// Writes all that is stored of a person or an organization.
    pub async fn export(&self, subject: &Subject, out: &mut (dyn Write + Send)) -> anyhow::Result<Exported> {
        let mut export = Export { upkeep: self, out, counts: Exported::default() };
        let (org, user) = match subject {
            Subject::Person(person) => (&person.org, Some(&person.user)),
            Subject::Organization(org) => (org, None),
        };
        export.line("export", json!({"org": org, "userId": user, "at": Timestamp::now()}))?;
        let (users, rooms) = match subject {
            Subject::Person(person) => (vec![person.user.clone()], self.rooms_of(person).await?),
            Subject::Organization(org) => (self.keeper.users_of(org).await?, self.keeper.rooms_of_org(org).await?),
        };
        export.profiles(org, &users).await?;
        if let (Subject::Person(person), Some(redis)) = (subject, &self.redis)
            && let Some(at) = upkeep::last_seen(redis, person).await?
        {
            export.line("presence", json!({"lastSeenAt": at}))?;
        }
        for room in &rooms {
            export.room(org, room, user).await.with_context(|| format!("room {room} cannot be exported"))?;
        }
        if user.is_none() {
            export.files(&org_prefix(org), None).await?;
        }
        let counts = export.counts;
        let Exported { profiles, rooms, messages, reactions, mentions, files, unstored } = counts;
        export.line(
            "end",
            json!({"profiles": profiles, "rooms": rooms, "messages": messages, "reactions": reactions,
                   "mentions": mentions, "files": files, "unstored": unstored}),
        )?;
        export.out.flush()?;
        Ok(counts)
    }
}

/// An export that is being written.
struct Export<'a> {
    upkeep: &'a Upkeep,
    out: &'a mut (dyn Write + Send),
    counts: Exported,
}

impl Export<'_> {
    fn line(&mut self, kind: &str, mut value: Value) -> anyhow::Result<()> {
        value["type"] = kind.into();
        serde_json::to_writer(&mut *self.out, &value)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    async fn profiles(&mut self, org: &OrgId, users: &[UserId]) -> anyhow::Result<()> {
        for users in users.chunks(PROFILES_AT_ONCE) {
            let mut found: Vec<_> = self.upkeep.store().profiles(org, users).await?.into_iter().collect();
            found.sort_by(|(one, _), (other, _)| one.cmp(other));
            for (user, profile) in found {
                let seen = profile.version.timestamp();
                self.line("profile", json!({"userId": user, "displayName": profile.display_name, "nameSeenAt": seen}))?;
                self.counts.profiles += 1;
            }
        }
        Ok(())
    }

    async fn room(&mut self, org: &OrgId, room: &RoomId, user: Option<&UserId>) -> anyhow::Result<()> {
        if let Some(redis) = &self.upkeep.redis
            && let Forgotten::Unstored(entries) = upkeep::forget_room(redis, room, Forgetting::Look, &[]).await?
        {
            self.counts.unstored += entries;
        }
        let Some(stored) = self.upkeep.store().room(room).await? else { return Ok(()) };
        self.line("room", room_line(room, &stored, user)?)?;
        self.counts.rooms += 1;
        let upkeep = self.upkeep;
        let taken = upkeep.each_page(room, &stored.facts, async |page: Vec<MessageState>| {
            page.into_iter().try_for_each(|message| self.message(message, user))
        });
        taken.await?;
        if let Some(user) = user {
            self.files(&room_prefix(org, room), Some(user)).await?;
        }
        Ok(())
    }

    fn message(&mut self, message: MessageState, user: Option<&UserId>) -> anyhow::Result<()> {
        let Some(user) = user.filter(|user| **user != message.content.sender_id) else {
            self.counts.messages += 1;
            return self.line("message", serde_json::to_value(Message::from(message))?);
        };
        let (room, seq) = (&message.room_id, message.seq);
        for reaction in message.content.reactions.iter().filter(|reaction| reaction.user_ids.contains(user)) {
            self.counts.reactions += 1;
            self.line("reaction", json!({"roomId": room, "seq": seq, "emoji": reaction.emoji}))?;
        }
        if message.content.mentions.contains(user) {
            self.counts.mentions += 1;
            self.line("mention", json!({"roomId": room, "seq": seq}))?;
        }
        Ok(())
    }

    /// Writes what the bucket tells of files: all, or those of a user.
    async fn files(&mut self, prefix: &str, user: Option<&UserId>) -> anyhow::Result<()> {
        let Some(files) = &self.upkeep.files else { return Ok(()) };
        let keys = files.list(prefix).await?;
        let mut notes = stream::iter(keys.into_iter().map(async |key| anyhow::Ok((files.note(&key).await?, key))))
            .buffered(AT_ONCE);
        while let Some((note, key)) = notes.try_next().await? {
            if user.is_some() && note.as_ref().map(|note| note.uploaded_by.as_str()) != user.map(UserId::as_str) {
                continue;
            }
            let mut line = note.map_or_else(|| Ok(json!({})), serde_json::to_value)?;
            line["key"] = key.into();
            self.counts.files += 1;
            self.line("file", line)?;
        }
        Ok(())
    }
}

/// Returns a room's facts with its members, or with the membership of one user.
fn room_line(room: &RoomId, stored: &StoredRoom, user: Option<&UserId>) -> anyhow::Result<Value> {
    let member = |(member, marks): &(Membership, Marks)| {
        json!({"userId": member.user_id, "displayName": member.display_name, "role": member.role,
               "joinedSeq": member.joined_seq, "changedAt": member.version.timestamp(),
               "readSeq": marks.read_seq, "deliveredSeq": marks.delivered_seq})
    };
    let mut line = serde_json::to_value(&stored.facts)?;
    line["roomId"] = json!(room);
    let is_wanted = |(member, _): &&(Membership, Marks)| user.is_none_or(|user| *user == member.user_id);
    line["members"] = stored.members.iter().filter(is_wanted).map(member).collect();
    if user.is_some_and(|user| *user != stored.facts.created_by)
        && let Some(line) = line.as_object_mut()
    {
        // Somebody else.
        line.remove("createdBy");
    }
    Ok(line)
}
