//! Entries that wait to be sent, and how they are cut into batches. Sans-IO.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use rts_common::ids::{RoomId, UserId};
use rts_common::record::{RoomChange, RoomRecord};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{JournalError, Place};

/// Entries of one `SendMessageBatch`: the limit of SQS.
pub(super) const BATCH_ENTRIES: usize = 10;
/// Bytes of one batch, attributes included: a quarter of the limit of SQS, so that a batch of large
/// messages is sent in time too. A single entry may be larger.
pub(super) const BATCH_BYTES: usize = 256 * 1024;
/// What an entry weighs beside its body: ids and attributes.
const ENTRY_BYTES: usize = 512;
/// Records of one group that one entry may carry: ten such entries are a batch of the Lambda, which writes them in
/// a few seconds also where DynamoDB is slow.
const ENTRY_RECORDS: usize = 16;
/// How much earlier an entry may be given up than the record that joins it would be.
const ENTRY_EARLIER: Duration = Duration::from_secs(5);
/// Bytes of an entry up to which others may join it: what SQS bills as one request.
const ENTRY_BODY_BYTES: usize = 64 * 1024;

/// Tells whoever waits for an entry.
pub(super) type Told = oneshot::Sender<Result<(), JournalError>>;

/// What an entry says.
#[derive(Debug)]
pub(super) enum Body {
    /// As it is sent: records, a line each.
    Text(String),
    /// Marks, which later ones may still replace.
    Marks(Box<RoomRecord>),
}

impl Body {
    /// As it is sent.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Marks(record) => serde_json::to_string(record).expect("a record holds only texts and numbers"),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            // Marks are two ids, an organization and two numbers.
            Self::Marks(_) => ENTRY_BYTES,
        }
    }
}

/// Message group and deduplication id, for a FIFO queue.
#[derive(Clone, Debug)]
pub(super) struct Fifo {
    pub(super) group: String,
    pub(super) dedup_id: String,
}

/// One entry on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) body: Body,
    pub(super) fifo: Option<Fifo>,
    /// When it is given up.
    pub(super) deadline: Instant,
    pub(super) told: Vec<Told>,
    /// Its places in the journal; given back when it is dropped.
    pub(super) places: Vec<Place>,
}

impl Entry {
    /// What it weighs in a batch.
    pub(super) fn bytes(&self) -> usize {
        self.body.bytes() + ENTRY_BYTES
    }

    /// It came to this.
    pub(super) fn resolve(self, result: Result<(), JournalError>) {
        drop(self.places);
        for told in self.told {
            // Whoever does not want to know has dropped the ticket.
            let _ = told.send(result);
        }
    }
}

/// Waiting entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many have ever left the front: the number of an entry is this plus its index.
    left: usize,
    marks: HashMap<(RoomId, UserId), usize>,
    /// The last entry of each FIFO group that waits.
    groups: HashMap<String, usize>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry; marks are merged into those of the same member that still wait, and a record joins the
    /// entry of its group. True if the sending task has to look: there was nothing before, or a batch is full now.
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        let was_full = self.has_full_batch();
        let Some(entry) = self.join(entry) else {
            return !was_full && self.has_full_batch();
        };
        if let Some((key, marks)) = marks_of(&entry.body) {
            let waiting = self.marks.get(&key).and_then(|number| self.entries.get_mut(number - self.left));
            if let Some(waiting) = waiting
                && let Some(known) = marks_in(&mut waiting.body)
            {
                known.read_seq = known.read_seq.max(marks.read_seq);
                known.delivered_seq = known.delivered_seq.max(marks.delivered_seq);
                waiting.told.extend(entry.told);
                waiting.places.extend(entry.places);
                return false;
            }
            self.marks.insert(key, self.left + self.entries.len());
        }
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        self.entries.len() == 1 || (!was_full && self.has_full_batch())
    }

    /// Puts a record into the entry of its group that waits; gives it back if there is none, or it is full.
    fn join(&mut self, entry: Entry) -> Option<Entry> {
        let (Body::Text(text), Some(fifo)) = (&entry.body, &entry.fifo) else {
            return Some(entry);
        };
        let waiting = self.groups.get(&fifo.group).and_then(|number| self.entries.get_mut(number - self.left));
        if let Some(waiting) = waiting
            && let (Body::Text(lines), Some(pack)) = (&mut waiting.body, &mut waiting.fifo)
            && waiting.told.len() < ENTRY_RECORDS
            && waiting.deadline + ENTRY_EARLIER >= entry.deadline
            && lines.len() + text.len() < ENTRY_BODY_BYTES
        {
            lines.push('\n');
            lines.push_str(text);
            self.bytes += text.len() + 1;
            // Sent again it is known by this; no other entry is taken for it, whatever it holds.
            pack.dedup_id = format!("{:032x}", rand::random::<u128>());
            waiting.told.extend(entry.told);
            waiting.places.extend(entry.places);
            return None;
        }
        self.groups.insert(fifo.group.clone(), self.left + self.entries.len());
        Some(entry)
    }

    /// Whether a batch is full.
    pub(super) fn has_full_batch(&self) -> bool {
        self.entries.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES
    }

    /// When the oldest is given up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.deadline)
    }

    /// Takes the next batch off the front.
    pub(super) fn take_batch(&mut self) -> Vec<Entry> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.entries.front()
            && batch.len() < BATCH_ENTRIES
            && (batch.is_empty() || bytes + next.bytes() <= BATCH_BYTES)
            && let Some(entry) = self.pop()
        {
            bytes += entry.bytes();
            batch.push(entry);
        }
        batch
    }

    /// Takes those whose time is up.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Entry> {
        let mut expired = Vec::new();
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            expired.extend(self.pop());
        }
        expired
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        if let Some((key, _)) = marks_of(&entry.body) {
            self.marks.remove(&key);
        }
        if let Some(fifo) = &entry.fifo
            && self.groups.get(&fifo.group) == Some(&self.left)
        {
            self.groups.remove(&fifo.group);
        }
        self.left += 1;
        self.bytes -= entry.bytes();
        Some(entry)
    }
}

fn marks_of(body: &Body) -> Option<((RoomId, UserId), rts_common::room::Marks)> {
    let Body::Marks(record) = body else {
        return None;
    };
    match &record.change {
        RoomChange::Marks { room_id, user_id, marks } => Some(((room_id.clone(), user_id.clone()), *marks)),
        _ => None,
    }
}

fn marks_in(body: &mut Body) -> Option<&mut rts_common::room::Marks> {
    let Body::Marks(record) = body else {
        return None;
    };
    match &mut record.change {
        RoomChange::Marks { marks, .. } => Some(marks),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rts_common::ids::OrgId;
    use rts_common::record::FORMAT;
    use rts_common::room::Marks;
    use rts_common::seq::Seq;

    fn entry(body: Body) -> (Entry, oneshot::Receiver<Result<(), JournalError>>) {
        let (told, ticket) = oneshot::channel();
        let entry = Entry {
            body,
            fifo: None,
            deadline: Instant::now() + std::time::Duration::from_secs(15),
            told: vec![told],
            places: Vec::new(),
        };
        (entry, ticket)
    }

    fn text(bytes: usize) -> Body {
        Body::Text("x".repeat(bytes))
    }

    fn marks(user: &str, read: u64, delivered: u64) -> Body {
        let room_id = RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let marks = Marks { read_seq: Seq::new(read).unwrap(), delivered_seq: Seq::new(delivered).unwrap() };
        Body::Marks(Box::new(RoomRecord {
            v: FORMAT,
            org: OrgId::parse("acme").unwrap(),
            change: RoomChange::Marks { room_id, user_id: UserId::parse(user).unwrap(), marks },
        }))
    }

    #[test]
    fn batches_are_full_by_number_or_by_size() {
        let mut queue = Queue::default();
        let due: Vec<_> = (0..BATCH_ENTRIES + 3).map(|_| queue.push(entry(text(10)).0)).collect();
        assert_eq!(due[..BATCH_ENTRIES - 1], [&[true][..], &[false; BATCH_ENTRIES - 2]].concat());
        assert_eq!(due[BATCH_ENTRIES - 1..], [true, false, false, false], "told once");
        assert!(queue.has_full_batch());
        assert_eq!(queue.take_batch().len(), BATCH_ENTRIES);
        assert!(!queue.has_full_batch());
        assert_eq!(queue.take_batch().len(), 3);
        assert!(queue.is_empty() && queue.take_batch().is_empty());
        for bytes in [100_000, 150_000, 100_000, BATCH_BYTES * 2, 10] {
            queue.push(entry(text(bytes)).0);
        }
        let sizes: Vec<_> = std::iter::from_fn(|| Some(queue.take_batch().len()).filter(|n| *n > 0)).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn marks_of_one_member_that_wait_become_one_and_all_are_told() {
        let mut queue = Queue::default();
        let (first, one) = entry(marks("ann", 5, 6));
        let (second, two) = entry(marks("ann", 4, 9));
        queue.push(entry(text(1)).0);
        queue.push(first);
        queue.push(entry(marks("bob", 1, 1)).0);
        queue.push(second);
        let mut batch = queue.take_batch();
        assert_eq!(batch.len(), 3);
        let merged = batch.remove(1);
        let value: serde_json::Value = serde_json::from_str(&merged.body.text()).unwrap();
        assert_eq!(value["marks"], serde_json::json!({"readSeq": 5, "deliveredSeq": 9}));
        merged.resolve(Ok(()));
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (Ok(()), Ok(())));
        // What was taken is not merged into any more.
        queue.push(entry(marks("ann", 7, 9)).0);
        assert_eq!(queue.take_batch().len(), 1);
    }

    fn of_group(group: &str, text: &str) -> (Entry, oneshot::Receiver<Result<(), JournalError>>) {
        let (mut entry, ticket) = entry(Body::Text(text.to_owned()));
        entry.fifo = Some(Fifo { group: group.to_owned(), dedup_id: text.to_owned() });
        (entry, ticket)
    }

    #[tokio::test]
    async fn records_of_one_group_that_wait_share_an_entry_in_their_order() {
        let mut queue = Queue::default();
        let (first, one) = of_group("a", "a1");
        let (second, two) = of_group("a", "a2");
        assert!(queue.push(first), "the first is looked for");
        assert!(!queue.push(of_group("b", "b1").0));
        assert!(!queue.push(second));
        let mut batch = queue.take_batch();
        let texts: Vec<_> = batch.iter().map(|entry| entry.body.text()).collect();
        assert_eq!(texts, ["a1\na2", "b1"]);
        let ids: Vec<_> = batch.iter().map(|entry| entry.fifo.clone().unwrap().dedup_id).collect();
        assert!(ids[0].len() == 32 && ids[1] == "b1", "{ids:?}");
        batch.remove(0).resolve(Ok(()));
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (Ok(()), Ok(())));
        // What was taken is not joined any more, and what is full neither.
        for number in 0..ENTRY_RECORDS + 2 {
            queue.push(of_group("a", &number.to_string()).0);
        }
        queue.push(of_group("c", &"x".repeat(ENTRY_BODY_BYTES)).0);
        queue.push(of_group("c", "y").0);
        let batch = queue.take_batch();
        assert_eq!(batch.iter().map(|entry| entry.told.len()).collect::<Vec<_>>(), [ENTRY_RECORDS, 2, 1, 1]);
        assert_eq!((queue.bytes, queue.groups.len(), queue.is_empty()), (0, 0, true));
    }

    #[test]
    fn the_oldest_expire_first() {
        let mut queue = Queue::default();
        queue.push(entry(text(1)).0);
        queue.push(entry(text(1)).0);
        let deadline = queue.next_deadline().unwrap();
        assert!(queue.take_expired(deadline - std::time::Duration::from_millis(1)).is_empty());
        assert_eq!(queue.take_expired(deadline + std::time::Duration::from_secs(1)).len(), 2);
    }
}
