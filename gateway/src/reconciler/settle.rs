//! Settles the entries of one room.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rts_common::ids::{NodeId, OrgId, RoomId};
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};
use rts_common::redis::journaled::{Journaled, message_member, room_member};
use rts_common::redis::keys::Partition;
use rts_common::redis::{Redis, stored};
use rts_common::room::{Marks, Membership};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::{Store, StoreError, StoredRoom};

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
    /// Settles a room's entries; returns those with a result, and an error if a part did not answer.
    pub(super) async fn settle_of(&self, room: RoomId, due: RoomDue) -> (Results, Result<(), Broken>) {
        let mut results = Vec::new();
        let mut settled = self.settle_messages(&room, &due.messages, &mut results).await;
        if settled.is_ok() {
            settled = self.settle_room(&room, &due.versions, &mut results).await;
        }
        let broken = match settled {
            Ok(()) => Ok(()),
            Err(Unsettled::Broken(broken)) => Err(broken),
            Err(Unsettled::Room(error)) => {
                tracing::warn!(room = %room, %error, "failed to settle unstored entries of a room");
                Ok(())
            }
        };
        (results, broken)
    }

    async fn settle_messages(
        &self,
        room: &RoomId,
        due: &[(Seq, Seq, Option<Journaled>)],
        results: &mut Results,
    ) -> Result<(), Unsettled> {
        if due.is_empty() {
            return Ok(());
        }
        let seqs: Vec<_> = due.iter().map(|(message, ..)| *message).collect();
        let known = self.parts.store.versions(room, &seqs).await?;
        // Messages of one call are journaled together, with the first of them that is due.
        let mut journaled: HashMap<Seq, bool> = HashMap::new();
        for (message, version, note) in due {
            let entry = Unstored::Message { room: room.clone(), message: *message, version: *version };
            if known.get(message).is_some_and(|stored| stored >= version) {
                self.clear(room, *message, *version).await?;
                results.push((entry, Settled::Stored));
                continue;
            }
            let Some(note) = note else { continue };
            if let Some(accepted) = journaled.get(version) {
                if *accepted {
                    results.push((entry, Settled::Journaled));
                }
                continue;
            }
            let Some((org, messages)) = self.to_journal(room, *message, *version).await? else {
                let settled = self.gone(room, *message, *version).await?;
                results.push((entry, settled));
                continue;
            };
            let versions: Vec<_> = messages.iter().map(|message| message.version).collect();
            let accepted = self.journal_messages(room, &org, messages, *note).await?;
            journaled.extend(versions.into_iter().map(|version| (version, accepted)));
            if accepted {
                results.push((entry, Settled::Journaled));
            }
        }
        Ok(())
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

    /// Settles versions of a room itself: all of its state is journaled under the highest one. After that, the others
    /// have nothing to add and are only removed.
    async fn settle_room(
        &self,
        room: &RoomId,
        due: &[(Seq, Option<Journaled>)],
        results: &mut Results,
    ) -> Result<(), Unsettled> {
        let Some((highest, _)) = due.iter().max_by_key(|(version, _)| *version).copied() else { return Ok(()) };
        let entry = |version: Seq| Unstored::Room { room: room.clone(), version };
        let Some((org, whole)) = self.parts.rooms.whole_change(room, highest).await? else {
            let members: Vec<_> = due.iter().map(|(version, _)| entry(*version).member()).collect();
            let is_stored = self.has_room_since(room, highest).await?;
            self.index.remove(Partition::of_room(room), &members).await.map_err(Broken::from)?;
            if !is_stored {
                tracing::error!(room = %room, version = %highest, "a change of a room is neither in Redis nor in DynamoDB: it is lost");
            }
            let settled = if is_stored { Settled::Stored } else { Settled::Lost };
            results.extend(due.iter().map(|(version, _)| (entry(*version), settled)));
            return Ok(());
        };
        let mark_off = |version| RoomChange::Room {
            room_id: room.clone(),
            version,
            facts: None,
            members: Vec::new(),
            closing: None,
        };
        let others = due.iter().map(|(version, _)| *version).filter(|version| *version != highest);
        let records = std::iter::once(whole).chain(others.map(mark_off));
        let records: Vec<_> = records.map(|change| RoomRecord { v: FORMAT, org: org.clone(), change }).collect();
        let note = due.iter().find_map(|(_, note)| *note);
        let settled = match note {
            Some(note) => self.journal_room(room, due, &records, note).await?.then_some(Settled::Journaled),
            None if self.parts.store.room(room).await?.is_some_and(|stored| has_all(&stored, &records[0].change)) => {
                for record in &records {
                    stored::room(&self.parts.redis, record).await.map_err(Broken::from)?;
                }
                Some(Settled::Stored)
            }
            None => None,
        };
        results.extend(settled.into_iter().flat_map(|settled| due.iter().map(move |due| (entry(due.0), settled))));
        Ok(())
    }

    /// Journals changes of a room; false if that must wait, or has no result yet.
    async fn journal_room(
        &self,
        room: &RoomId,
        due: &[(Seq, Option<Journaled>)],
        records: &[RoomRecord],
        note: Journaled,
    ) -> Result<bool, Unsettled> {
        let journal = &self.parts.room_journal;
        if !self.may_journal(journal, records.len())? {
            return Ok(false);
        }
        let members: Vec<_> = due.iter().map(|(version, _)| room_member(room, *version)).collect();
        self.note(room, &members, note).await?;
        for record in records {
            if journal.reserve()?.room_again(record).await.is_err() {
                return Ok(false);
            }
        }
        self.note(room, &members, Journaled { at: Timestamp::now(), requests: 0, accepted: true, ..note }).await?;
        Ok(true)
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
        let is_stored = known.get(&message).is_some_and(|stored| *stored >= version);
        self.index.remove_message(room, message, version).await.map_err(Broken::from)?;
        if is_stored {
            return Ok(Settled::Stored);
        }
        tracing::error!(room = %room, seq = %message, version = %version, "a message is neither in Redis nor in DynamoDB: it is lost");
        Ok(Settled::Lost)
    }

    /// Returns true if DynamoDB has a part of a room that is at least as new as a version: the best that is known of a
    /// change that Redis has lost.
    async fn has_room_since(&self, room: &RoomId, version: Seq) -> Result<bool, Unsettled> {
        Ok(self.parts.store.room(room).await?.is_some_and(|stored| {
            let members = stored.members.iter().map(|(member, _)| member.version);
            members.chain([stored.facts.version]).any(|known| known >= version)
        }))
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

impl From<Broken> for Unsettled {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<StoreError> for Unsettled {
    fn from(error: StoreError) -> Self {
        Self::Broken(Broken::DynamoDb(error.to_string()))
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

/// True if DynamoDB has every part of a whole room that is not newer than its version, each as new as here: a later
/// change that is stored says nothing about an earlier one. Newer parts have entries of their own.
fn has_all(stored: &StoredRoom, whole: &RoomChange) -> bool {
    let RoomChange::Room { version, facts, members, .. } = whole else { return false };
    let has_member = |member: &Membership| {
        let is_it = |(known, _): &&(Membership, Marks)| known.user_id == member.user_id;
        stored.members.iter().find(is_it).is_some_and(|(known, _)| known.version >= member.version)
    };
    facts.iter().all(|facts| facts.version > *version || stored.facts.version >= facts.version)
        && members.iter().all(|member| member.version > *version || has_member(member))
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

#[cfg(test)]
mod tests {
    use rts_common::ids::UserId;
    use rts_common::room::{Role, RoomFacts, RoomKind};

    use super::*;

    fn facts(version: u64) -> RoomFacts {
        RoomFacts {
            kind: RoomKind::Group,
            name: None,
            case_id: None,
            created_by: UserId::parse("ann").unwrap(),
            created_at: Timestamp::now(),
            archived_at: None,
            version: Seq::new(version).unwrap(),
        }
    }

    fn member(name: &str, version: u64, is_in: bool) -> Membership {
        Membership {
            user_id: UserId::parse(name).unwrap(),
            display_name: name.to_owned(),
            role: is_in.then_some(Role::Member),
            version: Seq::new(version).unwrap(),
            joined_seq: Seq::default(),
        }
    }

    #[test]
    fn a_later_change_does_not_vouch_for_an_earlier_one() {
        let whole = |version| RoomChange::Room {
            room_id: RoomId::new_group(),
            version: Seq::new(version).unwrap(),
            facts: Some(facts(6)),
            members: vec![member("ann", 1, true), member("bob", 5, false), member("cho", 7, true)],
            closing: None,
        };
        let stored = |facts_version, bob: Membership| StoredRoom {
            org: OrgId::parse("acme").unwrap(),
            facts: facts(facts_version),
            members: vec![(member("ann", 1, true), Marks::default()), (bob, Marks::default())],
        };
        // Bob's removal (5) is not stored, but the rename after it (6) is.
        for version in [5, 6] {
            assert!(!has_all(&stored(6, member("bob", 1, true)), &whole(version)), "{version}");
        }
        assert!(has_all(&stored(6, member("bob", 5, false)), &whole(6)), "the addition of cho (7) has its own entry");
        assert!(!has_all(&stored(6, member("bob", 5, false)), &whole(7)));
        assert!(has_all(&stored(1, member("bob", 5, false)), &whole(5)), "the rename has its own entry");
        assert!(!has_all(&stored(1, member("bob", 5, false)), &whole(6)));
    }
}
