//! A client's view of a node that is killed while it has the client's request: the test does what that node's kernel
//! does.

use std::time::{Duration, Instant};

use rts_common::ids::NodeId;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::MemoryDirectory;
use crate::connection_token::TokenSigner;
use crate::test_support::{PATIENCE, TestNode, identity, settings};

const TOLD_WITHIN: Duration = Duration::from_secs(2);
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
    3\r\n:\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n:\r\n";

/// Returns a connection of another node, which is played by a listener, and the bearer of its user.
async fn elsewhere(node: &TestNode, directory: &MemoryDirectory) -> (String, String, TcpListener) {
    let bearer = format!("authorization: Bearer {}", node.token("ann"));
    let target = "/hubs/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true";
    let answer = node.request(&format!("POST {target} HTTP/1.1\r\nhost: a\r\n{bearer}"), "").await;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let id = body["connectionToken"].as_str().unwrap();
    let owner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let signer = TokenSigner::new(&identity().connection_secret, NodeId::random());
    directory.set(signer.read(id).unwrap().connection_id, owner.local_addr().unwrap());
    (id.to_owned(), bearer, owner)
}

/// Sends a request for a connection of another node; returns that node's end of it.
async fn sent_on(node: &TestNode, directory: &MemoryDirectory, headers: &str) -> (TcpStream, TcpStream) {
    let (id, bearer, owner) = elsewhere(node, directory).await;
    let mut client = TcpStream::connect(node.address).await.unwrap();
    let head = format!("GET /hubs/chat?id={id} HTTP/1.1\r\nhost: a\r\n{bearer}\r\n{headers}\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut hop, _) = owner.accept().await.unwrap();
    let mut head = [0; 8192];
    let read = hop.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..read]);
    assert!(head.contains("rts-hop: "));
    assert!(!head.to_lowercase().contains("bearer") && !head.contains(&node.token("ann")), "no token travels: {head}");
    (client, hop)
}

/// Reads until a text arrives; false if the connection ended before.
async fn heard(client: &mut TcpStream, text: &str) -> bool {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    let reading = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            match client.read(&mut buffer).await {
                Ok(0) | Err(_) => return false,
                Ok(read) => all.extend_from_slice(&buffer[..read]),
            }
        }
        true
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("notified in time")
}

#[tokio::test]
async fn a_client_that_waits_for_a_killed_node_is_notified_immediately() {
    let directory = MemoryDirectory::default();
    let node = TestNode::start_among(settings(), &directory).await;
    for (what, headers, answer) in [
        ("a poll", "", None),
        ("an event stream", "accept: text/event-stream\r\n", Some(STREAM)),
        ("an upgrade", UPGRADE, None),
        ("a WebSocket", UPGRADE, Some(AGREED)),
    ] {
        let (mut client, mut hop) = sent_on(&node, &directory, headers).await;
        if let Some(answer) = answer {
            hop.write_all(answer.as_bytes()).await.unwrap();
            assert!(heard(&mut client, "\r\n:\r\n").await, "{what} goes through");
        }
        let killed = Instant::now();
        hop.set_zero_linger().unwrap();
        drop(hop);
        let has_status = heard(&mut client, "404 Not Found").await;
        assert_eq!(has_status, answer.is_none(), "{what} ends, or says why it never began");
        assert!(killed.elapsed() < TOLD_WITHIN, "{what}: {:?}", killed.elapsed());
    }
}

/// A client may send a burst without waiting for answers: it waits at its own node, and is not refused on the way.
#[tokio::test]
async fn a_burst_of_a_client_waits_for_its_node_and_an_endless_one_is_refused() {
    let directory = MemoryDirectory::default();
    let node = TestNode::start_among(settings(), &directory).await;
    let (id, bearer, owner) = elsewhere(&node, &directory).await;
    let request = format!("POST /hubs/chat?id={id} HTTP/1.1\r\nhost: a\r\n{bearer}\r\ncontent-length: 0\r\n\r\n");
    let mut waiting = Vec::new();
    for _ in 0..super::FORWARDS_MAX {
        let mut client = TcpStream::connect(node.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        waiting.push((client, owner.accept().await.unwrap().0));
    }
    let mut beyond = TcpStream::connect(node.address).await.unwrap();
    beyond.write_all(request.as_bytes()).await.unwrap();
    assert!(heard(&mut beyond, "503 Service Unavailable").await);
    for (mut client, mut hop) in waiting {
        hop.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        assert!(heard(&mut client, "200 OK").await);
    }
}
