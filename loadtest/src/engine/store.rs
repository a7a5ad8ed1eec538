//! After a run, if asked for: what DynamoDB holds, compared with what happened, and how long it took until
//! all of it was there.

use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::RoomId;
use rts_common::message::MessageState;
use rts_common::seq::{SEQ_MAX, Seq};
use rts_common::store::{Direction, MessageQuery, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::shared::Shared;
use super::wire;
use crate::checker::{Content, Message, Progress, Violations};

/// Rooms being read at a time.
const AT_ONCE: usize = 8;
/// Messages of a page.
const PAGE: usize = 500;
/// Before a room is looked at again that is not whole yet.
const AGAIN: Duration = Duration::from_secs(1);

/// Looks until everything is stored, or until the deadline; what is wrong then is told. Gives how long
/// after `since_us` everything was there, if it was.
pub(super) async fn compare(shared: Arc<Shared>, store: Store, since_us: u64, within: Duration) -> Option<Duration> {
    let deadline = Instant::now() + within;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut rooms = JoinSet::new();
    for room in (0_u32..).take(shared.world.rooms.len()).filter(|&room| shared.room(room).is_some()) {
        let (shared, store, places) = (shared.clone(), store.clone(), places.clone());
        rooms.spawn(async move {
            loop {
                let place = places.acquire().await;
                let looked = look(&shared, &store, room).await;
                drop(place);
                let is_whole = looked.as_ref().is_ok_and(|found| found.total() == 0);
                if is_whole || Instant::now() >= deadline {
                    match looked {
                        Ok(found) => shared.found(&found),
                        Err(error) => shared.unverified(room, None, &format!("DynamoDB cannot be read: {error}")),
                    }
                    return is_whole;
                }
                sleep(AGAIN).await;
            }
        });
    }
    let mut is_whole = true;
    while let Some(room) = rooms.join_next().await {
        is_whole &= room.unwrap_or_default();
    }
    is_whole.then(|| Duration::from_micros(shared.now_us().saturating_sub(since_us)))
}

/// Reads what is stored of a room, page by page.
async fn look(shared: &Shared, store: &Store, room: u32) -> Result<Violations, StoreError> {
    let mut found = Violations::default();
    let Some(state) = shared.room(room) else { return Ok(found) };
    // What has another form than the product's ids holds nothing that could be stored.
    let Ok(id) = RoomId::parse(&state.id) else { return Ok(found) };
    let mut after = Seq::new(state.head).unwrap_or(Seq::ZERO);
    let (before, oldest) = (Seq::new(SEQ_MAX).unwrap_or(Seq::ZERO), shared.started_month());
    let mut progress = Progress::default();
    loop {
        let query = MessageQuery { room: &id, after, before, direction: Direction::Ascending, limit: PAGE, oldest };
        let page = store.messages(query).await?;
        let messages: Vec<_> = page.iter().map(|stored| recognize(shared, stored)).collect();
        let now_us = shared.now_us();
        progress =
            shared.check(room, |check, _| check.stored(progress, &messages, now_us, &mut found)).unwrap_or_default();
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.seq,
            _ => break,
        }
    }
    let now_us = shared.now_us();
    shared.check(room, |check, _| check.stored_end(progress, now_us, &mut found));
    Ok(found)
}

fn recognize(shared: &Shared, stored: &MessageState) -> Message {
    let message = wire::Message {
        room_id: stored.room_id.to_string(),
        seq: stored.seq.get(),
        client_id: stored.content.client_id.to_string(),
        sender_id: stored.content.sender_id.to_string(),
        body: stored.content.body.clone(),
    };
    match shared.recognize(&message) {
        Some((Content::Message(key), _)) => (message.seq, Some(key)),
        _ => (message.seq, None),
    }
}
