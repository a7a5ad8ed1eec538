//! Every metric of the gateway: [`table`] has their names, units, labels and buckets, and each is recorded by a function
//! here.
//!
//! Base units; labels come from enums or constants, never from a user or a room.

mod labels;
mod table;

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use rts_common::seq::Timestamp;

use self::table::{Kind, Labels};
use crate::close_reason::CloseReason;

pub use self::labels::{JournalErrorKind, Limit, QueueState, ReconcileOutcome, ResumeOutcome, Transport};

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
        gauge!(table::CONNECTIONS.name, "transport" => transport.label(), "protocol" => protocol).increment(1.0);
        Self { transport, protocol }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!(table::CONNECTIONS.name, "transport" => self.transport.label(), "protocol" => self.protocol)
            .decrement(1.0);
    }
}

/// A session ended.
pub fn session_closed(reason: CloseReason, lived: Duration) {
    counter!(table::SESSIONS_CLOSED.name, "reason" => reason.label()).increment(1);
    histogram!(table::CONNECTION_DURATION.name).record(lived);
}

/// A call of a hub method came to its outcome (`ok` or an error's code).
pub fn hub_call(method: &'static str, outcome: &'static str, took: Duration) {
    counter!(table::HUB_CALLS.name, "method" => method, "outcome" => outcome).increment(1);
    histogram!(table::HUB_CALL_DURATION.name, "method" => method).record(took);
}

/// New messages were accepted and are durable.
pub fn messages_accepted(messages: usize) {
    match HOT.get() {
        Some(hot) => hot.messages_accepted.increment(messages as u64),
        None => counter!(table::MESSAGES_ACCEPTED.name).increment(messages as u64),
    }
}

/// An event was put into the outboxes of this many sessions.
pub fn deliveries(sessions: usize) {
    match HOT.get() {
        Some(hot) => hot.deliveries.increment(sessions as u64),
        None => counter!(table::DELIVERIES.name).increment(sessions as u64),
    }
}

/// How long after its publication an event was in the outboxes of this node.
pub fn fanout_delay(delay: Duration) {
    match HOT.get() {
        Some(hot) => hot.fanout_delay.record(delay),
        None => histogram!(table::FANOUT_DELAY.name).record(delay),
    }
}

/// A client was too slow for its outbox.
pub fn outbox_overflow() {
    counter!(table::OUTBOX_OVERFLOWS.name).increment(1);
}

/// The bus saw that it missed events of a room.
pub fn bus_gap() {
    counter!(table::BUS_GAPS.name).increment(1);
}

/// The bus fetched this many missed events.
pub fn bus_backfilled(events: usize) {
    counter!(table::BUS_BACKFILLED.name).increment(events as u64);
}

/// Whether the fan-out's subscriptions are all up.
pub fn bus_connected(connected: bool) {
    gauge!(table::BUS_CONNECTED.name).set(if connected { 1.0 } else { 0.0 });
}

/// A call to Redis, or a script of ours, took this long.
pub fn redis_call(call: &'static str, took: Duration) {
    histogram!(table::REDIS_CALL_DURATION.name, "call" => call).record(took);
}

/// Entries that wait to be sent to SQS or for its answer.
pub fn journal_queue_depth(entries: usize) {
    match HOT.get() {
        Some(hot) => hot.journal_queue_depth.set(entries as f64),
        None => gauge!(table::JOURNAL_QUEUE_DEPTH.name).set(entries as f64),
    }
}

/// A batch of this many entries was sent to SQS, in this time.
pub fn journal_sent(entries: usize, took: Duration) {
    histogram!(table::JOURNAL_BATCH_SIZE.name).record(entries as f64);
    histogram!(table::JOURNAL_SEND_DURATION.name).record(took);
}

/// SQS refused, or did not answer.
pub fn journal_error(kind: JournalErrorKind) {
    counter!(table::JOURNAL_ERRORS.name, "kind" => kind.label()).increment(1);
}

/// A message of this node's is stored, this long after it was accepted.
pub fn persist_lag(lag: Duration) {
    histogram!(table::PERSIST_LAG.name).record(lag);
}

/// A message of this node's waited this long in SQS before a Lambda got it.
pub fn queue_wait(wait: Duration) {
    histogram!(table::QUEUE_WAIT.name).record(wait);
}

/// What is not stored yet in the partitions that this node reconciles, and the age of the oldest.
pub fn unstored(messages: usize, oldest: Duration) {
    gauge!(table::UNSTORED_MESSAGES.name).set(messages as f64);
    gauge!(table::UNSTORED_OLDEST_AGE.name).set(oldest.as_secs_f64());
}

/// The reconciler dealt with an entry that was unstored for too long.
pub fn reconciled(outcome: ReconcileOutcome) {
    counter!(table::RECONCILED.name, "outcome" => outcome.label()).increment(1);
}

/// A round of the reconciler has ended.
pub fn reconciler_round_ended() {
    gauge!(table::RECONCILER_ROUND_ENDED.name).set(Timestamp::now().millis() as f64 / 1000.0);
}

/// Messages in a queue, as SQS tells.
pub fn queue_messages(queue: &'static str, state: QueueState, messages: u64) {
    gauge!(table::QUEUE_MESSAGES.name, "queue" => queue, "state" => state.label()).set(messages as f64);
}

/// A room of a resume request was answered.
pub fn resume(outcome: ResumeOutcome) {
    counter!(table::RESUME.name, "outcome" => outcome.label()).increment(1);
}

/// Users with a connection to this node.
pub fn presence_online(users: usize) {
    gauge!(table::PRESENCE_ONLINE.name).set(users as f64);
}

/// A call to the storage of files came to its outcome: ok, notFound, unavailable or fault.
pub fn storage_call(call: &'static str, outcome: &'static str, took: Duration) {
    histogram!(table::STORAGE_CALL_DURATION.name, "call" => call, "outcome" => outcome).record(took);
}

/// People of dead nodes whose connections this node ended.
pub fn presence_buried(people: usize) {
    counter!(table::PRESENCE_BURIED.name).increment(people as u64);
}

/// Somebody is watched on this node now, or is no more.
pub fn presence_watched(is_watched: bool) {
    gauge!(table::PRESENCE_WATCHED.name).increment(if is_watched { 1.0 } else { -1.0 });
}

/// Something was refused by a rate or number limit.
pub fn rate_limited(limit: Limit) {
    counter!(table::RATE_LIMITED.name, "limit" => limit.label()).increment(1);
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
            messages_accepted: counter!(table::MESSAGES_ACCEPTED.name),
            deliveries: counter!(table::DELIVERIES.name),
            fanout_delay: histogram!(table::FANOUT_DELAY.name),
            journal_queue_depth: gauge!(table::JOURNAL_QUEUE_DEPTH.name),
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
    table::ALL.iter().try_fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
        Kind::Histogram(buckets) => builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets),
        Kind::Counter | Kind::Gauge => Ok(builder),
    })
}

fn describe() {
    for metric in table::ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

/// Metrics without labels, and those whose labels are known, are there from the start as zero: a
/// rate over a counter that appears with its first event misses that event.
fn begin() {
    for metric in table::ALL {
        match (&metric.kind, &metric.labels) {
            (Kind::Counter, Labels::None) => counter!(metric.name).increment(0),
            (Kind::Counter, Labels::Known(label, values)) => {
                for value in *values {
                    counter!(metric.name, *label => *value).increment(0);
                }
            }
            (Kind::Gauge, Labels::None) => gauge!(metric.name).set(0.0),
            (Kind::Gauge, Labels::Known(label, values)) => {
                for value in *values {
                    gauge!(metric.name, *label => *value).set(0.0);
                }
            }
            (Kind::Histogram(_), _) | (_, Labels::Open) => {}
        }
    }
    gauge!(table::BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests;
