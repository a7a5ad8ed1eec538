//! New messages: several in one call.

use std::collections::HashMap;

use futures_util::future::join_all;
use redis::Value;
use rts_common::ids::{Person, RoomId, UserId};
use rts_common::message::{MessageContent, MessageState};
use rts_common::redis::keys::{self, Partition};
use rts_common::redis::scripts;
use rts_common::seq::Seq;

use super::messages::json;
use super::reply::Reply;
use super::{Refusal, Rooms, refusal};

/// A message on its way into a room.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// Who sends it.
    pub person: &'a Person,
    /// Where.
    pub room: &'a RoomId,
    /// What.
    pub content: &'a MessageContent,
    /// The highest seq of the room that this node has seen.
    pub hint: Seq,
    /// Whether a new message may be made; if not, only a duplicate is answered.
    pub accept: bool,
}

/// What became of it.
#[derive(Debug)]
pub enum Sent {
    /// It is in the room.
    New(MessageState),
    /// Its sender had sent it before.
    Duplicate {
        /// Where it is.
        seq: Seq,
        /// Whether it is known to be in DynamoDB.
        stored: bool,
    },
    /// It would have been new, and was not to be accepted.
    Refused,
}

/// What one call came to for one message.
#[derive(Debug)]
pub enum Attempt {
    /// It is decided.
    Done(Result<Sent, Refusal>),
    /// Redis does not have the room: [`Rooms::rebuild`] it, and send again.
    Cold,
}

impl Rooms {
    /// Sends messages, those of one room in this order. One call carries them all; on a cluster, one for each
    /// slot. If it fails, all of its messages fail, whether they are in their rooms or not.
    pub async fn send(&self, sendings: &[Sending<'_>]) -> Vec<Attempt> {
        if !self.redis.is_cluster() {
            return self.send_together(sendings).await;
        }
        let mut slots: HashMap<Partition, Vec<usize>> = HashMap::new();
        for (place, sending) in sendings.iter().enumerate() {
            slots.entry(Partition::of_room(sending.room)).or_default().push(place);
        }
        let calls = slots.into_values().map(async |places| {
            let of_slot: Vec<_> = places.iter().map(|place| sendings[*place]).collect();
            places.into_iter().zip(self.send_together(&of_slot).await).collect::<Vec<_>>()
        });
        let mut attempts: Vec<_> = join_all(calls).await.into_iter().flatten().collect();
        attempts.sort_unstable_by_key(|(place, _)| *place);
        attempts.into_iter().map(|(_, attempt)| attempt).collect()
    }

    async fn send_together(&self, sendings: &[Sending<'_>]) -> Vec<Attempt> {
        match self.call_send(sendings).await {
            Ok(attempts) => attempts,
            Err(refusal) => sendings.iter().map(|_| Attempt::Done(Err(refusal.clone()))).collect(),
        }
    }

    async fn call_send(&self, sendings: &[Sending<'_>]) -> Result<Vec<Attempt>, Refusal> {
        let mut rooms: HashMap<&RoomId, String> = HashMap::with_capacity(sendings.len());
        let mut keys = Vec::with_capacity(sendings.len());
        let mut texts = Vec::with_capacity(sendings.len());
        for sending in sendings {
            let number = rooms.entry(sending.room).or_insert_with(|| {
                keys.push(keys::room(sending.room));
                keys.len().to_string()
            });
            let mentions = sending.content.mentions.len().to_string();
            texts.push((number.clone(), json(sending.content)?, sending.hint.to_string(), mentions));
        }
        let mut arguments = Vec::with_capacity(sendings.len() * 8);
        for (sending, (number, body, hint, mentions)) in sendings.iter().zip(&texts) {
            let Sending { person, content, accept, .. } = sending;
            let mode = if *accept { "accept" } else { "refuse" };
            let ids = [number, person.org.as_str(), person.user.as_str(), content.client_id.as_str()];
            arguments.extend(ids);
            arguments.extend([body, hint, mode, mentions]);
            arguments.extend(content.mentions.iter().map(UserId::as_str));
        }
        let Value::Array(replies) = self.redis.run_on(&scripts::SEND, &keys, &arguments).await? else {
            return Err(Refusal::Fault("no list of replies".to_owned()));
        };
        if replies.len() != sendings.len() {
            return Err(Refusal::Fault(format!("{} replies to {} messages", replies.len(), sendings.len())));
        }
        let attempts = sendings.iter().zip(replies).map(|(sending, reply)| attempt(sending, reply));
        Ok(attempts.map(|attempt| attempt.unwrap_or_else(|refusal| Attempt::Done(Err(refusal)))).collect())
    }
}

fn attempt(sending: &Sending<'_>, reply: Value) -> Result<Attempt, Refusal> {
    let reply = Reply::new(reply)?;
    let sent = match reply.status()? {
        "cold" => return Ok(Attempt::Cold),
        "sent" => Sent::New(MessageState {
            room_id: sending.room.clone(),
            seq: reply.seq(1)?,
            version: reply.seq(1)?,
            ordinal: reply.number(4)?,
            content: sending.content.clone(),
        }),
        "duplicate" => Sent::Duplicate { seq: reply.seq(1)?, stored: reply.text(2)? == "0" },
        "refused" => Sent::Refused,
        _ => return Err(refusal(&reply)),
    };
    Ok(Attempt::Done(Ok(sent)))
}
