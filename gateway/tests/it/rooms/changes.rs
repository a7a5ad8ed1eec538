//! Changes of rooms and their members.

use rts_common::record::RoomChange;
use rts_common::room::Role;
use rts_gateway::rooms::{Change, EventsAfter, RoomError, RoomOperation, RoomOutcome, Sending, Sent};

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
