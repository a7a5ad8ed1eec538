//! The routes over real sockets.

use std::time::Duration;

use rts_common::config::Secret;
use rts_common::ids::NodeId;
use rts_common::seq::Timestamp;
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::config::DrainConfig;
use crate::connection::ConnectionId;
use crate::connection_token::TokenSigner;
use crate::lifecycle::Part;
use crate::node::drain::drain;
use crate::peers::MemoryDirectory;
use crate::test_support::{TestNode, identity, person, settings, until};

async fn node() -> TestNode {
    TestNode::start(settings()).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
}

fn json(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn negotiate(node: &TestNode, user: &str, query: &str) -> String {
    let token = node.token(user);
    let head = format!("POST /hubs/chat/negotiate{query} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {token}");
    node.request(&head, "").await
}

/// Returns the status of an upgrade that is refused; 101 if it is accepted.
async fn upgrade(node: &TestNode, query: &str, origin: Option<&str>) -> u16 {
    let mut request = format!("ws://{}/hubs/chat?{query}", node.address).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn negotiate_answers_in_both_versions() {
    let node = node().await;
    let answer = negotiate(&node, "ann", "?NegotiateVersion=1").await;
    assert_eq!((status(&answer), header(&answer, "content-type")), (200, Some("application/json")));
    let body = json(&answer);
    assert_eq!(body["negotiateVersion"], 1);
    assert_ne!(body["connectionId"], body["connectionToken"]);
    assert_eq!(body["availableTransports"][0]["transport"], "WebSockets");
    assert_eq!(body["availableTransports"][0]["transferFormats"], serde_json::json!(["Text", "Binary"]));

    let body = json(&negotiate(&node, "ann", "").await);
    assert_eq!((&body["negotiateVersion"], &body["connectionToken"]), (&Value::from(0), &Value::Null));
    let id = body["connectionId"].as_str().unwrap();
    assert_eq!(upgrade(&node, &format!("id={id}&access_token={}", node.token("ann")), None).await, 101);

    let answer = negotiate(&node, "ann", "?negotiateVersion=one").await;
    assert_eq!((status(&answer), json(&answer)["error"].is_string()), (200, true));
}

#[tokio::test]
async fn a_bad_token_is_401_everywhere_with_cors() {
    let node = node().await;
    let expired = TestNode::start(settings()).await.token_for("ann", Duration::ZERO);
    for token in ["", "authorization: Bearer nonsense\r\n", "authorization: Basic YTpi\r\n"] {
        for target in ["POST /hubs/chat/negotiate", "GET /hubs/chat", "POST /hubs/chat", "DELETE /hubs/chat"] {
            let head = format!("{target} HTTP/1.1\r\nhost: chat\r\n{token}origin: https://app.example.com");
            let answer = node.request(&head, "").await;
            assert_eq!(status(&answer), 401, "{target}");
            assert_eq!(header(&answer, "access-control-allow-origin"), Some("https://app.example.com"));
            assert_eq!(header(&answer, "access-control-allow-credentials"), Some("true"));
            let expected = if token.contains("nonsense") {
                "Bearer error=\"invalid_token\", \
                 error_description=\"the token is no JSON Web Token, or a claim has a wrong type\""
            } else {
                "Bearer"
            };
            assert_eq!(header(&answer, "www-authenticate"), Some(expected));
        }
    }
    assert_eq!(upgrade(&node, "", None).await, 401);
    assert_eq!(upgrade(&node, "access_token=x.y.z", None).await, 401);
    // A token that has just expired is still accepted within the leeway of five seconds.
    assert_eq!(upgrade(&node, &format!("access_token={expired}"), None).await, 101);
}

#[tokio::test]
async fn a_token_is_for_its_user_and_one_live_connection() {
    let node = node().await;
    let body = json(&negotiate(&node, "ann", "?negotiateVersion=1").await);
    let id = body["connectionToken"].as_str().unwrap().to_owned();
    let (ann, bob) = (node.token("ann"), node.token("bob"));
    let query = format!("id={id}&access_token={ann}");
    assert_eq!(upgrade(&node, &format!("id={id}&access_token={bob}"), None).await, 404);
    assert_eq!(upgrade(&node, &format!("id={id}x&access_token={ann}"), None).await, 404);
    assert_eq!(upgrade(&node, &format!("id=unknown&access_token={ann}"), None).await, 404);

    let first = node.open(&query).await;
    assert_eq!(upgrade(&node, &query, None).await, 409);
    let ask = async |method: &str, query: &str| {
        let head = format!("{method} /hubs/chat?{query} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {ann}");
        status(&node.request(&head, "").await)
    };
    let own = format!("id={id}");
    assert_eq!((ask("POST", &own).await, ask("DELETE", &own).await, ask("GET", &own).await), (405, 400, 400));
    assert_eq!((ask("POST", "").await, ask("PUT", &own).await), (400, 405));
    drop(first);
    until(|| node.registry.is_empty()).await;
    assert_eq!((upgrade(&node, &query, None).await, ask("POST", &own).await), (404, 404), "it is over");
}

/// The other request has asked the nodes, and holds no connection yet.
#[tokio::test]
async fn an_upgrade_is_in_conflict_with_one_that_is_under_way() {
    let directory = MemoryDirectory::default();
    let one = TestNode::start_among(settings(), &directory).await;
    let other = TestNode::start_among(settings(), &directory).await;
    let body = json(&negotiate(&one, "ann", "?negotiateVersion=1").await);
    let token = body["connectionToken"].as_str().unwrap();
    let signer = TokenSigner::new(&identity().connection_secret, NodeId::random());
    let id = signer.read(token).unwrap().connection_id;
    let query = format!("id={token}&access_token={}", one.token("ann"));
    let first = one.registry.begin(id);
    directory.set(id, one.address);
    for node in [&one, &other] {
        assert_eq!(upgrade(node, &query, None).await, 409);
        let head = format!("GET /hubs/chat?{query} HTTP/1.1\r\nhost: chat");
        assert_eq!(status(&node.request(&head, "").await), 409, "a poll");
    }
    drop(first);
    assert_eq!(upgrade(&one, &query, None).await, 404, "it came to nothing");
}

#[tokio::test]
async fn a_key_that_is_none_is_400() {
    let node = node().await;
    let head = format!(
        "GET /hubs/chat?access_token={} HTTP/1.1\r\nhost: chat\r\nupgrade: websocket\r\nsec-websocket-version: 13",
        node.token("ann")
    )
    .replace("HTTP/1.1", "HTTP/1.1\r\nconnection: upgrade");
    for key in
        ["", "\r\nsec-websocket-key:", "\r\nsec-websocket-key: AAAA", "\r\nsec-websocket-key: no base64 at all=="]
    {
        assert_eq!(status(&node.request(&format!("{head}{key}"), "").await), 400, "{key}");
    }
}

#[tokio::test]
async fn the_hub_is_found_in_any_letter_case_and_with_a_slash_behind_it() {
    let node = node().await;
    let token = node.token("ann");
    let ask = async |method: &str, target: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {token}");
        node.request(&head, "").await
    };
    for path in ["/hubs/chat/", "/Hubs/Chat", "/HUBS/CHAT/"] {
        let bare = path.trim_end_matches('/');
        for negotiation in [format!("{bare}/negotiate"), format!("{bare}/NEGOTIATE/")] {
            let body = json(&ask("POST", &format!("{negotiation}?negotiateVersion=1")).await);
            let id = body["connectionToken"].as_str().unwrap().to_owned();
            let target = format!("{path}?id={id}");
            assert_eq!(status(&ask("GET", &target).await), 200, "{target}");
            assert_eq!(status(&ask("POST", &target).await), 200, "{target}");
            assert_eq!(status(&ask("DELETE", &target).await), 202, "{target}");
        }
        let url = format!("ws://{}{path}?access_token={token}", node.address);
        assert!(connect_async(url).await.is_ok(), "{path}");
    }
    assert_eq!(status(&ask("POST", "/hubs/chats/negotiate").await), 404);
}

#[tokio::test]
async fn any_node_accepts_a_token() {
    let (one, secret) = (node().await, identity().connection_secret);
    let other = TokenSigner::new(&secret, NodeId::random());
    let id = other.sign(ConnectionId::random(), &person("acme", "ann"), Timestamp::now());
    let query = format!("id={id}&access_token={}", one.token("ann"));
    assert_eq!(upgrade(&one, &query, None).await, 101);
    let forged = TokenSigner::new(&Secret::new("another secret"), NodeId::random());
    let id = forged.sign(ConnectionId::random(), &person("acme", "ann"), Timestamp::now());
    assert_eq!(upgrade(&one, &format!("id={id}&access_token={}", one.token("ann")), None).await, 404);
}

#[tokio::test]
async fn foreign_pages_are_refused() {
    let node = node().await;
    let query = format!("access_token={}", node.token("ann"));
    let own = format!("http://{}", node.address);
    for (origin, expected) in
        [(own.as_str(), 101), ("https://app.example.com", 101), ("https://evil.example", 403), ("null", 403)]
    {
        assert_eq!(upgrade(&node, &query, Some(origin)).await, expected, "{origin}");
    }
    let preflight = async |origin: &str| {
        let head = format!(
            "OPTIONS /hubs/chat/negotiate HTTP/1.1\r\nhost: chat\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: authorization,x-signalr-user-agent"
        );
        node.request(&head, "").await
    };
    let allowed = preflight("https://app.example.com").await;
    assert_eq!(status(&allowed), 204);
    assert!(header(&allowed, "access-control-allow-headers").unwrap().contains("x-signalr-user-agent"));
    assert_eq!(header(&allowed, "access-control-allow-origin"), Some("https://app.example.com"));
    let foreign = preflight("https://evil.example").await;
    assert_eq!((status(&foreign), header(&foreign, "access-control-allow-origin")), (403, None));
}

#[tokio::test]
async fn the_dev_login_issues_valid_tokens() {
    let node = node().await;
    let ask = async |body: &str| {
        node.request("POST /dev/token HTTP/1.1\r\nhost: localhost:8080\r\ncontent-type: application/json", body).await
    };
    let answer = ask("{\"userId\":\"ann\",\"orgId\":\"acme\",\"name\":\"Ann\",\"ttlSeconds\":60}").await;
    assert_eq!(status(&answer), 200);
    let body = json(&answer);
    assert!(body["expiresAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(upgrade(&node, &format!("access_token={}", body["token"].as_str().unwrap()), None).await, 101);
    for bad in ["", "{}", "{\"userId\":\"\",\"orgId\":\"a\"}", "{\"userId\":\"a\",\"orgId\":\"a\",\"ttlSeconds\":0}"] {
        assert_eq!(status(&ask(bad).await), 400, "{bad}");
    }
}

#[tokio::test]
async fn a_draining_node_first_is_unready_then_refuses_then_closes() {
    let node = node().await;
    let get = async |path: &str| status(&node.request(&format!("GET {path} HTTP/1.1\r\nhost: chat"), "").await);
    assert_eq!((get("/livez").await, get("/readyz").await), (200, 503));
    for part in [Part::Redis, Part::Journal, Part::Fanout] {
        node.readiness.set(part, true);
    }
    assert_eq!(get("/readyz").await, 200);
    node.readiness.set_deaf(true);
    assert_eq!((get("/readyz").await, node.readiness.missing()), (503, vec!["canary"]));
    node.readiness.set_deaf(false);
    let (mut client, _) = node.connect("ann").await;
    let times = DrainConfig { notice: Duration::from_millis(300), sessions: Duration::from_millis(100) };
    let flush = async {
        let answer = negotiate(&node, "ann", "?negotiateVersion=1").await;
        assert_eq!(status(&answer), 503);
        assert!(header(&answer, "retry-after").is_some());
        assert_eq!(upgrade(&node, &format!("access_token={}", node.token("ann")), None).await, 503);
    };
    let watch = async {
        until(|| !node.readiness.missing().is_empty()).await;
        assert_eq!(get("/readyz").await, 503);
        assert_eq!(upgrade(&node, &format!("access_token={}", node.token("bob")), None).await, 101, "it serves on");
        assert!(client.next_record().await.contains("\"allowReconnect\":true"));
    };
    tokio::join!(drain(&node.lifecycle, &node.readiness, &node.registry, times, flush), watch);
}

#[tokio::test]
async fn a_wrong_websocket_version_is_answered_with_the_right_one() {
    let node = node().await;
    let head = format!(
        "GET /hubs/chat?access_token={} HTTP/1.1\r\nhost: chat\r\nupgrade: websocket\r\nsec-websocket-version: 8",
        node.token("ann")
    );
    let answer = node.request(&head, "").await;
    assert_eq!((status(&answer), header(&answer, "sec-websocket-version")), (426, Some("13")));
}

#[tokio::test]
async fn negotiations_without_a_connection_hold_no_memory() {
    let node = node().await;
    for _ in 0..200 {
        assert_eq!(status(&negotiate(&node, "ann", "?negotiateVersion=1").await), 200);
    }
    assert!(node.registry.is_empty(), "the token carries it all");
}

#[tokio::test]
async fn the_connections_of_an_address_are_limited() {
    let node = node().await;
    let token = node.token("ann");
    let open = async |address: &'static str| {
        let mut request =
            format!("ws://{}/hubs/chat?access_token={token}", node.address).into_client_request().unwrap();
        request.headers_mut().insert("x-client", address.parse().unwrap());
        connect_async(request).await
    };
    let refused = |error: Error| match error {
        Error::Http(response) => {
            assert!(response.headers().contains_key("retry-after"));
            response.status().as_u16()
        }
        error => panic!("{error}"),
    };
    let held = [open("198.51.100.7").await.unwrap(), open("198.51.100.7").await.unwrap()];
    assert_eq!(refused(open("198.51.100.7").await.unwrap_err()), 429);
    // Connections of HTTP requests count as well; a refused one leaves no trace.
    let body = json(&negotiate(&node, "ann", "?negotiateVersion=1").await);
    let id = body["connectionToken"].as_str().unwrap();
    let poll = format!(
        "GET /hubs/chat?id={id} HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer {token}\r\nx-client: 198.51.100.7"
    );
    assert_eq!(status(&node.request(&poll, "").await), 429);
    assert_eq!(node.registry.len(), 2);
    let _elsewhere = open("198.51.100.8").await.unwrap();
    for _ in 0..5 {
        drop(open("127.0.0.1").await.unwrap());
    }
    drop(held);
    until(|| node.registry.len() <= 1).await;
    assert!(open("198.51.100.7").await.is_ok());
}

#[tokio::test]
async fn bodies_are_bounded() {
    let node = node().await;
    let head = "POST /dev/token HTTP/1.1\r\nhost: localhost:8080\r\ncontent-type: application/json";
    assert!(matches!(status(&node.request(head, &" ".repeat(17 * 1024)).await), 400 | 413));
    let long = format!("GET /livez HTTP/1.1\r\nhost: chat\r\nx: {}", "x".repeat(30 * 1024));
    assert_eq!(status(&node.request(&long, "").await), 431);
    let many = format!("GET /livez HTTP/1.1\r\nhost: chat{}", "\r\nx: y".repeat(100));
    assert_eq!(status(&node.request(&many, "").await), 431);
}

/// A client that sends the head of its request byte by byte keeps its connection no longer than a silent one.
#[tokio::test]
async fn a_slow_request_head_is_cut_off() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let node = node().await;
    let mut stream = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let begun = std::time::Instant::now();
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            stream.write_all(b"x").await?;
            let mut byte = [0];
            if let Ok(read) = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut byte)).await
                && read? == 0
            {
                return std::io::Result::Ok(());
            }
        }
    };
    let limit = rts_common::limits::HTTP_HEAD_TIME;
    let _cut = tokio::time::timeout(limit + crate::test_support::PATIENCE, drip).await.expect("cut off in time");
    assert!(begun.elapsed() >= limit / 2);
}
