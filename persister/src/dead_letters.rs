//! The dead-letter queues: what the functions could not store, looked at, sent back, or dropped.
//!
//! A letter is sent back under its own group, and deleted only after that. So, when this dies in between: the letter is
//! there again after two minutes, and is sent back once more, which writes it twice and changes nothing. Its deduplication id
//! is a new one, made of the letter's id: under the first one, SQS would accept it and drop it for five minutes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as Attribute, QueueAttributeName as Name};
use rts_common::ids::RoomId;

use crate::Queue;
use crate::aside::REASON;
use crate::record::{Record, entry_of, lines};

/// Time for which a letter that was taken is hidden from others.
const HOLD: Duration = Duration::from_mins(2);
/// The most letters that SQS gives at once.
const AT_ONCE: i32 = 10;
/// Empty answers after which the queue counts as empty: SQS asks some of its hosts only.
const EMPTY_ANSWERS: u32 = 3;

/// A dead-letter queue, and the queue that its letters come from.
pub struct DeadLetters {
    sqs: Client,
    kind: Queue,
    source_url: String,
    url: String,
    arn: String,
}

/// The number of letters, as SQS estimates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Those that wait.
    pub waiting: u64,
    /// Those that somebody has taken, and not deleted.
    pub taken: u64,
}

/// A letter that was taken.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its id in SQS.
    pub id: String,
    /// The number of times that it was received.
    pub receives: u32,
    /// The time when it was sent to the functions' queue; of one that they set aside, when that was.
    pub sent: Option<SystemTime>,
    /// Why the functions set it aside; `None` if SQS moved it here after its last delivery.
    pub reason: Option<String>,
    /// Its body, as it was sent.
    pub body: String,
    /// The kinds and places of its records, without users' texts.
    pub summary: String,
    group: Option<String>,
    receipt: String,
}

impl Letter {
    /// Returns the entries of the unstored index that its records stand for.
    pub fn entries(&self) -> Vec<(RoomId, String)> {
        lines(Some(&self.body)).filter_map(entry_of).collect()
    }
}

impl DeadLetters {
    /// Finds the dead-letter queue of a queue, by its redrive policy.
    pub async fn of(sqs: Client, kind: Queue, source_url: &str) -> anyhow::Result<Self> {
        let asked = sqs.get_queue_attributes().queue_url(source_url).attribute_names(Name::RedrivePolicy).send().await;
        let found = asked.with_context(|| format!("cannot ask {source_url} for its redrive policy"))?;
        let policy = found.attributes.and_then(|mut all| all.remove(&Name::RedrivePolicy));
        let policy = policy.ok_or_else(|| anyhow!("{source_url} has no dead-letter queue"))?;
        let policy: serde_json::Value = serde_json::from_str(&policy).context("the redrive policy is not JSON")?;
        let arn = policy["deadLetterTargetArn"].as_str().context("the redrive policy names no queue")?.to_owned();
        let name = arn.rsplit(':').next().unwrap_or_default();
        let url = sqs.get_queue_url().queue_name(name).send().await.with_context(|| format!("cannot find {name}"))?;
        let url = url.queue_url.context("SQS gave no URL")?;
        Ok(Self { sqs, kind, source_url: source_url.to_owned(), url, arn })
    }

    /// Returns the queue's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the number of letters.
    pub async fn depth(&self) -> anyhow::Result<Depth> {
        let (waiting, taken) = (Name::ApproximateNumberOfMessages, Name::ApproximateNumberOfMessagesNotVisible);
        let asked = self.sqs.get_queue_attributes().queue_url(&self.url);
        let asked = asked.attribute_names(waiting.clone()).attribute_names(taken.clone()).send().await?;
        let all = asked.attributes.unwrap_or_default();
        let number = |name| all.get(name).and_then(|number| number.parse().ok()).unwrap_or(0);
        Ok(Depth { waiting: number(&waiting), taken: number(&taken) })
    }

    /// Takes up to a number of letters; none once there are no more. Of a group, the next ones come only after these are
    /// deleted or put back.
    pub async fn take(&self, most: usize) -> anyhow::Result<Vec<Letter>> {
        let at_once = i32::try_from(most).unwrap_or(AT_ONCE).min(AT_ONCE);
        for _ in 0..EMPTY_ANSWERS {
            let asked = self
                .sqs
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(at_once)
                .visibility_timeout(i32::try_from(HOLD.as_secs())?)
                .wait_time_seconds(1)
                .message_system_attribute_names(Attribute::All)
                .message_attribute_names(REASON)
                .send()
                .await
                .with_context(|| format!("cannot receive from {}", self.url))?;
            let taken = asked.messages.unwrap_or_default();
            if !taken.is_empty() {
                return taken.iter().map(|message| self.letter(message)).collect();
            }
        }
        Ok(Vec::new())
    }

    /// Gives letters back, unchanged.
    pub async fn put_back(&self, letters: &[Letter]) -> anyhow::Result<()> {
        for letter in letters {
            let back = self.sqs.change_message_visibility().queue_url(&self.url).receipt_handle(&letter.receipt);
            back.visibility_timeout(0).send().await.with_context(|| format!("cannot put {} back", letter.id))?;
        }
        Ok(())
    }

    /// Sends a letter back to the functions' queue, and deletes it here.
    pub async fn redrive(&self, letter: &Letter) -> anyhow::Result<()> {
        let send = self.sqs.send_message().queue_url(&self.source_url).message_body(&letter.body);
        let dedup_id = letter.group.as_ref().map(|_| format!("redrive-{}", letter.id));
        let send = send.set_message_group_id(letter.group.clone()).set_message_deduplication_id(dedup_id);
        send.send().await.with_context(|| format!("cannot send {} back", letter.id))?;
        self.drop_letter(letter).await
    }

    /// Deletes a letter: what only it has is lost.
    pub async fn drop_letter(&self, letter: &Letter) -> anyhow::Result<()> {
        let delete = self.sqs.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt);
        delete.send().await.with_context(|| format!("cannot delete {}", letter.id))?;
        Ok(())
    }

    /// Has SQS itself send all letters back, which goes on after this returns.
    pub async fn redrive_native(&self) -> anyhow::Result<()> {
        let moving = self.sqs.start_message_move_task().source_arn(&self.arn).send().await;
        moving.with_context(|| format!("SQS does not move the letters of {}", self.arn))?;
        Ok(())
    }

    fn letter(&self, message: &Message) -> anyhow::Result<Letter> {
        let attribute = |name| message.attributes.as_ref().and_then(|all| all.get(&name)).cloned();
        let body = message.body.clone().unwrap_or_default();
        let sent = attribute(Attribute::SentTimestamp).and_then(|millis| millis.parse().ok());
        let reason = message.message_attributes.as_ref().and_then(|all| all.get(REASON)?.string_value.clone());
        let (Some(id), Some(receipt)) = (message.message_id.clone(), message.receipt_handle.clone()) else {
            bail!("a letter without an id");
        };
        Ok(Letter {
            id,
            receives: attribute(Attribute::ApproximateReceiveCount).and_then(|count| count.parse().ok()).unwrap_or(0),
            sent: sent.map(|millis| UNIX_EPOCH + Duration::from_millis(millis)),
            reason,
            summary: summary(self.kind, &body),
            body,
            group: attribute(Attribute::MessageGroupId),
            receipt,
        })
    }
}

/// Says what a body holds, without what users wrote.
fn summary(kind: Queue, body: &str) -> String {
    let records = Record::parse_all(kind, Some(body));
    let what: Vec<_> = records
        .iter()
        .map(|record| match record {
            Ok(Record::Message(record)) => {
                let message = &record.message;
                format!(
                    "{} message {} version {} of room {}",
                    record.org, message.seq, message.version, message.room_id
                )
            }
            Ok(Record::Room(record)) => format!("{} {}", record.org, change(record)),
            Ok(Record::Fence(record)) => format!("a fence of room {}", record.room_id),
            Err(poison) => format!("not a record this build knows: {poison}"),
        })
        .collect();
    what.join("; ")
}

fn change(record: &rts_common::record::RoomRecord) -> String {
    use rts_common::record::RoomChange;
    match &record.change {
        RoomChange::Room { room_id, version, .. } => format!("room {room_id} version {version}"),
        RoomChange::Marks { room_id, user_id, .. } => format!("marks of {user_id} in room {room_id}"),
        RoomChange::Profile { user_id, .. } => format!("the name of {user_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{message, room_record};

    #[test]
    fn a_summary_names_records_and_shows_no_text() {
        let one = serde_json::to_string(&message("r", 5, 7)).unwrap();
        let both = summary(Queue::Messages, &format!("{one}\nhunter2"));
        assert!(both.contains("message 5 version 7 of room"), "{both}");
        assert!(both.contains("; not a record this build knows: it is not a record: syntax"), "{both}");
        assert!(!both.contains("hunter2") && !both.contains("hello"), "{both}");
        let room = serde_json::to_string(&room_record("r", 3, Some(3), &[("ann", 3)])).unwrap();
        assert!(summary(Queue::Rooms, &room).contains("version 3"));
    }
}
