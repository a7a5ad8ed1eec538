//! Rebuilds a room that Redis does not have from DynamoDB, under a new epoch.
//!
//! Two nodes may do so at once: the first install wins, the other finds the room there. Messages that a Lambda writes
//! between the read and the install are noted by it (`:late`) and added by the install; those that it writes later are
//! added by `stored_messages`. The sequence continues from the highest seq that DynamoDB has and never behind Redis's
//! clock, so that no seq is used twice.

use rts_common::ids::RoomId;
use rts_common::limits;
use rts_common::message::MessageState;
use rts_common::redis::stored::member_value;
use rts_common::redis::{keys, scripts};
use rts_common::seq::Seq;
use rts_common::store::{StoredRoom, oldest_month};

use super::{RoomError, Rooms};

/// The most messages of the dedup window that one rebuild loads: two hours of a room at full rate; older ones of such a
/// room may be duplicated by a client that waits that long to send again.
const DEDUP_MESSAGES_MAX: usize = 100_000;
const DAY_MICROS: u64 = 86_400_000_000;

impl Rooms {
    /// Rebuilds the room if Redis does not have it; false if DynamoDB does not have it either.
    pub async fn rebuild(&self, room: &RoomId) -> Result<bool, RoomError> {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(keys::room_meta(room));
        let exists: bool = rts_common::redis::read(self.redis.command("room_exists", &exists).await?)?;
        if exists {
            return Ok(true);
        }
        let Some(stored) = self.store.room(room).await? else {
            return Ok(false);
        };
        let last = self.store.last_message(room, oldest_month(stored.facts.created_at)).await?;
        let recent = self.dedup_window(room).await?;
        let arguments = install_arguments(&stored, last.as_ref(), &recent);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.redis.run(&scripts::INSTALL_ROOM, &keys::room(room), &arguments).await?;
        tracing::info!(room = %room, members = stored.members.len(), dedup = recent.len(), "room rebuilt");
        Ok(true)
    }

    async fn dedup_window(&self, room: &RoomId) -> Result<Vec<MessageState>, RoomError> {
        let mut scan = self.store.scan(room.clone(), Seq::now().minus(limits::DEDUP_WINDOW));
        let mut messages = Vec::new();
        while let Some(page) = scan.next_page().await? {
            messages.extend(page);
            if messages.len() >= DEDUP_MESSAGES_MAX {
                tracing::warn!(room = %room, "the dedup window is too long to be rebuilt completely");
                break;
            }
        }
        Ok(messages)
    }
}

fn install_arguments(stored: &StoredRoom, last: Option<&MessageState>, recent: &[MessageState]) -> Vec<String> {
    let facts = &stored.facts;
    let joined = stored.members.iter().map(|(member, _)| member.version).max();
    let marked = stored.members.iter().map(|(_, marks)| marks.delivered_seq.max(marks.read_seq)).max();
    let changed = recent.iter().map(|message| message.version).max();
    // The highest seq in DynamoDB: of messages, their changes, and the room's own.
    let head = [last.map(|message| message.version), changed, joined, marked, Some(facts.version)]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or_default();
    let mut arguments = vec![
        stored.org.to_string(),
        match facts.kind {
            rts_common::room::RoomKind::Direct => "direct",
            rts_common::room::RoomKind::Group => "group",
        }
        .to_owned(),
        facts.name.clone().unwrap_or_default(),
        facts.case_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        facts.created_by.to_string(),
        facts.created_at.millis().to_string(),
        facts.archived_at.map_or(0, rts_common::seq::Timestamp::millis).to_string(),
        facts.version.to_string(),
        head.to_string(),
        last.map(|message| message.seq).unwrap_or_default().to_string(),
        last.map_or(0, |message| message.ordinal).to_string(),
        stored.members.len().to_string(),
    ];
    for (member, marks) in &stored.members {
        arguments.extend([
            member.user_id.to_string(),
            member_value(member),
            marks.read_seq.max(member.joined_seq).to_string(),
            marks.delivered_seq.max(member.joined_seq).to_string(),
        ]);
    }
    for message in recent {
        let (day, seq) = (message.seq.get() / DAY_MICROS, message.seq);
        let content = &message.content;
        let sent = [(content.sender_id.as_str(), content.client_id.as_str())];
        let files = content.attachments.iter().map(|file| ("", file.attachment_id.as_str()));
        for (sender, id) in sent.into_iter().chain(files) {
            arguments.extend([day.to_string(), sender.to_owned(), id.to_owned(), seq.to_string()]);
        }
    }
    arguments
}
