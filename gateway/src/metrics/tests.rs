use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn record_everything() {
    session_closed(CloseReason::Drain, SECOND);
    hub_call("SendMessage", "ok", SECOND);
    messages_accepted(1);
    deliveries(3);
    fanout_delay(SECOND);
    outbox_overflow();
    bus_gap();
    bus_backfilled(2);
    bus_connected(true);
    token_keys_age(Some(SECOND));
    canary_round_trip(SECOND);
    canary_age(15, SECOND);
    canary_lost(3);
    runtime_lag(SECOND);
    fanout_queue_depth(3);
    runtime(&RuntimeUse { workers: 2, tasks: 9, queued: 1, busy: SECOND });
    process(&ProcessUse { cpu_seconds: 7, resident_bytes: 1 << 20, open_files: 12, open_files_max: 1024 });
    bytes_received(Transport::WebSockets, 10);
    bytes_sent(Transport::LongPolling, 20);
    redis_call("send", SECOND);
    journal_queue_depth(4);
    journal_sent(10, SECOND);
    journal_error(JournalErrorKind::Throttled);
    persist_lag(SECOND);
    queue_wait(SECOND);
    unstored(1, SECOND);
    set_aside(1);
    reconciled(ReconcileOutcome::Stored);
    reconciler_round_ended();
    queue_messages("message", QueueState::Visible, 7);
    resume(ResumeOutcome::Whole);
    rejoin(RejoinOutcome::Rejoined);
    presence_online(5);
    storage_call("head", "ok", SECOND);
    presence_buried(2);
    presence_watched(true);
    rate_limited(Limit::Messages);
    token_refused(TokenFault::Expired);
}

#[test]
fn all_metrics_are_exported_with_buckets_and_help() {
    let recorder = builder().unwrap().build_recorder();
    let text = metrics::with_local_recorder(&recorder, || {
        describe();
        begin();
        let _open = OpenConnection::new(Transport::WebSockets, rts_common::signalr::Protocol::Json);
        record_everything();
        recorder.handle().render()
    });
    for line in [
        "rts_connections{transport=\"websockets\",protocol=\"json\"} 1",
        "rts_sessions_closed_total{reason=\"drain\"} 1",
        "rts_sessions_closed_total{reason=\"slow\"} 0",
        "rts_canary_age_seconds{group=\"15\"} 1",
        "rts_canary_lost_total{group=\"0\"} 0",
        "rts_sent_bytes_total{transport=\"long_polling\"} 20",
        "rts_sent_bytes_total{transport=\"websockets\"} 0",
        "process_open_fds 12",
        "rts_journal_errors_total{kind=\"timeout\"} 0",
        "rts_hub_calls_total{method=\"SendMessage\",outcome=\"ok\"} 1",
        "rts_hub_call_duration_seconds_bucket{method=\"SendMessage\",le=\"1\"} 1",
        "rts_journal_batch_size_bucket{le=\"9\"} 0",
        "rts_queue_messages{queue=\"message\",state=\"visible\"} 7",
        "# TYPE rts_persist_lag_seconds histogram",
    ] {
        assert!(text.lines().any(|have| have == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("quantile"), "a histogram without buckets cannot be added up over nodes");
    let names = DESCRIBED.iter().filter(|name| !text.contains(&format!("# HELP {name} ")));
    assert_eq!(names.collect::<Vec<_>>(), Vec::<&&str>::new());
    for metric in table::ALL {
        let Labels::Open(labels) = metric.labels else { continue };
        let start = match metric.kind {
            Kind::Histogram(_) => format!("{}_sum", metric.name),
            Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        };
        let series = text.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
        assert_eq!(series.matches("=\"").count(), labels.len(), "{}: {series}", metric.name);
        assert!(labels.iter().all(|label| series.contains(&format!("{label}=\""))), "{}: {series}", metric.name);
    }
}

/// The names that dashboards, alerts and documents use.
const DESCRIBED: [&str; 50] = [
    "rts_connections",
    "rts_connection_duration_seconds",
    "rts_sessions_closed_total",
    "rts_hub_calls_total",
    "rts_hub_call_duration_seconds",
    "rts_messages_accepted_total",
    "rts_deliveries_total",
    "rts_fanout_delay_seconds",
    "rts_outbox_overflows_total",
    "rts_bus_gaps_total",
    "rts_bus_backfilled_total",
    "rts_bus_connected",
    "rts_token_keys_age_seconds",
    "rts_canary_round_trip_seconds",
    "rts_canary_age_seconds",
    "rts_canary_lost_total",
    "rts_runtime_lag_seconds",
    "rts_fanout_queue_depth",
    "rts_runtime_workers",
    "rts_runtime_tasks",
    "rts_runtime_queue_depth",
    "rts_runtime_busy_seconds_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "rts_received_bytes_total",
    "rts_sent_bytes_total",
    "rts_redis_call_duration_seconds",
    "rts_journal_queue_depth",
    "rts_journal_send_duration_seconds",
    "rts_journal_batch_size",
    "rts_journal_errors_total",
    "rts_persist_lag_seconds",
    "rts_queue_wait_seconds",
    "rts_set_aside",
    "rts_unstored_messages",
    "rts_unstored_oldest_age_seconds",
    "rts_reconciled_total",
    "rts_reconciler_round_ended_timestamp_seconds",
    "rts_queue_messages",
    "rts_resume_total",
    "rts_rejoins_total",
    "rts_presence_online",
    "rts_storage_call_duration_seconds",
    "rts_presence_buried_total",
    "rts_presence_watched",
    "rts_rate_limited_total",
    "rts_tokens_refused_total",
    "rts_build_info",
];

/// Returns the page of the documents.
fn reference() -> String {
    let rows = table::ALL.iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels = match metric.labels {
            Labels::None => String::new(),
            Labels::Known(label, values) => format!("`{label}`: {}", values.join(", ")),
            Labels::Open(labels) => labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", "),
        };
        format!("| `{}` | {kind} | {labels} | {} |\n", metric.name, metric.help)
    });
    format!(
        "# Metrics of a gateway\n\nServed at `/metrics` of the admin address (`RTS_ADMIN_LISTEN`; 9081, 9082 … of the local \
         cluster), in base units. Labels are bounded: none holds a user or a room. Every node reports the same \
         `rts_queue_messages`: do not sum it. Dashboards, alerts and runbooks are in \
         [dashboards](../dashboards/README.md). This page is made by a test: `RTS_WRITE_DOCS=1 cargo test -p rts-gateway \
         metrics`.\n\n| metric | kind | labels | what |\n|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

#[test]
fn the_page_of_metrics_is_what_the_table_gives() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    if std::env::var_os("RTS_WRITE_DOCS").is_some() {
        std::fs::write(&page, reference()).unwrap();
    }
    assert!(
        std::fs::read_to_string(page).unwrap_or_default() == reference(),
        "docs/metrics.md: RTS_WRITE_DOCS=1 writes it"
    );
}
