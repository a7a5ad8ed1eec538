//! Real servers for tests.
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::routing::post;
use rts_common::redis::{Redis, RedisServers};
use rts_gateway::rooms::{Attempt, RoomError, Rooms, Sending, Sent};
use serde_json::{Value, json};

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }

    pub(crate) fn client(&self) -> Arc<Redis> {
        let servers = RedisServers::parse(&format!("redis://127.0.0.1:{}", self.port)).unwrap();
        Arc::new(Redis::new(&servers, |_, _| ()).unwrap())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one message in a single call.
pub(crate) async fn send(rooms: &Rooms, sending: &Sending<'_>) -> Result<Sent, RoomError> {
    loop {
        match rooms.send(&[*sending]).await.remove(0) {
            Attempt::Done(result) => return result,
            Attempt::Cold if rooms.rebuild(sending.room).await? => {}
            Attempt::Cold => return Err(RoomError::NotFound),
        }
    }
}

/// Returns the configuration of an SQS that accepts everything, without a DynamoDB; nothing else listens at the URL.
pub(crate) async fn accepting_sqs() -> SdkConfig {
    async fn accept(body: String) -> String {
        let request: Value = serde_json::from_str(&body).unwrap();
        let entries = request["Entries"].as_array().unwrap();
        let accepted =
            entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
        json!({"Successful": accepted.collect::<Vec<_>>(), "Failed": []}).to_string()
    }
    let router = Router::new().route("/", post(accept));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    aws(&endpoint)
}

/// Returns the configuration of AWS at an endpoint.
pub(crate) fn aws(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
