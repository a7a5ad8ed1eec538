//! A message to be sent, and the result.

use rts_common::ids::{Person, RoomId};
use rts_common::message::MessageContent;
use rts_common::seq::Seq;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::WAIT_MAX;
use super::in_flight::InFlightSend;
use crate::budgets::BudgetToken;
use crate::journal::{Permit, Ticket};
use crate::rooms::{RoomError, Sending};

/// A message to be sent.
pub struct SendRequest {
    /// The sender.
    pub person: Person,
    /// The room.
    pub room: RoomId,
    /// The message.
    pub content: MessageContent,
    /// The permit for a new message; without it, only a duplicate is answered.
    pub permit: Option<SendPermit>,
    /// Dropped once the message is in the room, or will never be.
    pub in_flight: Option<InFlightSend>,
}

/// The permit for one new message: a slot in the journal, and one of its sender's budget. Unused, both are
/// given back.
pub struct SendPermit {
    /// The slot in the journal.
    pub place: Permit,
    /// One of the sender's budget.
    pub token: BudgetToken,
}

/// The result of sending a message.
#[derive(Debug)]
pub enum SendResult {
    /// It is in the room, and durable once the ticket resolves to `Ok`.
    New {
        /// Its seq.
        seq: Seq,
        /// The journal's ticket.
        ticket: Ticket,
    },
    /// Its sender had sent it before.
    Duplicate {
        /// Its seq.
        seq: Seq,
        /// True if it is known to be durable.
        durable: bool,
    },
    /// It would have been new, and there was no permit.
    Refused,
}

/// A message in a lane.
pub(super) struct Waiting {
    pub(super) request: SendRequest,
    pub(super) waiter: oneshot::Sender<Result<SendResult, RoomError>>,
    pub(super) since: Instant,
    /// True if its room was rebuilt for it already.
    pub(super) is_rebuilt: bool,
}

impl Waiting {
    /// Returns the bytes of the body in JSON: quotes take two, control characters six.
    pub(super) fn bytes(&self) -> usize {
        let escaped = |byte: &u8| match byte {
            b'"' | b'\\' => 2,
            0..0x20 => 6,
            _ => 1,
        };
        self.request.content.body.as_bytes().iter().map(escaped).sum()
    }

    /// Returns the time at which it is given up.
    pub(super) fn deadline(&self) -> Instant {
        self.since + WAIT_MAX
    }

    pub(super) fn sending(&self) -> Sending<'_> {
        let SendRequest { person, room, content, permit, .. } = &self.request;
        Sending { person, room, content, accept: permit.is_some() }
    }

    pub(super) fn resolve(self, result: Result<SendResult, RoomError>) {
        drop(self.request);
        // The sender may be gone.
        let _ = self.waiter.send(result);
    }

    pub(super) fn fail(self, why: &str) {
        self.resolve(Err(RoomError::Unavailable(why.to_owned())));
    }
}
