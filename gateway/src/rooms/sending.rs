//! Sends new messages, several in one call.

use std::borrow::Cow;
use std::collections::HashMap;

use rts_common::ids::{Person, RoomId};
use rts_common::message::{MessageContent, MessageState};
use rts_common::redis::{keys, read as redis_read, scripts};
use rts_common::seq::Seq;

use super::messages::json;
use super::{RoomError, Rooms, SeqHint, refused};

/// A message to be sent to a room.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// The sender.
    pub person: &'a Person,
    /// The room.
    pub room: &'a RoomId,
    /// The content.
    pub content: &'a MessageContent,
    /// True if a new message may be created; otherwise only a duplicate is answered.
    pub accept: bool,
}

/// The result of a send.
#[derive(Debug)]
pub enum Sent {
    /// It is in the room.
    New(MessageState),
    /// Its sender had sent it before.
    Duplicate {
        /// The seq of the message.
        seq: Seq,
        /// True if it is known to be durable: in DynamoDB, or accepted by SQS.
        durable: bool,
    },
    /// It would have been new, but new messages were not accepted.
    Refused,
}

/// The result of one message of a call.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are results, and dropped as soon as they are answered")]
pub enum Attempt {
    /// The result is known.
    Done(Result<Sent, RoomError>),
    /// Redis does not have the room: [`Rooms::rebuild`] it, and send again.
    Cold,
}

impl Rooms {
    /// Sends messages in one call, those of one room in this order. Where there are slots, all rooms have to be in one
    /// partition. If the call fails, all of them fail, even if some are in their rooms.
    pub async fn send(&self, sendings: &[Sending<'_>]) -> Vec<Attempt> {
        match self.call_send(sendings).await {
            Ok(attempts) => attempts,
            Err(refusal) => sendings.iter().map(|_| Attempt::Done(Err(refusal.clone()))).collect(),
        }
    }

    async fn call_send(&self, sendings: &[Sending<'_>]) -> Result<Vec<Attempt>, RoomError> {
        let rooms = by_room(sendings);
        let keys: Vec<_> = rooms.iter().map(|places| keys::room(sendings[places[0]].room)).collect();
        let mut arguments = Vec::with_capacity(sendings.len() * 7 + keys.len() * 2 + 1);
        arguments.push(Cow::Owned(keys.len().to_string()));
        for places in &rooms {
            let hint = self.hints.of(sendings[places[0]].room).get();
            arguments.extend([hint.to_string(), places.len().to_string()].map(Cow::Owned));
            for Sending { person, content, accept, .. } in places.iter().map(|place| sendings[*place]) {
                let ids = [person.org.as_str(), person.user.as_str(), content.client_id.as_str()];
                arguments.extend(ids.map(Cow::Borrowed));
                arguments.push(json(content)?.into());
                let files: Vec<_> = content.attachments.iter().map(|file| file.attachment_id.as_str()).collect();
                arguments.push(files.join(" ").into());
                arguments.push(if accept { "accept" } else { "refuse" }.into());
                arguments.push(content.mentions.len().to_string().into());
                arguments.extend(content.mentions.iter().map(|user| Cow::Borrowed(user.as_str())));
            }
        }
        let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        let replies: Vec<String> = redis_read(self.redis.run_on(&scripts::SEND, &keys, &arguments).await?)?;
        if replies.len() != sendings.len() {
            return Err(RoomError::Fault(format!("{} replies to {} messages", replies.len(), sendings.len())));
        }
        let mut attempts: Vec<_> = rooms.into_iter().flatten().zip(&replies).collect();
        attempts.sort_unstable_by_key(|(place, _)| *place);
        let attempts = sendings
            .iter()
            .zip(attempts)
            .map(|(sending, (_, reply))| attempt(sending, self.hints.of(sending.room), reply));
        Ok(attempts.map(|attempt| attempt.unwrap_or_else(|refusal| Attempt::Done(Err(refusal)))).collect())
    }
}

/// Returns the indices of the messages of each room, in their order.
fn by_room(sendings: &[Sending<'_>]) -> Vec<Vec<usize>> {
    let mut numbers = HashMap::with_capacity(sendings.len());
    let mut rooms: Vec<Vec<usize>> = Vec::with_capacity(sendings.len());
    for (place, sending) in sendings.iter().enumerate() {
        let number = *numbers.entry(sending.room).or_insert(rooms.len());
        match rooms.get_mut(number) {
            Some(places) => places.push(place),
            None => rooms.push(vec![place]),
        }
    }
    rooms
}

fn attempt(sending: &Sending<'_>, hint: &SeqHint, reply: &str) -> Result<Attempt, RoomError> {
    let unreadable = || RoomError::Fault(format!("an unexpected reply {reply:?}"));
    let mut words = reply.split(' ');
    let status = words.next().unwrap_or_default();
    let mut seq = || words.next().and_then(Seq::parse).ok_or_else(unreadable);
    let sent = match status {
        "cold" => return Ok(Attempt::Cold),
        "sent" => {
            let seq = seq()?;
            let ordinal = words.next().and_then(|ordinal| ordinal.parse().ok()).ok_or_else(unreadable)?;
            let (room_id, content) = (sending.room.clone(), sending.content.clone());
            hint.raise(seq);
            Sent::New(MessageState { room_id, seq, version: seq, ordinal, content })
        }
        "duplicate" => Sent::Duplicate { seq: seq()?, durable: words.next() == Some("0") },
        "refused" => Sent::Refused,
        status => return Err(refused(status).unwrap_or_else(unreadable)),
    };
    Ok(Attempt::Done(Ok(sent)))
}
