//! Stateful sessions over real sockets, which are lost and replaced, on one node and on two.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rts_common::ids::NodeId;
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use super::super::Settings;
use crate::close_reason::CloseReason;
use crate::connection::SessionHandle;
use crate::connection_token::TokenSigner;
use crate::peers::MemoryDirectory;
use crate::test_support::{Client, TestNode, identity, settings, until};

const VERSION_2: &str = "{\"protocol\":\"json\",\"version\":2}\u{1e}";

fn event(number: usize) -> String {
    format!("{{\"type\":1,\"target\":\"E\",\"arguments\":[{number}]}}\u{1e}")
}

fn completion(id: &str, target: &str) -> String {
    format!("{{\"type\":3,\"invocationId\":\"{id}\",\"result\":\"{target}\"}}\u{1e}")
}

fn sequence(next: u64) -> String {
    format!("{{\"type\":9,\"sequenceId\":{next}}}\u{1e}")
}

/// A client whose session outlives its sockets.
struct Stateful {
    id: String,
    socket: Client,
    session: SessionHandle,
}

impl Stateful {
    async fn connect(node: &TestNode) -> Self {
        let id = negotiate(node, "&useStatefulReconnect=true").await;
        let mut socket = node.open(&query(node, &id)).await;
        let before = node.service.sessions.lock().unwrap().len();
        socket.send(VERSION_2).await;
        assert_eq!(socket.next().await.unwrap(), "{}\u{1e}");
        until(|| node.service.sessions.lock().unwrap().len() > before).await;
        let session = node.service.sessions.lock().unwrap().last().unwrap().clone();
        Self { id, socket, session }
    }

    /// Opens the next socket, and reads the first records of the server.
    async fn rejoin(&mut self, node: &TestNode, expected: &str) {
        self.socket = node.open(&query(node, &self.id)).await;
        self.hears(expected).await;
    }

    /// Reads all of a text, ignoring pings and acknowledgements.
    async fn hears(&mut self, expected: &str) {
        let mut all = String::new();
        while all.len() < expected.len() {
            all += &self.hear().await;
        }
        assert_eq!(all, expected);
    }

    async fn hear(&mut self) -> String {
        let text = self.socket.next_record().await;
        text.split_inclusive('\u{1e}').filter(|record| !record.starts_with("{\"type\":8")).collect()
    }

    async fn drop_socket(&mut self, node: &TestNode) {
        let other = node.open(&format!("access_token={}", node.token("ann"))).await;
        drop(std::mem::replace(&mut self.socket, other));
    }

    fn push(&self, numbers: impl Iterator<Item = usize>) {
        for number in numbers {
            assert!(self.session.outbox.try_push(event(number).into()));
        }
    }
}

async fn negotiate(node: &TestNode, more: &str) -> String {
    let token = node.token("ann");
    let head = format!(
        "POST /hubs/chat/negotiate?negotiateVersion=1{more} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}"
    );
    let answer = node.request(&head, "").await;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let granted = more.contains("=true");
    assert_eq!(body.get("useStatefulReconnect"), granted.then_some(&Value::Bool(true)), "told only where asked for");
    body["connectionToken"].as_str().unwrap().to_owned()
}

fn query(node: &TestNode, id: &str) -> String {
    format!("id={id}&access_token={}", node.token("ann"))
}

/// Returns the status of an upgrade that is refused; 101 if it is accepted.
async fn upgrade(node: &TestNode, query: &str) -> u16 {
    match connect_async(format!("ws://{}/hubs/chat?{query}", node.address)).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

async fn ended(client: &Stateful, node: &TestNode, reason: CloseReason) {
    until(|| client.session.outbox.closed().is_some()).await;
    assert_eq!(client.session.outbox.closed(), Some(reason));
    until(|| node.registry.len() <= 1).await;
    assert_eq!(upgrade(node, &query(node, &client.id)).await, 404);
}

fn events(numbers: std::ops::Range<usize>) -> String {
    numbers.map(event).collect()
}

/// Loses its socket on `one`, and reconnects over `other`.
async fn comes_back(one: &TestNode, other: &TestNode) {
    let mut client = Stateful::connect(one).await;
    client.push(0..2);
    client.hears(&events(0..2)).await;
    client.socket.invoke("1", "Later").await;
    until(|| one.service.happened.lock().unwrap().len() == 1).await;
    client.socket.send("{\"type\":8,\"sequenceId\":1}\u{1e}").await;
    client.socket.invoke("2", "Echo").await;
    until(|| one.service.happened.lock().unwrap().len() == 2).await;
    client.drop_socket(one).await;
    client.push(2..4);
    one.service.answers.add_permits(1);
    // The unacknowledged records, the events in between, and the answers that were awaited.
    client.socket = other.open(&query(one, &client.id)).await;
    let expected = sequence(2) + &events(1..2);
    let mut all = String::new();
    while all.matches('\u{1e}').count() < 6 {
        all += &client.hear().await;
    }
    assert!(all.starts_with(&expected), "{all}");
    let answers = completion("1", "Later") + &completion("2", "Echo");
    for (what, part) in [("events", events(2..4)), ("answers", answers)] {
        assert!(all.contains(&part), "{what} in {all}");
    }
    // Records before the client's own number are ignored; processed ones are dropped.
    client.socket.invoke("9", "Never").await;
    client.socket.send(&sequence(2)).await;
    client.socket.invoke("2", "Echo").await;
    client.socket.invoke("3", "Echo").await;
    client.hears(&completion("3", "Echo")).await;
    assert_eq!(*one.service.happened.lock().unwrap(), ["Later", "Echo", "Echo"]);
    client.push(4..5);
    client.hears(&event(4)).await;
    assert_eq!(client.session.outbox.closed(), None);
}

#[tokio::test]
async fn a_lost_socket_is_replaced_without_loss_or_duplicates() {
    let node = TestNode::start(settings()).await;
    comes_back(&node, &node).await;
}

#[tokio::test]
async fn the_next_socket_may_reach_another_node() {
    let directory = MemoryDirectory::default();
    let one = TestNode::start_among(settings(), &directory).await;
    let two = TestNode::start_among(settings(), &directory).await;
    comes_back(&one, &two).await;
    assert_eq!(two.registry.len(), 0);
    // Its owner refuses the same requests as always, also through another node.
    let mut client = Stateful::connect(&one).await;
    let strangers = format!("id={}&access_token={}", client.id, one.token("bob"));
    assert_eq!((upgrade(&one, &strangers).await, upgrade(&two, &strangers).await), (404, 404));
    client.socket.send("{\"type\":7}\u{1e}").await;
    until(|| client.session.outbox.closed() == Some(CloseReason::ClientLeft)).await;
    until(|| one.registry.len() <= 1).await;
    assert_eq!(upgrade(&two, &query(&one, &client.id)).await, 404);
}

#[tokio::test]
async fn a_half_open_socket_is_replaced() {
    let node = TestNode::start(settings()).await;
    let mut client = Stateful::connect(&node).await;
    let mut old = node.open(&format!("access_token={}", node.token("ann"))).await;
    std::mem::swap(&mut old, &mut client.socket);
    client.push(0..1);
    client.rejoin(&node, &(sequence(1) + &event(0))).await;
    while let Some(text) = old.next().await {
        assert!(!text.contains("\"type\":7"), "no Close record: {text}");
    }
}

#[tokio::test]
async fn the_session_ends_when_its_client_does_not_reconnect_in_time() {
    let node = TestNode::start(Settings { detach_window: Duration::from_millis(200), ..settings() }).await;
    let mut client = Stateful::connect(&node).await;
    client.drop_socket(&node).await;
    ended(&client, &node, CloseReason::NotRejoined).await;
}

#[tokio::test]
async fn the_session_ends_when_its_replay_is_full() {
    let node = TestNode::start(settings()).await;
    let mut client = Stateful::connect(&node).await;
    client.drop_socket(&node).await;
    let begun = Instant::now();
    let mut number = 0;
    while client.session.outbox.try_push(event(number).into()) {
        number += 1;
        tokio::task::yield_now().await;
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    ended(&client, &node, CloseReason::ReplayFull).await;
}

#[tokio::test]
async fn records_beyond_the_replay_wait_for_an_acknowledgement() {
    let node = TestNode::start(settings()).await;
    let mut client = Stateful::connect(&node).await;
    // 41 bytes each and more: 100 kB are under 2,400 of them, the rest waits in the outbox.
    client.push(10_000..12_000);
    client.hears(&events(10_000..12_000)).await;
    client.push(12_000..14_000);
    let quiet = tokio::time::timeout(Duration::from_millis(300), client.hears(&events(12_000..14_000))).await;
    assert!(quiet.is_err(), "the client did not acknowledge");
    assert_eq!(client.session.outbox.closed(), None);
    client.socket.send("{\"type\":8,\"sequenceId\":2000}\u{1e}").await;
    let last = event(13_999);
    while !client.socket.next_record().await.ends_with(&last) {}
}

#[tokio::test]
async fn an_acknowledgement_behind_many_calls_is_read() {
    let node = TestNode::start(settings()).await;
    let mut client = Stateful::connect(&node).await;
    // Their answers fill the replay several times, and they are more than may be in flight.
    let target = "x".repeat(6_000);
    for id in 0..60 {
        client.socket.invoke(&id.to_string(), &target).await;
    }
    client.socket.send("{\"type\":8,\"sequenceId\":60}\u{1e}").await;
    client.hears(&(0..60).map(|id| completion(&id.to_string(), &target)).collect::<String>()).await;
    client.push(0..1);
    client.hears(&event(0)).await;
}

#[tokio::test]
async fn a_client_that_acknowledges_nothing_is_slow() {
    let settings =
        Settings { keep_alive: Duration::from_millis(100), write_timeout: Duration::from_millis(300), ..settings() };
    let node = TestNode::start(settings).await;
    let mut client = Stateful::connect(&node).await;
    client.push(10_000..12_000);
    client.hears(&events(10_000..12_000)).await;
    client.push(12_000..13_000);
    while !client.socket.next_record().await.contains("\"type\":7") {}
    ended(&client, &node, CloseReason::Slow).await;
}

#[tokio::test]
async fn an_expired_token_ends_the_socket_and_not_the_session() {
    let node = TestNode::start(settings()).await;
    let id = negotiate(&node, "&useStatefulReconnect=true").await;
    let short = node.token_for("ann", Duration::from_secs(2));
    let mut socket = node.open(&format!("id={id}&access_token={short}")).await;
    socket.send(VERSION_2).await;
    assert_eq!(socket.next().await.unwrap(), "{}\u{1e}");
    assert_eq!(socket.next_record().await, "closed 1000", "no Close record: it would be the end");
    let mut again = node.open(&query(&node, &id)).await;
    assert_eq!(again.next_record().await, sequence(1));
    again.send(&sequence(1)).await;
    again.invoke("1", "Echo").await;
    assert_eq!(again.next_record().await, completion("1", "Echo"));
}

#[tokio::test]
async fn missing_records_end_the_session() {
    let node = TestNode::start(settings()).await;
    let mut client = Stateful::connect(&node).await;
    client.socket.send(&sequence(5)).await;
    let close = client.socket.next_record().await;
    assert!(close.contains("\"type\":7") && close.contains("\"allowReconnect\":true"), "{close}");
    ended(&client, &node, CloseReason::ProtocolError).await;
}

#[tokio::test]
async fn stateful_reconnect_needs_the_grant_and_version_2() {
    let node = TestNode::start(settings()).await;
    for (more, version) in [("", 2), ("&useStatefulReconnect=true", 1), ("&useStatefulReconnect=no", 2)] {
        let id = negotiate(&node, more).await;
        let mut socket = node.open(&query(&node, &id)).await;
        socket.send(&format!("{{\"protocol\":\"json\",\"version\":{version}}}\u{1e}")).await;
        assert_eq!(socket.next().await.unwrap(), "{}\u{1e}");
        assert_eq!(upgrade(&node, &query(&node, &id)).await, 409, "{more} {version}");
        drop(socket);
        until(|| node.registry.is_empty()).await;
        assert_eq!(upgrade(&node, &query(&node, &id)).await, 404, "{more} {version}");
    }
}

#[tokio::test]
async fn a_stream_waits_for_the_next_socket_and_continues() {
    let node = TestNode::start(settings()).await;
    let mut client = Stateful::connect(&node).await;
    client.socket.stream("7", "Endless").await;
    until(|| node.service.streamed.load(Ordering::Relaxed) >= 10).await;
    client.drop_socket(&node).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(node.service.streamed.load(Ordering::Relaxed) < 20, "no more than is kept");
    assert_eq!((client.session.outbox.closed(), node.service.live_streams()), (None, 1));
    client.socket = node.open(&query(&node, &client.id)).await;
    let mut all = String::new();
    while !all.contains("\"item\":\"9x") {
        all += &client.socket.next_record().await;
    }
    assert!(all.starts_with(&(sequence(1) + "{\"type\":2,\"invocationId\":\"7\",\"item\":\"0x")), "from the first on");
    client.socket.send(&(sequence(2) + "{\"type\":5,\"invocationId\":\"7\"}\u{1e}")).await;
    until(|| node.service.live_streams() == 0).await;
}

#[tokio::test]
async fn a_dead_owner_is_404_in_time() {
    let directory = MemoryDirectory::default();
    let node = TestNode::start_among(settings(), &directory).await;
    let id = negotiate(&node, "&useStatefulReconnect=true").await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let signer = TokenSigner::new(&identity().connection_secret, NodeId::random());
    directory.set(signer.read(&id).unwrap().connection_id, gone);
    let begun = Instant::now();
    assert_eq!(upgrade(&node, &query(&node, &id)).await, 404);
    assert!(begun.elapsed() < Duration::from_secs(2));
}
