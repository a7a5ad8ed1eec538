//! Every metric of the gateway: names, units, labels and buckets stand here and nowhere else.
//!
//! Base units; labels come from enums or constants, never from a user or a room.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use rts_common::seq::Timestamp;

use crate::close_reason::CloseReason;

const CONNECTIONS: &str = "rts_connections";
const CONNECTION_DURATION: &str = "rts_connection_duration_seconds";
const SESSIONS_CLOSED: &str = "rts_sessions_closed_total";
const HUB_CALLS: &str = "rts_hub_calls_total";
const HUB_CALL_DURATION: &str = "rts_hub_call_duration_seconds";
const MESSAGES_ACCEPTED: &str = "rts_messages_accepted_total";
const DELIVERIES: &str = "rts_deliveries_total";
const FANOUT_DELAY: &str = "rts_fanout_delay_seconds";
const OUTBOX_OVERFLOWS: &str = "rts_outbox_overflows_total";
const BUS_GAPS: &str = "rts_bus_gaps_total";
const BUS_BACKFILLED: &str = "rts_bus_backfilled_total";
const BUS_CONNECTED: &str = "rts_bus_connected";
const REDIS_CALL_DURATION: &str = "rts_redis_call_duration_seconds";
const JOURNAL_QUEUE_DEPTH: &str = "rts_journal_queue_depth";
const JOURNAL_SEND_DURATION: &str = "rts_journal_send_duration_seconds";
const JOURNAL_BATCH_SIZE: &str = "rts_journal_batch_size";
const JOURNAL_ERRORS: &str = "rts_journal_errors_total";
const PERSIST_LAG: &str = "rts_persist_lag_seconds";
const QUEUE_WAIT: &str = "rts_queue_wait_seconds";
const UNSTORED_MESSAGES: &str = "rts_unstored_messages";
const UNSTORED_OLDEST_AGE: &str = "rts_unstored_oldest_age_seconds";
const RECONCILED: &str = "rts_reconciled_total";
const RECONCILER_ROUND_ENDED: &str = "rts_reconciler_round_ended_timestamp_seconds";
const QUEUE_MESSAGES: &str = "rts_queue_messages";
const RESUME: &str = "rts_resume_total";
const PRESENCE_ONLINE: &str = "rts_presence_online";
const STORAGE_CALL_DURATION: &str = "rts_storage_call_duration_seconds";
const PRESENCE_BURIED: &str = "rts_presence_buried_total";
const PRESENCE_WATCHED: &str = "rts_presence_watched";
const RATE_LIMITED: &str = "rts_rate_limited_total";
const BUILD_INFO: &str = "rts_build_info";

/// Network calls and deliveries: half a millisecond to ten seconds.
const FAST_SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The way through a queue: ten milliseconds to an hour.
const QUEUE_SECONDS: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
/// The life of a connection: a second to a week.
const LIFE_SECONDS: [f64; 11] =
    [1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0];
/// Entries of one SQS batch.
const BATCH_SIZES: [f64; 10] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];

const BUCKETS: [(&str, &[f64]); 9] = [
    (CONNECTION_DURATION, &LIFE_SECONDS),
    (HUB_CALL_DURATION, &FAST_SECONDS),
    (FANOUT_DELAY, &FAST_SECONDS),
    (REDIS_CALL_DURATION, &FAST_SECONDS),
    (STORAGE_CALL_DURATION, &FAST_SECONDS),
    (JOURNAL_SEND_DURATION, &FAST_SECONDS),
    (JOURNAL_BATCH_SIZE, &BATCH_SIZES),
    (PERSIST_LAG, &QUEUE_SECONDS),
    (QUEUE_WAIT, &QUEUE_SECONDS),
];

/// What carries a connection, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket.
    WebSockets,
    /// Server-Sent Events.
    ServerSentEvents,
    /// Long polls.
    LongPolling,
}

impl Transport {
    const fn label(self) -> &'static str {
        match self {
            Self::WebSockets => "websockets",
            Self::ServerSentEvents => "server_sent_events",
            Self::LongPolling => "long_polling",
        }
    }
}

/// Handles of what every message touches: to find one by its name costs more than to count. There once
/// the exporter is installed.
static HOT: OnceLock<Hot> = OnceLock::new();

struct Hot {
    messages_accepted: Counter,
    deliveries: Counter,
    fanout_delay: Histogram,
    journal_queue_depth: Gauge,
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
pub struct OpenConnection {
    transport: Transport,
    protocol: &'static str,
}

impl OpenConnection {
    /// From the end of its handshake on.
    pub fn new(transport: Transport, protocol: rts_common::signalr::Protocol) -> Self {
        let protocol = protocol.name();
        gauge!(CONNECTIONS, "transport" => transport.label(), "protocol" => protocol).increment(1.0);
        Self { transport, protocol }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!(CONNECTIONS, "transport" => self.transport.label(), "protocol" => self.protocol).decrement(1.0);
    }
}

/// A session ended.
pub fn session_closed(reason: CloseReason, lived: Duration) {
    counter!(SESSIONS_CLOSED, "reason" => reason.label()).increment(1);
    histogram!(CONNECTION_DURATION).record(lived);
}

/// A call of a hub method came to its outcome (`ok` or an error's code).
pub fn hub_call(method: &'static str, outcome: &'static str, took: Duration) {
    counter!(HUB_CALLS, "method" => method, "outcome" => outcome).increment(1);
    histogram!(HUB_CALL_DURATION, "method" => method).record(took);
}

/// A new message was accepted and is durable.
pub fn message_accepted() {
    match HOT.get() {
        Some(hot) => hot.messages_accepted.increment(1),
        None => counter!(MESSAGES_ACCEPTED).increment(1),
    }
}

/// An event was put into the outboxes of this many sessions.
pub fn deliveries(sessions: usize) {
    match HOT.get() {
        Some(hot) => hot.deliveries.increment(sessions as u64),
        None => counter!(DELIVERIES).increment(sessions as u64),
    }
}

/// How long after its publication an event was in the outboxes of this node.
pub fn fanout_delay(delay: Duration) {
    match HOT.get() {
        Some(hot) => hot.fanout_delay.record(delay),
        None => histogram!(FANOUT_DELAY).record(delay),
    }
}

/// A client was too slow for its outbox.
pub fn outbox_overflow() {
    counter!(OUTBOX_OVERFLOWS).increment(1);
}

/// The bus saw that it missed events of a room.
pub fn bus_gap() {
    counter!(BUS_GAPS).increment(1);
}

/// The bus fetched this many missed events.
pub fn bus_backfilled(events: usize) {
    counter!(BUS_BACKFILLED).increment(events as u64);
}

/// Whether the bus's subscriptions are all up.
pub fn bus_connected(connected: bool) {
    gauge!(BUS_CONNECTED).set(if connected { 1.0 } else { 0.0 });
}

/// A call to Redis, or a script of ours, took this long.
pub fn redis_call(call: &'static str, took: Duration) {
    histogram!(REDIS_CALL_DURATION, "call" => call).record(took);
}

/// Entries that wait to be sent to SQS or for its answer.
pub fn journal_queue_depth(entries: usize) {
    match HOT.get() {
        Some(hot) => hot.journal_queue_depth.set(entries as f64),
        None => gauge!(JOURNAL_QUEUE_DEPTH).set(entries as f64),
    }
}

/// A batch of this many entries was sent to SQS, in this time.
pub fn journal_sent(entries: usize, took: Duration) {
    histogram!(JOURNAL_BATCH_SIZE).record(entries as f64);
    histogram!(JOURNAL_SEND_DURATION).record(took);
}

/// SQS refused, or did not answer.
pub fn journal_error(kind: &'static str) {
    counter!(JOURNAL_ERRORS, "kind" => kind).increment(1);
}

/// A message of this node's is stored, this long after it was accepted.
pub fn persist_lag(lag: Duration) {
    histogram!(PERSIST_LAG).record(lag);
}

/// A message of this node's waited this long in SQS before a Lambda got it.
pub fn queue_wait(wait: Duration) {
    histogram!(QUEUE_WAIT).record(wait);
}

/// What is not stored yet in the partitions that this node reconciles, and the age of the oldest.
pub fn unstored(messages: usize, oldest: Duration) {
    gauge!(UNSTORED_MESSAGES).set(messages as f64);
    gauge!(UNSTORED_OLDEST_AGE).set(oldest.as_secs_f64());
}

/// The reconciler dealt with an entry that was unstored for too long.
pub fn reconciled(outcome: &'static str) {
    counter!(RECONCILED, "outcome" => outcome).increment(1);
}

/// A round of the reconciler has ended.
pub fn reconciler_round_ended() {
    gauge!(RECONCILER_ROUND_ENDED).set(Timestamp::now().millis() as f64 / 1000.0);
}

/// Messages in a queue, as SQS tells.
pub fn queue_messages(queue: &'static str, state: &'static str, messages: u64) {
    gauge!(QUEUE_MESSAGES, "queue" => queue, "state" => state).set(messages as f64);
}

/// A room of a resume request was answered.
pub fn resume(outcome: &'static str) {
    counter!(RESUME, "outcome" => outcome).increment(1);
}

/// Users with a connection to this node.
pub fn presence_online(users: usize) {
    gauge!(PRESENCE_ONLINE).set(users as f64);
}

/// A call to the storage of files came to its outcome: ok, notFound, unavailable or fault.
pub fn storage_call(call: &'static str, outcome: &'static str, took: Duration) {
    histogram!(STORAGE_CALL_DURATION, "call" => call, "outcome" => outcome).record(took);
}

/// People of dead nodes whose connections this node ended.
pub fn presence_buried(people: usize) {
    counter!(PRESENCE_BURIED).increment(people as u64);
}

/// Somebody is watched on this node now, or is no more.
pub fn presence_watched(is_watched: bool) {
    gauge!(PRESENCE_WATCHED).increment(if is_watched { 1.0 } else { -1.0 });
}

/// Something was refused by a rate or number limit.
pub fn rate_limited(limit: &'static str) {
    counter!(RATE_LIMITED, "limit" => limit).increment(1);
}

/// What the admin address serves.
#[derive(Clone, Debug)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// Makes the process's metrics collectable; a second time gives the same.
    pub fn install() -> Result<Self, BuildError> {
        static INSTALLED: OnceLock<Exporter> = OnceLock::new();
        if let Some(installed) = INSTALLED.get() {
            return Ok(installed.clone());
        }
        let exporter = Self(builder()?.install_recorder()?);
        describe();
        begin();
        HOT.get_or_init(|| Hot {
            messages_accepted: counter!(MESSAGES_ACCEPTED),
            deliveries: counter!(DELIVERIES),
            fanout_delay: histogram!(FANOUT_DELAY),
            journal_queue_depth: gauge!(JOURNAL_QUEUE_DEPTH),
        });
        Ok(INSTALLED.get_or_init(|| exporter).clone())
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Bounds the memory of histograms between scrapes: nobody else does. Runs until dropped.
    pub async fn upkeep(self) {
        const INTERVAL: Duration = Duration::from_secs(5);
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.0.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    BUCKETS.iter().try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
        builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)
    })
}

fn describe() {
    describe_gauge!(CONNECTIONS, Unit::Count, "Open connections, after their handshake");
    describe_histogram!(CONNECTION_DURATION, Unit::Seconds, "Life of a connection");
    describe_counter!(SESSIONS_CLOSED, Unit::Count, "Sessions ended, by reason");
    describe_counter!(HUB_CALLS, Unit::Count, "Calls of hub methods, by outcome: ok or an error code");
    describe_histogram!(HUB_CALL_DURATION, Unit::Seconds, "From a call to its answer");
    describe_counter!(MESSAGES_ACCEPTED, Unit::Count, "New messages that are durable");
    describe_counter!(DELIVERIES, Unit::Count, "Events put into outboxes");
    describe_histogram!(FANOUT_DELAY, Unit::Seconds, "From the publication of an event to this node's outboxes");
    describe_counter!(OUTBOX_OVERFLOWS, Unit::Count, "Sessions closed because their client was too slow");
    describe_counter!(BUS_GAPS, Unit::Count, "Times that events of a room were missed on the channel");
    describe_counter!(BUS_BACKFILLED, Unit::Count, "Missed events that were fetched");
    describe_gauge!(BUS_CONNECTED, "Whether all subscriptions are up, 1 or 0");
    describe_histogram!(REDIS_CALL_DURATION, Unit::Seconds, "Calls to Redis, by command or script");
    describe_gauge!(JOURNAL_QUEUE_DEPTH, Unit::Count, "Entries on their way to SQS");
    describe_histogram!(JOURNAL_SEND_DURATION, Unit::Seconds, "One batch to SQS and back");
    describe_histogram!(JOURNAL_BATCH_SIZE, Unit::Count, "Entries of a batch to SQS");
    describe_counter!(JOURNAL_ERRORS, Unit::Count, "Failed batches and entries, by kind");
    describe_histogram!(PERSIST_LAG, Unit::Seconds, "From a message's acceptance until it is stored");
    describe_histogram!(QUEUE_WAIT, Unit::Seconds, "From SQS's acceptance until a Lambda has the message");
    describe_gauge!(UNSTORED_MESSAGES, Unit::Count, "Visible and not stored, in the partitions this node looks after");
    describe_gauge!(UNSTORED_OLDEST_AGE, Unit::Seconds, "Age of the oldest unstored entry of those partitions");
    describe_counter!(RECONCILED, Unit::Count, "Entries unstored for too long, by what was done");
    describe_gauge!(
        RECONCILER_ROUND_ENDED,
        Unit::Seconds,
        "When the reconciler's last round ended, since the Unix epoch"
    );
    describe_gauge!(QUEUE_MESSAGES, Unit::Count, "Messages of a queue, by state");
    describe_counter!(RESUME, Unit::Count, "Rooms resumed, by outcome");
    describe_gauge!(PRESENCE_ONLINE, Unit::Count, "Users with a connection to this node");
    describe_histogram!(STORAGE_CALL_DURATION, Unit::Seconds, "Calls to the storage of files, by outcome");
    describe_counter!(PRESENCE_BURIED, Unit::Count, "People of dead nodes whose connections were ended here");
    describe_gauge!(PRESENCE_WATCHED, Unit::Count, "Users whose presence is watched on this node");
    describe_counter!(RATE_LIMITED, Unit::Count, "Requests refused by a limit");
    describe_gauge!(BUILD_INFO, "What runs here; always 1");
}

/// Counters of what should not happen, or rarely does: the label of each, and its values.
const KNOWN_LABELS: [(&str, &str, &[&str]); 4] = [
    (
        JOURNAL_ERRORS,
        "kind",
        &["deadline", "entry_failed", "entry_refused", "refused", "throttled", "timeout", "unavailable", "unreachable"],
    ),
    (RATE_LIMITED, "limit", &["messages"]),
    (RECONCILED, "outcome", &["failed", "journaled", "lost", "stored"]),
    (RESUME, "outcome", &["truncated", "whole"]),
];

/// Metrics without labels, and those whose labels are known, are there from the start as zero: a
/// rate over a counter that appears with its first event misses that event.
fn begin() {
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for name in [MESSAGES_ACCEPTED, DELIVERIES, OUTBOX_OVERFLOWS, BUS_GAPS, BUS_BACKFILLED, PRESENCE_BURIED] {
        counter!(name).increment(0);
    }
    for (name, label, values) in KNOWN_LABELS {
        for value in values {
            counter!(name, label => *value).increment(0);
        }
    }
    for reason in CloseReason::ALL {
        counter!(SESSIONS_CLOSED, "reason" => reason.label()).increment(0);
    }
    let gauges =
        [BUS_CONNECTED, JOURNAL_QUEUE_DEPTH, UNSTORED_MESSAGES, UNSTORED_OLDEST_AGE, PRESENCE_ONLINE, PRESENCE_WATCHED];
    for name in gauges {
        gauge!(name).set(0.0);
    }
}

#[cfg(test)]
mod tests;
