//! Changes of the largest rooms, and of the longest lists of rooms.

use rts_common::ids::{RoomId, UserId};
use rts_common::limits;
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::room::{Role, RoomKind};
use rts_common::seq::Seq;
use rts_gateway::rooms::{NewRoom, RoomOperation};

use super::{Measured, RUNS, World, others, person};

pub(super) async fn all(world: &World, measured: &mut Measured) {
    let (ann, others) = (&world.ann, others());
    let change = async |room: &RoomId, operation: RoomOperation<'_>| {
        drop(world.rooms.change_room(ann, room, &operation).await.unwrap());
    };
    let mut rooms = Vec::new();
    for _ in 0..=RUNS {
        let (room, kind) = (RoomId::new_group(), RoomKind::Group);
        let members = vec![(ann.user.clone(), Role::Owner, "Ann".to_owned())];
        let new = NewRoom { room_id: &room, creator: ann, kind, name: None, case_id: None, members };
        world.rooms.create(&new).await.unwrap();
        rooms.push(room);
    }
    // As many as a call adds at once, again and again.
    let add = async |run: usize| {
        for people in others.chunks(128) {
            change(&rooms[run], RoomOperation::Add(people, limits::ROOM_MEMBERS)).await;
        }
    };
    measured.push(("change_room", world.longest(add).await));
    let rename = async |run: usize| change(&rooms[run], RoomOperation::Rename("Name")).await;
    measured.push(("change_room", world.longest(rename).await));
    // Another becomes the owner.
    let leave = async |run: usize| change(&rooms[run], RoomOperation::Leave).await;
    measured.push(("change_room", world.longest(leave).await));

    // A user who was in as many rooms as somebody can be, and is in them again.
    let rooms: Vec<_> = (0..limits::PERSON_ROOMS).map(|_| RoomId::new_group()).collect();
    let list = async |run: usize| {
        let who = person(&format!("listed-{run}"));
        let listed: Vec<_> = rooms.iter().map(|room| (room, Seq::now(), run.is_multiple_of(2))).collect();
        merge_rooms(&world.redis, &who, RoomList::Load, &listed).await.unwrap();
        world.rooms.note_name(&who, "Name").await.unwrap();
    };
    measured.push(("user_rooms", world.longest(list).await));
    let rooms_of = async |run: usize| drop(world.rooms.rooms_of(&person(&format!("listed-{run}"))).await.unwrap());
    measured.push(("rooms_of", world.longest(rooms_of).await));
    let invite = async |run: usize| {
        let who = [UserId::parse(&format!("listed-{run}")).unwrap()];
        world.rooms.invitees(&ann.org, &who, limits::PERSON_ROOMS).await.unwrap();
    };
    measured.push(("invitee", world.longest(invite).await));
}
