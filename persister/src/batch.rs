//! A batch from SQS, and the report of the records that must be delivered again.

use std::collections::HashSet;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

use crate::Queue;
use crate::record::{Poison, Record, lines};

/// A record of the batch. One SQS message may hold several of them.
#[derive(Clone, Debug)]
pub struct Received {
    /// The id of its SQS message, which the report names; never empty.
    pub message_id: Option<String>,
    /// The FIFO group; `None` on a standard queue, where each record is independent.
    pub group: Option<String>,
    /// The number of times it has been received, including this one.
    pub receive_count: Option<u32>,
    /// The time it was sent, in milliseconds since the Unix epoch.
    pub sent_at_ms: Option<u64>,
    /// The record as it was sent: one line of the message's body.
    pub line: String,
    /// The number of that line, from 0.
    pub line_number: usize,
    /// The record, or the reason why it cannot be read.
    pub record: Result<Record, Poison>,
}

/// A record failed that the report cannot name. The whole batch must be delivered again: AWS refuses a report with an
/// unknown identifier, and one with an empty identifier may lose messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a failed record has no messageId; the whole batch is delivered again")]
pub struct Unreportable;

/// Reads all records of a batch, in order.
pub fn receive(queue: Queue, event: SqsEvent) -> Vec<Received> {
    event.records.into_iter().flat_map(|message| received(queue, &message)).collect()
}

fn received(queue: Queue, message: &SqsMessage) -> Vec<Received> {
    let attribute = |name: &str| message.attributes.get(name);
    let body = message.body.as_deref();
    let received = |(line_number, (line, record)): (usize, (&str, _))| Received {
        group: match queue {
            Queue::Messages => attribute("MessageGroupId").cloned(),
            Queue::Rooms => None,
        },
        receive_count: attribute("ApproximateReceiveCount").and_then(|text| text.parse().ok()),
        sent_at_ms: attribute("SentTimestamp").and_then(|text| text.parse().ok()),
        line: line.to_owned(),
        line_number,
        record,
        message_id: message.message_id.clone().filter(|id| !id.is_empty()),
    };
    lines(body).zip(Record::parse_all(queue, body)).enumerate().map(received).collect()
}

/// Makes the report: each failed record and, to keep the order of a FIFO group, every later record of the same group.
/// Other groups are unaffected. Without a failure the report is empty.
///
/// Later records may already have been written: delivering them again does no harm.
pub fn report(batch: &[Received], failed: &[bool]) -> Result<SqsBatchResponse, Unreportable> {
    let (mut broken_groups, mut reported) = (HashSet::new(), HashSet::new());
    let mut response = SqsBatchResponse::default();
    for (received, failed) in batch.iter().zip(failed) {
        let group = received.group.as_deref();
        let behind_a_failure = group.is_some_and(|group| broken_groups.contains(group));
        if *failed || behind_a_failure {
            broken_groups.extend(group);
            let message_id = received.message_id.as_deref().ok_or(Unreportable)?;
            if reported.insert(message_id) {
                response.add_failure(message_id);
            }
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::message;

    fn batch(groups: &[Option<&str>]) -> Vec<Received> {
        groups
            .iter()
            .enumerate()
            .map(|(index, group)| Received {
                message_id: Some(format!("id-{index}")),
                group: group.map(str::to_owned),
                receive_count: Some(1),
                sent_at_ms: None,
                line: String::new(),
                line_number: 0,
                record: Ok(Record::Message(message("r", 1, 1))),
            })
            .collect()
    }

    fn reported(batch: &[Received], failed: &[usize]) -> Vec<String> {
        let failed: Vec<_> = (0..batch.len()).map(|index| failed.contains(&index)).collect();
        let response = report(batch, &failed).unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[test]
    fn a_failure_takes_the_later_records_of_its_group_along_and_no_others() {
        let (a, b, c) = (Some("a"), Some("b"), Some("c"));
        let batch = batch(&[a, b, a, c, b, a, c]);
        assert_eq!(reported(&batch, &[2]), ["id-2", "id-5"]);
        assert_eq!(reported(&batch, &[1]), ["id-1", "id-4"]);
        assert_eq!(reported(&batch, &[0, 6]), ["id-0", "id-2", "id-5", "id-6"]);
        assert_eq!(reported(&batch, &[5, 2]), ["id-2", "id-5"]);
    }

    #[test]
    fn on_a_standard_queue_each_record_stands_for_itself() {
        let batch = batch(&[None, None, None]);
        assert_eq!(reported(&batch, &[1]), ["id-1"]);
    }

    #[test]
    fn full_success_is_an_empty_list() {
        let batch = batch(&[Some("a")]);
        let response = report(&batch, &[false]).unwrap();
        let json = serde_json::to_string(&response).unwrap();
        assert_eq!(json, r#"{"batchItemFailures":[]}"#);
        let json = serde_json::to_string(&report(&batch, &[true]).unwrap()).unwrap();
        assert_eq!(json, r#"{"batchItemFailures":[{"itemIdentifier":"id-0"}]}"#);
    }

    #[test]
    fn an_identifier_is_never_empty_or_made_up() {
        let event: SqsEvent = serde_json::from_str(
            r#"{"Records": [{"messageId": "", "body": "x"}, {"body": "x"}, {"messageId": null}]}"#,
        )
        .unwrap();
        let batch = receive(Queue::Messages, event);
        assert!(batch.iter().all(|received| received.message_id.is_none()));
        for index in 0..batch.len() {
            let failed: Vec<_> = (0..batch.len()).map(|other| other == index).collect();
            assert_eq!(report(&batch, &failed).unwrap_err(), Unreportable);
        }
        assert_eq!(report(&batch, &[false; 3]).unwrap(), SqsBatchResponse::default());
    }

    #[test]
    fn a_message_with_several_records_comes_again_if_one_of_them_fails() {
        let lines = [message("r", 5, 7), message("r", 6, 8), message("r", 9, 9)];
        let lines = lines.map(|record| serde_json::to_string(&record).unwrap());
        let event = serde_json::json!({"Records": [
            {"messageId": "m-1", "body": format!("{}\n{}", lines[0], lines[1]), "attributes": {"MessageGroupId": "g"}},
            {"messageId": "m-2", "body": format!("poison\n{}", lines[2]), "attributes": {"MessageGroupId": "h"}},
        ]});
        let batch = receive(Queue::Messages, serde_json::from_value(event).unwrap());
        let versions: Vec<_> = batch.iter().map(|received| received.record.as_ref().ok()).collect();
        assert_eq!(versions[0], Some(&Record::Message(message("r", 5, 7))));
        assert_eq!(versions[1], Some(&Record::Message(message("r", 6, 8))));
        assert_eq!(
            (versions[2], versions[3]),
            (None, Some(&Record::Message(message("r", 9, 9)))),
            "the good one is stored"
        );
        assert_eq!(reported(&batch, &[0, 1]), ["m-1"]);
        assert_eq!(reported(&batch, &[1, 2]), ["m-1", "m-2"]);
        assert_eq!(reported(&batch, &[3]), ["m-2"]);
    }

    #[test]
    fn a_batch_is_read_as_sqs_sends_it() {
        let body = serde_json::to_string(&message("r", 5, 7)).unwrap();
        let event = serde_json::json!({"Records": [
            {"messageId": "m-1", "receiptHandle": "h", "body": body, "md5OfBody": "0",
             "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1767225600000",
                            "MessageGroupId": "g", "SequenceNumber": "1"},
             "messageAttributes": {"traceparent": {"stringValue": "00-0-0-00", "dataType": "String"}},
             "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:r:0:q.fifo", "awsRegion": "r"},
            {"messageId": "m-2", "body": "poison", "attributes": {"MessageGroupId": "g"}},
        ]});
        let event: SqsEvent = serde_json::from_value(event).unwrap();
        let batch = receive(Queue::Messages, event.clone());
        assert_eq!(batch[0].record, Ok(Record::Message(message("r", 5, 7))));
        assert_eq!(batch[0].group.as_deref(), Some("g"));
        assert_eq!((batch[0].receive_count, batch[0].sent_at_ms), (Some(3), Some(1_767_225_600_000)));
        assert_eq!(batch[1].record.as_ref().unwrap_err().kind(), "malformed");
        assert!(receive(Queue::Rooms, event).iter().all(|received| received.group.is_none()));
    }
}
