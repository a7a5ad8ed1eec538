//! The bounds on one client's calls, streams and records.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::{PING, close, completion, node};
use crate::close_reason::CloseReason;
use crate::connection::OUTBOX_BYTES_MAX;
use crate::session::Settings;
use crate::test_support::{TestNode, settings, until};

/// The completion of a stream.
const DONE: &str = "{\"type\":3,\"invocationId\":\"7\"}\u{1e}";

#[tokio::test]
async fn calls_that_wait_for_the_journal_are_limited() {
    let settings = Settings { calls_in_flight_max: 3, ..settings() };
    let node = TestNode::start(settings).await;
    let (mut client, _) = node.connect("ann").await;
    for id in 0..5 {
        client.invoke(&id.to_string(), "Later").await;
    }
    let happened = || node.service.happened.lock().unwrap().len();
    until(|| happened() == 3).await;
    node.service.answers.add_permits(1);
    assert_eq!(client.next_record().await, completion("0", "Later"));
    until(|| happened() == 4).await;
    node.service.answers.add_permits(4);
    until(|| happened() == 5).await;
}

#[tokio::test]
async fn a_stream_runs_beside_calls_and_ends_with_a_completion() {
    let node = node().await;
    let (mut client, _) = node.connect("ann").await;
    client.invoke("1", "Later").await;
    client.stream("7", "Count500").await;
    let items = (0..500).map(|number| format!("{{\"type\":2,\"invocationId\":\"7\",\"item\":\"{number}\"}}\u{1e}"));
    let expected = items.collect::<String>() + "{\"type\":3,\"invocationId\":\"7\"}\u{1e}";
    let mut all = String::new();
    while all.len() < expected.len() {
        all += &client.next_record().await;
    }
    assert_eq!(all, expected, "in order, though a call waits");
    node.service.answers.add_permits(1);
    assert_eq!(client.next_record().await, completion("1", "Later"));
    until(|| node.service.live_streams() == 0).await;
}

#[tokio::test]
async fn a_stream_is_as_fast_as_its_reader_and_never_fills_the_outbox() {
    let node = node().await;
    let (mut client, session) = node.connect("ann").await;
    client.stream("7", "Endless").await;
    let streamed = || node.service.streamed.load(Ordering::Relaxed);
    // The kernel buffers some megabytes; then nothing more is requested.
    until(|| streamed() > 10).await;
    let mut before = 0;
    while before != streamed() {
        before = streamed();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < 2000, "{before} items of 10 kB");
    assert_eq!(session.outbox.closed(), None);
    assert!(session.outbox.try_push(Bytes::from_static(b"event\x1e")));
    // Reading lets the stream continue, and the event has its turn.
    while !client.next_record().await.contains("event\u{1e}") {}
    assert!(streamed() > before);
    // Cancelled, it stops: its records that were being sent are followed by the answer to a call, and nothing else.
    client.send("{\"type\":5,\"invocationId\":\"7\"}\u{1e}").await;
    while !client.next_record().await.contains(DONE) {}
    assert_eq!(node.service.live_streams(), 0);
    client.invoke("9", "Echo").await;
    assert_eq!(client.next_record().await, completion("9", "Echo"));
}

#[tokio::test]
async fn a_stream_that_is_cancelled_in_the_frame_that_began_it_has_its_completion() {
    let node = node().await;
    let (mut client, _) = node.connect("ann").await;
    let call = "{\"target\":\"Endless\",\"arguments\":[{}],\"invocationId\":\"7\",\"type\":4}\u{1e}";
    client.send(&format!("{call}{}", "{\"invocationId\":\"7\",\"type\":5}\u{1e}".repeat(3))).await;
    let mut all = String::new();
    while !all.ends_with(DONE) {
        all += &client.next_record().await;
    }
    client.invoke("8", "Echo").await;
    assert_eq!(client.next_record().await, completion("8", "Echo"), "one completion only");
    assert_eq!(node.service.live_streams(), 0);
}

#[tokio::test]
async fn a_slow_read_holds_up_neither_changes_nor_other_reads() {
    let node = node().await;
    let (mut client, _) = node.connect("ann").await;
    client.invoke("1", "GetHistory").await;
    client.invoke("2", "SendMessage").await;
    assert_eq!(client.next_record().await, completion("2", "SendMessage"));
    client.invoke("3", "ListRooms").await;
    assert_eq!(client.next_record().await, completion("3", "ListRooms"));
    assert_eq!(*node.service.happened.lock().unwrap(), ["SendMessage", "ListRooms"]);
    // What comes after a change reads what it changed.
    client.invoke("4", "Effect").await;
    client.invoke("5", "GetRoom").await;
    node.service.reads.add_permits(1);
    assert_eq!(client.next_record().await, completion("1", "GetHistory"));
    assert!(!node.service.happened.lock().unwrap().contains(&"GetRoom".to_owned()));
    node.service.effects.add_permits(1);
    until(|| node.service.happened.lock().unwrap().ends_with(&["Effect".to_owned(), "GetRoom".to_owned()])).await;
    let mut all = String::new();
    while all.matches('\u{1e}').count() < 2 {
        all += &client.next_record().await;
    }
    assert!(all.contains(&completion("4", "Effect")) && all.contains(&completion("5", "GetRoom")), "{all}");
}

#[tokio::test]
async fn a_read_of_a_client_that_takes_nothing_still_ends() {
    let node = node().await;
    let (mut client, _) = node.connect("ann").await;
    client.invoke("1", "GetHistory").await;
    client.stream("7", "Endless").await;
    // The kernel buffers some megabytes; then nothing more is requested.
    let streamed = || node.service.streamed.load(Ordering::Relaxed);
    until(|| streamed() > 10).await;
    let mut before = 0;
    while before != streamed() {
        before = streamed();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    node.service.reads.add_permits(1);
    until(|| *node.service.happened.lock().unwrap() == ["GetHistory"]).await;
}

#[tokio::test]
async fn a_call_over_the_limit_is_refused_in_its_turn_and_the_session_goes_on() {
    let settings = Settings { record_bytes_max: 1000, ..settings() };
    let node = TestNode::start(settings).await;
    let (mut client, _) = node.connect("ann").await;
    let argument = "x".repeat(1000);
    client.invoke("1", "Echo").await;
    for kind in [1, 4] {
        let call = format!(
            "{{\"target\":\"streamhistory\",\"arguments\":[\"{argument}\"],\"invocationId\":\"2\",\"type\":{kind}}}\u{1e}"
        );
        client.send(&call).await;
    }
    client.invoke("3", "Echo").await;
    let refused = "{\"type\":3,\"invocationId\":\"2\",\"error\":\"An unexpected error occurred invoking \
                   'StreamHistory' on the server. HubException: tooLarge: A call has at most 1000 bytes.\"}\u{1e}";
    let expected = [completion("1", "Echo").as_str(), refused, refused, &completion("3", "Echo")].concat();
    let mut all = String::new();
    while all.len() < expected.len() {
        all += &client.next_record().await;
    }
    assert_eq!(all, expected);
    assert_eq!(node.service.begun.load(Ordering::Relaxed), 2, "nothing came of them");
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_their_session() {
    let settings = Settings { streams_max: 2, ..settings() };
    let node = TestNode::start(settings).await;
    let (mut client, session) = node.connect("ann").await;
    for id in ["1", "2", "3"] {
        client.stream(id, "Endless").await;
    }
    let mut refusal = String::new();
    while !refusal.contains("\"type\":3") {
        refusal = client.next_record().await;
    }
    assert!(refusal.contains("\"invocationId\":\"3\"") && refusal.contains("rateLimited: "), "{refusal}");
    client.stream("1", "Count3").await;
    let in_use = "{\"type\":3,\"invocationId\":\"1\",\"error\":\"Invocation ID '1' is already in use.\"}\u{1e}";
    let mut seen = String::new();
    while !seen.contains(in_use) {
        seen = client.next_record().await;
    }
    assert_eq!(node.service.live_streams(), 1);
    session.outbox.close(CloseReason::Drain);
    while !client.next_record().await.contains("\"type\":7") {}
    until(|| node.service.live_streams() == 0).await;
}

#[tokio::test]
async fn a_slow_client_costs_only_itself() {
    let node = node().await;
    let (_slow, slow) = node.connect("ann").await;
    let (mut quick, session) = node.connect("bob").await;
    let event = Bytes::from(vec![b'x'; 64 * 1024]);
    // The kernel's buffers and the outbox come before the end.
    let deadline = std::time::Instant::now() + crate::test_support::PATIENCE;
    let mut pushed = 0;
    while slow.outbox.try_push(event.clone()) {
        pushed += event.len();
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    assert!(pushed >= OUTBOX_BYTES_MAX);
    assert_eq!(slow.outbox.closed(), Some(CloseReason::Slow));
    assert!(session.outbox.try_push(Bytes::from_static(b"event\x1e")));
    assert_eq!(quick.next_record().await, "event\u{1e}");
    until(|| node.registry.len() == 1).await;
}

#[tokio::test]
async fn a_flood_of_records_of_any_kind_ends_its_session() {
    let settings = Settings { records_per_second: 1, records_burst: 100, ..settings() };
    let node = TestNode::start(settings).await;
    let text = CloseReason::TooManyRecords.text().unwrap();
    for record in [
        PING,
        "{\"type\":8,\"sequenceId\":1}\u{1e}",
        "{\"type\":99}\u{1e}",
        "{\"type\":5,\"invocationId\":\"1\"}\u{1e}",
    ] {
        let (mut client, session) = node.connect("ann").await;
        client.send(&record.repeat(90)).await;
        client.invoke("1", "Echo").await;
        assert_eq!(client.next_record().await, completion("1", "Echo"), "within the burst");
        client.send(&record.repeat(20)).await;
        assert_eq!(client.next_record().await, close(text, true), "{record}");
        until(|| session.outbox.closed() == Some(CloseReason::TooManyRecords)).await;
    }
    // The WebSocket's own pings count too.
    let (mut client, session) = node.connect("ann").await;
    for _ in 0..120 {
        let ping = tokio_tungstenite::tungstenite::Message::Ping(Bytes::new());
        if futures_util::SinkExt::send(&mut client.0, ping).await.is_err() {
            break;
        }
    }
    until(|| session.outbox.closed() == Some(CloseReason::TooManyRecords)).await;
}
