//! Watches the queues: if SQS knows them, how many messages wait in them, and since when they are empty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use rts_common::seq::Timestamp;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::QueueClock;
use crate::lifecycle::{Part, Readiness};
use crate::metrics::{self, QueueState};

/// Interval of reads of the queues; SQS's own numbers are no newer.
const INTERVAL: Duration = Duration::from_secs(10);
/// Interval until the queues are known for the first time.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);

/// The last state of both queues in SQS.
#[derive(Debug, Default)]
pub struct Queues {
    message: Mutex<QueueClock>,
    room: Mutex<QueueClock>,
}

impl Queues {
    /// Returns the clock of the queue of messages.
    pub fn message(&self) -> QueueClock {
        *self.message.lock().expect("no holder of this lock panics")
    }

    /// Returns the clock of the queue of rooms.
    pub fn room(&self) -> QueueClock {
        *self.room.lock().expect("no holder of this lock panics")
    }

    /// Runs until dropped. The node becomes ready once both queues are known, and stays so: later calls themselves
    /// report that SQS cannot be reached.
    pub async fn watch(self: Arc<Self>, sqs: Client, urls: QueueUrls, readiness: Readiness) {
        let mut is_known = false;
        let mut is_told = false;
        loop {
            let mut answered = 0;
            for (name, url, clock) in [("message", &urls.message, &self.message), ("room", &urls.room, &self.room)] {
                let told = timeout(TIMEOUT, ask(&sqs, url)).await.ok().flatten();
                if let Some(told) = &told {
                    answered += 1;
                    measure(name, told);
                } else if !is_known && !is_told {
                    tracing::warn!(queue = name, "waiting for SQS: it does not know this queue, or does not answer");
                    is_told = true;
                }
                let mut clock = clock.lock().expect("no holder of this lock panics");
                *clock = turned(*clock, told.as_ref(), Timestamp::now());
            }
            if answered == 2 && !is_known {
                is_known = true;
                readiness.set(Part::Journal, true);
                tracing::info!("the queues are known");
            }
            sleep(if is_known { INTERVAL } else { FIRST_INTERVAL }).await;
        }
    }
}

/// The URLs of the queues.
pub struct QueueUrls {
    /// The URL of the queue of messages.
    pub message: String,
    /// The URL of the queue of rooms.
    pub room: String,
}

type Attributes = HashMap<QueueAttributeName, String>;

async fn ask(sqs: &Client, url: &str) -> Option<Attributes> {
    let names = vec![
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        QueueAttributeName::VisibilityTimeout,
        QueueAttributeName::RedrivePolicy,
    ];
    let reply = sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names)).send().await;
    Some(reply.ok()?.attributes.unwrap_or_default())
}

fn number(attributes: &Attributes, name: &QueueAttributeName) -> Option<u64> {
    attributes.get(name)?.parse().ok()
}

fn measure(queue: &'static str, attributes: &Attributes) {
    let states = [
        (QueueState::Visible, QueueAttributeName::ApproximateNumberOfMessages),
        (QueueState::InFlight, QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
    ];
    for (state, attribute) in states {
        if let Some(number) = number(attributes, &attribute) {
            metrics::queue_messages(queue, state, number);
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    /// A number or its text.
    max_receive_count: serde_json::Value,
}

/// Returns the clock after one more answer, or after none.
fn turned(clock: QueueClock, told: Option<&Attributes>, now: Timestamp) -> QueueClock {
    let Some(told) = told else { return QueueClock { empty_since: None, ..clock } };
    let counts = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    // A count that is missing is zero: not every queue has delays.
    let is_empty = number(told, &counts[0]) == Some(0)
        && counts[1..].iter().all(|count| number(told, count).unwrap_or_default() == 0);
    let receives = told
        .get(&QueueAttributeName::RedrivePolicy)
        .and_then(|policy| serde_json::from_str::<RedrivePolicy>(policy).ok())
        .and_then(|policy| policy.max_receive_count.to_string().trim_matches('"').parse().ok());
    QueueClock {
        empty_since: is_empty.then(|| clock.empty_since.unwrap_or(now)),
        visibility: number(told, &QueueAttributeName::VisibilityTimeout).map_or(clock.visibility, Duration::from_secs),
        receives: receives.unwrap_or(clock.receives),
        ..clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_empty_from_the_first_empty_answer_on() {
        let answer = |visible: &str, hidden: &str| {
            Attributes::from([
                (QueueAttributeName::ApproximateNumberOfMessages, visible.to_owned()),
                (QueueAttributeName::ApproximateNumberOfMessagesNotVisible, hidden.to_owned()),
                (QueueAttributeName::VisibilityTimeout, "180".to_owned()),
                (QueueAttributeName::RedrivePolicy, r#"{"deadLetterTargetArn":"x","maxReceiveCount":"5"}"#.to_owned()),
            ])
        };
        let at = Timestamp::from_millis;
        let clock = turned(QueueClock::default(), Some(&answer("0", "0")), at(1000));
        let expected =
            QueueClock { empty_since: Some(at(1000)), waits: None, visibility: Duration::from_mins(3), receives: 5 };
        assert_eq!(clock, expected);
        assert_eq!(turned(clock, Some(&answer("0", "0")), at(2000)), expected);
        for unknown in [turned(clock, Some(&answer("0", "1")), at(3000)), turned(clock, None, at(3000))] {
            assert_eq!(unknown, QueueClock { empty_since: None, ..expected });
        }
        assert_eq!(turned(clock, Some(&Attributes::new()), at(3000)).empty_since, None);
    }
}
