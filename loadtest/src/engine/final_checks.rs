//! Compares the server's state with the run's observations, after a run.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::stats::Count;
use super::user::User;
use super::worker::Worker;
use crate::checker::{Content, Tell};
use crate::wire::{self, History, Listed, Request};

/// Users of a worker whose lists are compared at the same time.
const LISTS_AT_ONCE: usize = 8;
/// Histories read at the same time, over all workers of this machine: the store is busy enough.
const HISTORIES_AT_ONCE: usize = 4;
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// The time for which one page is requested repeatedly.
const PATIENCE: Duration = Duration::from_secs(90);
/// Pauses while the server says that there may be more unread messages than it counts, and their number: storing is behind
/// after a loss of Redis.
const COUNT_WAIT: Duration = Duration::from_secs(2);
const COUNT_WAITS: u32 = 90;
/// The product's largest page.
const PAGE: u64 = 200;

/// Compares unread counts and histories of all users and rooms of the worker.
pub(super) async fn compare(worker: &Rc<Worker>) {
    let lists = Rc::new(Semaphore::new(LISTS_AT_ONCE));
    let histories = Rc::new(Semaphore::new((HISTORIES_AT_ONCE / worker.neighbours).max(1)));
    let mut tasks = JoinSet::new();
    for user in worker.users.iter().filter(|user| worker.shared.was_present(user.index)) {
        let (worker, user, places) = (worker.clone(), user.clone(), lists.clone());
        tasks.spawn_local(async move {
            let _place = places.acquire().await;
            compare_unread(&worker, &user).await;
        });
    }
    for (room, plan) in (0_u32..).zip(&worker.shared.world.rooms) {
        // One worker compares a room: that of the first member present. If nobody is, the end of the run reports it.
        let was_present = |user: &&u32| worker.shared.was_present(**user as usize);
        let reader = plan.members.iter().find(was_present).and_then(|&user| worker.user(user as usize));
        let Some(user) = reader else { continue };
        let (worker, user, places) = (worker.clone(), user.clone(), histories.clone());
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
    let mut waits = COUNT_WAITS;
    loop {
        let request = Request { cursor: cursor.as_deref(), limit: Some(PAGE), ..Request::default() };
        let Some(listed) = ask::<Listed>(worker, user, "ListRooms", &request).await else {
            for membership in &shared.world.memberships[user.index] {
                shared.unverified(membership.room, Some(membership.slot), "no list of rooms");
            }
            return;
        };
        if waits > 0 && listed.rooms.iter().any(|entry| entry.unread_at_least) {
            waits -= 1;
            sleep(COUNT_WAIT).await;
            continue;
        }
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

/// Reads all messages of the room that the run wrote, and has them compared page by page.
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
            return shared.unverified(room, None, "the history claims to have more messages and returns none");
        }
    }
}

/// Calls a method until it is answered, with growing waits, as long as patience lasts.
async fn ask<T: serde::de::DeserializeOwned>(
    worker: &Worker,
    user: &Rc<User>,
    target: &str,
    request: &Request<'_>,
) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut backoff = Backoff::default();
    loop {
        worker.count(Count::ReadsBack);
        let answer = timeout(ANSWER_DEADLINE, user.call(worker, target, request)).await;
        let text = match answer {
            Ok(Ok(Ok(payload))) => match payload.decode() {
                Ok(decoded) => return Some(decoded),
                Err(error) => format!("an answer of the wrong form: {error}"),
            },
            Ok(Ok(Err(text))) => text,
            Ok(Err(_)) => "the connection was lost".to_owned(),
            Err(_) => "no answer in time".to_owned(),
        };
        let code = wire::error_code(&text);
        if wire::is_busy(code) {
            worker.count(Count::ReadsUnavailable);
        }
        worker.shared.ended(format!("read again: {target}: {code}"));
        let wait = backoff.after(&text);
        if Instant::now() + wait >= deadline {
            return None;
        }
        sleep(wait).await;
    }
}
