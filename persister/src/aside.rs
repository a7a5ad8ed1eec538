//! Records that can never be stored are set aside: sent to the queue's dead-letter queue with the reason, so that what is
//! behind them in their room is stored.
//!
//! Such a record is one that this build cannot read, or one that DynamoDB refused twice: in its batch, and alone. Anything
//! that may pass, such as throttling or a missing right, sets nothing aside.
//!
//! What happens when a party dies:
//! - *The function, after the letter and before its report*: the batch is delivered again, and a second letter is sent.
//!   The queue of messages drops it within five minutes; of rooms there are two, and to redrive both changes nothing.
//! - *SQS*: the record is reported as failed, and holds up its room until the next delivery; after the last one SQS itself
//!   moves it to the same queue.
//! - *Redis, when the record's entry is to be noted*: the reconciler takes the entry for a lost one, and journals it once
//!   more, which ends here again.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use crate::batch::Received;

/// The attribute of a letter that says why it was set aside.
pub(crate) const REASON: &str = "rts-reason";

/// Letters sent at once.
const LETTERS_AT_ONCE: usize = 16;

/// The dead-letter queue of a function's queue, as the place for what it sets aside.
pub struct SideQueue {
    sqs: Client,
    url: String,
}

impl SideQueue {
    /// Makes one with the region, endpoint and credentials of `config`. Connects with the first letter.
    pub fn connect(config: &SdkConfig, url: String) -> Self {
        Self { sqs: Client::new(config), url }
    }

    /// Sends records of a batch, by their indexes and with their reasons, until a deadline; returns the indexes of those
    /// that SQS has. Their order is of no importance: each record carries its version.
    pub(crate) async fn take(&self, batch: &[Received], reasons: &[(usize, String)], until: Instant) -> Vec<usize> {
        futures_util::stream::iter(reasons)
            .map(async |(index, reason)| (*index, self.send(&batch[*index], reason, until).await))
            .buffer_unordered(LETTERS_AT_ONCE)
            .filter_map(async |(index, is_sent)| is_sent.then_some(index))
            .collect()
            .await
    }

    async fn send(&self, received: &Received, reason: &str, until: Instant) -> bool {
        let Some(message_id) = &received.message_id else { return false };
        // SQS takes no empty body.
        let line = if received.line.is_empty() { " " } else { &received.line };
        let reason = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
        let Ok(reason) = reason else { return false };
        let dedup_id = received.group.as_ref().map(|_| format!("aside-{message_id}-{}", received.line_number));
        let letter = self
            .sqs
            .send_message()
            .queue_url(&self.url)
            .message_body(line)
            .message_attributes(REASON, reason)
            .set_message_group_id(received.group.clone())
            .set_message_deduplication_id(dedup_id);
        match timeout_at(until, Box::pin(letter.send())).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                let error = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
                tracing::warn!(message_id, error, "a record could not be set aside");
                false
            }
            Err(_) => {
                tracing::warn!(message_id, "a record could not be set aside in time");
                false
            }
        }
    }
}
