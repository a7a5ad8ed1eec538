//! After a run, if requested: compares DynamoDB's content with the observations, and measures the time until all of it
//! was there.
//!
//! Storing is asynchronous: missing messages are awaited as long as more and more arrive, or the gateways report that
//! something is on its way. Messages missing at the end are then "not yet stored", and lost otherwise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rts_common::ids::RoomId;
use rts_common::message::MessageState;
use rts_common::seq::{SEQ_MAX, Seq};
use rts_common::store::{Direction, MessageQuery, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::context::Shared;
use super::queue::QueueWatch;
use crate::checker::{Content, Message, Progress, Violations};
use crate::sync::lock;
use crate::wire;

/// Rooms read at the same time.
const AT_ONCE: usize = 4;
/// Messages of a page.
const PAGE: usize = 500;
/// The longest wait in all, as a multiple of the wait without any progress.
const PATIENCE_TIMES: u32 = 5;

/// A comparison in progress.
pub(super) struct Comparison {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
    /// The time when the load ended.
    pub(super) since_us: u64,
    /// The time to wait without any progress.
    pub(super) within: Duration,
    pub(super) queue: Option<Arc<QueueWatch>>,
}

/// Returns the longest time that a comparison takes which waits this long without any progress.
pub(super) fn longest(within: Duration) -> Duration {
    within.saturating_mul(PATIENCE_TIMES)
}

/// Decides whether to keep waiting, for all rooms together.
struct Patience {
    begun: Instant,
    within: Duration,
    progressed: Mutex<Instant>,
    queue: Option<Arc<QueueWatch>>,
}

impl Patience {
    /// Notes that some room has more than before.
    fn progressed(&self) {
        *lock(&self.progressed) = Instant::now();
    }

    /// True if something is on its way into the store.
    fn is_moving(&self) -> bool {
        lock(&self.progressed).elapsed() < self.within || self.queue.as_ref().is_some_and(|queue| queue.has_more())
    }

    fn is_over(&self) -> bool {
        self.begun.elapsed() >= longest(self.within) || !self.is_moving()
    }
}

/// The point up to which a room is known to be complete.
#[derive(Clone, Copy, Default)]
struct Whole {
    progress: Progress,
    after: Option<Seq>,
}

impl Comparison {
    /// Looks until everything is stored, or waiting is useless; reports the violations at that time. Returns the time
    /// after the load until everything was there, if it was.
    pub(super) async fn run(self) -> Option<Duration> {
        let now = Instant::now();
        let Self { shared, store, since_us, within, queue } = self;
        let patience = Arc::new(Patience { begun: now, within, progressed: Mutex::new(now), queue });
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut rooms = JoinSet::new();
        for room in (0_u32..).take(shared.world.rooms.len()).filter(|&room| shared.room(room).is_some()) {
            let (shared, store) = (shared.clone(), store.clone());
            rooms.spawn(until_whole(shared, store, room, places.clone(), patience.clone()));
        }
        let mut is_whole = true;
        while let Some(room) = rooms.join_next().await {
            is_whole &= room.unwrap_or_else(|error| {
                shared.unverified(0, None, &format!("the comparison of a room with DynamoDB broke: {error}"));
                false
            });
        }
        is_whole.then(|| Duration::from_micros(shared.now_us().saturating_sub(since_us)))
    }
}

/// Looks at a room repeatedly; `false` if something is missing or wrong in the end, which is reported.
async fn until_whole(
    shared: Arc<Shared>,
    store: Store,
    room: u32,
    places: Arc<Semaphore>,
    patience: Arc<Patience>,
) -> bool {
    let (mut whole, mut backoff, mut most) = (Whole::default(), Backoff::default(), 0);
    loop {
        let place = places.acquire().await;
        let looked = look(&shared, &store, room, &mut whole).await;
        drop(place);
        if let Ok((found, taken)) = &looked {
            if found.total() == 0 {
                return true;
            }
            if *taken > most {
                most = *taken;
                patience.progressed();
                backoff.reset();
            }
        }
        if patience.is_over() {
            match looked {
                Ok((found, _)) if patience.is_moving() => shared.found(&found.excuse_missing()),
                Ok((found, _)) => shared.found(&found),
                Err(error) => shared.unverified(room, None, &format!("DynamoDB cannot be read: {error}")),
            }
            return false;
        }
        sleep(backoff.after("")).await;
    }
}

/// Reads the stored messages of a room, page by page, from where it was last complete; returns the violations, and the
/// number of messages that are there.
async fn look(shared: &Shared, store: &Store, room: u32, whole: &mut Whole) -> Result<(Violations, u64), StoreError> {
    let mut found = Violations::default();
    let Some(state) = shared.room(room) else { return Ok((found, 0)) };
    // An id of another form than the product's cannot have any stored messages.
    let id = RoomId::parse(&state.id).ok();
    let mut after = whole.after.unwrap_or_else(|| Seq::new(state.head).unwrap_or(Seq::ZERO));
    let (before, oldest) = (Seq::new(SEQ_MAX).unwrap_or(Seq::ZERO), shared.started_month());
    let mut progress = whole.progress;
    while let Some(id) = &id {
        let query = MessageQuery { room: id, after, before, direction: Direction::Ascending, limit: PAGE, oldest };
        let page = store.messages(query).await?;
        let messages: Vec<_> = page.iter().map(|stored| recognize(shared, stored)).collect();
        let now_us = shared.now_us();
        progress =
            shared.check(room, |check, _| check.stored(progress, &messages, now_us, &mut found)).unwrap_or_default();
        let Some(last) = page.last() else { break };
        after = last.seq;
        let is_certain = shared.check(room, |check, _| check.is_certain(progress)).unwrap_or_default();
        if found.total() == 0 && is_certain {
            *whole = Whole { progress, after: Some(after) };
        }
        if page.len() < PAGE {
            break;
        }
    }
    let now_us = shared.now_us();
    shared.check(room, |check, _| check.stored_end(progress, now_us, &mut found));
    Ok((found, progress.taken()))
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
