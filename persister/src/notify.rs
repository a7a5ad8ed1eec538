//! Notifies Redis of stored records. Best effort: the gateways' reconciler finds records whose notification failed, so
//! nothing here ever fails a batch or costs it much time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join;
use rts_common::ids::{NodeId, RoomId};
use rts_common::record::{MessageRecord, RoomRecord};
use rts_common::redis::stored::{self, WaitNotice};
use rts_common::redis::{Redis, RedisFailure, RedisServers};
use rts_common::seq::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Queue;
use crate::record::Record;

/// The most time that notifying may cost one batch.
const DEADLINE: Duration = Duration::from_secs(1);
/// The deadline for a check whether Redis answers at all.
const PING_DEADLINE: Duration = Duration::from_millis(250);
/// The pause after Redis did not answer: a dead one costs its deadline in one batch of many, not in each.
const REST: Duration = Duration::from_secs(10);
/// Rooms notified concurrently.
const ROOMS_AT_ONCE: usize = 16;

/// A record that is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) record: &'a Record,
    /// The time it spent in its queue, in milliseconds; unknown if SQS did not say when it was sent.
    pub(crate) waited_ms: Option<u64>,
}

/// The outcome of notifying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotifyOutcome {
    /// All is told.
    All,
    /// There was nothing to notify of, or no Redis is configured.
    Nothing,
    /// Some or all notifications failed.
    Failed,
    /// Nothing was attempted during the pause after a failure.
    Resting,
}

/// The connection to Redis; without one, nobody is notified.
pub struct Notifier {
    redis: Option<Redis>,
    breaker: Breaker,
    waits: WaitNotes,
}

impl Notifier {
    /// Makes a notifier that connects on first use.
    pub fn new(servers: Option<&RedisServers>) -> Result<Self, RedisFailure> {
        let redis = servers.map(|servers| Redis::new(servers, |_, _| ())).transpose()?;
        Ok(Self { redis, breaker: Breaker::default(), waits: WaitNotes::default() })
    }

    /// Tells what is stored, until its own deadline or an earlier one.
    pub(crate) async fn stored(&self, queue: Queue, records: &[Stored<'_>], until: Instant) -> NotifyOutcome {
        let Some(redis) = self.redis.as_ref().filter(|_| !records.is_empty()) else {
            return NotifyOutcome::Nothing;
        };
        if self.breaker.is_open(Instant::now()) {
            return NotifyOutcome::Resting;
        }
        let until = until.min(Instant::now() + DEADLINE);
        let wait = self.waits.due(queue, records);
        let told = async {
            let failure = tell(redis, records).await;
            let Some((queue, span, longest_ms)) = wait else { return failure };
            keep_failure(failure, stored::queue_waited(redis, queue, span, longest_ms).await).await
        };
        let failure = match timeout_at(until, Box::pin(told)).await {
            Ok(None) => return NotifyOutcome::All,
            Ok(Some(failure)) => failure,
            // A long notification does not mean that Redis is dead.
            Err(_) if answers(redis).await => RedisFailure::Unexpected("not done in time".to_owned()),
            Err(_) => RedisFailure::Unavailable("no answer in time".to_owned()),
        };
        if matches!(failure, RedisFailure::Unavailable(_)) {
            self.breaker.open(Instant::now());
        }
        tracing::warn!(error = %failure, "what is stored could not be told to Redis");
        NotifyOutcome::Failed
    }
}

impl Notifier {
    /// Notes that records were set aside, by their members of the unstored index, until a deadline.
    pub(crate) async fn set_aside(&self, entries: &[(RoomId, String)], until: Instant) {
        let Some(redis) = self.redis.as_ref().filter(|_| !entries.is_empty()) else { return };
        if self.breaker.is_open(Instant::now()) {
            return;
        }
        match timeout_at(until, Box::pin(stored::set_aside(redis, entries))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what was set aside could not be told to Redis"),
            Err(_) => tracing::warn!("what was set aside could not be told to Redis in time"),
        }
    }
}

async fn answers(redis: &Redis) -> bool {
    timeout(PING_DEADLINE, redis.answers()).await.unwrap_or(false)
}

/// Notifies rooms concurrently, the records of each in order; returns a failure, if there was any.
async fn tell(redis: &Redis, records: &[Stored<'_>]) -> Option<RedisFailure> {
    let mut messages: HashMap<&RoomId, Vec<&MessageRecord>> = HashMap::new();
    let mut rooms: Vec<&RoomRecord> = Vec::new();
    for stored in records {
        match stored.record {
            Record::Message(record) => {
                messages.entry(&record.message.room_id).or_default().push(record);
            }
            Record::Room(record) => rooms.push(record),
            Record::Fence(_) => {}
        }
    }
    let messages = futures_util::stream::iter(messages)
        .map(async |(room, records)| stored::messages(redis, room, &records).await)
        .buffer_unordered(ROOMS_AT_ONCE)
        .fold(None, keep_failure);
    // Each part of a room carries its version, so these may be sent in any order.
    let rooms = futures_util::stream::iter(rooms)
        .map(async |record| stored::room(redis, record).await)
        .buffer_unordered(ROOMS_AT_ONCE)
        .fold(None, keep_failure);
    let (messages, rooms) = join(messages, rooms).await;
    // Comes last: it serves only measurement.
    let waits = futures_util::stream::iter(waits(records))
        .map(async |(node, notice)| stored::waited(redis, node, &notice).await)
        .buffer_unordered(ROOMS_AT_ONCE)
        .fold(None, keep_failure);
    messages.or(rooms).or(waits.await)
}

/// Returns one notice for each node that journaled messages of the batch.
fn waits<'a>(records: &[Stored<'a>]) -> HashMap<&'a NodeId, WaitNotice> {
    let mut notices: HashMap<_, WaitNotice> = HashMap::new();
    for stored in records {
        if let (Record::Message(record), Some(waited_ms)) = (stored.record, stored.waited_ms) {
            notices.entry(&record.origin).or_default().waits_ms.push(waited_ms);
        }
    }
    notices
}

/// The longest wait noted in the present span of time: the first wait of a span is noted, and each longer one.
#[derive(Default)]
struct WaitNotes(Mutex<(u64, u64)>);

impl WaitNotes {
    /// Returns the queue, the span and the longest wait of a batch, if they must be noted.
    fn due(&self, queue: Queue, records: &[Stored<'_>]) -> Option<(&'static str, u64, u64)> {
        let longest_ms = records.iter().filter_map(|stored| stored.waited_ms).max()?;
        let span = Timestamp::now().millis() / stored::WAIT_SPAN_MS;
        let mut noted = self.0.lock().expect("no holder of this lock panics");
        let is_due = noted.0 != span || longest_ms > noted.1;
        if is_due {
            *noted = (span, longest_ms);
        }
        is_due.then_some((queue.name(), span, longest_ms))
    }
}

async fn keep_failure(kept: Option<RedisFailure>, result: Result<(), RedisFailure>) -> Option<RedisFailure> {
    match (kept, result) {
        // A failure that Redis is unavailable says more than one unexpected reply.
        (_, Err(away @ RedisFailure::Unavailable(_))) => Some(away),
        (None, Err(failure)) => Some(failure),
        (kept, _) => kept,
    }
}

/// Opens for a while after a failure.
#[derive(Default)]
struct Breaker(Mutex<Option<Instant>>);

impl Breaker {
    fn is_open(&self, now: Instant) -> bool {
        let until = *self.0.lock().expect("no holder of this lock panics");
        until.is_some_and(|until| now < until)
    }

    fn open(&self, now: Instant) {
        let until = now + REST;
        *self.0.lock().expect("no holder of this lock panics") = Some(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::message;

    #[tokio::test]
    async fn a_dead_redis_is_left_alone_for_a_while() {
        // A server that accepts connections and never answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let notifier = Notifier::new(Some(&RedisServers::parse(&url).unwrap())).unwrap();
        let record = Record::Message(message("r", 1, 1));
        let record = Stored { record: &record, waited_ms: Some(7) };
        let soon = || Instant::now() + Duration::from_millis(50);

        assert_eq!(notifier.stored(Queue::Messages, &[], soon()).await, NotifyOutcome::Nothing);
        assert_eq!(notifier.stored(Queue::Messages, &[record], soon()).await, NotifyOutcome::Failed);
        let begun = Instant::now();
        assert_eq!(notifier.stored(Queue::Messages, &[record], soon()).await, NotifyOutcome::Resting);
        assert!(begun.elapsed() < Duration::from_millis(50));
        assert!(!notifier.breaker.is_open(Instant::now() + REST));
    }

    #[tokio::test]
    async fn without_a_redis_nobody_is_told() {
        let notifier = Notifier::new(None).unwrap();
        let record = Record::Message(message("r", 1, 1));
        let record = Stored { record: &record, waited_ms: None };
        let told = notifier.stored(Queue::Messages, &[record], Instant::now() + DEADLINE).await;
        assert_eq!(told, NotifyOutcome::Nothing);
    }
}
