//! The AWS stand-in with the data template and the real functions.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use rts_local::{
    ACCESS_KEY_ID, Cluster, ClusterOptions, DynamodbFault, Fault, FaultTime, FunctionFault, Outputs, REGION,
    SECRET_ACCESS_KEY, SqsFault,
};

use crate::support::{processes_below, until};

/// A record of the journal: a message, with `SEQ` in place of its number.
const MESSAGE: &str = include_str!("../../../../common/tests/fixtures/records/message-new.json");
const SEQ: u64 = 1_767_225_600_000_000;

struct Aws {
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    outputs: Outputs,
}

impl Aws {
    async fn of(cluster: &Cluster) -> Self {
        let config = config(cluster).await;
        Self {
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            outputs: cluster.outputs(),
        }
    }

    /// Journals the message with a number of its own.
    async fn send(&self, number: u64) {
        assert!(self.try_send(number).await);
    }

    /// Returns true if the message could be journaled.
    async fn try_send(&self, number: u64) -> bool {
        let mut record: serde_json::Value = serde_json::from_str(MESSAGE).unwrap();
        for field in ["seq", "version"] {
            record["message"][field] = (SEQ + number).into();
        }
        self.sqs
            .send_message()
            .queue_url(&self.outputs.message_queue_url)
            .message_body(record.to_string())
            .message_group_id("room")
            .message_deduplication_id(number.to_string())
            .send()
            .await
            .is_ok()
    }

    /// Returns the numbers of the stored messages.
    async fn stored(&self) -> Vec<u64> {
        let table = &self.outputs.messages_table_name;
        let pages = self.dynamodb.scan().table_name(table).into_paginator().items().send();
        let Ok(items) = pages.collect::<Result<Vec<_>, _>>().await else {
            return Vec::new();
        };
        let seq = |item: &std::collections::HashMap<String, AttributeValue>| -> u64 {
            item["seq"].as_n().unwrap().parse().unwrap()
        };
        let mut numbers: Vec<_> = items.iter().map(|item| seq(item) - SEQ).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Returns the number of messages in the queue.
    async fn waiting(&self) -> u32 {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let url = &self.outputs.message_queue_url;
        let reply = self.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await.unwrap();
        reply.attributes().unwrap()[&name].parse().unwrap()
    }
}

async fn config(cluster: &Cluster) -> SdkConfig {
    let keys = aws_sdk_sqs::config::Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test");
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(cluster.aws_endpoint())
        .credentials_provider(keys)
        .load()
        .await
}

#[tokio::test]
async fn what_is_journaled_is_stored_and_outlives_a_stop_of_the_stand_in() {
    let cluster = Cluster::start(ClusterOptions::without_gateways()).await.unwrap();
    let aws = Aws::of(&cluster).await;
    assert_eq!(aws.outputs.messages_table_name, "chat-messages");
    assert!(aws.outputs.message_queue_url.ends_with("/chat-message-queue.fifo"));
    aws.send(1).await;
    until("it is stored", async || aws.stored().await == [1]).await;

    cluster.stop("aws").await.unwrap();
    // Its functions have ended with it.
    let left = processes_below(&cluster.directory().join("aws"));
    assert!(left.is_empty(), "{left:?}");
    cluster.start_part("aws").await.unwrap();
    assert_eq!(aws.stored().await, [1]);
    aws.send(2).await;
    until("the functions work again", async || aws.stored().await == [1, 2]).await;

    let run = cluster.directory().to_owned();
    drop(cluster);
    assert!(processes_below(&run).is_empty());
}

#[tokio::test]
async fn functions_that_fail_are_fed_again() {
    for when in [FaultTime::Before, FaultTime::After] {
        let cluster = Cluster::start(ClusterOptions {
            function_fault: Some(FunctionFault { every: 2, when }),
            visibility_seconds: 3,
            ..ClusterOptions::without_gateways()
        })
        .await
        .unwrap();
        let aws = Aws::of(&cluster).await;
        for number in 1..=3 {
            aws.send(number).await;
            until("it is stored", async || aws.stored().await.contains(&number)).await;
        }
        let log = std::fs::read_to_string(cluster.directory().join("logs/aws.log")).unwrap();
        assert!(log.contains("made to fail"), "{log}");
    }
}

/// With the template's own functions, queues, variables and rights.
#[tokio::test]
async fn a_record_that_dynamodb_refuses_among_a_thousand_of_its_room_is_set_aside_and_all_others_are_stored() {
    let cluster = Cluster::start(ClusterOptions::without_gateways()).await.unwrap();
    let aws = Aws::of(&cluster).await;
    let line = |number: u64, body: &str| {
        let mut record: serde_json::Value = serde_json::from_str(MESSAGE).unwrap();
        for field in ["seq", "version"] {
            record["message"][field] = (SEQ + number).into();
        }
        record["message"]["body"] = body.into();
        record.to_string()
    };
    let good: Vec<u64> = (0..1000).collect();
    // Beyond the 400 KB of an item, in the middle of an entry of good ones.
    let poison = line(5000, &"x".repeat(410_000));
    for (entry, numbers) in good.chunks(20).enumerate() {
        let mut lines: Vec<_> = numbers.iter().map(|number| line(*number, "good")).collect();
        if entry == 25 {
            lines.insert(10, poison.clone());
        }
        let send = aws.sqs.send_message().queue_url(&aws.outputs.message_queue_url).message_body(lines.join("\n"));
        send.message_group_id("room").message_deduplication_id(entry.to_string()).send().await.unwrap();
    }
    until("all others are stored", async || aws.stored().await == good).await;

    let dead = &aws.outputs.message_dead_letter_queue_url;
    let receive = async || {
        let receive = aws.sqs.receive_message().queue_url(dead).message_attribute_names("All");
        receive.send().await.unwrap().messages.unwrap_or_default()
    };
    let letters = receive().await;
    let [letter] = &letters[..] else { panic!("{} letters", letters.len()) };
    assert_eq!(letter.body.as_ref(), Some(&poison));
    let reason = letter.message_attributes.as_ref().unwrap()["rts-reason"].string_value.as_deref();
    assert_eq!(reason, Some("refused: the store refused the request: ItemTooLarge"));
    assert!(receive().await.is_empty());
    assert_eq!(aws.waiting().await, 0);
}

#[tokio::test]
async fn queues_that_do_not_feed_keep_what_they_have() {
    let options = ClusterOptions { feeds_functions: false, ..ClusterOptions::without_gateways() };
    let cluster = Cluster::start(options).await.unwrap();
    let aws = Aws::of(&cluster).await;
    aws.send(1).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!((aws.waiting().await, aws.stored().await), (1, Vec::new()));
    cluster.feed_functions(true).await.unwrap();
    until("it is stored", async || aws.stored().await == [1]).await;
}

#[tokio::test]
async fn faults_come_and_go() {
    let options = ClusterOptions { visibility_seconds: 3, ..ClusterOptions::without_gateways() };
    let cluster = Cluster::start(options).await.unwrap();
    let aws = Aws::of(&cluster).await;

    cluster.set_fault(Fault::Sqs(SqsFault::Refuse)).await.unwrap();
    assert!(!aws.try_send(1).await);
    cluster.set_fault(Fault::Sqs(SqsFault::Slow(10))).await.unwrap();
    let started = std::time::Instant::now();
    let sent = tokio::join!(aws.try_send(1), aws.try_send(2), aws.try_send(3), aws.try_send(4));
    assert_eq!(sent, (true, true, true, true));
    assert!(started.elapsed() >= std::time::Duration::from_millis(400));
    cluster.set_fault(Fault::Sqs(SqsFault::None)).await.unwrap();
    until("all are stored", async || aws.stored().await == [1, 2, 3, 4]).await;

    cluster.set_fault(Fault::Dynamodb(DynamodbFault::Throttle(100))).await.unwrap();
    aws.send(5).await;
    assert!(aws.dynamodb.scan().table_name(&aws.outputs.messages_table_name).send().await.is_err());
    // It is still on after the stand-in itself was restarted.
    cluster.stop("aws").await.unwrap();
    cluster.start_part("aws").await.unwrap();
    assert!(aws.dynamodb.scan().table_name(&aws.outputs.messages_table_name).send().await.is_err());
    cluster.set_fault(Fault::Dynamodb(DynamodbFault::None)).await.unwrap();
    until("the fifth is stored", async || aws.stored().await == [1, 2, 3, 4, 5]).await;
}
