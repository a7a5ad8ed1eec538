//! Creates the rooms before the load, each by its first member.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::user::User;
use super::wire::{Created, Request};
use super::worker::Worker;
use crate::scenario::World;

/// Rooms that a worker creates at the same time.
const MAKING_MAX: usize = 16;
/// Attempts at one room, with growing waits in between.
const ATTEMPTS: usize = 7;
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

/// True if a user creates a room, so that it must be connected before all others.
pub(super) fn makes_a_room(world: &World, user: usize) -> bool {
    world.memberships[user].iter().any(|membership| membership.slot == 0)
}

/// Creates the rooms whose first member is the worker's. A room that cannot be created remains missing.
pub(super) async fn make_rooms(worker: &Rc<Worker>) {
    let makers = worker.users.iter().filter(|user| makes_a_room(&worker.shared.world, user.index));
    for (order, user) in (0_u64..).zip(makers) {
        // A thousand a second.
        worker.start(user, worker.shared.now_us() + order * 1000);
    }
    let making = Rc::new(Semaphore::new(MAKING_MAX));
    let mut rooms = JoinSet::new();
    for (room, plan) in (0_u32..).zip(&worker.shared.world.rooms) {
        let Some(user) = worker.user(plan.members[0] as usize) else { continue };
        let (worker, user, making) = (worker.clone(), user.clone(), making.clone());
        rooms.spawn_local(async move {
            let _place = making.acquire().await;
            let mut backoff = Backoff::default();
            for _ in 0..ATTEMPTS {
                let Err(error) = make_room(&worker, &user, room).await else { return };
                worker.shared.ended(format!("a room was not created: {error}"));
                sleep(backoff.after(&error)).await;
            }
        });
    }
    while rooms.join_next().await.is_some() {}
}

async fn make_room(worker: &Worker, user: &Rc<User>, room: u32) -> Result<(), String> {
    let connected = async {
        while !user.is_connected() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(CONNECT_DEADLINE, connected).await.map_err(|_| "its first member cannot connect")?;
    let plan = &worker.shared.world.rooms[room as usize];
    let others = plan.members[1..].iter();
    let name = format!("{} {room}", worker.shared.user_id(user.index));
    let request = Request {
        kind: Some(if plan.direct { "direct" } else { "group" }),
        member_ids: Some(others.map(|&member| worker.shared.user_id(member as usize).to_owned()).collect()),
        name: (!plan.direct).then_some(&name),
        ..Request::default()
    };
    let answer = timeout(ANSWER_DEADLINE, user.call(worker, "CreateRoom", &request)).await;
    let answer = answer.map_err(|_| "no answer in time")?;
    let payload = answer.map_err(|_| "the connection was lost")??;
    let created: Created = payload.decode().map_err(|error| error.to_string())?;
    worker.shared.room_made(room, created.room.room_id, created.room.head_seq);
    Ok(())
}
