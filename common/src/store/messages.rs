//! Reading messages: one, a stretch of a room's history, or only versions.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;

use super::item::{Fields, Item, message_from_item, seq, seq_value};
use super::schema::messages as names;
use super::{Store, StoreError, batch};
use crate::ids::RoomId;
use crate::message::MessageState;
use crate::seq::{Month, SEQ_MAX, Seq, Timestamp};

/// Month partitions queried at once if the nearest ones held too few messages.
const MONTHS_AT_ONCE_MAX: usize = 8;
/// The seq after everything.
const LAST: Seq = Seq::new(SEQ_MAX).expect("the largest seq is one");
/// The most by which the clocks of gateways and of Redis may differ.
const CLOCK_MARGIN: Duration = Duration::from_hours(24);

/// The direction in which a history is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// A stretch of a room's history: the open interval between two seqs.
#[derive(Clone, Copy, Debug)]
pub struct MessageQuery<'a> {
    /// The room.
    pub room: &'a RoomId,
    /// Excludes this seq and everything before it.
    pub after: Seq,
    /// Excludes this seq and everything after it.
    pub before: Seq,
    /// The direction of the result.
    pub direction: Direction,
    /// The largest number of messages to return.
    pub limit: usize,
    /// The month of the room's first possible message, see [`oldest_month`]: no earlier partition is queried.
    pub oldest: Month,
}

/// Returns the earliest month that may hold the first message of a room created at `created_at`.
pub fn oldest_month(created_at: Timestamp) -> Month {
    let created = Seq::new(created_at.millis().saturating_mul(1000)).unwrap_or(Seq::ZERO);
    created.minus(CLOCK_MARGIN).month()
}

impl Store {
    /// Returns one message, which may be a tombstone.
    pub async fn message(&self, room: &RoomId, seq: Seq) -> Result<Option<MessageState>, StoreError> {
        if seq <= self.retention.expired() {
            return Ok(None);
        }
        let reply = self
            .client
            .get_item()
            .table_name(&self.tables.messages)
            .set_key(Some(key(room, seq)))
            .consistent_read(true)
            .send()
            .await?;
        reply.item.map(|item| message_from_item(room, item)).transpose()
    }

    /// Returns true if a fence of a room is stored.
    pub async fn has_fence(&self, room: &RoomId, number: Seq) -> Result<bool, StoreError> {
        let partition = (names::ROOM_MONTH, AttributeValue::S(names::fences(room)));
        let get = self.client.get_item().table_name(&self.tables.messages);
        let key = batch::key(partition, (names::SEQ, seq_value(number)));
        Ok(get.set_key(Some(key)).consistent_read(true).send().await?.item.is_some())
    }

    /// Returns the messages of a stretch, in the query's direction, including tombstones. Fewer than the limit means
    /// that there are no more.
    pub async fn messages(&self, query: MessageQuery<'_>) -> Result<Vec<MessageState>, StoreError> {
        let query = MessageQuery { after: query.after.max(self.retention.expired()), ..query };
        let months = months(&query);
        let mut found = Vec::new();
        // A busy room's page is in one or two partitions; a quiet room's may be years back.
        let (mut at_once, mut from) = (1, 0);
        while from < months.len() && found.len() < query.limit {
            let to = (from + at_once).min(months.len());
            let limit = query.limit - found.len();
            let parts = months[from..to].iter().map(|month| self.month(&query, *month, limit));
            found.extend(try_join_all(parts).await?.into_iter().flatten());
            from = to;
            at_once = (at_once * 2).min(MONTHS_AT_ONCE_MAX);
        }
        found.truncate(query.limit);
        Ok(found)
    }

    /// Returns the last message of a room, if there is one in `oldest` or later.
    pub async fn last_message(&self, room: &RoomId, oldest: Month) -> Result<Option<MessageState>, StoreError> {
        let query =
            MessageQuery { room, after: Seq::ZERO, before: LAST, direction: Direction::Descending, limit: 1, oldest };
        Ok(self.messages(query).await?.pop())
    }

    /// Returns the stored versions of those of `seqs` that are stored at all.
    pub async fn versions(&self, room: &RoomId, seqs: &[Seq]) -> Result<HashMap<Seq, StoredVersion>, StoreError> {
        // A key may occur only once in a batch.
        let distinct: BTreeSet<_> = seqs.iter().copied().collect();
        let keys = distinct.into_iter().map(|seq| key(room, seq)).collect();
        let items = self.get_all(&self.tables.messages, keys, &[names::SEQ, names::VERSION, names::DELETED]).await?;
        items
            .into_iter()
            .map(|item| {
                let mut fields = Fields(item);
                let version = fields.required(names::VERSION, seq)?;
                let is_deleted = fields.optional(names::DELETED, |value| value.as_bool().ok().copied())?;
                let stored = StoredVersion { version, is_deleted: is_deleted.unwrap_or(false) };
                Ok((fields.required(names::SEQ, seq)?, stored))
            })
            .collect()
    }

    /// Reads the part of the stretch that is in one partition.
    async fn month(
        &self,
        query: &MessageQuery<'_>,
        month: Month,
        limit: usize,
    ) -> Result<Vec<MessageState>, StoreError> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let wanted = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
            let reply = self
                .client
                .query()
                .table_name(&self.tables.messages)
                .key_condition_expression("#partition = :partition AND #seq BETWEEN :first AND :last")
                .expression_attribute_names("#partition", names::ROOM_MONTH)
                .expression_attribute_names("#seq", names::SEQ)
                .expression_attribute_values(":partition", AttributeValue::S(names::room_month(query.room, month)))
                .expression_attribute_values(":first", seq_value(query.after.next()))
                .expression_attribute_values(":last", seq_value(query.before.previous()))
                .scan_index_forward(query.direction == Direction::Ascending)
                .consistent_read(true)
                .limit(wanted)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in reply.items.unwrap_or_default() {
                found.push(message_from_item(query.room, item)?);
            }
            // A page also ends at 1 MiB.
            start = reply.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }
}

/// The version of a stored message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The version.
    pub version: Seq,
    /// True for a tombstone.
    pub is_deleted: bool,
}

impl StoredVersion {
    /// Returns true if a version of the message need not be stored any more: it is, or a later one is, or a tombstone, over
    /// which no version of a message is written.
    pub fn covers(self, version: Seq) -> bool {
        self.version >= version || self.is_deleted
    }
}

fn key(room: &RoomId, seq: Seq) -> Item {
    let partition = names::room_month(room, seq.month());
    batch::key((names::ROOM_MONTH, AttributeValue::S(partition)), (names::SEQ, seq_value(seq)))
}

/// Returns the partitions that a stretch may touch, in its direction. None is later than the present month: a seq is a
/// moment in the past.
fn months(query: &MessageQuery<'_>) -> Vec<Month> {
    let (first, last) = (query.after.next(), query.before.previous());
    if query.limit == 0 || first > last {
        return Vec::new();
    }
    let ahead = u64::try_from(CLOCK_MARGIN.as_micros()).unwrap_or(u64::MAX);
    let horizon = Seq::new(Seq::now().get().saturating_add(ahead)).unwrap_or(LAST);
    let newest = last.min(horizon).month();
    let mut month = first.month().max(query.oldest);
    let mut months = Vec::new();
    while month <= newest {
        months.push(month);
        month = month.next();
    }
    if query.direction == Direction::Descending {
        months.reverse();
    }
    months
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(text: &str) -> Seq {
        let moment: Timestamp = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        Seq::new(moment.millis() * 1000).unwrap()
    }

    fn names(after: Seq, before: Seq, direction: Direction) -> Vec<String> {
        let room = RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let oldest = seq("2025-10-05T00:00:00.000Z").month();
        let query = MessageQuery { room: &room, after, before, direction, limit: 10, oldest };
        months(&query).iter().map(Month::to_string).collect()
    }

    #[test]
    fn only_partitions_that_may_hold_something_are_asked() {
        let november = seq("2025-11-30T23:59:59.999Z");
        let january = seq("2026-01-01T00:00:00.000Z");
        assert_eq!(names(november, january, Direction::Ascending), ["202511", "202512"]);
        assert_eq!(names(november, january.next(), Direction::Descending), ["202601", "202512", "202511"]);
        assert_eq!(names(Seq::ZERO, november, Direction::Ascending), ["202510", "202511"]);
        assert!(names(january, january.next(), Direction::Ascending).is_empty());
        assert!(names(january, november, Direction::Ascending).is_empty());
        assert!(names(Seq::ZERO, Seq::ZERO, Direction::Ascending).is_empty());
        assert!(names(LAST, LAST, Direction::Ascending).is_empty());
    }

    #[test]
    fn nothing_is_asked_beyond_the_present() {
        let last = names(Seq::ZERO, LAST, Direction::Descending).remove(0);
        assert!(last == Seq::now().month().to_string() || last == Seq::now().month().next().to_string());
    }

    #[test]
    fn a_room_made_at_the_start_of_a_month_may_have_messages_in_the_one_before() {
        let made = |text| oldest_month(seq(text).timestamp()).to_string();
        assert_eq!(made("2026-01-01T00:00:01.000Z"), "202512");
        assert_eq!(made("2026-01-03T00:00:00.000Z"), "202601");
    }
}
