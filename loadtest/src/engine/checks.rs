//! After a run: what the server remembers, compared with what happened.

use std::rc::Rc;
use std::time::Duration;

use rts_common::signalr::Payload;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::user::User;
use super::wire::{History, Listed, Request};
use super::worker::Worker;
use crate::checker::{Content, Tell};

/// Users and rooms of a worker being compared at a time.
const AT_ONCE: usize = 16;
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
const ATTEMPTS: usize = 4;
/// The product's largest page.
const PAGE: u64 = 200;

/// Compares unread counts and histories, of all users and rooms of the worker.
pub(super) async fn compare(worker: &Rc<Worker>) {
    let places = Rc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for user in worker.users.iter().filter(|user| worker.shared.was_present(user.index)) {
        let (worker, user, places) = (worker.clone(), user.clone(), places.clone());
        tasks.spawn_local(async move {
            let _place = places.acquire().await;
            compare_unread(&worker, &user).await;
        });
    }
    for (room, plan) in (0_u32..).zip(&worker.shared.world.rooms) {
        // One worker compares a room: that of the first member who is there. If nobody is, the end tells.
        let was_present = |user: &&u32| worker.shared.was_present(**user as usize);
        let reader = plan.members.iter().find(was_present).and_then(|&user| worker.user(user as usize));
        let Some(user) = reader else { continue };
        let (worker, user, places) = (worker.clone(), user.clone(), places.clone());
        tasks.spawn_local(async move {
            let _place = places.acquire().await;
            compare_history(&worker, &user, room).await;
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn compare_unread(worker: &Worker, user: &Rc<User>) {
    let shared = &worker.shared;
    let mut cursor: Option<String> = None;
    loop {
        let request = Request { cursor: cursor.as_deref(), limit: Some(PAGE), ..Request::default() };
        let Some(listed) = ask::<Listed>(worker, user, "ListRooms", &request).await else {
            for membership in &shared.world.memberships[user.index] {
                shared.unverified(membership.room, Some(membership.slot), "no list of rooms");
            }
            return;
        };
        for entry in &listed.rooms {
            let Some(room) = shared.room_of_id(&entry.room.room_id) else { continue };
            let Some(slot) = shared.world.slot(user.index, room) else { continue };
            shared.tell(room, Tell::Unread(slot, entry.unread));
        }
        match listed.cursor {
            Some(next) => cursor = Some(next),
            None => return,
        }
    }
}

/// Reads all of the room that the run wrote, and has it compared page by page.
async fn compare_history(worker: &Worker, user: &Rc<User>, room: u32) {
    let shared = &worker.shared;
    let Some(state) = shared.room(room) else { return };
    let mut after = state.head;
    loop {
        let request = Request { room_id: Some(&state.id), after: Some(after), limit: Some(PAGE), ..Request::default() };
        let Some(page) = ask::<History>(worker, user, "GetHistory", &request).await else {
            return shared.unverified(room, None, "no history");
        };
        let key = |message| match shared.recognize(message) {
            Some((Content::Message(key), _)) => Some(key),
            _ => None,
        };
        let messages = page.messages.iter().map(|message| (message.seq, key(message))).collect();
        shared.tell(room, Tell::History(messages));
        let last = page.messages.last().map_or(after, |last| last.seq);
        let is_stuck = last <= after;
        after = last;
        if !page.has_more {
            return shared.tell(room, Tell::HistoryEnd);
        }
        if is_stuck {
            return shared.unverified(room, None, "a history that says there is more and gives nothing");
        }
    }
}

/// Calls a method until it is answered, a few times.
async fn ask<T: serde::de::DeserializeOwned>(
    worker: &Worker,
    user: &Rc<User>,
    target: &str,
    request: &Request<'_>,
) -> Option<T> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(Duration::from_millis(500)).await;
        }
        let answer = timeout(ANSWER_DEADLINE, user.call(worker, target, request)).await;
        let payload: Option<Payload> = answer.ok().and_then(Result::ok).and_then(Result::ok);
        if let Some(decoded) = payload.and_then(|payload| payload.decode().ok()) {
            return Some(decoded);
        }
    }
    None
}
