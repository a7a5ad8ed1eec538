//! Settles the entries of one room.

mod room;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rts_common::ids::{NodeId, OrgId, RoomId};
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord};
use rts_common::redis::journaled::{Journaled, message_member};
use rts_common::redis::keys::Partition;
use rts_common::redis::{Redis, stored};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::{Store, StoreError};

use super::entry::Unstored;
use super::queues::Queues;
use super::{Broken, Reconciler};
use crate::journal::{Busy, Journal};
use crate::metrics::ReconcileOutcome;
use crate::rooms::{RoomError, Rooms};

/// The parts that the reconciler works with.
pub struct ReconcilerParts {
    /// This node.
    pub node: NodeId,
    /// Commands to Redis.
    pub redis: Arc<Redis>,
    /// DynamoDB.
    pub store: Store,
    /// Redis's records of rooms.
    pub rooms: Arc<Rooms>,
    /// The journal of messages.
    pub message_journal: Journal,
    /// The journal of rooms.
    pub room_journal: Journal,
    /// The state of both queues in SQS.
    pub queues: Arc<Queues>,
}

/// The result for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It was stored, and is removed from the index.
    Stored,
    /// It was journaled again.
    Journaled,
    /// Neither Redis nor DynamoDB has it; it is removed from the index.
    Lost,
}

impl Settled {
    pub(super) const fn outcome(self) -> ReconcileOutcome {
        match self {
            Self::Stored => ReconcileOutcome::Stored,
            Self::Journaled => ReconcileOutcome::Journaled,
            Self::Lost => ReconcileOutcome::Lost,
        }
    }
}

/// An entry to be settled.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) entry: Unstored,
    /// The note for when it is journaled; without it, the entry is only looked up.
    pub(super) journal: Option<Journaled>,
}

/// Entries with a result.
type Results = Vec<(Unstored, Settled)>;

/// The entries of one room that are due.
#[derive(Debug, Default)]
pub(super) struct RoomDue {
    /// Message, version, and the note.
    messages: Vec<(Seq, Seq, Option<Journaled>)>,
    /// Version of the room, and the note.
    versions: Vec<(Seq, Option<Journaled>)>,
}

impl Reconciler {
    /// Settles a room's entries; returns those with a result, and an error if a part did not answer. An entry that cannot
    /// be read holds up no other.
    pub(super) async fn settle_of(&self, room: RoomId, due: RoomDue) -> (Results, Result<(), Broken>) {
        let mut results = Vec::new();
        let broken = self.settle_all(&room, &due, &mut results).await;
        (results, broken)
    }

    async fn settle_all(&self, room: &RoomId, due: &RoomDue, results: &mut Results) -> Result<(), Broken> {
        let seqs: Vec<_> = due.messages.iter().map(|(message, ..)| *message).collect();
        if !seqs.is_empty() {
            let known = self.parts.store.versions(room, &seqs).await.map_err(Broken::from)?;
            // Messages of one call are journaled together, with the first of them that is due.
            let mut journaled = HashMap::new();
            for (message, version, note) in due.messages.iter().copied() {
                let settled = match known.get(&message) {
                    Some(stored) if stored.covers(version) => {
                        self.clear(room, message, version).await.map(|()| Some(Settled::Stored))
                    }
                    _ => self.journal_message(room, (message, version, note), &mut journaled).await,
                };
                match settled {
                    Ok(settled) => {
                        let entry = Unstored::Message { room: room.clone(), message, version };
                        results.extend(settled.map(|settled| (entry, settled)));
                    }
                    Err(unsettled) => unsettled.or_log(room)?,
                }
            }
        }
        self.settle_room(room, &due.versions, results).await.or_else(|unsettled| unsettled.or_log(room))
    }

    /// Journals a message again, with those of its call; `None` if that must wait, or has no result yet.
    async fn journal_message(
        &self,
        room: &RoomId,
        (message, version, note): (Seq, Seq, Option<Journaled>),
        journaled: &mut HashMap<Seq, bool>,
    ) -> Result<Option<Settled>, Unsettled> {
        let Some(note) = note else { return Ok(None) };
        if let Some(accepted) = journaled.get(&version) {
            return Ok(accepted.then_some(Settled::Journaled));
        }
        let Some((org, messages)) = self.to_journal(room, message, version).await? else {
            return self.gone(room, message, version).await.map(Some);
        };
        let versions: Vec<_> = messages.iter().map(|message| message.version).collect();
        let accepted = self.journal_messages(room, &org, messages, note).await?;
        journaled.extend(versions.into_iter().map(|version| (version, accepted)));
        Ok(accepted.then_some(Settled::Journaled))
    }

    /// Returns the records of a version's entry, as its node journaled it or would have; `None` if the stream does not
    /// have it.
    async fn to_journal(
        &self,
        room: &RoomId,
        message: Seq,
        version: Seq,
    ) -> Result<Option<(OrgId, Vec<MessageState>)>, Unsettled> {
        let rooms = &self.parts.rooms;
        if message == version {
            return Ok(rooms.sent_together(room, message).await?.map(|sent| (sent.org, sent.messages)));
        }
        Ok(rooms.recorded(room, version).await?.map(|(org, message)| (org, vec![message])))
    }

    /// Journals messages that belong together; false if that must wait, or has no result yet.
    async fn journal_messages(
        &self,
        room: &RoomId,
        org: &OrgId,
        messages: Vec<MessageState>,
        note: Journaled,
    ) -> Result<bool, Unsettled> {
        let journal = &self.parts.message_journal;
        if !self.may_journal(journal, messages.len())? {
            return Ok(false);
        }
        let members: Vec<_> =
            messages.iter().map(|message| message_member(room, message.seq, message.version)).collect();
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            let record = MessageRecord { v: FORMAT, org: org.clone(), origin: self.parts.node.clone(), message };
            records.push((journal.reserve()?, record));
        }
        self.note(room, &members, note).await?;
        let mut accepted = true;
        for ticket in journal.append_again(records, note.losses) {
            accepted &= ticket.await.is_ok();
        }
        if accepted {
            self.note(room, &members, Journaled { at: Timestamp::now(), requests: 0, accepted: true, ..note }).await?;
        }
        Ok(accepted)
    }

    async fn note(&self, room: &RoomId, members: &[String], note: Journaled) -> Result<(), Broken> {
        let noted: Vec<_> = members.iter().map(|member| (member.clone(), note)).collect();
        Ok(self.index.note(Partition::of_room(room), &noted).await?)
    }

    /// Makes up for the work that the Lambda did not do after its write.
    async fn clear(&self, room: &RoomId, message: Seq, version: Seq) -> Result<(), Unsettled> {
        match self.parts.rooms.recorded(room, version).await? {
            Some((org, message)) => {
                let record = MessageRecord { v: FORMAT, org, origin: self.parts.node.clone(), message };
                stored::messages(&self.parts.redis, room, &[&record]).await.map_err(Broken::from)?;
            }
            None => self.index.remove_message(room, message, version).await.map_err(Broken::from)?,
        }
        Ok(())
    }

    /// Handles a message that the stream does not have, perhaps because it was stored a moment ago.
    async fn gone(&self, room: &RoomId, message: Seq, version: Seq) -> Result<Settled, Unsettled> {
        let known = self.parts.store.versions(room, &[message]).await?;
        let is_stored = known.get(&message).is_some_and(|stored| stored.covers(version));
        self.index.remove_message(room, message, version).await.map_err(Broken::from)?;
        if is_stored {
            return Ok(Settled::Stored);
        }
        tracing::error!(room = %room, seq = %message, version = %version, "a message is neither in Redis nor in DynamoDB: it is lost");
        Ok(Settled::Lost)
    }
}

/// The reason why a room's entries could not be settled now.
#[derive(Debug)]
enum Unsettled {
    /// A part does not answer.
    Broken(Broken),
    /// The data of this room is invalid.
    Room(RoomError),
}

impl Unsettled {
    /// Logs an error of the room's data; returns the part that does not answer.
    fn or_log(self, room: &RoomId) -> Result<(), Broken> {
        match self {
            Self::Broken(broken) => Err(broken),
            Self::Room(error) => {
                tracing::warn!(room = %room, %error, "failed to settle unstored entries of a room");
                Ok(())
            }
        }
    }
}

impl From<Broken> for Unsettled {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<StoreError> for Unsettled {
    fn from(error: StoreError) -> Self {
        Self::Broken(Broken::from(error))
    }
}

impl From<Busy> for Unsettled {
    fn from(_: Busy) -> Self {
        Self::Broken(Broken::Sqs)
    }
}

impl From<RoomError> for Unsettled {
    fn from(refusal: RoomError) -> Self {
        Self::Room(refusal)
    }
}

/// Groups entries by room.
pub(super) fn by_room(due: Vec<Due>) -> BTreeMap<RoomId, RoomDue> {
    let mut rooms: BTreeMap<RoomId, RoomDue> = BTreeMap::new();
    for Due { entry, journal } in due {
        let of_room = rooms.entry(entry.room().clone()).or_default();
        match entry {
            Unstored::Message { message, version, .. } => of_room.messages.push((message, version, journal)),
            Unstored::Room { version, .. } => of_room.versions.push((version, journal)),
        }
    }
    rooms
}
