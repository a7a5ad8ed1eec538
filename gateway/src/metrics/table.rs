//! The table of all metrics: name, kind, unit, help, buckets, and the known labels.
//!
//! A metric is a row here and a function in [`super`] that records it.

use metrics::Unit;

use super::labels::{
    CANARY_GROUPS, JournalErrorKind, Limit, ReconcileOutcome, RejoinOutcome, ResumeOutcome, TokenFault, Transport,
};
use crate::close_reason::CloseReason;

/// One metric.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: Labels,
}

/// The kind of a metric.
pub(super) enum Kind {
    Counter,
    Gauge,
    /// A histogram with the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// The series of a metric.
pub(super) enum Labels {
    /// One, without labels.
    None,
    /// One for each value of a label.
    Known(&'static str, &'static [&'static str]),
    /// As many as are recorded, with these labels: bounded, but not known here. Without a label, one, once it is recorded.
    Open(
        #[cfg_attr(not(test), expect(dead_code, reason = "the page of metrics has them, which a test makes"))]
        &'static [&'static str],
    ),
}

impl Metric {
    const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, unit, help, kind: Kind::Counter, labels: Labels::None }
    }

    const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { kind: Kind::Gauge, ..Self::counter(name, unit, help) }
    }

    const fn histogram(name: &'static str, unit: Unit, help: &'static str, buckets: &'static [f64]) -> Self {
        Self { kind: Kind::Histogram(buckets), ..Self::counter(name, unit, help) }
    }

    const fn by(self, label: &'static str, values: &'static [&'static str]) -> Self {
        Self { labels: Labels::Known(label, values), ..self }
    }

    const fn recorded_with(self, labels: &'static [&'static str]) -> Self {
        Self { labels: Labels::Open(labels), ..self }
    }
}

/// Names each row, and lists all of them.
macro_rules! metrics {
    ($($id:ident = $metric:expr;)*) => {
        $(pub(super) const $id: Metric = $metric;)*
        /// All of them.
        pub(super) const ALL: &[Metric] = &[$($id),*];
    };
}

/// Network calls and deliveries: half a millisecond to ten seconds.
const FAST_SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The time in a queue: ten milliseconds to an hour.
const QUEUE_SECONDS: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
/// The duration of a connection: a second to a week.
const LIFE_SECONDS: [f64; 11] =
    [1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0];
/// Entries of one SQS batch.
const BATCH_SIZES: [f64; 10] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];

metrics! {
    CONNECTIONS = Metric::gauge("rts_connections", Unit::Count,
        "Open connections, after their handshake").recorded_with(&["transport", "protocol"]);
    CONNECTION_DURATION = Metric::histogram("rts_connection_duration_seconds", Unit::Seconds,
        "Life of a connection", &LIFE_SECONDS);
    RECEIVED_BYTES = Metric::counter("rts_received_bytes_total", Unit::Bytes,
        "Bytes of records received from clients, by transport").by("transport", Transport::LABELS);
    SENT_BYTES = Metric::counter("rts_sent_bytes_total", Unit::Bytes,
        "Bytes of records sent to clients, by transport").by("transport", Transport::LABELS);
    SESSIONS_CLOSED = Metric::counter("rts_sessions_closed_total", Unit::Count,
        "Sessions ended, by reason").by("reason", CloseReason::LABELS);
    HUB_CALLS = Metric::counter("rts_hub_calls_total", Unit::Count,
        "Calls of hub methods, by outcome: ok or an error code").recorded_with(&["method", "outcome"]);
    HUB_CALL_DURATION = Metric::histogram("rts_hub_call_duration_seconds", Unit::Seconds,
        "From a call to its answer", &FAST_SECONDS).recorded_with(&["method"]);
    MESSAGES_ACCEPTED = Metric::counter("rts_messages_accepted_total", Unit::Count,
        "New messages that are durable");
    DELIVERIES = Metric::counter("rts_deliveries_total", Unit::Count,
        "Events put into outboxes");
    FANOUT_DELAY = Metric::histogram("rts_fanout_delay_seconds", Unit::Seconds,
        "From the publication of an event to this node's outboxes", &FAST_SECONDS);
    OUTBOX_OVERFLOWS = Metric::counter("rts_outbox_overflows_total", Unit::Count,
        "Sessions closed because their client was too slow");
    BUS_GAPS = Metric::counter("rts_bus_gaps_total", Unit::Count,
        "Times that events of a room were missed on the channel");
    BUS_BACKFILLED = Metric::counter("rts_bus_backfilled_total", Unit::Count,
        "Missed events that were fetched");
    BUS_CONNECTED = Metric::gauge("rts_bus_connected", Unit::Count,
        "Whether all subscriptions are up, 1 or 0");
    CANARY_ROUND_TRIP = Metric::histogram("rts_canary_round_trip_seconds", Unit::Seconds,
        "From the publication of this node's own canary until a shard has it", &FAST_SECONDS);
    CANARY_AGE = Metric::gauge("rts_canary_age_seconds", Unit::Seconds,
        "Time since a canary of any node arrived, by group of partitions").by("group", &CANARY_GROUPS);
    CANARY_LOST = Metric::counter("rts_canary_lost_total", Unit::Count,
        "Own canaries that Redis took and that never arrived, by group of partitions").by("group", &CANARY_GROUPS);
    FANOUT_QUEUE_DEPTH = Metric::gauge("rts_fanout_queue_depth", Unit::Count,
        "Publications that wait for a shard; at 512 a shard, Redis waits");
    RUNTIME_WORKERS = Metric::gauge("rts_runtime_workers", Unit::Count,
        "Threads that run tasks");
    RUNTIME_TASKS = Metric::gauge("rts_runtime_tasks", Unit::Count,
        "Tasks that are not over");
    RUNTIME_QUEUE_DEPTH = Metric::gauge("rts_runtime_queue_depth", Unit::Count,
        "Tasks that wait in the runtime's common queue");
    RUNTIME_BUSY = Metric::counter("rts_runtime_busy_seconds_total", Unit::Seconds,
        "Time in which threads ran tasks, in whole seconds, added up over the threads");
    PROCESS_CPU = Metric::counter("process_cpu_seconds_total", Unit::Seconds,
        "User and system time of the process, in whole seconds");
    PROCESS_MEMORY = Metric::gauge("process_resident_memory_bytes", Unit::Bytes,
        "Resident memory of the process");
    PROCESS_OPEN_FILES = Metric::gauge("process_open_fds", Unit::Count,
        "Open files of the process");
    PROCESS_OPEN_FILES_MAX = Metric::gauge("process_max_fds", Unit::Count,
        "Files that the process may have open");
    RUNTIME_LAG = Metric::histogram("rts_runtime_lag_seconds", Unit::Seconds,
        "How late a task runs that sleeps for 100 ms: the runtime's stalls", &FAST_SECONDS);
    REDIS_CALL_DURATION = Metric::histogram("rts_redis_call_duration_seconds", Unit::Seconds,
        "Calls to Redis, by command or script", &FAST_SECONDS).recorded_with(&["call"]);
    JOURNAL_QUEUE_DEPTH = Metric::gauge("rts_journal_queue_depth", Unit::Count,
        "Entries on their way to SQS");
    JOURNAL_SEND_DURATION = Metric::histogram("rts_journal_send_duration_seconds", Unit::Seconds,
        "One batch to SQS and back", &FAST_SECONDS);
    JOURNAL_BATCH_SIZE = Metric::histogram("rts_journal_batch_size", Unit::Count,
        "Entries of a batch to SQS", &BATCH_SIZES);
    JOURNAL_ERRORS = Metric::counter("rts_journal_errors_total", Unit::Count,
        "Failed batches and entries, by kind").by("kind", JournalErrorKind::LABELS);
    PERSIST_LAG = Metric::histogram("rts_persist_lag_seconds", Unit::Seconds,
        "From a message's acceptance until it is stored", &QUEUE_SECONDS);
    QUEUE_WAIT = Metric::histogram("rts_queue_wait_seconds", Unit::Seconds,
        "From SQS's acceptance until a Lambda has the message", &QUEUE_SECONDS);
    UNSTORED_MESSAGES = Metric::gauge("rts_unstored_messages", Unit::Count,
        "Visible and not stored, in the partitions this node looks after");
    UNSTORED_OLDEST_AGE = Metric::gauge("rts_unstored_oldest_age_seconds", Unit::Seconds,
        "Age of the oldest unstored entry of those partitions");
    SET_ASIDE = Metric::gauge("rts_set_aside", Unit::Count,
        "Changes that DynamoDB refuses and that wait in the dead-letter queue, in those partitions");
    RECONCILED = Metric::counter("rts_reconciled_total", Unit::Count,
        "Entries unstored for too long, by what was done").by("outcome", ReconcileOutcome::LABELS);
    RECONCILER_ROUND_ENDED = Metric::gauge("rts_reconciler_round_ended_timestamp_seconds", Unit::Seconds,
        "When the reconciler's last round ended, since the Unix epoch").recorded_with(&[]);
    QUEUE_MESSAGES = Metric::gauge("rts_queue_messages", Unit::Count,
        "Messages of a queue, by state; every node reports the same, so do not sum it").recorded_with(&["queue", "state"]);
    RESUME = Metric::counter("rts_resume_total", Unit::Count,
        "Calls of Resume, by outcome").by("outcome", ResumeOutcome::LABELS);
    REJOINS = Metric::counter("rts_rejoins_total", Unit::Count,
        "Stateful sessions that lost their socket, by outcome").by("outcome", RejoinOutcome::LABELS);
    PRESENCE_ONLINE = Metric::gauge("rts_presence_online", Unit::Count,
        "Users with a connection to this node");
    STORAGE_CALL_DURATION = Metric::histogram("rts_storage_call_duration_seconds", Unit::Seconds,
        "Calls to the storage of files, by outcome", &FAST_SECONDS).recorded_with(&["call", "outcome"]);
    PRESENCE_BURIED = Metric::counter("rts_presence_buried_total", Unit::Count,
        "Users of dead nodes that this node marked offline");
    PRESENCE_WATCHED = Metric::gauge("rts_presence_watched", Unit::Count,
        "Users whose presence is watched on this node");
    TOKEN_KEYS_AGE = Metric::gauge("rts_token_keys_age_seconds", Unit::Seconds,
        "Time since the key set of tokens was fetched; -1 if it never was, absent without a key set").recorded_with(&[]);
    RATE_LIMITED = Metric::counter("rts_rate_limited_total", Unit::Count,
        "Requests refused by a limit").by("limit", Limit::LABELS);
    TOKENS_REFUSED = Metric::counter("rts_tokens_refused_total", Unit::Count,
        "Requests without a token that is accepted, by reason").by("reason", TokenFault::LABELS);
    BUILD_INFO = Metric::gauge("rts_build_info", Unit::Count,
        "What runs here; always 1").recorded_with(&["version"]);
}
