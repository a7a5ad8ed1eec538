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
    redis_call("send", SECOND);
    journal_queue_depth(4);
    journal_sent(10, SECOND);
    journal_error(JournalErrorKind::Throttled);
    persist_lag(SECOND);
    queue_wait(SECOND);
    unstored(1, SECOND);
    reconciled(ReconcileOutcome::Stored);
    reconciler_round_ended();
    queue_messages("messages", QueueState::Visible, 7);
    resume(ResumeOutcome::Whole);
    presence_online(5);
    storage_call("head", "ok", SECOND);
    presence_buried(2);
    presence_watched(true);
    rate_limited(Limit::Messages);
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
        "rts_journal_errors_total{kind=\"timeout\"} 0",
        "rts_hub_calls_total{method=\"SendMessage\",outcome=\"ok\"} 1",
        "rts_hub_call_duration_seconds_bucket{method=\"SendMessage\",le=\"1\"} 1",
        "rts_journal_batch_size_bucket{le=\"9\"} 0",
        "rts_queue_messages{queue=\"messages\",state=\"visible\"} 7",
        "# TYPE rts_persist_lag_seconds histogram",
    ] {
        assert!(text.lines().any(|have| have == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("quantile"), "a histogram without buckets cannot be added up over nodes");
    let names = DESCRIBED.iter().filter(|name| !text.contains(&format!("# HELP {name} ")));
    assert_eq!(names.collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// The names that dashboards, alerts and documents use.
const DESCRIBED: [&str; 31] = [
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
    "rts_redis_call_duration_seconds",
    "rts_journal_queue_depth",
    "rts_journal_send_duration_seconds",
    "rts_journal_batch_size",
    "rts_journal_errors_total",
    "rts_persist_lag_seconds",
    "rts_queue_wait_seconds",
    "rts_unstored_messages",
    "rts_unstored_oldest_age_seconds",
    "rts_reconciled_total",
    "rts_reconciler_round_ended_timestamp_seconds",
    "rts_queue_messages",
    "rts_resume_total",
    "rts_presence_online",
    "rts_storage_call_duration_seconds",
    "rts_presence_buried_total",
    "rts_presence_watched",
    "rts_rate_limited_total",
    "rts_build_info",
];
