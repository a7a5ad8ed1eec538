//! Records may come twice, late, in any order and in any batches: the tables end up the same.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rts_common::ids::RoomId;
use rts_common::record::{MessageRecord, RoomRecord};
use rts_common::room::{Marks, Role};
use rts_common::seq::Seq;
use rts_common::store::{Direction, MessageQuery};
use serde::Serialize;

use crate::support::{Database, event_of, facts, marks, membership, message, room_record, seq, seq_at, store};

/// Cases of each property: each makes some dozens of calls to the stand-in.
const CASES: u32 = 12;

/// An order of deliveries of `count` records, each at least once, some more often, cut into batches.
pub(crate) fn deliveries(count: usize) -> impl Strategy<Value = Vec<Vec<usize>>> {
    let again = prop::collection::vec(0..count, 0..count);
    let order = again.prop_flat_map(move |again| {
        let all: Vec<_> = (0..count).chain(again).collect();
        Just(all).prop_shuffle()
    });
    (order, 1..10_usize).prop_map(|(order, batch)| order.chunks(batch).map(<[_]>::to_vec).collect())
}

pub(crate) fn batches<T: Serialize + Clone>(records: &[T], deliveries: &[Vec<usize>]) -> Vec<Vec<T>> {
    let of = |batch: &Vec<usize>| batch.iter().map(|index| records[*index].clone()).collect();
    deliveries.iter().map(of).collect()
}

pub(crate) fn check<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, property: &impl AsyncFn(&Database, T)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::start());
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(strategy, |value| {
            runtime.block_on(property(&database, value));
            Ok(())
        })
        .unwrap();
}

/// Four messages, two of them changed up to three times.
fn message_records(room: &RoomId) -> Vec<MessageRecord> {
    let first = seq_at("2026-01-31T23:59:59.999Z").get();
    let at = |index: u64| seq(first + index * 900);
    let version = |by: u64| seq(first + 100_000 + by);
    vec![
        message(room, at(0), at(0)),
        message(room, at(0), version(1)),
        message(room, at(0), version(4)),
        message(room, at(0), version(7)),
        message(room, at(1), at(1)),
        message(room, at(2), at(2)),
        message(room, at(2), version(2)),
        message(room, at(3), at(3)),
    ]
}

#[test]
fn messages_end_in_their_last_version() {
    check(&deliveries(8), &async |database: &Database, deliveries| {
        let room = RoomId::new_group();
        let records = message_records(&room);
        for batch in batches(&records, &deliveries) {
            store(&database.messages, event_of(&batch)).await;
        }
        let query = MessageQuery {
            room: &room,
            after: Seq::ZERO,
            before: Seq::now(),
            direction: Direction::Ascending,
            limit: 100,
            oldest: records[0].message.seq.month(),
        };
        let found = database.store.messages(query).await.unwrap();
        let expected = [3, 4, 6, 7].map(|last| records[last].message.clone());
        assert_eq!(found, expected);
    });
}

fn room_records(room: &RoomId) -> Vec<RoomRecord> {
    vec![
        room_record(
            room,
            Some(facts(1)),
            vec![membership("ann", 1, Some(Role::Owner)), membership("bob", 1, Some(Role::Member))],
        ),
        room_record(room, Some(facts(2)), vec![]),
        room_record(room, None, vec![membership("bob", 3, None)]),
        room_record(room, None, vec![membership("bob", 4, Some(Role::Member))]),
        room_record(room, None, vec![membership("ann", 5, None), membership("bob", 5, Some(Role::Owner))]),
        marks(room, "ann", 3, 0),
        marks(room, "ann", 2, 9),
        marks(room, "ann", 0, 5),
        marks(room, "bob", 7, 7),
        marks(room, "bob", 8, 6),
    ]
}

#[test]
fn rooms_end_in_their_last_version_and_marks_at_their_highest() {
    check(&deliveries(10), &async |database: &Database, deliveries| {
        let room = RoomId::new_group();
        let mut highest = Marks::default();
        for batch in batches(&room_records(&room), &deliveries) {
            store(&database.rooms, event_of(&batch)).await;
            // Marks never move back.
            if let Some(found) = database.store.room(&room).await.unwrap() {
                let bob = found.members.iter().find(|(member, _)| member.user_id.as_str() == "bob");
                let now = bob.map_or(highest, |(_, marks)| *marks);
                assert!(now.read_seq >= highest.read_seq && now.delivered_seq >= highest.delivered_seq);
                highest = now;
            }
        }
        let found = database.store.room(&room).await.unwrap().unwrap();
        assert_eq!(found.facts, facts(2));
        let at = |read, delivered| Marks { read_seq: seq(read), delivered_seq: seq(delivered) };
        let expected = [(membership("ann", 5, None), at(3, 9)), (membership("bob", 5, Some(Role::Owner)), at(8, 7))];
        assert_eq!(found.members, expected);
    });
}
