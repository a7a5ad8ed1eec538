//! Rooms on a real Redis: order, dedup, unread counts, history, resume.

mod changes;
mod mentions;
mod retention;
mod world;

use rts_common::ids::{OrgId, Person};
use rts_common::redis::keys;
use rts_common::seq::Seq;
use rts_gateway::rooms::{EventsAfter, MarkKind, RoomError, RoomOperation, Sent};

use self::world::{World, person};

#[tokio::test]
async fn sending_twice_creates_one_message_also_concurrently() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let (one, two) = tokio::join!(world.send(&room, "ann", "c1", "one"), world.send(&room, "ann", "c1", "two"));
    let new = [&one, &two].iter().filter(|sent| matches!(sent, Sent::New(_))).count();
    assert_eq!(new, 1);
    let Sent::Duplicate { seq, durable: false } = world.send(&room, "ann", "c1", "three").await else { panic!() };
    let page = world.page(&room, 0, None, 10).await;
    assert_eq!(page.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [seq]);
    // Another sender's clientId is another message.
    assert!(matches!(world.send(&room, "bob", "c1", "mine").await, Sent::New(_)));
}

#[tokio::test]
async fn outsiders_and_other_tenants_find_nothing() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let foreign = Person { org: OrgId::parse("other").unwrap(), ..person("ann") };
    for who in [person("eve"), foreign] {
        assert_eq!(world.rooms.view(&who, &room).await.unwrap_err(), RoomError::NotFound);
        assert_eq!(world.rooms.message(&who, &room, Seq::new(1).unwrap()).await.err(), Some(RoomError::NotFound));
        assert_eq!(world.rooms.resume(&who, &room, Seq::ZERO).await.err(), Some(RoomError::NotFound));
        assert_eq!(world.rooms.mark(&who, &room, MarkKind::Read, Seq::ZERO).await, Err(RoomError::NotFound));
        let rename = world.rooms.change_room(&who, &room, &RoomOperation::Rename("x")).await;
        assert_eq!(rename.err(), Some(RoomError::NotFound));
    }
}

#[tokio::test]
async fn unread_counts_are_exact() {
    let world = World::new();
    let room = world.group(&["ann", "bob", "cyd"]).await;
    let mut seqs = Vec::new();
    for index in 0..10 {
        seqs.push(world.say(&room, if index % 2 == 0 { "ann" } else { "bob" }, &format!("c{index}")).await.seq);
    }
    assert_eq!(
        (world.unread(&room, "ann").await, world.unread(&room, "bob").await, world.unread(&room, "cyd").await),
        (5, 5, 10)
    );
    // A mark in the middle, on another user's message.
    world.rooms.mark(&person("ann"), &room, MarkKind::Read, seqs[3]).await.unwrap();
    assert_eq!(world.unread(&room, "ann").await, 3);
    // It never moves back.
    world.rooms.mark(&person("ann"), &room, MarkKind::Read, seqs[1]).await.unwrap();
    assert_eq!(world.unread(&room, "ann").await, 3);
    // Deletes another user's message after the mark, an own one after it, and another user's before it.
    for (who, index) in [("bob", 5), ("ann", 6), ("bob", 1)] {
        world.delete(&room, who, seqs[index]).await.unwrap();
    }
    assert_eq!(
        (world.unread(&room, "ann").await, world.unread(&room, "bob").await, world.unread(&room, "cyd").await),
        (2, 4, 7)
    );
    // A mark beyond the head is clamped to it.
    let marks =
        world.rooms.mark(&person("ann"), &room, MarkKind::Read, Seq::new((1 << 53) - 1).unwrap()).await.unwrap();
    assert_eq!(marks.read_seq, world.rooms.head(&room).await.unwrap().unwrap().seq);
    assert_eq!(world.unread(&room, "ann").await, 0);
    world.say(&room, "bob", "later").await;
    assert_eq!(world.unread(&room, "ann").await, 1);
    // A new member starts with nothing unread, and sees the earlier messages.
    let dan = [(person("dan").user, "Dan".to_owned())];
    world.rooms.change_room(&person("bob"), &room, &RoomOperation::Add(&dan, 1000)).await.unwrap();
    assert_eq!(world.unread(&room, "dan").await, 0);
    world.say(&room, "bob", "latest").await;
    assert_eq!((world.unread(&room, "dan").await, world.unread(&room, "ann").await), (1, 2));
}

#[tokio::test]
async fn unread_is_capped() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    for index in 0..1005 {
        world.say(&room, "bob", &format!("c{index}")).await;
        if index == 997 {
            assert_eq!(world.unread(&room, "ann").await, 998);
        }
    }
    assert_eq!(world.unread(&room, "ann").await, 1000);
}

#[tokio::test]
async fn history_shows_the_current_state_at_the_original_position() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let mut seqs = Vec::new();
    for index in 0..30 {
        seqs.push(world.say(&room, "ann", &format!("c{index}")).await.seq);
    }
    world.edit(&room, "ann", seqs[29], "changed").await.unwrap();
    world.edit(&room, "ann", seqs[29], "changed again").await.unwrap();
    world.delete(&room, "ann", seqs[28]).await.unwrap();
    assert_eq!(world.edit(&room, "bob", seqs[27], "not mine").await.err(), Some(RoomError::Forbidden));
    assert_eq!(world.delete(&room, "bob", seqs[27]).await.err(), Some(RoomError::Forbidden));

    let page = world.page(&room, 0, None, 10).await;
    assert!(page.has_more);
    let found: Vec<_> = page.messages.iter().map(|message| message.seq).collect();
    assert_eq!(found, seqs[20..]);
    assert_eq!(page.messages[9].content.body, "changed again");
    assert!(page.messages[9].version > page.messages[9].seq && page.messages[9].content.edited_at.is_some());
    assert!(page.messages[8].content.deleted && page.messages[8].content.body.is_empty());

    let page = world.page(&room, 0, Some(seqs[5].get()), 10).await;
    assert!(!page.has_more);
    assert_eq!(page.messages.len(), 5);
    let page = world.page(&room, seqs[5].get(), Some(seqs[8].get()), 10).await;
    assert_eq!(page.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), seqs[6..8]);
    let page = world.page(&room, seqs[5].get(), None, 3).await;
    assert!(page.has_more);
    assert_eq!(page.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), seqs[6..9]);
}

#[tokio::test]
async fn resume_is_whole_or_truncated() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let first = world.say(&room, "ann", "c0").await;
    let mut events = 1;
    world.edit(&room, "ann", first.seq, "secret").await.unwrap();
    let (tomb, _) = world.delete(&room, "ann", first.seq).await.unwrap();
    events += 2;
    let EventsAfter::Whole { head, events: all } = world.rooms.resume(&person("bob"), &room, Seq::ZERO).await.unwrap()
    else {
        panic!()
    };
    assert_eq!((all.len(), head.seq), (events, tomb.version));
    let mut prev = Seq::ZERO;
    for event in &all {
        assert_eq!(event.prev, prev);
        prev = event.seq;
        let text = serde_json::to_string(&event.payload(Some(event.target()))).unwrap();
        assert!(!text.contains("secret") && !text.contains("body of"), "{text}");
    }
    for index in 1..=498 {
        world.say(&room, "ann", &format!("c{index}")).await;
    }
    // 500 after the first event are whole, 501 are not, nor is a seq beyond the head.
    assert!(
        matches!(world.rooms.resume(&person("bob"), &room, all[0].seq).await.unwrap(), EventsAfter::Whole { events, .. } if events.len() == 500)
    );
    let EventsAfter::Truncated { head } = world.rooms.resume(&person("bob"), &room, Seq::ZERO).await.unwrap() else {
        panic!()
    };
    assert!(
        matches!(world.rooms.resume(&person("bob"), &room, head.seq).await.unwrap(), EventsAfter::Whole { events, .. } if events.is_empty())
    );
    assert!(matches!(
        world.rooms.resume(&person("bob"), &room, head.seq.next()).await.unwrap(),
        EventsAfter::Truncated { .. }
    ));
}

#[tokio::test]
async fn the_stream_is_trimmed_but_never_of_unstored_messages() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let mut states = Vec::new();
    for index in 0..1500 {
        states.push(world.say(&room, "ann", &format!("c{index}")).await);
    }
    let length = async || -> usize {
        let mut command = redis::cmd("XLEN");
        command.arg(format!("{}:stream", keys::room(&room)));
        rts_common::redis::read(world.redis.command("xlen", &command).await.unwrap()).unwrap()
    };
    assert_eq!(length().await, 1500);
    for state in &states {
        let record = rts_common::record::MessageRecord {
            v: 1,
            org: person("ann").org,
            origin: rts_common::ids::NodeId::random(),
            message: state.clone(),
        };
        rts_common::redis::stored::messages(&world.redis, &room, &[&record]).await.unwrap();
    }
    let length = length().await;
    assert!((1000..1200).contains(&length), "{length}");
    let mut command = redis::cmd("ZCARD");
    command.arg(keys::Partition::of_room(&room).unstored());
    let unstored: usize = rts_common::redis::read(world.redis.command("zcard", &command).await.unwrap()).unwrap();
    assert_eq!(unstored, 1, "the room itself is not stored yet");
    assert!(matches!(
        world.rooms.resume(&person("bob"), &room, states[0].seq).await.unwrap(),
        EventsAfter::Truncated { .. }
    ));
    let Sent::Duplicate { durable: true, .. } = world.send(&room, "ann", "c3", "x").await else { panic!() };
}
