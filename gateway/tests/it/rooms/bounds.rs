//! What one user can grow or have read has a bound, or a price.

use rts_common::ids::RoomId;
use rts_common::record::MessageRecord;
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::redis::{keys, stored};
use rts_common::seq::Seq;
use rts_gateway::rooms::{RoomError, RoomOperation};

use super::world::{World, person};

async fn count(world: &World, words: &[&str]) -> usize {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    rts_common::redis::read(world.redis.command("test", &command).await.unwrap()).unwrap()
}

#[tokio::test]
async fn edits_that_are_read_to_find_a_message_are_told() {
    const EDITS: usize = 400;
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let first = world.say(&room, "ann", "first").await.seq;
    assert_eq!(world.page(&room, 0, None, 10).await.vain_bytes, 0);
    let body = "x".repeat(4096);
    for edit in 0..EDITS {
        world.edit(&room, "ann", first, &format!("{edit} {body}")).await.unwrap();
    }
    let page = world.page(&room, 0, None, 1).await;
    assert_eq!(page.messages.len(), 1);
    assert!(page.vain_bytes >= (EDITS - 1) * body.len(), "{}", page.vain_bytes);
}

#[tokio::test]
async fn those_who_left_are_shown_to_nobody_and_there_are_not_too_many() {
    const MOST: usize = 4;
    let (world, ann) = (World::new(), person("ann"));
    let room = world.group(&["ann"]).await;
    let change = async |operation: RoomOperation<'_>| world.rooms.change_room(&ann, &room, &operation).await;
    let add = async |name: &str| change(RoomOperation::Add(&[(person(name).user, name.to_owned())], MOST)).await;
    for number in 0..2 * MOST - 1 {
        add(&format!("guest-{number}")).await.unwrap();
        change(RoomOperation::Remove(&person(&format!("guest-{number}")).user)).await.unwrap();
    }
    let view = world.rooms.view(&ann, &room).await.unwrap();
    assert_eq!(view.snapshot.members.len(), 1);
    let base = keys::room(&room);
    let marks = async || count(&world, &["HLEN", &format!("{base}:marks")]).await;
    let own = marks().await;
    assert_eq!(add("one-more").await.err(), Some(RoomError::TooManyMembers));
    // Who was here before takes no place of others.
    add("guest-0").await.unwrap();
    assert!(marks().await > own);
    change(RoomOperation::Remove(&person("guest-0").user)).await.unwrap();
    assert_eq!(marks().await, own, "marks go with their member");
    // After some weeks they are forgotten, once all of it is stored.
    let long_ago = Seq::now().minus(std::time::Duration::from_hours(24 * 31));
    for number in 0..MOST {
        let value = format!("x {long_ago} 1 guest");
        count(&world, &["HSET", &format!("{base}:members"), &format!("guest-{number}"), &value]).await;
    }
    add("one-more").await.unwrap();
    assert_eq!(count(&world, &["HLEN", &format!("{base}:members")]).await, MOST + 1);
}

#[tokio::test]
async fn rooms_that_were_left_long_ago_are_forgotten() {
    let (world, ann) = (World::new(), person("ann"));
    let rooms: Vec<_> = (0..600).map(|_| RoomId::new_group()).collect();
    let long_ago = Seq::now().minus(std::time::Duration::from_hours(48));
    let left: Vec<_> = rooms.iter().map(|room| (room, long_ago, false)).collect();
    merge_rooms(&world.redis, &ann, RoomList::Load, &left).await.unwrap();
    let (stays, goes) = (RoomId::new_group(), RoomId::new_group());
    let now = Seq::now().get() / 64 * 64;
    merge_rooms(&world.redis, &ann, RoomList::Change, &[(&stays, Seq::new(now).unwrap(), true)]).await.unwrap();
    merge_rooms(&world.redis, &ann, RoomList::Change, &[(&goes, Seq::new(now).unwrap(), false)]).await.unwrap();
    // One that it is in, one that was just left, and the mark of a whole list.
    assert_eq!(count(&world, &["HLEN", &keys::person_rooms(&ann)]).await, 3);
    assert_eq!(world.rooms.rooms_of(&ann).await.unwrap(), [stays]);
}

#[tokio::test]
async fn a_stream_of_long_messages_is_trimmed_by_its_bytes_but_never_of_unstored_ones() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let body = "x".repeat(16 * 1024);
    let mut records = Vec::new();
    for index in 0..300 {
        let rts_gateway::rooms::Sent::New(message) = world.send(&room, "ann", &format!("c{index}"), &body).await else {
            panic!()
        };
        let origin = rts_common::ids::NodeId::random();
        records.push(MessageRecord { v: 1, org: person("ann").org, origin, message });
    }
    let length = async || count(&world, &["XLEN", &format!("{}:stream", keys::room(&room))]).await;
    assert_eq!(length().await, 300, "nothing of it is stored");
    for records in records[..250].chunks(10) {
        stored::messages(&world.redis, &room, &records.iter().collect::<Vec<_>>()).await.unwrap();
    }
    let length = length().await;
    assert!((50..150).contains(&length), "{length}");
}
