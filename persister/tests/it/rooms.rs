//! Reading rooms back.

use std::collections::HashMap;

use rts_common::ids::{OrgId, Person, RoomId};
use rts_common::room::{Marks, Role};
use rts_common::seq::Seq;
use rts_common::store::{Profile, UserRoom};

use crate::support::{Database, event_of, facts, marks, membership, org, profile, room_record, seq, store, user};

#[tokio::test]
async fn a_room_comes_back_with_everyone_who_is_or_was_in_it() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    assert_eq!(database.store.room(&room).await.unwrap(), None);

    let mut members: Vec<_> =
        (0..1000).map(|index| membership(&format!("u{index:04}"), 1, Some(Role::Member))).collect();
    store(&database.rooms, event_of(&[room_record(&room, Some(facts(1)), members.clone())])).await;
    let left = membership("u0007", 2, None);
    let change = room_record(&room, None, vec![left.clone()]);
    store(&database.rooms, event_of(&[change, marks(&room, "u0001", 5, 6)])).await;
    members[7] = left;

    let found = database.store.room(&room).await.unwrap().unwrap();
    assert_eq!((found.org, found.facts), (org(), facts(1)));
    let (found, found_marks): (Vec<_>, Vec<_>) = found.members.into_iter().unzip();
    assert_eq!(found, members);
    assert_eq!(found_marks[1], Marks { read_seq: seq(5), delivered_seq: seq(6) });
    assert_eq!(found_marks[2], Marks::default());
}

#[tokio::test]
async fn marks_alone_make_nobody_a_member() {
    let database = Database::start().await;
    let room = RoomId::new_group();
    let ann = Person { org: org(), user: user("ann") };
    store(&database.rooms, event_of(&[marks(&room, "ann", 5, 0)])).await;
    assert_eq!(database.store.room(&room).await.unwrap(), None);
    assert_eq!(database.store.rooms_of(&ann).await.unwrap(), []);

    store(&database.rooms, event_of(&[room_record(&room, Some(facts(1)), vec![])])).await;
    let found = database.store.room(&room).await.unwrap().unwrap();
    let (member, member_marks) = &found.members[0];
    assert_eq!((member.role, member.version), (None, Seq::ZERO));
    assert_eq!(*member_marks, Marks { read_seq: seq(5), delivered_seq: Seq::ZERO });

    // The membership they overtook keeps them.
    let joined = membership("ann", 2, Some(Role::Owner));
    store(&database.rooms, event_of(&[room_record(&room, None, vec![joined.clone()])])).await;
    let found = database.store.room(&room).await.unwrap().unwrap();
    assert_eq!(found.members, [(joined, *member_marks)]);
}

#[tokio::test]
async fn the_rooms_of_a_person_are_those_of_its_own_organization() {
    let database = Database::start().await;
    let rooms: Vec<_> = (0..30).map(|_| RoomId::new_group()).collect();
    let records: Vec<_> = rooms
        .iter()
        .map(|room| room_record(room, Some(facts(1)), vec![membership("ann", 1, Some(Role::Owner))]))
        .collect();
    store(&database.rooms, event_of(&records)).await;
    let gone = room_record(&rooms[3], None, vec![membership("ann", 4, None)]);
    let mut foreign = room_record(&RoomId::new_group(), None, vec![membership("ann", 1, Some(Role::Owner))]);
    foreign.org = OrgId::parse("other").unwrap();
    store(&database.rooms, event_of(&[gone, foreign])).await;

    let mut found = database.store.rooms_of(&Person { org: org(), user: user("ann") }).await.unwrap();
    found.sort_by(|one, other| one.room_id.cmp(&other.room_id));
    let mut expected: Vec<_> =
        rooms.iter().map(|room| UserRoom { room_id: room.clone(), version: seq(1), is_member: true }).collect();
    expected[3] = UserRoom { room_id: rooms[3].clone(), version: seq(4), is_member: false };
    expected.sort_by(|one, other| one.room_id.cmp(&other.room_id));
    assert_eq!(found, expected);
    let nobody = Person { org: org(), user: user("bob") };
    assert_eq!(database.store.rooms_of(&nobody).await.unwrap(), []);
}

#[tokio::test]
async fn the_directory_knows_the_latest_name_of_each() {
    let database = Database::start().await;
    let names: Vec<_> = (0..120).map(|index| format!("u{index}")).collect();
    let records: Vec<_> = names.iter().map(|name| profile(name, 5)).collect();
    store(&database.rooms, event_of(&records)).await;
    store(&database.rooms, event_of(&[profile("u1", 9), profile("u2", 3)])).await;
    store(&database.rooms, event_of(&[profile("u1", 7)])).await;

    let mut asked: Vec<_> = names.iter().map(|name| user(name)).collect();
    asked.extend([user("nobody"), user("u1")]);
    let found = database.store.profiles(&org(), &asked).await.unwrap();
    let expected: HashMap<_, _> = names
        .iter()
        .map(|name| {
            let version = if name == "u1" { 9 } else { 5 };
            (user(name), Profile { display_name: format!("{name} {version}"), version: seq(version) })
        })
        .collect();
    assert_eq!(found, expected);
    let other = OrgId::parse("other").unwrap();
    assert!(database.store.profiles(&other, &asked).await.unwrap().is_empty());
}
