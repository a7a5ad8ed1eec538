//! Real servers for tests.
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::routing::post;
use rts_common::ids::Person;
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::redis::{CallObserver, Redis, RedisServers};
use rts_common::store::Tables;
use rts_gateway::rooms::{Attempt, RoomError, Rooms, Sending, Sent};
use rts_local::{ACCESS_KEY_ID, Cluster, REGION, SECRET_ACCESS_KEY};
use serde_json::{Value, json};

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // A replica writes what it gets from its master.
        let directory = std::env::temp_dir().join(format!("rts-redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(&directory)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port, directory }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> Arc<Redis> {
        self.observed(|_, _| ())
    }

    /// Returns a client whose calls are noted.
    pub(crate) fn observed(&self, observe: CallObserver) -> Arc<Redis> {
        let servers = RedisServers::parse(&self.url()).unwrap();
        Arc::new(Redis::new(&servers, observe).unwrap())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Gives a user the list of rooms that a connection loads: nothing beside what they are in now.
pub(crate) async fn connected(redis: &Redis, person: &Person) {
    merge_rooms(redis, person, RoomList::Load, &[]).await.unwrap();
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

/// Returns the configuration of a cluster's AWS, and its tables.
pub(crate) fn aws_of(cluster: &Cluster) -> (SdkConfig, Tables) {
    let keys = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(cluster.aws_endpoint())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build();
    let outputs = cluster.outputs();
    let tables = Tables {
        rooms: outputs.rooms_table_name.clone(),
        messages: outputs.messages_table_name.clone(),
        archive: outputs.archive_table_name.clone(),
    };
    (config, tables)
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
