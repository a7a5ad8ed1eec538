//! Expired messages are not read any more, wherever they still are.

use std::time::{Duration, Instant};

use rts_common::retention::Retention;
use rts_common::seq::Seq;
use rts_gateway::rooms::{EventsAfter, MarkKind, RoomError};

use super::world::{World, person};

#[tokio::test]
async fn expired_messages_are_neither_readable_nor_unread() {
    let kept = Duration::from_secs(2);
    let world = World::keeping(Retention::of(kept));
    let room = world.group(&["ann", "bob"]).await;
    let old = world.say(&room, "ann", "c1").await;
    let older_head = world.rooms.head(&room).await.unwrap().unwrap().seq;
    assert_eq!(world.unread(&room, "bob").await, 1);
    let deadline = Instant::now() + kept * 5;
    while !world.page(&room, 0, None, 10).await.messages.is_empty() {
        assert!(Instant::now() < deadline, "it does not expire");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(old.seq.age() >= kept);
    let view = world.rooms.view(&person("bob"), &room).await.unwrap();
    assert_eq!((view.unread, view.mentions, view.last_message), (0, 0, None));
    assert_eq!(world.rooms.message(&person("bob"), &room, old.seq).await.err(), Some(RoomError::NoMessage));
    assert_eq!(world.edit(&room, "ann", old.seq, "x").await.err(), Some(RoomError::NoMessage));

    // A later message exists, and is the only one counted.
    let new = world.say(&room, "ann", "c2").await;
    let page = world.page(&room, 0, None, 10).await;
    assert_eq!(page.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [new.seq]);
    assert_eq!(world.unread(&room, "bob").await, 1);
    assert!(matches!(
        world.rooms.resume(&person("bob"), &room, Seq::ZERO).await.unwrap(),
        EventsAfter::Truncated { head } if head.seq == new.seq
    ));
    assert!(matches!(
        world.rooms.resume(&person("bob"), &room, older_head).await.unwrap(),
        EventsAfter::Whole { events, .. } if events.len() == 1
    ));
    world.rooms.mark(&person("bob"), &room, MarkKind::Read, new.seq).await.unwrap();
    assert_eq!(world.unread(&room, "bob").await, 0);
}
