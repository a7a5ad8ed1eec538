//! What is done about one room's entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use rts_common::ids::{NodeId, RoomId};
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};
use rts_common::redis::keys::Partition;
use rts_common::redis::{Redis, RedisFailure, stored};
use rts_common::seq::Seq;
use rts_common::store::{Store, StoreError};

use super::entry::Unstored;
use super::index::Index;
use crate::journal::{Full, Journal, JournalError};
use crate::rooms::{Refusal, Rooms};

/// What the reconciler works with.
pub struct ReconcilerParts {
    /// This node.
    pub node: NodeId,
    /// Commands to Redis.
    pub redis: Arc<Redis>,
    /// DynamoDB.
    pub store: Store,
    /// What Redis recorded of rooms.
    pub rooms: Arc<Rooms>,
    /// The journal of messages.
    pub message_journal: Journal,
    /// The journal of rooms.
    pub room_journal: Journal,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It was stored, and is off the index.
    Stored,
    /// It is on its way again.
    Journaled,
    /// Neither Redis nor DynamoDB has it; it is off the index.
    Lost,
}

impl Settled {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Journaled => "journaled",
            Self::Lost => "lost",
        }
    }
}

/// It could not be settled now.
#[derive(Debug, thiserror::Error)]
enum Unsettled {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    #[error(transparent)]
    Rooms(#[from] Refusal),
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The versions of one room that are not stored: of messages, then of the room itself.
#[derive(Debug, Default)]
pub(super) struct RoomBacklog {
    pub(super) messages: Vec<(Seq, Seq)>,
    pub(super) versions: Vec<Seq>,
}

impl ReconcilerParts {
    /// Settles a room's entries; `None` for those of which nothing came.
    pub(super) async fn settle(
        &self,
        index: &Index,
        room: &RoomId,
        backlog: &RoomBacklog,
    ) -> Vec<(Unstored, Option<Settled>)> {
        let mut all = Vec::with_capacity(backlog.messages.len() + backlog.versions.len());
        let messages = self.settle_messages(index, room, &backlog.messages).await;
        let messages = messages.inspect_err(|error| tell(room, error)).unwrap_or_default();
        for (at, (message, version)) in backlog.messages.iter().enumerate() {
            let entry = Unstored::Message { room: room.clone(), message: *message, version: *version };
            all.push((entry, messages.get(at).copied()));
        }
        let settled = self.settle_room(index, room, &backlog.versions).await;
        let settled = settled.inspect_err(|error| tell(room, error)).ok();
        for version in &backlog.versions {
            let entry = Unstored::Room { room: room.clone(), version: *version };
            all.push((entry, settled));
        }
        all
    }

    /// Settles message versions `(message, version)` of a room.
    async fn settle_messages(
        &self,
        index: &Index,
        room: &RoomId,
        messages: &[(Seq, Seq)],
    ) -> Result<Vec<Settled>, Unsettled> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let seqs: Vec<_> = messages.iter().map(|(message, _)| *message).collect();
        let known = self.store.versions(room, &seqs).await?;
        let mut tickets = Vec::new();
        let mut settled = Vec::new();
        for (message, version) in messages {
            if known.get(message).is_some_and(|stored| stored >= version) {
                self.clear(index, room, *message, *version).await?;
                settled.push(Settled::Stored);
                continue;
            }
            let place = self.message_journal.reserve()?;
            let Some(record) = self.record(room, *version).await? else {
                settled.push(self.gone(index, room, *message, *version).await?);
                continue;
            };
            tickets.push(place.message(&record));
            settled.push(Settled::Journaled);
        }
        for ticket in tickets {
            ticket.await?;
        }
        Ok(settled)
    }

    /// Settles versions of a room itself: all of its state goes under the highest one. Once that is
    /// journaled, the others have nothing to add and are only marked off.
    async fn settle_room(&self, index: &Index, room: &RoomId, versions: &[Seq]) -> Result<Settled, Unsettled> {
        let Some(highest) = versions.iter().max().copied() else {
            return Ok(Settled::Stored);
        };
        let Some((org, change)) = self.rooms.whole_change(room, highest).await? else {
            let members: Vec<_> = versions.iter().map(|version| format!("r:{room}:{version}")).collect();
            let is_stored = self.is_room_stored(room, highest).await?;
            index.remove(Partition::of_room(room), &members).await?;
            if is_stored {
                return Ok(Settled::Stored);
            }
            tracing::error!(room = %room, version = %highest, "a change of a room is neither in Redis nor in DynamoDB: it is lost");
            return Ok(Settled::Lost);
        };
        let journal = |change| {
            let place = self.room_journal.reserve()?;
            let org = org.clone();
            Ok::<_, Full>(place.room(&RoomRecord { v: FORMAT, org, change }))
        };
        journal(change)?.await?;
        let mut tickets = Vec::new();
        for version in versions.iter().filter(|version| **version != highest) {
            tickets.push(journal(RoomChange::Room {
                room_id: room.clone(),
                version: *version,
                facts: None,
                members: Vec::new(),
                closing: None,
            })?);
        }
        for ticket in tickets {
            ticket.await?;
        }
        Ok(Settled::Journaled)
    }

    /// What the stream recorded, as it was journaled.
    async fn record(&self, room: &RoomId, version: Seq) -> Result<Option<MessageRecord>, Unsettled> {
        let recorded = self.rooms.recorded(room, version).await?;
        Ok(recorded.map(|(org, message)| MessageRecord { v: FORMAT, org, origin: self.node.clone(), message }))
    }

    /// Does what the Lambda did not come to do after its write.
    async fn clear(&self, index: &Index, room: &RoomId, message: Seq, version: Seq) -> Result<(), Unsettled> {
        match self.record(room, version).await? {
            Some(record) => stored::messages(&self.redis, room, &[&record]).await?,
            None => index.remove_message(room, message, version).await?,
        }
        Ok(())
    }

    /// The stream does not have it. Perhaps because it was stored a moment ago.
    async fn gone(&self, index: &Index, room: &RoomId, message: Seq, version: Seq) -> Result<Settled, Unsettled> {
        let known = self.store.versions(room, &[message]).await?;
        let is_stored = known.get(&message).is_some_and(|stored| *stored >= version);
        index.remove_message(room, message, version).await?;
        if is_stored {
            return Ok(Settled::Stored);
        }
        tracing::error!(room = %room, seq = %message, version = %version, "a message is neither in Redis nor in DynamoDB: it is lost");
        Ok(Settled::Lost)
    }

    async fn is_room_stored(&self, room: &RoomId, version: Seq) -> Result<bool, Unsettled> {
        Ok(self.store.room(room).await?.is_some_and(|stored| {
            let members = stored.members.iter().map(|(member, _)| member.version);
            members.chain([stored.facts.version]).any(|known| known >= version)
        }))
    }
}

fn tell(room: &RoomId, error: &Unsettled) {
    tracing::warn!(room = %room, %error, "unstored entries of a room could not be settled");
}

/// Entries by room.
pub(super) fn by_room(entries: impl IntoIterator<Item = Unstored>) -> BTreeMap<RoomId, RoomBacklog> {
    let mut rooms: BTreeMap<RoomId, RoomBacklog> = BTreeMap::new();
    for entry in entries {
        match entry {
            Unstored::Message { room, message, version } => {
                rooms.entry(room).or_default().messages.push((message, version));
            }
            Unstored::Room { room, version } => {
                rooms.entry(room).or_default().versions.push(version);
            }
        }
    }
    rooms
}
