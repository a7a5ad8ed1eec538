//! Marks of a room's members, coalesced: clients get at most one record of them a second.

use std::collections::BTreeMap;
use std::time::Duration;

use rts_common::ids::{RoomId, UserId};
use rts_common::room::Marks;
use rts_common::seq::Seq;
use serde::Serialize;
use tokio::time::Instant;

/// The time between two records of a room.
const PERIOD: Duration = Duration::from_secs(1);
/// The wait before the first one after a quiet time: members who read the same message do so together.
const FIRST_DELAY: Duration = Duration::from_millis(25);

/// The record `ReceiptsUpdated` for clients.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::fanout) struct ReceiptsUpdated {
    room_id: RoomId,
    receipts: Vec<Receipt>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    user_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_seq: Option<Seq>,
}

/// The marks of one room that were not sent to clients yet.
#[derive(Debug, Default)]
pub(in crate::fanout) struct Receipts {
    waiting: BTreeMap<UserId, Marks>,
    told_at: Option<Instant>,
    is_due: bool,
}

impl Receipts {
    /// Adds a mark. Returns the moment at which to [`Self::take`], unless it was returned already.
    pub(in crate::fanout) fn add(&mut self, user: UserId, marks: Marks, now: Instant) -> Option<Instant> {
        let known = self.waiting.entry(user).or_default();
        known.read_seq = known.read_seq.max(marks.read_seq);
        known.delivered_seq = known.delivered_seq.max(marks.delivered_seq);
        if std::mem::replace(&mut self.is_due, true) {
            return None;
        }
        let soon = now + FIRST_DELAY;
        Some(self.told_at.map_or(soon, |told| soon.max(told + PERIOD)))
    }

    /// Takes the record that is due now.
    pub(in crate::fanout) fn take(&mut self, room_id: &RoomId, now: Instant) -> Option<ReceiptsUpdated> {
        self.is_due = false;
        if self.waiting.is_empty() {
            return None;
        }
        self.told_at = Some(now);
        let set = |seq: Seq| Some(seq).filter(|seq| *seq > Seq::ZERO);
        let receipts = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(user_id, marks)| Receipt {
                user_id,
                read_seq: set(marks.read_seq),
                delivered_seq: set(marks.delivered_seq),
            })
            .collect();
        Some(ReceiptsUpdated { room_id: room_id.clone(), receipts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(read: u64, delivered: u64) -> Marks {
        Marks { read_seq: Seq::new(read).unwrap(), delivered_seq: Seq::new(delivered).unwrap() }
    }

    #[test]
    fn receipts_are_sent_soon_then_once_a_second() {
        let room = RoomId::new_group();
        let user = |name| UserId::parse(name).unwrap();
        let mut receipts = Receipts::default();
        let begin = Instant::now();
        let due = receipts.add(user("ann"), marks(3, 5), begin).unwrap();
        assert_eq!(due, begin + FIRST_DELAY);
        assert_eq!(receipts.add(user("ann"), marks(4, 4), begin), None);
        assert_eq!(receipts.add(user("bob"), marks(0, 7), begin), None);
        let told = serde_json::to_value(receipts.take(&room, due).unwrap()).unwrap();
        let expected = serde_json::json!({"roomId": room, "receipts": [
            {"userId": "ann", "readSeq": 4, "deliveredSeq": 5}, {"userId": "bob", "deliveredSeq": 7},
        ]});
        assert_eq!(told, expected);
        assert_eq!(receipts.add(user("ann"), marks(8, 8), due), Some(due + PERIOD));
        assert!(receipts.take(&room, due + PERIOD).is_some());
        assert_eq!(receipts.take(&room, due + PERIOD), None);
        let quiet = due + PERIOD * 5;
        assert_eq!(receipts.add(user("ann"), marks(9, 9), quiet), Some(quiet + FIRST_DELAY));
    }
}
