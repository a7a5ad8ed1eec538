//! Entries: the contents of one message of SQS.
//!
//! The messages that one call made in one room make one entry, cut where it grows too large. The cut depends on the
//! records alone, and so does the deduplication id: a node that journals the same messages again sends the same entry,
//! and SQS drops the copy.

use std::ops::Range;
use std::time::Duration;

use rts_common::message::MessageState;
use rts_common::record::{MessageRecord, RoomChange};
use rts_common::redis::journaled::{message_member, room_member};
use rts_common::redis::keys::Partition;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{JournalError, JournalSlot};

/// Weight of an entry besides its body: ids and attributes.
pub(super) const ENTRY_BYTES: usize = 512;
/// The most records in one entry: ten such entries make a batch of the Lambda, which writes them in a few seconds even
/// where DynamoDB is slow.
pub(super) const ENTRY_RECORDS: usize = 16;
/// The most bytes of an entry's records, unless a single one is larger: SQS bills this much as one request.
const ENTRY_BODY_BYTES: usize = 64 * 1024;

/// The longest wait for an entry that was not sent yet, or that SQS has refused: its caller is told to send again.
const TOLD_AFTER: Duration = Duration::from_millis(750);

/// Waits for an entry's result.
pub(super) type Waiter = oneshot::Sender<Result<(), JournalError>>;

/// Message group and deduplication id, for a FIFO queue.
#[derive(Clone, Debug)]
pub(super) struct Fifo {
    pub(super) group: String,
    pub(super) dedup_id: String,
}

/// The key of an entry in the unstored index, and its partition.
pub(super) type Unstored = (Partition, String);

/// An entry that is being sent.
#[derive(Debug)]
pub(super) struct Entry {
    /// Records, a line each.
    pub(super) body: String,
    pub(super) fifo: Option<Fifo>,
    /// The time when it was added.
    pub(super) since: Instant,
    /// The time when it is given up.
    pub(super) deadline: Instant,
    /// Number of its records.
    pub(super) records: usize,
    /// Number of its records that are new messages, journaled for the first time.
    pub(super) new_messages: usize,
    /// Waiters for its result that were not notified yet.
    pub(super) waiters: Vec<Waiter>,
    /// Its slots in the journal; given back when it is dropped.
    pub(super) places: Vec<JournalSlot>,
    /// The unstored entries that are durable once it is accepted.
    pub(super) unstored: Vec<Unstored>,
}

impl Entry {
    /// Returns its weight in a batch.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + ENTRY_BYTES
    }

    /// Returns when whoever waits for it has waited long enough to be told.
    pub(super) fn late_at(&self) -> Instant {
        self.since + TOLD_AFTER
    }

    /// Returns after which time whoever waits for it is told that SQS has not taken it; none if all were told.
    pub(super) fn late_in(&self, now: Instant) -> Option<Duration> {
        (!self.waiters.is_empty()).then(|| self.late_at().saturating_duration_since(now))
    }

    /// Gives its slots back and notifies the waiters of its result.
    pub(super) fn resolve(mut self, result: Result<(), JournalError>) {
        self.places.clear();
        self.tell(result);
    }

    /// Notifies the waiters of a result; the entry may still be tried.
    pub(super) fn tell(&mut self, result: Result<(), JournalError>) {
        for waiter in self.waiters.drain(..) {
            // The receiver is gone if the caller has dropped its ticket.
            let _ = waiter.send(result);
        }
    }
}

/// Returns the ranges of records for each entry, of records that one call made in one room.
pub(super) fn cut(records: &[(String, &MessageRecord)]) -> Vec<Range<usize>> {
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, (text, record)) in records.iter().enumerate() {
        // The name of the node is left out: another node that journals the record again writes its own.
        let size = text.len() - record.origin.as_str().len();
        match cuts.last_mut() {
            Some(last) if last.len() < ENTRY_RECORDS && bytes + size <= ENTRY_BODY_BYTES => {
                last.end = index + 1;
                bytes += size;
            }
            _ => {
                cuts.push(index..index + 1);
                bytes = size;
            }
        }
    }
    cuts
}

/// Returns the deduplication id of an entry by its first and last message; an entry that SQS has lost gets another.
pub(super) fn dedup_id(first: &MessageState, last: &MessageState, losses: u8) -> String {
    let (room, first, last) = (&first.room_id, first.version, last.version);
    let id = if first == last { format!("{room}:{first}") } else { format!("{room}:{first}-{last}") };
    if losses == 0 { id } else { format!("{id}#{losses}") }
}

/// Returns the key in the unstored index of a message's version.
pub(super) fn unstored_message(message: &MessageState) -> Unstored {
    let member = message_member(&message.room_id, message.seq, message.version);
    (Partition::of_room(&message.room_id), member)
}

/// Returns the key in the unstored index of a change, if it has one.
pub(super) fn unstored_change(change: &RoomChange) -> Option<Unstored> {
    match change {
        RoomChange::Room { room_id, version, .. } => {
            Some((Partition::of_room(room_id), room_member(room_id, *version)))
        }
        RoomChange::Marks { .. } | RoomChange::Profile { .. } => None,
    }
}

/// Returns a record as one line, of characters that SQS accepts: it would replace the others by U+FFFD.
pub(super) fn json(record: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(record).expect("a record holds only texts and numbers");
    // The first byte of both characters, and of few others.
    if !text.as_bytes().contains(&0xEF) {
        return text;
    }
    text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;

    fn cuts(bodies: &[usize], origin: &str) -> Vec<Range<usize>> {
        let records: Vec<_> = (1..).zip(bodies).map(|(number, size)| message(number, &"x".repeat(*size))).collect();
        let records: Vec<_> = records
            .into_iter()
            .map(|record| MessageRecord { origin: rts_common::ids::NodeId::parse(origin).unwrap(), ..record })
            .collect();
        let texts: Vec<_> = records.iter().map(|record| (json(record), record)).collect();
        cut(&texts)
    }

    #[test]
    fn an_entry_is_cut_by_number_and_by_size_whichever_node_journals_it() {
        assert_eq!(cuts(&[10; 16], "a").len(), 1);
        assert_eq!(cuts(&[10; 18], "a"), [0..16, 16..18]);
        assert_eq!(cuts(&[40_000, 20_000, 20_000, 70_000, 10], "a"), [0..2, 2..3, 3..4, 4..5]);
        for size in 13_000..13_010 {
            assert_eq!(cuts(&[size; 16], "a"), cuts(&[size; 16], &"b".repeat(60)));
        }
        assert!(cuts(&[], "a").is_empty());
    }

    #[test]
    fn an_id_tells_the_first_and_the_last_and_the_losses() {
        let (one, two) = (message(1, "").message, message(2, "").message);
        let room = &one.room_id;
        assert_eq!(dedup_id(&one, &one, 0), format!("{room}:1"));
        assert_eq!(dedup_id(&one, &two, 0), format!("{room}:1-2"));
        assert_eq!(dedup_id(&one, &two, 2), format!("{room}:1-2#2"));
    }
}
