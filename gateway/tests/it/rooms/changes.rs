//! Changes of rooms and their members.

use rts_common::message::Reaction;
use rts_common::record::RoomChange;
use rts_common::redis::keys;
use rts_common::room::Role;
use rts_common::seq::{Seq, Timestamp};
use rts_gateway::rooms::{
    Change, EventsAfter, MessageAt, MessageChange, ReactionChange, RoomError, RoomOperation, RoomOutcome, Sending, Sent,
};

use super::world::{World, content, person};
use crate::support;

#[tokio::test]
async fn members_are_added_and_leave() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let change =
        async |who: &str, operation: RoomOperation<'_>| world.rooms.change_room(&person(who), &room, &operation).await;
    let cyd = [(person("cyd").user, "Cyd 김".to_owned())];
    change("bob", RoomOperation::Add(&cyd, 1000)).await.unwrap();
    assert_eq!(world.rooms.view(&person("cyd"), &room).await.unwrap().member_count, 3);
    assert!(matches!(change("bob", RoomOperation::Add(&cyd, 1000)).await.unwrap(), RoomOutcome::Unchanged(_)));
    assert_eq!(
        change("bob", RoomOperation::Add(&[(person("dan").user, "d".to_owned())], 3)).await.err(),
        Some(RoomError::TooManyMembers)
    );
    assert_eq!(change("bob", RoomOperation::Remove(&cyd[0].0)).await.err(), Some(RoomError::Forbidden));
    assert_eq!(change("ann", RoomOperation::Remove(&person("zed").user)).await.err(), Some(RoomError::NoMember));
    change("ann", RoomOperation::Remove(&cyd[0].0)).await.unwrap();
    support::connected(&world.redis, &person("cyd")).await;
    assert_eq!(world.rooms.view(&person("cyd"), &room).await.err(), Some(RoomError::NotFound));
    change("ann", RoomOperation::Leave).await.unwrap();
    change("bob", RoomOperation::Archive).await.unwrap();
    let bob = person("bob");
    let content = content(&bob, "c1", "x");
    let sending = Sending { person: &bob, room: &room, content: &content, accept: true };
    assert_eq!(support::send(&world.rooms, &sending).await.err(), Some(RoomError::Archived));
    change("bob", RoomOperation::Unarchive).await.unwrap();
    assert!(matches!(support::send(&world.rooms, &sending).await, Ok(Sent::New(_))));
}

#[tokio::test]
async fn the_longest_standing_member_becomes_owner_when_the_last_owner_leaves() {
    let world = World::new();
    let room = world.group(&["ann", "dan", "cyd"]).await;
    let add = [(person("bob").user, "Bob".to_owned())];
    world.rooms.change_room(&person("ann"), &room, &RoomOperation::Add(&add, 1000)).await.unwrap();
    let before = world.rooms.head(&room).await.unwrap().unwrap().seq;
    let left = world.rooms.change_room(&person("ann"), &room, &RoomOperation::Leave).await.unwrap();

    // One record for the journal carries both, under the one version that the unstored index awaits.
    let RoomOutcome::Changed(RoomChange::Room { version, facts: None, .. }) = &left else { panic!() };
    let roles: Vec<_> = left.members().iter().map(|member| (member.user_id.as_str(), member.role)).collect();
    assert_eq!(roles, [("ann", None), ("cyd", Some(Role::Owner))]);
    assert!(left.members().iter().all(|member| member.version == *version));
    let unstored = world.unstored(&room).await;
    assert_eq!(unstored.last(), Some(&format!("r:{room}:{version}")));
    assert_eq!(unstored.len(), 3);

    let EventsAfter::Whole { head, events } = world.rooms.resume(&person("bob"), &room, before).await.unwrap() else {
        panic!()
    };
    let told: Vec<_> = events
        .iter()
        .map(|event| match &event.change {
            Change::Room(update) => (update.change.as_str(), update.users[0].as_str(), event.prev, event.seq),
            other => panic!("{other:?}"),
        })
        .collect();
    let between = version.previous();
    assert_eq!(told, [("memberRemoved", "ann", before, between), ("roleChanged", "cyd", between, *version)]);
    assert_eq!(head.seq, *version);

    // A member who is not an owner leaves without further changes; the last one leaves an empty room.
    for (who, others) in [("dan", 1), ("cyd", 2), ("bob", 1)] {
        let left = world.rooms.change_room(&person(who), &room, &RoomOperation::Leave).await.unwrap();
        assert_eq!(left.members().len(), others, "{who}");
    }
}

#[tokio::test]
async fn changes_made_before_but_not_stored_are_for_the_journal_again() {
    let world = World::new();
    let ann = person("ann");
    let room = world.group(&["ann", "bob"]).await;
    let change = async |operation: RoomOperation<'_>| world.rooms.change_room(&ann, &room, &operation).await.unwrap();
    let bob = [(person("bob").user, "Bob".to_owned())];
    let both = [bob[0].clone(), (person("cyd").user, "Cyd".to_owned())];
    // The node that created it died before it was journaled: all of it is owed.
    for operation in [RoomOperation::Rename("방"), RoomOperation::Add(&bob, 1000), RoomOperation::Unarchive] {
        let RoomOutcome::Unchanged(Some(RoomChange::Room { facts: Some(_), members, .. })) = change(operation).await
        else {
            panic!()
        };
        assert_eq!(members.len(), 2);
    }
    // Also together with a new change.
    let RoomOutcome::Changed(owed @ RoomChange::Room { facts: Some(_), .. }) =
        change(RoomOperation::Add(&both, 1000)).await
    else {
        panic!()
    };
    let RoomOutcome::Changed(renamed) = change(RoomOperation::Rename("other")).await else { panic!() };
    assert!(matches!(change(RoomOperation::Rename("other")).await, RoomOutcome::Unchanged(Some(_))));
    world.store_room(&room).await;
    for operation in [RoomOperation::Rename("other"), RoomOperation::Add(&both, 1000)] {
        assert!(matches!(change(operation).await, RoomOutcome::Unchanged(None)));
    }
    assert_ne!(owed, renamed);
}

#[tokio::test]
async fn what_a_node_changed_itself_raises_its_hint_of_the_next_seq() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let hint = || world.rooms.seq_hint(&room).get();
    let sent = world.say(&room, "ann", "c1").await;
    assert_eq!(hint(), sent.seq);
    let (edited, _) = world.edit(&room, "ann", sent.seq, "edited").await.unwrap();
    assert_eq!(hint(), edited.version);
    world.rooms.change_room(&person("ann"), &room, &RoomOperation::Rename("other")).await.unwrap();
    assert!(hint() > edited.version);
}

#[tokio::test]
async fn a_burst_of_changes_of_one_message_succeeds_for_all() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    let seq = world.say(&room, "ann", "c1").await.seq;
    let (who, room) = (&person("bob"), &room);
    let react = async |number: usize| {
        let emoji = format!("emoji {number}");
        let change = ReactionChange { emoji: emoji.clone(), user_id: who.user.clone(), on: true };
        let at = MessageAt { person: who, room, seq };
        let changed = world.rooms.change_message(at, |found| {
            let mut content = found.state.content.clone();
            content.reactions.push(Reaction { emoji: emoji.clone(), user_ids: vec![who.user.clone()] });
            Ok(Some(MessageChange::React(content, change.clone())))
        });
        changed.await.map(drop)
    };
    let all = futures_util::future::join_all((0..100).map(react)).await;
    let failed: Vec<_> = all.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} of 100: {failed:?}", failed.len());
    assert_eq!(world.rooms.message(who, room, seq).await.unwrap().state.content.reactions.len(), 100);
}

#[tokio::test]
async fn a_count_in_a_rebuilt_room_is_at_least_until_storing_has_passed_the_rebuild() {
    let world = World::new();
    let room = world.group(&["ann", "bob"]).await;
    world.say(&room, "ann", "c1").await;
    let count = async || {
        let view = world.rooms.view(&person("bob"), &room).await.unwrap();
        (view.unread, view.unread_at_least)
    };
    assert_eq!(count().await, (1, false), "it was never lost");
    let rebuilt = Seq::now();
    let mut set = redis::cmd("HSET");
    set.arg(keys::room_meta(&room)).arg("rebuilt").arg(rebuilt.to_string());
    world.redis.command("test", &set).await.unwrap();
    assert!(count().await.1);
    world.rooms.note_stored_until(Timestamp::from_millis(rebuilt.timestamp().millis() - 1));
    assert!(count().await.1, "what was accepted just before may be missing");
    world.rooms.note_stored_until(Timestamp::from_millis(rebuilt.timestamp().millis() + 1));
    assert!(!count().await.1);
    world.rooms.note_stored_until(Timestamp::from_millis(0));
    assert!(!count().await.1, "it does not go back");
}
