//! Whole batches on a real table: poison, groups, the reported records and the stored ones.

use rts_common::ids::RoomId;

use rts_common::record::{FORMAT, FenceRecord};
use rts_common::room::Role;

use crate::support::{Database, body, event, facts, handle, membership, message, room_record, seq, seq_at, store};

#[tokio::test]
async fn poison_is_reported_with_what_follows_in_its_group_and_blocks_no_other() {
    let database = Database::start().await;
    let (one, other) = (RoomId::new_group(), RoomId::new_group());
    let base = seq_at("2026-03-01T00:00:00.000Z");
    let of = |room: &RoomId, seq| body(&message(room, seq, seq));
    let (first, second) = (base, base.next());
    let newer = of(&other, second).replacen("\"v\":1", "\"v\":2", 1);
    let batch = event(&[
        ("one", of(&one, first)),
        ("one", "not a record".to_owned()),
        ("other", of(&other, first)),
        ("one", of(&one, second)),
        ("other", newer),
        ("third", String::new()),
    ]);
    assert_eq!(handle(&database.messages, batch).await, ["id-1", "id-3", "id-4", "id-5"]);

    // Readable records are stored all the same: they may end in the dead-letter queue with the poison.
    for (room, seq, stored) in
        [(&one, first, true), (&one, second, true), (&other, first, true), (&other, second, false)]
    {
        let found = database.store.message(room, seq).await.unwrap();
        assert_eq!(found.is_some(), stored, "{room} {seq}");
    }
}

#[tokio::test]
async fn an_empty_batch_is_a_success() {
    let database = Database::start().await;
    assert_eq!(handle(&database.messages, event(&[])).await, [""; 0]);
}

#[tokio::test]
async fn a_fence_is_stored_once_all_before_it_in_its_group_is() {
    let database = Database::start().await;
    let (one, other) = (RoomId::new_group(), RoomId::new_group());
    let at = seq_at("2026-03-01T00:00:00.000Z");
    let fence = |room: &RoomId, number| body(&FenceRecord { v: FORMAT, room_id: room.clone(), number: seq(number) });
    let batch = event(&[
        ("one", body(&message(&one, at, at))),
        ("one", fence(&one, 1)),
        ("one", "not a record".to_owned()),
        ("other", fence(&other, 1)),
        ("one", fence(&one, 2)),
    ]);
    assert_eq!(handle(&database.messages, batch).await, ["id-2", "id-4"]);
    for (room, number, is_stored) in [(&one, 1, true), (&other, 1, true), (&one, 2, false), (&other, 2, false)] {
        assert_eq!(database.store.has_fence(room, seq(number)).await.unwrap(), is_stored, "{room} {number}");
    }
    store(&database.messages, event(&[("one", fence(&one, 2)), ("one", fence(&one, 2))])).await;
    assert!(database.store.has_fence(&one, seq(2)).await.unwrap());
    // It is no message.
    let found = database.store.last_message(&one, at.month()).await.unwrap().unwrap();
    assert_eq!(found.seq, at);
}

#[tokio::test]
async fn a_room_in_the_queue_of_messages_is_stored_as_in_its_own() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let at = seq_at("2026-03-01T00:00:00.000Z");
    let created = body(&room_record(&room, Some(facts(5)), vec![membership("ann", 5, Some(Role::Owner))]));
    // One entry may hold the creation and the first message.
    store(&database.messages, event(&[("one", format!("{created}\n{}", body(&message(&room, at, at))))])).await;
    let stored = database.store.room(&room).await.unwrap().unwrap();
    assert_eq!((stored.facts.version, stored.members.len()), (seq(5), 1));
    assert!(database.store.message(&room, at).await.unwrap().is_some());
}
