//! A DynamoDB on loopback: one process for all tests that run at the same time, with separate tables for each.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use rts_common::ids::RoomId;
use rts_common::retention::Retention;
use rts_common::store::schema::{archive, messages, rooms};
use rts_common::store::writer::Writer;
use rts_common::store::{Store, Tables};
use rts_persister::{Notifier, Persister, Queue};

use super::sdk_config;

/// The running process; ends with the last test that holds it.
struct StandIn {
    process: Child,
    endpoint: String,
}

static RUNNING: Mutex<Weak<StandIn>> = Mutex::new(Weak::new());

impl StandIn {
    fn shared() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap();
        if let Some(stand_in) = running.upgrade() {
            return stand_in;
        }
        let stand_in = Arc::new(Self::start());
        *running = Arc::downgrade(&stand_in);
        stand_in
    }

    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut process = Command::new(venv().join("bin/ministack"))
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("LOG_LEVEL", "WARNING")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the stand-in starts");
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "the stand-in exited at once");
            assert!(Instant::now() < deadline, "the stand-in does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, endpoint }
    }
}

/// Returns the stand-in's Python environment: `RTS_AWS_VENV`, or the one that the local run has made.
fn venv() -> PathBuf {
    if let Some(venv) = std::env::var_os("RTS_AWS_VENV") {
        return venv.into();
    }
    let made = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.local/python");
    let mut found = std::fs::read_dir(&made).into_iter().flatten().flatten().map(|it| it.path());
    found
        .find(|path| path.join("complete").exists() && path.join("bin/ministack").exists())
        .expect("`cargo local test` makes the stand-in's Python environment; RTS_AWS_VENV names another")
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Fresh tables, both functions on them, and the reading side.
pub(crate) struct Database {
    stand_in: Arc<StandIn>,
    pub(crate) client: Client,
    pub(crate) tables: Tables,
    pub(crate) store: Store,
    pub(crate) messages: Persister,
    pub(crate) rooms: Persister,
}

impl Database {
    pub(crate) async fn start() -> Self {
        let stand_in = tokio::task::spawn_blocking(StandIn::shared).await.unwrap();
        let config = sdk_config(&stand_in.endpoint);
        // A room id serves as a unique name.
        let prefix = RoomId::new_group().to_string();
        let tables = Tables {
            rooms: format!("{prefix}-rooms"),
            messages: format!("{prefix}-messages"),
            archive: format!("{prefix}-archive"),
        };
        let client = Client::new(&config);
        create_tables(&client, &tables).await;
        Self {
            store: Store::connect(&config, tables.clone()),
            messages: super::persister(Queue::Messages, &stand_in.endpoint, &tables),
            rooms: super::persister(Queue::Rooms, &stand_in.endpoint, &tables),
            client,
            tables,
            stand_in,
        }
    }
}

impl Database {
    /// Returns the stand-in's address.
    pub(crate) fn endpoint(&self) -> &str {
        &self.stand_in.endpoint
    }

    /// Makes a function whose messages expire.
    pub(crate) fn persister_keeping(&self, retention: Retention) -> Persister {
        let writer = Writer::connect(&sdk_config(&self.stand_in.endpoint), self.tables.clone());
        Persister::new(Queue::Messages, writer.with_retention(retention), Notifier::new(None).unwrap())
    }
}

/// Creates the tables as `deploy/cloudformation/data.yaml` does.
async fn create_tables(client: &Client, tables: &Tables) {
    let by_user = GlobalSecondaryIndex::builder()
        .index_name(rooms::BY_USER)
        .key_schema(key(rooms::USER_KEY, KeyType::Hash))
        .key_schema(key(rooms::PK, KeyType::Range))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::Include)
                .non_key_attributes(rooms::VERSION)
                .non_key_attributes(rooms::ROLE)
                .build(),
        )
        .build()
        .unwrap();
    let rooms = client
        .create_table()
        .table_name(&tables.rooms)
        .attribute_definitions(attribute(rooms::PK, ScalarAttributeType::S))
        .attribute_definitions(attribute(rooms::SK, ScalarAttributeType::S))
        .attribute_definitions(attribute(rooms::USER_KEY, ScalarAttributeType::S))
        .key_schema(key(rooms::PK, KeyType::Hash))
        .key_schema(key(rooms::SK, KeyType::Range))
        .global_secondary_indexes(by_user);
    let messages = client
        .create_table()
        .table_name(&tables.messages)
        .attribute_definitions(attribute(messages::ROOM_MONTH, ScalarAttributeType::S))
        .attribute_definitions(attribute(messages::SEQ, ScalarAttributeType::N))
        .key_schema(key(messages::ROOM_MONTH, KeyType::Hash))
        .key_schema(key(messages::SEQ, KeyType::Range));
    let by_case = GlobalSecondaryIndex::builder()
        .index_name(archive::BY_CASE)
        .key_schema(key(archive::CASE_KEY, KeyType::Hash))
        .key_schema(key(archive::ARCHIVED_AT_ROOM, KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .unwrap();
    let archive = client
        .create_table()
        .table_name(&tables.archive)
        .attribute_definitions(attribute(archive::ORG, ScalarAttributeType::S))
        .attribute_definitions(attribute(archive::ARCHIVED_AT_ROOM, ScalarAttributeType::S))
        .attribute_definitions(attribute(archive::CASE_KEY, ScalarAttributeType::S))
        .key_schema(key(archive::ORG, KeyType::Hash))
        .key_schema(key(archive::ARCHIVED_AT_ROOM, KeyType::Range))
        .global_secondary_indexes(by_case);
    for table in [rooms, messages, archive] {
        table.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    }
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}
