//! Whoever is in no room cannot tell one of others from none: not by the answer, not by the work that it takes, and
//! nothing is read or rebuilt for them.

use std::cell::RefCell;
use std::time::Duration;

use rts_common::ids::{OrgId, Person, RoomId};
use rts_common::redis::keys;
use rts_common::retention::Retention;
use rts_common::seq::Seq;
use rts_gateway::rooms::{MarkKind, RoomError, RoomOperation};

use super::world::{World, person};
use crate::support;

thread_local! {
    /// The calls to Redis of this thread's test.
    static CALLS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn note(call: &'static str, _: Duration) {
    CALLS.with_borrow_mut(|calls| calls.push(call));
}

/// Returns the answers of every kind of access, and the calls to Redis that they took.
async fn access(world: &World, who: &Person, room: &RoomId) -> (Vec<Option<RoomError>>, Vec<&'static str>) {
    CALLS.take();
    let rooms = &world.rooms;
    let answers = vec![
        rooms.view(who, room).await.err(),
        rooms.glance(who, room).await.err(),
        rooms.is_archived(who, room).await.err(),
        rooms.message(who, room, Seq::new(1).unwrap()).await.err(),
        rooms.resume(who, room, Seq::ZERO).await.err(),
        rooms.mark(who, room, MarkKind::Read, Seq::ZERO).await.err(),
        rooms.mentions(who, room, "@ann").await.err(),
        rooms.change_room(who, room, &RoomOperation::Rename("x")).await.err(),
        rooms.change_room(who, room, &RoomOperation::Leave).await.err(),
        rooms.rebuild_for(who, room).await.map(|rebuilt| assert!(!rebuilt)).err(),
    ];
    (answers, CALLS.take())
}

#[tokio::test]
async fn a_room_of_others_one_that_is_cold_and_none_take_the_same_answers_and_the_same_work() {
    let world = World::observed(Retention::default(), note);
    let (theirs, cold) = (world.group(&["ann", "bob"]).await, world.group(&["ann"]).await);
    // Redis lost it. DynamoDB has it or not: nothing listens there, so that asking it would show as an error.
    let mut lose = redis::cmd("DEL");
    lose.arg(keys::room_meta(&cold)).arg(keys::room_members(&cold));
    world.redis.command("test", &lose).await.unwrap();
    let unknown = RoomId::new_group();
    let foreign = Person { org: OrgId::parse("other").unwrap(), ..person("ann") };
    for who in [foreign, person("eve")] {
        support::connected(&world.redis, &who).await;
        let expected = access(&world, &who, &unknown).await;
        assert!(expected.0[..9].iter().all(|answer| *answer == Some(RoomError::NotFound)), "{:?}", expected.0);
        for (what, room) in [("a room of others", &theirs), ("a cold room", &cold)] {
            assert_eq!(access(&world, &who, room).await, expected, "{what} for {who:?}");
        }
    }
    let mut exists = redis::cmd("EXISTS");
    exists.arg(keys::room_meta(&cold));
    let is_there: bool = rts_common::redis::read(world.redis.command("test", &exists).await.unwrap()).unwrap();
    assert!(!is_there, "nobody's asking brings a room back");
}
