//! The dead-letter queues, on the stand-in's SQS.

use std::collections::HashMap;
use std::process::Command;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName as Attribute, QueueAttributeName as Name};
use rts_common::ids::RoomId;
use rts_persister::dead_letters::{DeadLetters, Depth};
use rts_persister::{Queue, SideQueue};

use crate::support::{Database, body, message, sdk_config, seq_at};

/// A queue with its dead letters, both new.
pub(crate) struct Queues {
    sqs: Client,
    source: String,
    dead: String,
    endpoint: String,
    pub(crate) database: Database,
}

impl Queues {
    pub(crate) async fn start() -> Self {
        let database = Database::start().await;
        let endpoint = database.endpoint().to_owned();
        let sqs = Client::new(&sdk_config(&endpoint));
        let prefix = RoomId::new_group().to_string();
        let fifo = || HashMap::from([(Name::FifoQueue, "true".to_owned())]);
        let make = async |name: String, attributes| {
            let made = sqs.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await.unwrap();
            made.queue_url.unwrap()
        };
        let dead = make(format!("{prefix}-dlq.fifo"), fifo()).await;
        let arn = sqs.get_queue_attributes().queue_url(&dead).attribute_names(Name::QueueArn).send().await.unwrap();
        let arn = &arn.attributes.unwrap()[&Name::QueueArn];
        let mut attributes = fifo();
        let policy = format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":2}}");
        attributes.insert(Name::RedrivePolicy, policy);
        let source = make(format!("{prefix}.fifo"), attributes).await;
        Self { sqs, source, dead, endpoint, database }
    }

    async fn put(&self, group: &str, dedup: &str, body: &str) {
        let send = self.sqs.send_message().queue_url(&self.dead).message_group_id(group).message_body(body);
        send.message_deduplication_id(dedup).send().await.unwrap();
    }

    /// Returns the dead-letter queue as the place for what a function sets aside.
    pub(crate) fn side(&self) -> SideQueue {
        SideQueue::connect(&sdk_config(&self.endpoint), self.dead.clone())
    }

    pub(crate) async fn letters(&self) -> DeadLetters {
        DeadLetters::of(self.sqs.clone(), Queue::Messages, &self.source).await.unwrap()
    }

    /// Takes everything out of the source: group, deduplication id and body of each.
    pub(crate) async fn arrived(&self) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(&self.source).max_number_of_messages(10);
            let found = receive.message_system_attribute_names(Attribute::All).send().await.unwrap().messages;
            let Some(found) = found.filter(|found| !found.is_empty()) else { return all };
            for message in found {
                let mut attributes = message.attributes.unwrap();
                let mut take = |name| attributes.remove(&name).unwrap();
                let (group, dedup) = (take(Attribute::MessageGroupId), take(Attribute::MessageDeduplicationId));
                all.push((group, dedup, message.body.unwrap()));
                let delete = self.sqs.delete_message().queue_url(&self.source);
                delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
            }
        }
    }

    /// Runs the command, and returns what it prints.
    pub(crate) async fn dlq(&self, arguments: &[&str]) -> String {
        self.dlq_with(arguments, &[]).await
    }

    /// Runs the command with more variables.
    pub(crate) async fn dlq_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dlq"));
        command.envs(variables.iter().copied());
        command.args(arguments).env("RTS_MESSAGE_QUEUE_URL", &self.source).env("RTS_ROOM_QUEUE_URL", &self.source);
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{out}{error}");
        out
    }
}

#[tokio::test]
async fn letters_are_looked_at_sent_back_under_their_own_group_and_dropped() {
    let queues = Queues::start().await;
    let room = RoomId::new_group();
    let base = seq_at("2026-03-01T00:00:00.000Z");
    let mut seq = base;
    let mut sent: [Vec<String>; 2] = Default::default();
    for number in 0..12 {
        let record = body(&message(&room, seq, seq));
        queues.put(&format!("room {}", number % 2), &format!("dedup {number}"), &record).await;
        sent[number % 2].push(record);
        seq = seq.next();
    }
    queues.put("poison", "poison", "hunter2").await;

    // Looking changes nothing.
    for _ in 0..2 {
        let shown = queues.dlq(&["show", "--queue", "messages"]).await;
        // Of a group, SQS gives the later ones only once the earlier are gone.
        assert!((10..=12).contains(&shown.matches(room.as_str()).count()), "{shown}");
        assert!(shown.contains("not a record this build knows") && !shown.contains("hunter2"), "{shown}");
        assert!(queues.dlq(&["redrive", "--queue", "messages"]).await.contains("13 letters would be sent back"));
    }
    assert!(queues.dlq(&["show", "--queue", "messages", "--bodies"]).await.contains("hunter2"));
    assert!(queues.arrived().await.is_empty());
    assert_eq!(queues.letters().await.depth().await.unwrap(), Depth { waiting: 13, taken: 0 });

    // The poison is dropped, the others go back, in their order and as they were.
    let shown = queues.dlq(&["show", "--queue", "messages"]).await;
    let poison = shown.lines().find(|line| line.contains("not a record")).unwrap();
    let id = poison.split(' ').next().unwrap();
    assert!(queues.dlq(&["drop", "--queue", "messages", "--id", id]).await.contains("1 letters would be dropped"));
    assert!(queues.dlq(&["drop", "--queue", "messages", "--id", id, "--apply"]).await.contains("1 letters dropped"));
    assert!(queues.dlq(&["redrive", "--queue", "messages", "--apply"]).await.contains("12 letters sent back"));
    let arrived = queues.arrived().await;
    assert_eq!(arrived.len(), 12);
    for (half, sent) in sent.iter().enumerate() {
        let group = format!("room {half}");
        let bodies: Vec<_> = arrived.iter().filter(|(of, ..)| *of == group).map(|(.., body)| body.clone()).collect();
        assert_eq!(bodies, *sent);
    }
    assert!(arrived.iter().all(|(_, dedup, _)| dedup.starts_with("redrive-")), "SQS would drop the first ones");
    let listed = queues.dlq(&["list"]).await;
    assert_eq!(listed.matches("0 waiting").count(), 2, "{listed}");
}

#[tokio::test]
async fn a_queue_without_dead_letters_is_said_to_have_none() {
    let queues = Queues::start().await;
    let error = DeadLetters::of(queues.sqs.clone(), Queue::Messages, &queues.dead).await.err().unwrap();
    assert!(error.to_string().contains("no dead-letter queue"), "{error}");
}
