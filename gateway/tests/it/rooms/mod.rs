//! Rooms on a real Redis: order, dedup, unread counts, history, resume.

mod blind;
mod bounds;
mod changes;
mod consent;
mod mentions;
mod retention;
mod sends;
mod world;

use rts_common::ids::{OrgId, Person};
use rts_common::limits;
use rts_common::redis::{journaled, keys};
use rts_common::seq::Seq;
use rts_gateway::rooms::{EventsAfter, MarkKind, RoomError, RoomOperation, Sent};

use self::world::{World, person};
use crate::support;

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
        support::connected(&world.redis, &who).await;
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
    let marked =
        world.rooms.mark(&person("ann"), &room, MarkKind::Read, Seq::new((1 << 53) - 1).unwrap()).await.unwrap();
    assert_eq!(marked.marks.read_seq, world.rooms.head(&room).await.unwrap().unwrap().seq);
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
async fn counts_are_exact_wherever_a_mark_stops() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let mut messages = Vec::new();
    for index in 0..60 {
        let sender = if index % 3 == 0 { "ann" } else { "bob" };
        let seq = world.say(&room, sender, &format!("c{index}")).await.seq;
        if index % 5 == 0 {
            world.edit(&room, sender, seq, "other").await.unwrap();
        }
        if index % 7 == 0 {
            world.delete(&room, sender, seq).await.unwrap();
        }
        messages.push((seq, sender == "bob" && index % 7 != 0));
    }
    let unread = |read: Seq| messages.iter().filter(|(seq, counts)| *counts && *seq > read).count() as u64;
    let mut all: Vec<_> = messages.iter().flat_map(|(seq, _)| [seq.previous(), *seq, seq.next()]).collect();
    all.sort_unstable();
    for read in all {
        world.rooms.mark(&person("ann"), &room, MarkKind::Read, read).await.unwrap();
        assert_eq!(world.unread(&room, "ann").await, unread(read), "{read}");
    }
    // One that goes a long way is counted from the end.
    let long = world.group(&["ann", "bob"]).await;
    let mut last = Vec::new();
    for index in 0..400 {
        last.push(world.say(&long, "bob", &format!("c{index}")).await.seq);
    }
    world.rooms.mark(&person("ann"), &long, MarkKind::Read, last[339]).await.unwrap();
    assert_eq!(world.unread(&long, "ann").await, 60);
}

#[tokio::test]
async fn no_answer_is_much_larger_than_its_bytes_and_all_say_that_there_is_more() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let body = "x".repeat(16_000);
    let mut seqs = Vec::new();
    for index in 0..120 {
        let Sent::New(state) = world.send(&room, "bob", &format!("c{index}"), &body).await else { panic!() };
        seqs.push(state.seq);
    }
    let newest = world.page(&room, 0, None, 200).await;
    let count = newest.messages.len();
    assert!(newest.has_more && (50..=65).contains(&count), "{count}");
    assert_eq!(newest.messages.last().map(|message| message.seq), seqs.last().copied());
    let older = world.page(&room, 0, Some(newest.messages[0].seq.get()), 200).await;
    let both: Vec<_> = older.messages.iter().chain(&newest.messages).map(|message| message.seq).collect();
    assert!(!older.has_more && both == seqs, "{} and {count}", older.messages.len());
    let upwards = world.page(&room, seqs[0].get(), None, 200).await;
    let found: Vec<_> = upwards.messages.iter().map(|message| message.seq).collect();
    assert!(upwards.has_more && found == seqs[1..=found.len()]);
    // A message that is larger than an answer comes alone.
    assert_eq!(world.page(&room, 0, None, 1).await.messages.len(), 1);

    let ann = person("ann");
    let few = world.rooms.resume(&ann, &room, seqs[99]).await.unwrap();
    assert!(matches!(few, EventsAfter::Whole { events, .. } if events.len() == 20));
    let many = world.rooms.resume(&ann, &room, seqs[9]).await.unwrap();
    assert!(matches!(many, EventsAfter::Truncated { head } if head.seq == seqs[119]));
    // Edits of one message count with both of their texts.
    for _ in 0..40 {
        world.edit(&room, "bob", seqs[119], &body).await.unwrap();
    }
    let edits = world.rooms.resume(&ann, &room, seqs[119]).await.unwrap();
    assert!(matches!(edits, EventsAfter::Truncated { .. }));
}

#[tokio::test]
async fn a_message_awaits_storing_at_its_newest_version_until_that_is_stored() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let sent = world.say(&room, "ann", "c1").await;
    assert!(world.rooms.awaits_storing(&sent).await.unwrap());
    let (edited, _) = world.edit(&room, "ann", sent.seq, "other").await.unwrap();
    let member = journaled::message_member(&room, edited.seq, edited.version);
    let mut stored = redis::cmd("ZREM");
    stored.arg(keys::Partition::of_room(&room).unstored()).arg(member);
    world.redis.command("test", &stored).await.unwrap();
    assert!(!world.rooms.awaits_storing(&edited).await.unwrap());
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

    // A count in the history is kept also where it stopped at the cap: nobody counts a thousand messages at each glance.
    let marks = format!("{}:marks", keys::room(&room));
    let mut unknown = redis::cmd("HSET");
    unknown.arg(&marks).arg("q:ann").arg("1");
    world.redis.command("test", &unknown).await.unwrap();
    assert_eq!(world.unread(&room, "ann").await, 1000);
    let mut is_unknown = redis::cmd("HEXISTS");
    is_unknown.arg(&marks).arg("q:ann");
    let is_unknown: bool = rts_common::redis::read(world.redis.command("test", &is_unknown).await.unwrap()).unwrap();
    assert!(!is_unknown);
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
    let mut command = redis::cmd("ZCOUNT");
    command.arg(keys::Partition::of_room(&room).unstored()).arg("-inf").arg(format!("({}", keys::UNSTORED_END));
    let unstored: usize = rts_common::redis::read(world.redis.command("zcount", &command).await.unwrap()).unwrap();
    assert_eq!(unstored, 1, "the room itself is not stored yet");
    assert!(matches!(
        world.rooms.resume(&person("bob"), &room, states[0].seq).await.unwrap(),
        EventsAfter::Truncated { .. }
    ));
    let Sent::Duplicate { durable: true, .. } = world.send(&room, "ann", "c3", "x").await else { panic!() };
}

#[tokio::test]
async fn what_was_set_aside_holds_up_a_trim_for_a_while_and_not_for_ever() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let poison = world.say(&room, "ann", "poison").await.seq;
    let member = journaled::message_member(&room, poison, poison);
    rts_common::redis::stored::set_aside(&world.redis, &[(room.clone(), member)]).await.unwrap();
    let is_kept = async || {
        let range = rts_common::redis::stream::range(&room, poison, poison);
        !matches!(world.redis.command("test", &range).await.unwrap(), redis::Value::Array(found) if found.is_empty())
    };
    for round in 0..85 {
        let ids: Vec<_> = (0..limits::SEND_TOGETHER).map(|number| format!("c{round}-{number}")).collect();
        world.say_together(&room, "ann", &ids).await;
        // All others are stored.
        let mut store = redis::cmd("ZREMRANGEBYSCORE");
        store.arg(keys::Partition::of_room(&room).unstored()).arg(format!("({poison}"));
        store.arg(format!("({}", keys::UNSTORED_END));
        world.redis.command("test", &store).await.unwrap();
        if round == 70 {
            assert!(is_kept().await, "9,000 more events are kept because of it");
        }
    }
    assert!(!is_kept().await);
}
