//! Who is added to rooms, how many rooms a person has and makes, and how the room of a case changes its owner.

use rts_common::ids::{CaseId, RoomId};
use rts_common::record::RoomChange;
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::room::{Role, RoomKind};
use rts_common::seq::Seq;
use rts_gateway::rooms::{Change, CreatedRoom, EventsAfter, NewRoom, RoomError, RoomOperation, RoomOutcome};

use super::world::{World, person};
use crate::support;

#[tokio::test]
async fn rooms_of_a_person_are_counted_without_those_they_left() {
    let world = World::new();
    let ann = person("ann");
    world.rooms.note_name(&ann, "Ann").await.unwrap();
    let rooms: Vec<_> = (0..4).map(|_| RoomId::new_group()).collect();
    let listed: Vec<_> = rooms.iter().map(|room| (room, Seq::now(), true)).collect();
    merge_rooms(&world.redis, &ann, RoomList::Load, &listed).await.unwrap();
    let is_full = async |most: usize| {
        let asked = std::slice::from_ref(&ann.user);
        let [invitee] = world.rooms.invitees(&ann.org, asked, most).await.unwrap().try_into().unwrap();
        assert_eq!((invitee.name.as_str(), invitee.is_known), ("Ann", true));
        invitee.is_full
    };
    assert!(is_full(4).await && !is_full(5).await);
    merge_rooms(&world.redis, &ann, RoomList::Change, &[(&rooms[0], Seq::now(), false)]).await.unwrap();
    assert!(is_full(3).await && !is_full(4).await, "one that was left counts no more");
}

#[tokio::test]
async fn a_person_makes_so_many_rooms_a_day_and_is_told_when_the_day_is_over() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(world.rooms.count_made(&person("ann"), 3).await.unwrap(), None);
    }
    for _ in 0..2 {
        let wait = world.rooms.count_made(&person("ann"), 3).await.unwrap().unwrap();
        assert!((1..=86_400).contains(&wait.as_secs()), "{wait:?}");
    }
    assert_eq!(world.rooms.count_made(&person("bob"), 3).await.unwrap(), None, "another person");
    assert_eq!(world.rooms.count_made(&person("ann"), 4).await.unwrap(), None, "what was refused was not counted");
}

#[tokio::test]
async fn the_bytes_of_a_days_uploads_are_counted_for_the_person_and_for_the_organization() {
    let world = World::new();
    let upload = async |who: &str, bytes| world.rooms.count_uploaded(&person(who), bytes, (100, 150)).await.unwrap();
    assert_eq!(upload("ann", 60).await, None);
    assert!(upload("ann", 41).await.is_some(), "more than a person's");
    assert_eq!(upload("ann", 40).await, None);
    assert!(upload("bob", 51).await.is_some(), "more than the organization's");
    assert_eq!(upload("cid", 50).await, None);
}

#[tokio::test]
async fn a_service_takes_over_the_room_of_a_case() {
    let world = World::new();
    let case = CaseId::parse("CASE-7").unwrap();
    let room = RoomId::case(&person("eve").org, &case);
    let eve = person("eve");
    let squatted = NewRoom {
        room_id: &room,
        creator: &eve,
        kind: RoomKind::Group,
        name: None,
        case_id: Some(&case),
        members: vec![(eve.user.clone(), Role::Owner, "Eve".to_owned())],
    };
    // DynamoDB, which nothing is in here, is asked for a case's room that Redis does not have.
    assert!(matches!(world.rooms.create(&squatted).await, Err(RoomError::Unavailable(_))));
    let group = NewRoom { case_id: None, ..squatted };
    assert!(matches!(world.rooms.create(&group).await.unwrap(), CreatedRoom::New(_)));
    let add = [(person("bob").user, "Bob".to_owned())];
    world.rooms.change_room(&eve, &room, &RoomOperation::Add(&add, 1000)).await.unwrap();
    world.rooms.change_room(&eve, &room, &RoomOperation::Archive).await.unwrap();
    let before = world.rooms.head(&room).await.unwrap().unwrap().seq;

    let service = person("case-service");
    let take = async |who| world.rooms.change_room(who, &room, &RoomOperation::TakeOver("Cases")).await;
    let taken = take(&service).await.unwrap();
    let RoomOutcome::Changed(RoomChange::Room { version, .. }) = &taken else { panic!() };
    let mut roles: Vec<_> = taken.members().iter().map(|member| (member.user_id.as_str(), member.role)).collect();
    roles.sort_unstable_by_key(|(user, _)| *user);
    assert_eq!(roles, [("case-service", Some(Role::Owner)), ("eve", Some(Role::Member))]);
    assert!(taken.members().iter().all(|member| member.version == *version));
    let view = world.rooms.view(&service, &room).await.unwrap();
    assert_eq!((view.member_count, view.unread), (3, 0));
    let EventsAfter::Whole { events, .. } = world.rooms.resume(&person("bob"), &room, before).await.unwrap() else {
        panic!()
    };
    let told: Vec<_> = events
        .iter()
        .map(|event| match &event.change {
            Change::Room(update) => (update.change.as_str(), update.users.len(), event.seq),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [("membersAdded", 1, version.previous()), ("roleChanged", 2, *version)]);

    // Who squatted it owns nothing any more; a second take-over changes nothing; another organization has no such room.
    assert_eq!(world.rooms.change_room(&eve, &room, &RoomOperation::Unarchive).await.err(), Some(RoomError::Forbidden));
    assert!(matches!(take(&service).await.unwrap(), RoomOutcome::Unchanged(Some(_))));
    let mut foreign = service.clone();
    foreign.org = rts_common::ids::OrgId::parse("other").unwrap();
    support::connected(&world.redis, &foreign).await;
    assert_eq!(take(&foreign).await.err(), Some(RoomError::NotFound));
    world.rooms.change_room(&service, &room, &RoomOperation::Unarchive).await.unwrap();
    world.rooms.change_room(&service, &room, &RoomOperation::Remove(&eve.user)).await.unwrap();
}
