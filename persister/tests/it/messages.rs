//! Reading messages back.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use rts_common::ids::{AttachmentId, RoomId};
use rts_common::message::{Attachment, MessageState, Reaction};
use rts_common::retention::Retention;
use rts_common::seq::Seq;
use rts_common::store::{Direction, MessageQuery, StoreError, StoredVersion};

use crate::support::{Database, event_of, message, seq_at, store, user};

async fn fill(database: &Database, room: &RoomId, moments: &[&str], each: u64) -> Vec<Seq> {
    let mut seqs = Vec::new();
    for moment in moments {
        let first = seq_at(moment).get();
        seqs.extend((first..first + each).filter_map(Seq::new));
    }
    let records: Vec<_> = seqs.iter().map(|seq| message(room, *seq, *seq)).collect();
    for batch in records.chunks(10) {
        store(&database.messages, event_of(batch)).await;
    }
    seqs
}

fn seqs(messages: &[MessageState]) -> Vec<Seq> {
    messages.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn history_crosses_months_both_ways() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let moments = [
        "2025-01-31T23:59:59.999Z",
        "2025-02-01T00:00:00.000Z",
        "2025-11-30T12:00:00.000Z",
        "2026-04-01T00:00:00.000Z",
    ];
    let all = fill(&database, &room, &moments, 3).await;
    let _ = fill(&database, &RoomId::new_group(), &moments[..1], 1).await;
    let oldest = all[0].month();
    let read = async |after: Seq, before: Seq, direction, limit| {
        let query = MessageQuery { room: &room, after, before, direction, limit, oldest };
        seqs(&database.store.messages(query).await.unwrap())
    };
    let (start, end) = (Seq::ZERO, all[11].next());
    let backwards: Vec<_> = all.iter().rev().copied().collect();

    assert_eq!(read(start, end, Direction::Ascending, 100).await, all);
    assert_eq!(read(start, end, Direction::Descending, 100).await, backwards);
    for limit in 1..=12 {
        assert_eq!(read(start, end, Direction::Ascending, limit).await, all[..limit]);
        assert_eq!(read(start, end, Direction::Descending, limit).await, backwards[..limit]);
    }
    // Both ends are excluded.
    assert_eq!(read(all[2], all[7], Direction::Ascending, 100).await, all[3..7]);
    assert_eq!(read(all[2], all[7], Direction::Descending, 2).await, [all[6], all[5]]);
    assert_eq!(read(all[2], all[3], Direction::Ascending, 100).await, []);
    assert_eq!(read(all[7], all[2], Direction::Ascending, 100).await, []);
    assert_eq!(read(end, end, Direction::Descending, 100).await, []);

    let last = database.store.last_message(&room, oldest).await.unwrap().unwrap();
    assert_eq!(last.seq, all[11]);
    let empty = database.store.last_message(&RoomId::new_group(), oldest).await.unwrap();
    assert_eq!(empty, None);
}

#[tokio::test]
async fn pages_of_large_messages_are_whole() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let first = seq_at("2026-01-31T23:59:59.000Z").get();
    // Two MiB on each side of a month's end: a DynamoDB page holds one.
    let all: Vec<_> = (0..260).filter_map(|index| Seq::new(first + index * 8_000)).collect();
    let mut records: Vec<_> = all.iter().map(|seq| message(&room, *seq, *seq)).collect();
    for record in &mut records {
        record.message.content.body = "x".repeat(16 * 1024);
    }
    for batch in records.chunks(50) {
        store(&database.messages, event_of(batch)).await;
    }
    for (direction, limit) in [(Direction::Ascending, 250), (Direction::Descending, 1000)] {
        let query = MessageQuery {
            room: &room,
            after: Seq::ZERO,
            before: all[259].next(),
            direction,
            limit,
            oldest: all[0].month(),
        };
        let mut found = seqs(&database.store.messages(query).await.unwrap());
        if direction == Direction::Descending {
            found.reverse();
        }
        assert_eq!(found, all[..limit.min(260)]);
    }
}

#[tokio::test]
async fn messages_expire_by_their_own_seq_and_are_left_out_before_they_are_deleted() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let day = Duration::from_hours(24);
    let (old, new) = (Seq::now().minus(day * 8), Seq::now().minus(day));
    let expiring = database.persister_keeping(Retention::of(day * 7));
    // A later version too: its expiry is counted from when it was sent.
    let records = [message(&room, old, old), message(&room, new, Seq::now()), message(&room, old, Seq::now())];
    store(&expiring, event_of(&records)).await;
    let forever = seq_at("2026-01-01T00:00:00.000Z");
    store(&database.messages, event_of(&[message(&room, forever, forever)])).await;

    let stored = database.client.scan().table_name(&database.tables.messages).send().await.unwrap();
    let mut expiries: Vec<_> = stored
        .items()
        .iter()
        .map(|item| (item["seq"].as_n().unwrap().clone(), item.get("expiresAt").map(|at| at.as_n().unwrap().clone())))
        .collect();
    expiries.sort();
    let at = |seq: Seq| Some((seq.get() / 1_000_000 + 7 * 86_400).to_string());
    let mut expected = [(forever, None), (old, at(old)), (new, at(new))].map(|(seq, at)| (seq.to_string(), at));
    expected.sort();
    assert_eq!(expiries, expected);

    let keeping = database.store.clone().with_retention(Retention::of(day * 7));
    let oldest = forever.month().min(old.month());
    for (reader, expected) in [(&database.store, 3), (&keeping, 1)] {
        let (after, before) = (Seq::ZERO, Seq::now());
        let query = MessageQuery { room: &room, after, before, direction: Direction::Ascending, limit: 10, oldest };
        assert_eq!(reader.messages(query).await.unwrap().len(), expected);
    }
    assert!(keeping.message(&room, old).await.unwrap().is_none());
    assert_eq!(keeping.last_message(&room, oldest).await.unwrap().unwrap().seq, new);
}

#[tokio::test]
async fn everything_of_a_message_comes_back_and_a_tombstone_is_found() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let at = seq_at("2026-05-01T00:00:00.000Z");
    let mut record = message(&room, at, at.next());
    record.message.content.body = "안녕 \u{1f600} \u{0} end".to_owned();
    record.message.content.reply_to = Some(at.previous());
    record.message.content.attachments = vec![Attachment {
        attachment_id: AttachmentId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
        file_name: "사진.png".to_owned(),
        content_type: "image/png".to_owned(),
        size_bytes: 104_857_600,
    }];
    record.message.content.reactions =
        vec![Reaction { emoji: "👍".to_owned(), user_ids: vec![user("ann"), user("bob")] }];
    store(&database.messages, event_of(std::slice::from_ref(&record))).await;
    let found = database.store.message(&room, at).await.unwrap();
    assert_eq!(found.as_ref(), Some(&record.message));

    record.message.version = record.message.version.next();
    record.message.content.bury();
    store(&database.messages, event_of(std::slice::from_ref(&record))).await;
    assert_eq!(database.store.message(&room, at).await.unwrap(), Some(record.message));
    assert_eq!(database.store.message(&room, at.next()).await.unwrap(), None);
}

#[tokio::test]
async fn versions_tells_what_is_stored_beyond_one_batch() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let all = fill(&database, &room, &["2026-01-31T23:59:59.999Z", "2026-02-01T00:00:00.000Z"], 70).await;
    let edited = message(&room, all[1], all[139].next());
    store(&database.messages, event_of(&[edited])).await;

    let missing = all[139].next().next();
    let asked: Vec<_> = all.iter().chain([&missing, &all[0]]).copied().collect();
    let found = database.store.versions(&room, &asked).await.unwrap();
    let live = |version| StoredVersion { version, is_deleted: false };
    let mut expected: HashMap<_, _> = all.iter().map(|seq| (*seq, live(*seq))).collect();
    expected.insert(all[1], live(all[139].next()));
    assert_eq!(found, expected);
    assert!(database.store.versions(&room, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_malformed_item_and_a_missing_table_are_errors_by_kind() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let at = seq_at("2026-05-01T00:00:00.000Z");
    let partition = AttributeValue::S(format!("{room}#202605"));
    database
        .client
        .put_item()
        .table_name(&database.tables.messages)
        .item("roomMonth", partition)
        .item("seq", AttributeValue::N(at.to_string()))
        .send()
        .await
        .unwrap();
    let malformed = database.store.message(&room, at).await.unwrap_err();
    assert_eq!(malformed, StoreError::Malformed("version"));

    database.client.delete_table().table_name(&database.tables.messages).send().await.unwrap();
    let missing = database.store.message(&room, at).await.unwrap_err();
    assert_eq!(missing, StoreError::Refused("ResourceNotFoundException".to_owned()));
}

/// Versions to be stored, and the one that remains; each is a tombstone or not.
type Row<'a> = (&'a [(u64, bool)], (u64, bool));

#[tokio::test]
async fn a_tombstone_is_written_over_later_versions_and_only_another_one_over_it() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let first = seq_at("2026-03-01T00:00:00.000Z");
    let of = |by: u64, is_deleted: bool| {
        let mut record = message(&room, first, Seq::new(first.get() + by).unwrap());
        if is_deleted {
            record.message.content.bury();
        }
        record
    };
    // Each row is stored one after the other, and in one batch.
    let rows: [Row<'_>; 5] = [
        (&[(0, false), (5, false), (3, true)], (3, true)),
        (&[(0, false), (3, true), (5, false)], (3, true)),
        (&[(3, true), (7, true), (5, false), (0, false)], (7, true)),
        (&[(7, true), (3, true)], (7, true)),
        (&[(5, false), (3, false)], (5, false)),
    ];
    for (records, (by, is_deleted)) in rows {
        for size in [1, records.len()] {
            let database = Database::start().await;
            let records: Vec<_> = records.iter().map(|(by, is_deleted)| of(*by, *is_deleted)).collect();
            for batch in records.chunks(size) {
                store(&database.messages, event_of(batch)).await;
            }
            let found = database.store.message(&room, first).await.unwrap().unwrap();
            assert_eq!((found.version.get() - first.get(), found.content.deleted), (by, is_deleted), "{size}");
            let known = database.store.versions(&room, &[first]).await.unwrap()[&first];
            assert_eq!(known.covers(Seq::new(first.get() + 9).unwrap()), is_deleted);
        }
    }
    assert_eq!(database.store.message(&room, first).await.unwrap(), None);
}
