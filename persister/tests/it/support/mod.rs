//! Shared parts of the tests: a stand-in with fresh tables, records, batches.

mod fault_bootstrap;
mod records;
mod redis;
mod stand_in;

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use rts_common::store::Tables;
use rts_common::store::writer::Writer;
use rts_persister::{Notifier, Persister, Queue};
use serde::Serialize;
use tokio::time::Instant;

pub(crate) use self::fault_bootstrap::FaultyDynamo;
pub(crate) use self::records::*;
pub(crate) use self::redis::{RedisServer, RedisTalk};
pub(crate) use self::stand_in::Database;

/// Returns the SDK's configuration for an endpoint on this machine.
pub(crate) fn sdk_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Makes a function without Redis.
pub(crate) fn persister(queue: Queue, endpoint: &str, tables: &Tables) -> Persister {
    let writer = Writer::connect(&sdk_config(endpoint), tables.clone());
    Persister::new(queue, writer, Notifier::new(None).unwrap())
}

/// Makes a batch as SQS delivers it, from the group and the body of each message.
pub(crate) fn event(messages: &[(&str, String)]) -> SqsEvent {
    let records: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, (group, body))| {
            serde_json::json!({
                "messageId": format!("id-{index}"),
                "body": body,
                "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "1"},
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({ "Records": records })).unwrap()
}

/// Makes a batch of records in one group.
pub(crate) fn event_of<T: Serialize>(records: &[T]) -> SqsEvent {
    let messages: Vec<_> = records.iter().map(|record| ("g", body(record))).collect();
    event(&messages)
}

pub(crate) fn body(record: &impl Serialize) -> String {
    serde_json::to_string(record).unwrap()
}

pub(crate) async fn handle(persister: &Persister, event: SqsEvent) -> Vec<String> {
    identifiers(persister.handle(event, Instant::now() + Duration::from_secs(30)).await.unwrap())
}

/// Handles a batch that must be stored completely.
pub(crate) async fn store(persister: &Persister, event: SqsEvent) {
    assert_eq!(handle(persister, event).await, [""; 0]);
}

pub(crate) fn identifiers(response: SqsBatchResponse) -> Vec<String> {
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}
