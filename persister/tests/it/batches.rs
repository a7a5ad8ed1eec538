//! Whole batches on a real table: poison, groups, the reported records and the stored ones.

use rts_common::ids::RoomId;

use crate::support::{Database, body, event, handle, message, seq_at};

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
