//! After a run: what the server remembers, compared with what happened.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rts_common::signalr::Payload;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::user::User;
use super::wire::{History, Listed, Request};
use super::worker::Worker;
use crate::checker::{Content, MessageKey};

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
    for user in worker.users.iter().filter(|user| user.is_connected()) {
        let (worker, user, places) = (worker.clone(), user.clone(), places.clone());
        tasks.spawn_local(async move {
            let _place = places.acquire().await;
            compare_unread(&worker, &user).await;
        });
    }
    for (room, plan) in (0_u32..).zip(&worker.shared.world.rooms) {
        // One worker compares a room: that of the first member who is there.
        let online = |user: &&u32| worker.shared.online[**user as usize].load(Ordering::Relaxed);
        let reader = plan.members.iter().find(online).and_then(|&user| worker.user(user as usize));
        let Some(user) = reader else {
            if worker.number == 0 && !plan.members.iter().any(|user| online(&user)) {
                worker.shared.unverified(room, None, "nobody is there to read the history");
            }
            continue;
        };
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
            let now_us = shared.now_us();
            shared.check(room, |check, found| check.unread(slot, entry.unread, now_us, found));
        }
        match listed.cursor {
            Some(next) => cursor = Some(next),
            None => return,
        }
    }
}

/// Reads all of the room that the run wrote, then compares it at once.
async fn compare_history(worker: &Worker, user: &Rc<User>, room: u32) {
    let shared = &worker.shared;
    let Some(state) = shared.room(room) else { return };
    let mut messages: Vec<(u64, Option<MessageKey>)> = Vec::new();
    loop {
        let after = messages.last().map_or(state.head, |&(seq, _)| seq);
        let request = Request { room_id: Some(&state.id), after: Some(after), limit: Some(PAGE), ..Request::default() };
        let Some(page) = ask::<History>(worker, user, "GetHistory", &request).await else {
            return shared.unverified(room, None, "no history");
        };
        for message in &page.messages {
            let key = match shared.recognize(message) {
                Some((Content::Message(key), _)) => Some(key),
                _ => None,
            };
            messages.push((message.seq, key));
        }
        let is_stuck = page.messages.last().is_none_or(|last| last.seq <= after);
        if !page.has_more {
            break;
        }
        if is_stuck {
            return shared.unverified(room, None, "a history that says there is more and gives nothing");
        }
    }
    let now_us = shared.now_us();
    shared.check(room, |check, found| {
        let mut history = check.history();
        for (seq, key) in messages {
            history.message(seq, key, now_us, found);
        }
        history.end(now_us, found);
    });
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
