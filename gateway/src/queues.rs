//! Watches the queues: whether SQS knows them, and how much waits in them.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::time::{sleep, timeout};

use crate::lifecycle::{Part, Readiness};
use crate::metrics;

/// How often the queues are asked; SQS's own numbers are no newer.
const INTERVAL: Duration = Duration::from_secs(10);
/// Until the queues are known for the first time.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);

/// Runs until dropped. The node becomes ready once both queues are known, and stays so: calls say
/// themselves when SQS cannot be reached later.
pub(crate) async fn watch(sqs: Client, queues: [(&'static str, String); 2], readiness: Readiness) {
    let mut is_known = false;
    let mut is_told = false;
    loop {
        let mut answered = 0;
        for (name, url) in &queues {
            match timeout(TIMEOUT, measure(&sqs, name, url)).await {
                Ok(true) => answered += 1,
                Ok(false) | Err(_) if !is_known && !is_told => {
                    tracing::warn!(queue = name, "waiting for SQS: it does not know this queue, or does not answer");
                    is_told = true;
                }
                Ok(false) | Err(_) => {}
            }
        }
        if answered == queues.len() && !is_known {
            is_known = true;
            readiness.set(Part::Journal, true);
            tracing::info!("the queues are there");
        }
        sleep(if is_known { INTERVAL } else { FIRST_INTERVAL }).await;
    }
}

async fn measure(sqs: &Client, queue: &'static str, url: &str) -> bool {
    let states = [
        ("visible", QueueAttributeName::ApproximateNumberOfMessages),
        ("inFlight", QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
    ];
    let names = states.iter().map(|(_, attribute)| attribute.clone()).collect();
    let reply = sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names)).send().await;
    let Ok(attributes) = reply.map(|reply| reply.attributes.unwrap_or_default()) else { return false };
    for (state, attribute) in states {
        if let Some(number) = attributes.get(&attribute).and_then(|number| number.parse().ok()) {
            metrics::queue_messages(queue, state, number);
        }
    }
    true
}
