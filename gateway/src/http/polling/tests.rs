//! Server-Sent Events and long polling over raw sockets: statuses and bodies, on one node and on two.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::close_reason::CloseReason;
use crate::peers::MemoryDirectory;
use crate::session::Settings;
use crate::test_support::{PATIENCE, TestNode, settings, until};

const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
const CALL: &str = "{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[{}]}\u{1e}";
const ANSWER: &str = "{\"type\":3,\"invocationId\":\"1\",\"result\":\"Echo\"}\u{1e}";
const EVENTS: &str = "\r\naccept: text/event-stream";

fn short() -> Settings {
    Settings { poll_idle: Duration::from_millis(300), poll_gap_max: Duration::from_millis(600), ..settings() }
}

async fn node() -> TestNode {
    TestNode::start(settings()).await
}

/// Starts two nodes of one cluster.
async fn nodes() -> (TestNode, TestNode) {
    let directory = MemoryDirectory::default();
    (TestNode::start_among(settings(), &directory).await, TestNode::start_among(settings(), &directory).await)
}

/// A negotiated connection of a user.
struct Connection {
    id: String,
    token: String,
}

/// The answer to a request.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Connection {
    async fn negotiate(node: &TestNode) -> Self {
        let token = node.token("ann");
        let head = format!(
            "POST /hubs/chat/negotiate?negotiateVersion=1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}"
        );
        let answer = Answer::read(&node.request(&head, "").await);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        Self { id: body["connectionToken"].as_str().unwrap().to_owned(), token }
    }

    fn head(&self, method: &str, more: &str) -> String {
        let Self { id, token } = self;
        format!("{method} /hubs/chat?id={id} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}{more}")
    }

    /// Returns the head of a WebSocket's upgrade.
    fn upgrade(&self) -> String {
        let upgrade =
            "\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
        self.head("GET", upgrade).replace("HTTP/1.1", "HTTP/1.1\r\nconnection: upgrade")
    }

    async fn ask(&self, node: &TestNode, method: &str, more: &str, body: &str) -> Answer {
        Answer::read(&node.request(&self.head(method, more), body).await)
    }

    async fn poll(&self, node: &TestNode) -> Answer {
        self.ask(node, "GET", "", "").await
    }

    async fn post(&self, node: &TestNode, body: &str) -> Answer {
        self.ask(node, "POST", "", body).await
    }

    /// Returns a connection by long polls, after its handshake.
    async fn polling(node: &TestNode) -> Self {
        let connection = Self::negotiate(node).await;
        let first = connection.poll(node).await;
        assert_eq!((first.status, first.body.as_str()), (200, ""), "the first poll is empty");
        assert_eq!(connection.post(node, HANDSHAKE).await.status, 200);
        let answer = connection.poll(node).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}\u{1e}"));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        connection
    }

    /// Returns the event stream of a connection, after its handshake.
    async fn streaming(node: &TestNode) -> (Self, Events) {
        let connection = Self::negotiate(node).await;
        let mut events = Events::open(node, &connection).await;
        events.wait_for(":\r\n").await;
        assert_eq!(connection.post(node, HANDSHAKE).await.status, 200);
        events.wait_for("data: {}\u{1e}\r\n\r\n").await;
        (connection, events)
    }
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// An event stream as it is received.
struct Events {
    stream: TcpStream,
    seen: String,
}

impl Events {
    async fn open(node: &TestNode, connection: &Connection) -> Self {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        let head = format!("{}\r\n\r\n", connection.head("GET", EVENTS));
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, seen: String::new() }
    }

    async fn read(&mut self) -> usize {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await.unwrap().unwrap();
        self.seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        read
    }

    async fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert_ne!(self.read().await, 0, "no {text:?} in {:?}", self.seen);
        }
    }

    /// Waits for the last chunk.
    async fn ended(&mut self) {
        self.wait_for("\r\n0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn long_polls_carry_a_session() {
    let node = node().await;
    let connection = Connection::polling(&node).await;
    // Half a record in each body.
    let (half, rest) = CALL.split_at(20);
    let sent = connection.post(&node, half).await;
    assert_eq!((sent.status, sent.body.as_str(), sent.header("content-type")), (200, "", Some("text/plain")));
    assert_eq!(connection.post(&node, rest).await.status, 200);
    assert_eq!(connection.poll(&node).await.body, ANSWER);
    // One poll returns everything that waits.
    let session = node.service.sessions.lock().unwrap()[0].clone();
    for event in ["{\"a\":1}\u{1e}", "{\"b\":2}\u{1e}"] {
        session.outbox.try_push(event.into());
    }
    let mut body = String::new();
    while body.len() < 16 {
        body.push_str(&connection.poll(&node).await.body);
    }
    assert_eq!(body, "{\"a\":1}\u{1e}{\"b\":2}\u{1e}");
    // A newer poll replaces an older one.
    let (older, newer) = tokio::join!(connection.poll(&node), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (newer, ()) = tokio::join!(connection.poll(&node), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            session.outbox.try_push("{\"c\":3}\u{1e}".into());
        });
        newer
    });
    assert_eq!((older.status, older.body.as_str()), (204, ""));
    assert_eq!((newer.status, newer.body.as_str()), (200, "{\"c\":3}\u{1e}"));
}

#[tokio::test]
async fn concurrent_sends_are_all_received_whole() {
    let node = node().await;
    let connection = Connection::polling(&node).await;
    let posts = (0..20).map(|_| connection.post(&node, CALL));
    let sent = futures_util::future::join_all(posts);
    let received = async {
        let mut body = String::new();
        while body.len() < 20 * ANSWER.len() {
            body.push_str(&connection.poll(&node).await.body);
        }
        body
    };
    let (sent, received) = tokio::join!(sent, received);
    assert!(sent.iter().all(|answer| answer.status == 200));
    assert_eq!(received, ANSWER.repeat(20));
    assert_eq!(connection.post(&node, &" ".repeat(600 * 1024)).await.status, 413);
}

#[tokio::test]
async fn an_idle_poll_is_empty_without_a_ping_and_an_absent_client_is_closed() {
    let node = TestNode::start(Settings { keep_alive: Duration::from_millis(50), ..short() }).await;
    let connection = Connection::polling(&node).await;
    for _ in 0..4 {
        let idle = connection.poll(&node).await;
        assert_eq!((idle.status, idle.body.as_str()), (200, ""), "no pings on long polls");
    }
    until(|| node.registry.is_empty()).await;
    assert_eq!(connection.poll(&node).await.status, 404);
}

#[tokio::test]
async fn close_and_delete_come_in_either_order() {
    let node = node().await;
    let close = "{\"type\":7}\u{1e}";
    let connection = Connection::polling(&node).await;
    assert_eq!(connection.post(&node, close).await.status, 200);
    assert_eq!(connection.poll(&node).await.status, 204, "it is over");
    assert_eq!(connection.ask(&node, "DELETE", "", "").await.status, 202);
    until(|| node.registry.is_empty()).await;
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(connection.ask(&node, method, "", "").await.status, 404, "{method}");
    }

    let connection = Connection::polling(&node).await;
    let (poll, deleted) = tokio::join!(connection.poll(&node), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        connection.ask(&node, "DELETE", "", "").await
    });
    assert_eq!((poll.status, deleted.status), (204, 202));
    assert!(matches!(connection.post(&node, close).await.status, 200 | 404));
    until(|| node.registry.is_empty()).await;
}

#[tokio::test]
async fn a_closed_session_answers_with_a_close_then_204_then_404() {
    let node = node().await;
    let connection = Connection::polling(&node).await;
    node.service.sessions.lock().unwrap()[0].outbox.close(CloseReason::Drain);
    let close = connection.poll(&node).await;
    assert!(close.body.contains("\"type\":7") && close.body.contains("\"allowReconnect\":true"), "{close:?}");
    assert_eq!(connection.poll(&node).await.status, 204);
    assert_eq!(connection.poll(&node).await.status, 404);
}

#[tokio::test]
async fn events_stream_immediately_and_end_with_the_session() {
    let node = node().await;
    let (connection, mut events) = Connection::streaming(&node).await;
    let head = events.seen.to_ascii_lowercase();
    for header in
        ["200 ok", "content-type: text/event-stream", "cache-control: no-cache,no-store", "x-accel-buffering: no"]
    {
        assert!(head.contains(header), "no {header} in {head}");
    }
    assert_eq!(connection.post(&node, CALL).await.status, 200);
    events.wait_for(&format!("data: {ANSWER}\r\n\r\n")).await;
    let statuses = [
        connection.ask(&node, "GET", EVENTS, "").await.status,
        connection.poll(&node).await.status,
        connection.ask(&node, "DELETE", "", "").await.status,
        connection.ask(&node, "PUT", "", "").await.status,
    ];
    assert_eq!(statuses, [409, 400, 400, 405]);
    node.service.sessions.lock().unwrap()[0].outbox.close(CloseReason::Drain);
    events.wait_for("\"type\":7").await;
    events.ended().await;
    until(|| node.registry.is_empty()).await;
    assert_eq!(connection.post(&node, CALL).await.status, 404);
    assert_eq!(connection.ask(&node, "GET", EVENTS, "").await.status, 404, "its token is not over, it is");
}

#[tokio::test]
async fn a_client_that_leaves_its_stream_is_closed() {
    let node = node().await;
    let (_, events) = Connection::streaming(&node).await;
    drop(events);
    until(|| node.registry.is_empty()).await;
}

#[tokio::test]
async fn events_are_text_and_their_stream_pings() {
    let node = TestNode::start(Settings { keep_alive: Duration::from_millis(50), ..settings() }).await;
    let (_connection, mut events) = Connection::streaming(&node).await;
    events.wait_for("data: {\"type\":6}\u{1e}\r\n\r\n").await;

    let connection = Connection::negotiate(&node).await;
    let mut events = Events::open(&node, &connection).await;
    connection.post(&node, "{\"protocol\":\"messagepack\",\"version\":1}\u{1e}").await;
    events.wait_for("The transport does not support 'Binary' transfer format.\"}\u{1e}\r\n\r\n").await;
    events.ended().await;
}

#[tokio::test]
async fn ids_without_a_connection_are_refused_where_none_can_be_opened() {
    let node = node().await;
    let connection = Connection::negotiate(&node).await;
    let statuses = [
        connection.post(&node, CALL).await.status,
        connection.ask(&node, "DELETE", "", "").await.status,
        connection.ask(&node, "GET", "\r\nrts-hop: 1.AAAA", "").await.status,
    ];
    assert_eq!(statuses, [400, 400, 401]);
    let stranger = Connection { id: connection.id.clone(), token: node.token("bob") };
    assert_eq!((stranger.poll(&node).await.status, stranger.post(&node, "").await.status), (404, 404));
    let nameless = node.request(&connection.head("GET", "").replace("id=", "no="), "").await;
    assert!(nameless.contains(" 400 ") && nameless.ends_with("Connection ID required"), "{nameless}");
    let empty = Connection { id: String::new(), token: connection.token.clone() };
    for (method, more) in [("GET", ""), ("GET", EVENTS), ("POST", ""), ("DELETE", "")] {
        let answer = empty.ask(&node, method, more, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (400, "Connection ID required"), "{method} {more}");
    }
    // A WebSocket has no part in a connection that requests carry.
    assert_eq!(connection.poll(&node).await.status, 200);
    let upgrade = "\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    let head = connection.head("GET", upgrade).replace("HTTP/1.1", "HTTP/1.1\r\nconnection: upgrade");
    assert!(node.request(&head, "").await.contains(" 400 "));
}

#[tokio::test]
async fn requests_may_reach_any_node() {
    let (one, two) = nodes().await;
    let connection = Connection::negotiate(&two).await;
    assert_eq!(connection.poll(&one).await.status, 200);
    assert_eq!(connection.post(&two, HANDSHAKE).await.status, 200);
    assert_eq!(connection.poll(&two).await.body, "{}\u{1e}");
    for node in [&one, &two, &two, &one] {
        assert_eq!(connection.post(node, CALL).await.status, 200);
        let other = if std::ptr::eq(node, &raw const one) { &two } else { &one };
        assert_eq!(connection.poll(other).await.body, ANSWER);
    }
    assert_eq!((one.registry.len(), two.registry.len()), (1, 0));
    assert_eq!(connection.ask(&two, "GET", EVENTS, "").await.status, 400);
    assert_eq!(connection.ask(&two, "DELETE", "", "").await.status, 202);
    until(|| one.registry.is_empty()).await;
    assert_eq!((connection.poll(&two).await.status, connection.post(&two, "").await.status), (404, 404));

    let (connection, mut events) = Connection::streaming(&one).await;
    assert_eq!(connection.post(&two, CALL).await.status, 200);
    events.wait_for(ANSWER).await;
    assert_eq!(connection.ask(&two, "GET", EVENTS, "").await.status, 409);
    assert!(two.request(&connection.upgrade(), "").await.contains(" 400 "), "another transport");
}

#[tokio::test]
async fn a_websocket_is_known_on_the_other_node_too() {
    let (one, two) = nodes().await;
    let connection = Connection::negotiate(&one).await;
    let Connection { id, token } = &connection;
    let socket = one.open(&format!("id={id}&access_token={token}")).await;
    let statuses = [
        connection.post(&two, CALL).await.status,
        connection.poll(&two).await.status,
        connection.ask(&two, "GET", EVENTS, "").await.status,
        connection.ask(&two, "DELETE", "", "").await.status,
    ];
    assert_eq!(statuses, [405, 400, 400, 400]);
    assert!(two.request(&connection.upgrade(), "").await.contains(" 409 "), "a token is for one connection");
    drop(socket);
    until(|| one.registry.is_empty()).await;
    assert!(two.request(&connection.upgrade(), "").await.contains(" 404 "), "and that one is over");
}

#[tokio::test]
async fn a_connection_of_a_dead_node_is_404() {
    let directory = MemoryDirectory::default();
    let node = TestNode::start_among(settings(), &directory).await;
    let connection = Connection::negotiate(&node).await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let id = crate::connection_token::TokenSigner::new(
        &crate::test_support::identity().connection_secret,
        rts_common::ids::NodeId::random(),
    )
    .read(&connection.id)
    .unwrap()
    .connection_id;
    directory.set(id, gone);
    for (method, more) in [("GET", ""), ("GET", EVENTS), ("POST", ""), ("DELETE", "")] {
        let answer = connection.ask(&node, method, more, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "No Connection with that ID"), "{method}{more}");
    }
}
