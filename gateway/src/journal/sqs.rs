//! Sending to SQS: the result of each entry is checked, and failed entries are retried.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchError, SendMessageBatchOutput};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use tokio::time::{Instant, sleep};

use super::entry::Entry;
use super::{Inner, JournalError};
use crate::metrics::{self, JournalErrorKind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of one call. Retries are done here, not in the SDK, because an entry has a deadline and others of its batch
/// may succeed.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause: the journal accepts entries again within a second or so after SQS is back.
const PAUSE_CEILING: Duration = Duration::from_secs(1);

pub(super) struct Sqs {
    client: Client,
    queue_url: String,
}

/// The result of one entry in one call.
enum EntryResult {
    Accepted,
    /// SQS will never accept it.
    Refused,
    /// SQS may accept it later.
    Failed,
}

impl Sqs {
    pub(super) fn new(config: &SdkConfig, queue_url: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(CALL_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let config = aws_sdk_sqs::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), queue_url: queue_url.to_owned() }
    }

    /// Sends a batch until each of its entries is accepted, refused, or out of time.
    pub(super) async fn deliver(&self, journal: &Inner, mut batch: Vec<Entry>) {
        let mut pause = PAUSE_FIRST;
        loop {
            batch = self.attempt(journal, batch).await;
            let now = Instant::now();
            journal.tell_late(&mut batch, now);
            let mut wait = pause.mul_f64(rand::random_range(0.5..1.0));
            if let Some(late_in) = batch.iter().filter_map(|entry| entry.late_in(now)).min() {
                // One more try before the waiters are notified.
                wait = wait.min(late_in);
            }
            let (later, expired): (Vec<_>, Vec<_>) = batch.into_iter().partition(|entry| now + wait < entry.deadline);
            for entry in expired {
                metrics::journal_error(JournalErrorKind::Deadline);
                entry.resolve(Err(JournalError::Unavailable));
            }
            if later.is_empty() {
                return;
            }
            batch = later;
            sleep(wait).await;
            pause = (pause * 2).min(PAUSE_CEILING);
        }
    }

    /// Makes one call. Returns the entries that may be retried.
    async fn attempt(&self, journal: &Inner, batch: Vec<Entry>) -> Vec<Entry> {
        let entries = batch.iter().enumerate().map(|(index, entry)| request(index, entry)).collect();
        let begun = Instant::now();
        let result =
            self.client.send_message_batch().queue_url(&self.queue_url).set_entries(Some(entries)).send().await;
        let (now, took) = (Instant::now(), begun.elapsed());
        metrics::journal_sent(batch.iter().map(|entry| entry.records).sum(), took);
        let mut results = match result {
            Ok(output) => results(&output),
            Err(error) => {
                let kind = error_kind(&error);
                metrics::journal_error(kind);
                journal.pressure().failed(now);
                tracing::warn!(kind = kind.label(), entries = batch.len(), error = %DisplayErrorContext(&error), "a batch was not journaled");
                return batch;
            }
        };
        let accepted = |index: usize| matches!(results.get(&index.to_string()), Some(EntryResult::Accepted));
        let records = batch.iter().enumerate().filter(|(index, _)| accepted(*index));
        match records.map(|(_, entry)| entry.records).sum() {
            0 => journal.pressure().failed(now),
            records => journal.pressure().answered(records, took, now),
        }
        let mut again = Vec::new();
        for (index, entry) in batch.into_iter().enumerate() {
            match results.remove(&index.to_string()) {
                Some(EntryResult::Accepted) => journal.accept(entry),
                Some(EntryResult::Refused) => entry.resolve(Err(JournalError::Refused)),
                // Without a result for it, it may have failed too.
                Some(EntryResult::Failed) | None => again.push(entry),
            }
        }
        again
    }
}

fn request(index: usize, entry: &Entry) -> SendMessageBatchRequestEntry {
    let mut request = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&entry.body)
        .message_attributes("traceparent", traceparent());
    if let Some(fifo) = &entry.fifo {
        request = request.message_group_id(&fifo.group).message_deduplication_id(&fifo.dedup_id);
    }
    request.build().expect("an id and a body are set")
}

/// Returns a new W3C trace context, not sampled: there is no current trace to continue yet.
fn traceparent() -> MessageAttributeValue {
    let (trace, span): (u128, u64) = (rand::random(), rand::random());
    MessageAttributeValue::builder()
        .data_type("String")
        // Neither may be all zeroes.
        .string_value(format!("00-{:032x}-{:016x}-00", trace.max(1), span.max(1)))
        .build()
        .expect("a type is set")
}

fn results(output: &SendMessageBatchOutput) -> HashMap<String, EntryResult> {
    let accepted = output.successful().iter().map(|accepted| (accepted.id().to_owned(), EntryResult::Accepted));
    let failed = output.failed().iter().map(|failed| {
        let (result, kind) = if failed.sender_fault() && !is_throttling(failed.code()) {
            (EntryResult::Refused, JournalErrorKind::EntryRefused)
        } else {
            (EntryResult::Failed, JournalErrorKind::EntryFailed)
        };
        metrics::journal_error(kind);
        tracing::warn!(
            code = failed.code(),
            refused = matches!(result, EntryResult::Refused),
            "an entry was not journaled"
        );
        (failed.id().to_owned(), result)
    });
    accepted.chain(failed).collect()
}

fn error_kind(error: &SdkError<SendMessageBatchError, HttpResponse>) -> JournalErrorKind {
    match error {
        SdkError::TimeoutError(_) => JournalErrorKind::Timeout,
        SdkError::ServiceError(failure) if is_throttling(failure.err().code().unwrap_or_default()) => {
            JournalErrorKind::Throttled
        }
        SdkError::ServiceError(failure) if failure.raw().status().as_u16() >= 500 => JournalErrorKind::Unavailable,
        SdkError::ServiceError(_) | SdkError::ConstructionFailure(_) => JournalErrorKind::Refused,
        _ => JournalErrorKind::Unreachable,
    }
}

fn is_throttling(code: &str) -> bool {
    code.contains("Throttl") || code == "OverLimit" || code == "TooManyRequestsException"
}
