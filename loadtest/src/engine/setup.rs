//! Creates the rooms before the load, each by its first member.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::user::User;
use super::worker::Worker;
use crate::scenario::World;
use crate::wire::{Created, Request};

/// Rooms that a worker creates at the same time.
const MAKING_MAX: usize = 16;
/// Attempts at one room, with growing waits in between.
const ATTEMPTS: usize = 7;
/// The longest time for which one room may be asked to wait: the most people that a room takes are allowed in 50 s.
const PATIENCE: Duration = Duration::from_mins(2);
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
    let mut of_makers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (room, plan) in (0_u32..).zip(&worker.shared.world.rooms) {
        of_makers.entry(plan.members[0]).or_default().push(room);
    }
    let mut makers = JoinSet::new();
    for (maker, rooms) in of_makers {
        let Some(user) = worker.user(maker as usize) else { continue };
        let (worker, user, making) = (worker.clone(), user.clone(), making.clone());
        // One after the other: the product allows a user so many rooms a second, and no more by asking together.
        makers.spawn_local(async move {
            for room in rooms {
                make_patiently(&worker, &user, room, &making).await;
            }
        });
    }
    while makers.join_next().await.is_some() {}
}

/// Creates a room in a few attempts. To be asked to wait, as for its maker's rate of rooms, is none of them.
async fn make_patiently(worker: &Worker, user: &Rc<User>, room: u32, making: &Semaphore) {
    let (mut backoff, mut attempts) = (Backoff::default(), 0);
    let patience = Instant::now() + PATIENCE;
    while attempts < ATTEMPTS {
        let made = {
            let _place = making.acquire().await;
            make_room(worker, user, room).await
        };
        let Err(error) = made else { return };
        if !error.contains("rateLimited: ") || Instant::now() > patience {
            attempts += 1;
            worker.shared.ended(format!("a room was not created: {error}"));
        }
        sleep(backoff.after(&error)).await;
    }
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
