//! Sessions over real sockets: handshake, calls, keep-alive, and every way to end.

mod bounds;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use rts_common::limits::RECORD_BYTES;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;

use super::Settings;
use crate::close_reason::CloseReason;
use crate::connection::FlushList;
use crate::test_support::{TestNode, settings, until};

const PING: &str = "{\"type\":6}\u{1e}";

fn completion(id: &str, target: &str) -> String {
    format!("{{\"type\":3,\"invocationId\":\"{id}\",\"result\":\"{target}\"}}\u{1e}")
}

fn close(text: &str, may_reconnect: bool) -> String {
    let tail = if may_reconnect { ",\"allowReconnect\":true" } else { "" };
    format!("{{\"type\":7,\"error\":\"{text}\"{tail}}}\u{1e}")
}

async fn node() -> TestNode {
    TestNode::start(settings()).await
}

#[tokio::test]
async fn a_handshake_may_be_split_and_followed_by_records() {
    let node = node().await;
    let mut client = node.open(&format!("access_token={}", node.token("ann"))).await;
    client.send_binary(b"{\"proto").await;
    client.send("col\":\"json\",\"version\":1}\u{1e}{\"type\":1,\"invocationId\":\"1\",").await;
    assert_eq!(client.next().await.unwrap(), "{}\u{1e}");
    client.send_binary(b"\"target\":\"Echo\",\"arguments\":[]}\x1e").await;
    assert_eq!(client.next_record().await, completion("1", "Echo"));
}

#[tokio::test]
async fn invalid_handshakes_are_answered_with_an_error_as_text() {
    let node = node().await;
    for (handshake, answer) in [
        ("{\"protocol\":\"foo\",\"version\":1}\u{1e}", "The protocol 'foo' is not supported."),
        (
            "{\"protocol\":\"messagepack\",\"version\":3}\u{1e}",
            "The server does not support version 3 of the 'messagepack' protocol.",
        ),
        ("{\"type\":6}\u{1e}", "An unexpected error occurred during connection handshake."),
        (&"x".repeat(40_000), "Handshake was canceled."),
    ] {
        let mut client = node.open(&format!("access_token={}", node.token("ann"))).await;
        client.send(handshake).await;
        assert_eq!(client.next().await.unwrap(), format!("{{\"error\":\"{answer}\"}}\u{1e}"));
        assert_eq!(client.next().await.unwrap(), "closed 1000");
    }
    until(|| node.registry.is_empty()).await;
}

#[tokio::test]
async fn a_missing_handshake_ends_the_connection() {
    let settings = Settings { handshake_timeout: Duration::from_millis(100), ..settings() };
    let node = TestNode::start(settings).await;
    let mut client = node.open(&format!("access_token={}", node.token("ann"))).await;
    client.send("{\"protocol\":\"json\"").await;
    assert_eq!(client.next().await.unwrap(), "{\"error\":\"Handshake was canceled.\"}\u{1e}");
    assert_eq!(client.next().await.unwrap(), "closed 1000");
}

#[tokio::test]
async fn the_answer_waits_for_the_session_to_be_connected() {
    let node = node().await;
    node.service.connects.forget_permits(usize::MAX);
    let mut client = node.open(&format!("access_token={}", node.token("ann"))).await;
    client.send("{\"protocol\":\"json\",\"version\":1}\u{1e}").await;
    until(|| !node.service.sessions.lock().unwrap().is_empty()).await;
    let session = node.service.sessions.lock().unwrap()[0].clone();
    assert!(session.outbox.try_push(Bytes::from_static(b"event\x1e")));
    node.service.connects.add_permits(1);
    let mut all = client.next().await.unwrap();
    while all.matches('\u{1e}').count() < 2 {
        all += &client.next().await.unwrap();
    }
    assert_eq!(all, "{}\u{1e}event\u{1e}", "the answer is first, whatever was pushed before");
}

#[tokio::test]
async fn the_answer_does_not_wait_for_longer_than_clients_do_nor_for_an_end() {
    for (answer_within, reason) in [(Duration::ZERO, None), (Duration::from_mins(5), Some(CloseReason::Drain))] {
        let node = TestNode::start(Settings { answer_within, ..settings() }).await;
        node.service.connects.forget_permits(usize::MAX);
        let mut client = node.open(&format!("access_token={}", node.token("ann"))).await;
        client.send("{\"protocol\":\"json\",\"version\":1}\u{1e}").await;
        until(|| !node.service.sessions.lock().unwrap().is_empty()).await;
        let session = node.service.sessions.lock().unwrap()[0].clone();
        if let Some(reason) = reason {
            session.outbox.close(reason);
        }
        assert_eq!(client.next().await.unwrap(), "{}\u{1e}");
        if reason.is_some() {
            assert_eq!(client.next_record().await, close("The server is going down; reconnect.", true));
            continue;
        }
        client.invoke("1", "Echo").await;
        assert!(session.outbox.try_push(Bytes::from_static(b"event\x1e")));
        assert_eq!(client.next_record().await, "event\u{1e}");
        assert_eq!(node.service.begun.load(Ordering::Relaxed), 0, "no call runs before");
        node.service.connects.add_permits(1);
        assert_eq!(client.next_record().await, completion("1", "Echo"));
    }
}

#[tokio::test]
async fn message_pack_is_sent_as_binary_also_its_handshake() {
    let node = node().await;
    let mut client = node.open(&format!("access_token={}", node.token("ann"))).await;
    client.send("{\"protocol\":\"messagepack\",\"version\":1}\u{1e}").await;
    assert_eq!(client.next_message().await.unwrap(), Message::binary(&b"{}\x1e"[..]));
    client.send_binary(b"\x0d\x95\x01\x80\xa1\x30\xa4Echo\x91\xa1x").await;
    assert_eq!(client.next_message().await.unwrap(), Message::binary(&b"\x0b\x95\x03\x80\xa1\x30\x03\xa4Echo"[..]));
}

#[tokio::test]
async fn effects_happen_in_order_and_answers_keep_it() {
    let node = node().await;
    let (mut client, _) = node.connect("ann").await;
    client.invoke("1", "Later1").await;
    client.invoke("2", "Echo").await;
    client.invoke("3", "Later2").await;
    client.send("{\"type\":1,\"target\":\"Silent\",\"arguments\":[]}\u{1e}").await;
    let happened = || node.service.happened.lock().unwrap().clone();
    until(|| happened().len() == 4).await;
    assert_eq!(happened(), ["Later1", "Echo", "Later2", "Silent"], "the journal holds up no effect");
    node.service.answers.add_permits(2);
    let mut all = String::new();
    while all.matches('\u{1e}').count() < 3 {
        all += &client.next_record().await;
    }
    assert_eq!(all, [completion("1", "Later1"), completion("2", "Echo"), completion("3", "Later2")].concat());
}

#[tokio::test]
async fn events_and_pings_continue_while_a_call_runs() {
    let settings = Settings { keep_alive: Duration::from_millis(50), ..settings() };
    let node = TestNode::start(settings).await;
    let (mut client, session) = node.connect("ann").await;
    client.invoke("1", "Effect").await;
    client.invoke("2", "Echo").await;
    assert!(session.outbox.try_push(Bytes::from_static(b"event\x1e")));
    assert_eq!(client.next_record().await, "event\u{1e}");
    assert_eq!(client.next().await.unwrap(), PING);
    assert!(node.service.happened.lock().unwrap().is_empty(), "the second waits for the first");
    node.service.effects.add_permits(1);
    let mut all = client.next_record().await;
    while all.matches('\u{1e}').count() < 2 {
        all += &client.next_record().await;
    }
    assert_eq!(all, completion("1", "Effect") + &completion("2", "Echo"));
}

#[tokio::test]
async fn many_events_are_sent_in_few_frames_and_none_is_cut() {
    let node = node().await;
    let (mut client, session) = node.connect("ann").await;
    let events: Vec<String> = (0..200).map(|number| format!("{number}{}\u{1e}", "x".repeat(number * 7))).collect();
    let mut later = FlushList::default();
    for event in &events {
        assert!(session.outbox.try_push_listed(event.clone().into(), &mut later));
    }
    drop(later);
    let (mut all, mut frames) = (String::new(), 0);
    while all.len() < events.concat().len() {
        let frame = client.next_record().await;
        assert!(frame.ends_with('\u{1e}'), "a record is never cut");
        all += &frame;
        frames += 1;
    }
    assert_eq!(all, events.concat());
    assert!(frames < 100, "{frames} frames");
}

#[tokio::test]
async fn events_that_come_one_by_one_keep_their_order_among_answers() {
    let node = node().await;
    let (mut client, session) = node.connect("ann").await;
    for number in 0..300 {
        assert!(session.outbox.try_push(format!("{number}\u{1e}").into()));
        if number % 7 == 0 {
            client.invoke("1", "Echo").await;
        }
        if number % 5 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let (mut all, mut answers) = (String::new(), 0);
    while answers < 43 || !all.ends_with("299\u{1e}") {
        let frame = client.next_record().await;
        answers += frame.matches("invocationId").count();
        all += &frame.replace(&completion("1", "Echo"), "");
    }
    let expected: Vec<_> = (0..300).map(|number| format!("{number}\u{1e}")).collect();
    assert_eq!(all, expected.concat());
}

#[tokio::test]
async fn invalid_records_end_the_session_after_the_records_before() {
    let node = node().await;
    for bad in ["{\"type\":\"1\"}\u{1e}", "[]\u{1e}", "\u{1e}", "{\"type\":1}\u{1e}", &"x".repeat(RECORD_BYTES)] {
        let (mut client, _) = node.connect("ann").await;
        client.invoke("1", "Echo").await;
        client.send(bad).await;
        assert_eq!(client.next_record().await, completion("1", "Echo"));
        assert_eq!(client.next_record().await, close("Connection closed with an error.", true));
        assert_eq!(client.next().await.unwrap(), "closed 1000");
    }
    until(|| node.registry.is_empty()).await;
}

#[tokio::test]
async fn an_invalid_websocket_frame_closes_with_its_code() {
    let node = node().await;
    let (mut client, _) = node.connect("ann").await;
    let MaybeTlsStream::Plain(stream) = client.0.get_mut() else { panic!("plain TCP") };
    stream.write_all(&[0x81, 0x01, b'x']).await.unwrap();
    assert_eq!(client.next().await.unwrap(), "closed 1002");
}

#[tokio::test]
async fn unknown_records_and_ids_are_skipped() {
    let node = node().await;
    let (mut client, _) = node.connect("ann").await;
    client
        .send("{\"type\":99}\u{1e}{\"type\":5,\"invocationId\":\"9\"}\u{1e}{\"type\":8,\"sequenceId\":1}\u{1e}")
        .await;
    client.invoke("1", "Echo").await;
    assert_eq!(client.next_record().await, completion("1", "Echo"));
}

#[tokio::test]
async fn a_client_closes_by_record_or_by_frame() {
    let node = node().await;
    let (mut by_record, first) = node.connect("ann").await;
    by_record.send("{\"type\":7}\u{1e}").await;
    assert_eq!(by_record.next().await.unwrap(), "closed 1000");
    let (mut by_frame, second) = node.connect("ann").await;
    by_frame.0.close(None).await.unwrap();
    let (lost, third) = node.connect("ann").await;
    drop(lost);
    for (session, reason) in
        [(first, CloseReason::ClientLeft), (second, CloseReason::ClientLeft), (third, CloseReason::ConnectionLost)]
    {
        until(|| session.outbox.closed().is_some()).await;
        assert_eq!(session.outbox.closed(), Some(reason));
        assert!(!session.outbox.try_push(Bytes::from_static(b"late")));
    }
    until(|| node.registry.is_empty()).await;
}

#[tokio::test]
async fn an_effect_is_completed_when_its_client_is_gone() {
    let settings = Settings { finish_timeout: Duration::from_millis(20), ..settings() };
    let node = TestNode::start(settings).await;
    let (mut client, session) = node.connect("ann").await;
    client.invoke("1", "Effect").await;
    until(|| node.service.begun.load(Ordering::Relaxed) == 1).await;
    session.outbox.close(CloseReason::Revoked);
    assert_eq!(client.next_record().await, close("Access was revoked.", false));
    drop(client);
    until(|| node.registry.is_empty()).await;
    node.service.effects.add_permits(1);
    until(|| *node.service.happened.lock().unwrap() == ["Effect"]).await;
}

#[tokio::test]
async fn a_drain_answers_pending_calls_then_sends_the_reason() {
    let node = node().await;
    let (mut client, session) = node.connect("ann").await;
    client.invoke("1", "Later").await;
    until(|| !node.service.happened.lock().unwrap().is_empty()).await;
    assert!(session.outbox.try_push(Bytes::from_static(b"event\x1e")));
    session.outbox.close(CloseReason::Drain);
    assert_eq!(client.next_record().await, "event\u{1e}");
    node.service.answers.add_permits(1);
    assert_eq!(client.next_record().await, completion("1", "Later"));
    assert_eq!(client.next_record().await, close("The server is going down; reconnect.", true));
    assert_eq!(client.next().await.unwrap(), "closed 1000");
}

#[tokio::test]
async fn an_expired_token_ends_its_connection() {
    let node = node().await;
    let token = node.token_for("ann", Duration::from_secs(2));
    let mut client = node.open(&format!("access_token={token}")).await;
    client.send("{\"protocol\":\"json\",\"version\":1}\u{1e}").await;
    assert_eq!(client.next().await.unwrap(), "{}\u{1e}");
    assert_eq!(client.next_record().await, close("Token expired.", true));
}

#[tokio::test]
async fn a_session_that_cannot_be_attached_may_reconnect() {
    let node = node().await;
    *node.service.refuses.lock().unwrap() = Some(CloseReason::Overload);
    let (mut client, _) = node.connect("ann").await;
    let text = CloseReason::Overload.text().unwrap();
    assert_eq!(client.next_record().await, close(text, true));
}

#[tokio::test]
async fn silence_of_a_client_that_pings_ends_it() {
    let settings = Settings { client_timeout: Duration::from_millis(100), ..settings() };
    let node = TestNode::start(settings).await;
    let (mut client, session) = node.connect("ann").await;
    client.send(PING).await;
    assert_eq!(client.next_record().await, close("The client was silent for too long.", true));
    until(|| session.outbox.closed() == Some(CloseReason::KeepAliveTimeout)).await;
}

#[tokio::test]
async fn a_client_that_never_pings_is_kept_by_its_pongs_and_closed_without() {
    let settings =
        Settings { keep_alive: Duration::from_millis(20), client_timeout: Duration::from_millis(100), ..settings() };
    let node = TestNode::start(settings).await;
    let (mut client, session) = node.connect("ann").await;
    // Reading answers the WebSocket's own pings.
    for _ in 0..25 {
        assert_eq!(client.next().await.unwrap(), PING);
    }
    assert_eq!(session.outbox.closed(), None);
    // Not reading leaves them unanswered.
    until(|| session.outbox.closed().is_some()).await;
    assert_eq!(session.outbox.closed(), Some(CloseReason::KeepAliveTimeout));
}

#[tokio::test]
async fn every_reason_is_sent_with_its_text_and_its_reconnect_flag() {
    let node = node().await;
    for &reason in CloseReason::ALL {
        let (mut client, session) = node.connect("ann").await;
        session.outbox.close(reason);
        if let Some(text) = reason.text() {
            // A slow client has not read the records before; here it has.
            assert_eq!(client.next_record().await, close(text, reason.allows_reconnect()), "{}", reason.label());
        }
        if reason != CloseReason::ConnectionLost {
            assert_eq!(client.next().await.as_deref(), Some("closed 1000"), "{}", reason.label());
        }
    }
    let for_good = CloseReason::ALL.iter().copied().filter(|reason| !reason.allows_reconnect());
    let expected = [CloseReason::ClientLeft, CloseReason::Revoked, CloseReason::TooManyConnections];
    assert_eq!(for_good.collect::<Vec<_>>(), expected, "all others are the server's, or the network's, to mend");
}

#[tokio::test]
async fn a_waiting_session_is_small() {
    let node = node().await;
    let (_client, session) = node.connect("ann").await;
    assert!(node.registry.len() == 1 && session.outbox.closed().is_none());
    let sessions = crate::session::Sessions {
        settings: settings(),
        service: node.service.clone(),
        lifecycle: node.lifecycle.clone(),
    };
    let outbox = std::sync::Arc::new(crate::connection::Outbox::default());
    let id = crate::connection::ConnectionId::random();
    let now = std::time::Instant::now();
    let arrival = crate::session::NewConnection {
        connection_id: id,
        principal: std::sync::Arc::new(crate::connection::Principal {
            is_service: false,
            issued_at: None,
            person: crate::test_support::person("acme", "ann"),
            display_name: String::new(),
        }),
        expires: now,
        outbox: outbox.clone(),
        claim: node.registry.claim(id, now, &outbox, crate::session::Carrier::WebSocket(None)).unwrap(),
        rejoin: None,
        address: None,
        shaking: None,
        arrived: now,
    };
    let here = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let session = sessions.run(
        arrival,
        crate::session::Transport::WebSocket(crate::session::WebSocket::new(
            crate::connection::SharedStream::new(here),
            b"",
        )),
    );
    let bytes = std::mem::size_of_val(&session);
    println!("a session is {bytes} bytes");
    assert!(bytes <= 2048, "{bytes} bytes");
}
