//! Queues and tables. Region, credentials and endpoint come from the AWS SDK's own variables.

use rts_common::config::Environment;
use rts_common::retention::Retention;

/// Names in AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsConfig {
    /// `RTS_ROOM_QUEUE_URL`: the URL of `chat-room-queue`. Required.
    pub room_queue_url: String,
    /// `RTS_MESSAGE_QUEUE_URL`: the URL of `chat-message-queue.fifo`. Required.
    pub message_queue_url: String,
    /// `RTS_ROOMS_TABLE`. Default `chat-rooms`.
    pub rooms_table: String,
    /// `RTS_MESSAGES_TABLE`. Default `chat-messages`.
    pub messages_table: String,
    /// `RTS_ARCHIVE_TABLE`. Default `chat-archive-index`.
    pub archive_table: String,
    /// `RTS_RETENTION_DAYS`: days after which messages expire, the same as for the functions. Default 0: never.
    pub retention: Retention,
}

impl AwsConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        Self {
            room_queue_url: queue_url(environment, "RTS_ROOM_QUEUE_URL", "chat-room-queue"),
            message_queue_url: queue_url(environment, "RTS_MESSAGE_QUEUE_URL", "chat-message-queue.fifo"),
            rooms_table: table(environment, "RTS_ROOMS_TABLE", "chat-rooms"),
            messages_table: table(environment, "RTS_MESSAGES_TABLE", "chat-messages"),
            archive_table: table(environment, "RTS_ARCHIVE_TABLE", "chat-archive-index"),
            retention: Retention::read(environment),
        }
    }
}

fn queue_url(environment: &mut Environment, name: &str, queue: &str) -> String {
    let url = environment.required(name, &format!("the URL of {queue}"));
    if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
        environment.problem(name, "is not a URL");
    }
    url
}

fn table(environment: &Environment, name: &str, default: &str) -> String {
    environment.text(name).unwrap_or_else(|| default.to_owned())
}
