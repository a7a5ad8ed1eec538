//! Every metric of the gateway: `table` has their names, units, labels and buckets, and a function here records each.
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

pub use self::labels::{
    CANARY_GROUPS, JournalErrorKind, Limit, QueueState, ReconcileOutcome, RejoinOutcome, ResumeOutcome, TokenFault,
    Transport,
};

/// Handles of the metrics that every message updates: looking one up by its name costs more than counting. Set once the
/// exporter is installed.
static HOT: OnceLock<Hot> = OnceLock::new();

struct Hot {
    /// By transport.
    received_bytes: [Counter; Transport::LABELS.len()],
    sent_bytes: [Counter; Transport::LABELS.len()],
    messages_accepted: Counter,
    deliveries: Counter,
    fanout_delay: Histogram,
    journal_queue_depth: Gauge,
}

/// Counts one connection until it is dropped.
#[derive(Debug)]
pub struct OpenConnection {
    transport: Transport,
    protocol: &'static str,
}

impl OpenConnection {
    /// Begins to count, after the handshake.
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

/// Records that a session ended.
pub fn session_closed(reason: CloseReason, lived: Duration) {
    counter!(table::SESSIONS_CLOSED.name, "reason" => reason.label()).increment(1);
    histogram!(table::CONNECTION_DURATION.name).record(lived);
}

/// Records the outcome (`ok` or an error's code) of a call of a hub method.
pub fn hub_call(method: &'static str, outcome: &'static str, took: Duration) {
    counter!(table::HUB_CALLS.name, "method" => method, "outcome" => outcome).increment(1);
    histogram!(table::HUB_CALL_DURATION.name, "method" => method).record(took);
}

/// Records new messages that were accepted and are durable.
pub fn messages_accepted(messages: usize) {
    match HOT.get() {
        Some(hot) => hot.messages_accepted.increment(messages as u64),
        None => counter!(table::MESSAGES_ACCEPTED.name).increment(messages as u64),
    }
}

/// Records that an event was put into the outboxes of a number of sessions.
pub fn deliveries(sessions: usize) {
    match HOT.get() {
        Some(hot) => hot.deliveries.increment(sessions as u64),
        None => counter!(table::DELIVERIES.name).increment(sessions as u64),
    }
}

/// Records the time from an event's publication to the outboxes of this node.
pub fn fanout_delay(delay: Duration) {
    match HOT.get() {
        Some(hot) => hot.fanout_delay.record(delay),
        None => histogram!(table::FANOUT_DELAY.name).record(delay),
    }
}

/// Records that a client was too slow for its outbox.
pub fn outbox_overflow() {
    counter!(table::OUTBOX_OVERFLOWS.name).increment(1);
}

/// Records that the fan-out missed events of a room.
pub fn bus_gap() {
    counter!(table::BUS_GAPS.name).increment(1);
}

/// Records the number of missed events that the fan-out fetched.
pub fn bus_backfilled(events: usize) {
    counter!(table::BUS_BACKFILLED.name).increment(events as u64);
}

/// Records if the fan-out's subscriptions are all up.
pub fn bus_connected(connected: bool) {
    gauge!(table::BUS_CONNECTED.name).set(if connected { 1.0 } else { 0.0 });
}

/// Records the age of the key set of tokens.
pub fn token_keys_age(age: Option<Duration>) {
    gauge!(table::TOKEN_KEYS_AGE.name).set(age.map_or(-1.0, |age| age.as_secs_f64()));
}

/// Records the time from the publication of an own canary to its arrival.
pub fn canary_round_trip(took: Duration) {
    histogram!(table::CANARY_ROUND_TRIP.name).record(took);
}

/// Records the time since a canary of a group of partitions arrived.
pub fn canary_age(group: usize, age: Duration) {
    gauge!(table::CANARY_AGE.name, "group" => CANARY_GROUPS[group]).set(age.as_secs_f64());
}

/// Records that an own canary of a group of partitions never arrived.
pub fn canary_lost(group: usize) {
    counter!(table::CANARY_LOST.name, "group" => CANARY_GROUPS[group]).increment(1);
}

/// Records the publications that wait for a shard of the fan-out.
pub fn fanout_queue_depth(publications: usize) {
    gauge!(table::FANOUT_QUEUE_DEPTH.name).set(publications as f64);
}

/// The runtime at a moment.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeUse {
    /// Its threads that run tasks.
    pub workers: usize,
    /// The tasks that are not over.
    pub tasks: usize,
    /// The tasks that wait in the common queue.
    pub queued: usize,
    /// The time in which its threads ran tasks, added up.
    pub busy: Duration,
}

/// Records the runtime's figures.
pub fn runtime(now: &RuntimeUse) {
    gauge!(table::RUNTIME_WORKERS.name).set(now.workers as f64);
    gauge!(table::RUNTIME_TASKS.name).set(now.tasks as f64);
    gauge!(table::RUNTIME_QUEUE_DEPTH.name).set(now.queued as f64);
    counter!(table::RUNTIME_BUSY.name).absolute(now.busy.as_secs());
}

/// The process at a moment.
#[derive(Clone, Copy, Debug)]
pub struct ProcessUse {
    /// User and system time.
    pub cpu_seconds: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open files.
    pub open_files: usize,
    /// The limit of open files.
    pub open_files_max: u64,
}

/// Records the process's figures, under the names that all exporters use.
pub fn process(now: &ProcessUse) {
    counter!(table::PROCESS_CPU.name).absolute(now.cpu_seconds);
    gauge!(table::PROCESS_MEMORY.name).set(now.resident_bytes as f64);
    gauge!(table::PROCESS_OPEN_FILES.name).set(now.open_files as f64);
    gauge!(table::PROCESS_OPEN_FILES_MAX.name).set(now.open_files_max as f64);
}

/// Records bytes of records received from a client.
pub fn bytes_received(transport: Transport, bytes: usize) {
    match HOT.get() {
        Some(hot) => hot.received_bytes[transport as usize].increment(bytes as u64),
        None => counter!(table::RECEIVED_BYTES.name, "transport" => transport.label()).increment(bytes as u64),
    }
}

/// Records bytes of records sent to a client.
pub fn bytes_sent(transport: Transport, bytes: usize) {
    match HOT.get() {
        Some(hot) => hot.sent_bytes[transport as usize].increment(bytes as u64),
        None => counter!(table::SENT_BYTES.name, "transport" => transport.label()).increment(bytes as u64),
    }
}

/// Records how late a task ran that slept.
pub fn runtime_lag(lag: Duration) {
    histogram!(table::RUNTIME_LAG.name).record(lag);
}

/// Records the time of a call to Redis, or of a script.
pub fn redis_call(call: &'static str, took: Duration) {
    histogram!(table::REDIS_CALL_DURATION.name, "call" => call).record(took);
}

/// Records the number of entries that wait to be sent to SQS or for its answer.
pub fn journal_queue_depth(entries: usize) {
    match HOT.get() {
        Some(hot) => hot.journal_queue_depth.set(entries as f64),
        None => gauge!(table::JOURNAL_QUEUE_DEPTH.name).set(entries as f64),
    }
}

/// Records a batch that was sent to SQS: its number of entries, and its time.
pub fn journal_sent(entries: usize, took: Duration) {
    histogram!(table::JOURNAL_BATCH_SIZE.name).record(entries as f64);
    histogram!(table::JOURNAL_SEND_DURATION.name).record(took);
}

/// Records that SQS refused, or did not answer.
pub fn journal_error(kind: JournalErrorKind) {
    counter!(table::JOURNAL_ERRORS.name, "kind" => kind.label()).increment(1);
}

/// Records the time from acceptance to storage of a message of this node.
pub fn persist_lag(lag: Duration) {
    histogram!(table::PERSIST_LAG.name).record(lag);
}

/// Records the time that a message of this node waited in SQS for a Lambda.
pub fn queue_wait(wait: Duration) {
    histogram!(table::QUEUE_WAIT.name).record(wait);
}

/// Records the unstored messages in the partitions that this node reconciles, and the age of the oldest.
pub fn unstored(messages: usize, oldest: Duration) {
    gauge!(table::UNSTORED_MESSAGES.name).set(messages as f64);
    gauge!(table::UNSTORED_OLDEST_AGE.name).set(oldest.as_secs_f64());
}

/// Records the number of entries that the functions set aside, in the partitions that this node reconciles.
pub fn set_aside(entries: usize) {
    gauge!(table::SET_ASIDE.name).set(entries as f64);
}

/// Records that the reconciler handled an entry that was unstored for too long.
pub fn reconciled(outcome: ReconcileOutcome) {
    counter!(table::RECONCILED.name, "outcome" => outcome.label()).increment(1);
}

/// Records that a round of the reconciler has ended.
pub fn reconciler_round_ended() {
    gauge!(table::RECONCILER_ROUND_ENDED.name).set(Timestamp::now().millis() as f64 / 1000.0);
}

/// Records the number of messages in a queue, as SQS reports it.
pub fn queue_messages(queue: &'static str, state: QueueState, messages: u64) {
    gauge!(table::QUEUE_MESSAGES.name, "queue" => queue, "state" => state.label()).set(messages as f64);
}

/// Records that a room of a resume request was answered.
pub fn resume(outcome: ResumeOutcome) {
    counter!(table::RESUME.name, "outcome" => outcome.label()).increment(1);
}

/// Records the fate of a stateful session that lost its socket.
pub fn rejoin(outcome: RejoinOutcome) {
    counter!(table::REJOINS.name, "outcome" => outcome.label()).increment(1);
}

/// Records the number of users with a connection to this node.
pub fn presence_online(users: usize) {
    gauge!(table::PRESENCE_ONLINE.name).set(users as f64);
}

/// Records the outcome of a call to the storage of files: ok, notFound, unavailable or fault.
pub fn storage_call(call: &'static str, outcome: &'static str, took: Duration) {
    histogram!(table::STORAGE_CALL_DURATION.name, "call" => call, "outcome" => outcome).record(took);
}

/// Records the users of dead nodes whose connections this node reaped.
pub fn presence_buried(people: usize) {
    counter!(table::PRESENCE_BURIED.name).increment(people as u64);
}

/// Records that a user is now watched on this node, or no longer.
pub fn presence_watched(is_watched: bool) {
    gauge!(table::PRESENCE_WATCHED.name).increment(if is_watched { 1.0 } else { -1.0 });
}

/// Records a refusal by a rate or number limit.
pub fn rate_limited(limit: Limit) {
    counter!(table::RATE_LIMITED.name, "limit" => limit.label()).increment(1);
}

/// Records a request whose token is refused.
pub fn token_refused(fault: TokenFault) {
    counter!(table::TOKENS_REFUSED.name, "reason" => fault.label()).increment(1);
}

/// Renders the metrics for the admin address.
#[derive(Clone, Debug)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// Installs the process's recorder; called again, returns the same one.
    pub fn install() -> Result<Self, BuildError> {
        static INSTALLED: OnceLock<Exporter> = OnceLock::new();
        if let Some(installed) = INSTALLED.get() {
            return Ok(installed.clone());
        }
        let exporter = Self(builder()?.install_recorder()?);
        describe();
        begin();
        let by_transport =
            |name: &'static str| std::array::from_fn(|index| counter!(name, "transport" => Transport::LABELS[index]));
        HOT.get_or_init(|| Hot {
            received_bytes: by_transport(table::RECEIVED_BYTES.name),
            sent_bytes: by_transport(table::SENT_BYTES.name),
            messages_accepted: counter!(table::MESSAGES_ACCEPTED.name),
            deliveries: counter!(table::DELIVERIES.name),
            fanout_delay: histogram!(table::FANOUT_DELAY.name),
            journal_queue_depth: gauge!(table::JOURNAL_QUEUE_DEPTH.name),
        });
        Ok(INSTALLED.get_or_init(|| exporter).clone())
    }

    /// Returns the text for Prometheus.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Bounds the memory of histograms between scrapes: nothing else does. Runs until dropped.
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

/// Initializes metrics without labels, and those with known labels, to zero: a rate over a counter that appears with
/// its first event misses that event.
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
            (Kind::Histogram(_), _) | (_, Labels::Open(_)) => {}
        }
    }
    gauge!(table::BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests;
