//! New messages on their way into their rooms and the journal: what a node has to send at once shares a call to Redis.
//!
//! Each room belongs to a lane, and a lane makes one call at a time: it takes all that came in meanwhile. So a
//! quiet node sends each message at once, a busy one many with one call, and the messages of one room are made in
//! the order in which they were enqueued, without anybody waiting for anybody. What the call made in a room goes into
//! the journal as one entry, before the senders are told. A room that is very busy makes 50 calls a second here after
//! a burst: its messages share calls, entries, and writes to clients.
//!
//! What happens when a party dies:
//! - *Redis does not answer, or not in time*: all messages of the call fail, and their senders are told to send
//!   again; those that did get into their rooms are duplicates then. Nothing of them is journaled; the reconciler finds them.
//! - *Redis does not have a room*: its messages wait, in their order, while it is rebuilt; other rooms go on.
//! - *The sender*: its messages go on, and are journaled by the permits that came with them.
//! - *This node*: a message that Redis took and nobody journaled is found by the reconciler. On purpose, the node
//!   goes down only once the permits of messages are used or given back.

mod in_flight;
mod lane;
mod pace;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::ids::{NodeId, Person, RoomId};
use rts_common::message::MessageContent;
use rts_common::redis::keys::{PARTITIONS, Partition};
use rts_common::seq::Seq;
use tokio::sync::{mpsc, oneshot};

use self::lane::Lane;
use crate::journal::{Journal, Permit, Ticket};
use crate::lifecycle::Lifecycle;
use crate::rate_limits::RateToken;
use crate::rooms::{Refusal, Rooms, Sending};

pub use self::in_flight::{Flight, Flights};

/// While one lane's replies are read, Redis works on another's call. On a cluster each partition has a lane of its
/// own: a call must not cross slots, and one master that does not answer holds up nobody else.
const LANES: usize = 2;
/// Messages that wait for lanes; behind them, sessions wait. At 16 KiB each, 16 MiB; on a cluster 128 MiB, since each
/// lane has places for itself.
const WAITING_MAX: usize = 1024;
/// Messages of a lane that wait for their rooms: to be rebuilt, or to have their turn.
const PARKED_MAX: usize = 512;
/// Messages of one call.
const TOGETHER_MAX: usize = rts_common::limits::SEND_TOGETHER;
/// Bytes of their bodies, but for one that is larger: they may be published as one.
const TOGETHER_BYTES_MAX: usize = 64 * 1024;
/// Messages that wait for one lane at least, where there are many.
const WAITING_MIN: usize = 64;
/// How long a message may wait until it is tried. Less than clients wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A message to be sent.
pub struct SendRequest {
    /// The sender.
    pub person: Person,
    /// The room.
    pub room: RoomId,
    /// The message.
    pub content: MessageContent,
    /// Leave to make a new message; without it, only a duplicate is answered.
    pub permit: Option<SendPermit>,
    /// Dropped once the message has its place in the room, or will never have one.
    pub flight: Option<Flight>,
}

/// Leave to make one new message: a place in the journal, and one of what its sender may send. Unused, both are given
/// back.
pub struct SendPermit {
    /// The place in the journal.
    pub place: Permit,
    /// What the sender's rate limit counts.
    pub token: RateToken,
}

/// What became of a message.
#[derive(Debug)]
pub enum SendResult {
    /// It is in the room, and durable once the ticket says so.
    New {
        /// Its seq.
        seq: Seq,
        /// The journal's word.
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

/// The lanes of this node.
pub struct Sends {
    lanes: Vec<mpsc::Sender<Waiting>>,
}

impl Sends {
    /// Starts the lanes, in tasks of the node's lifecycle.
    pub fn start(node: &NodeId, rooms: &Arc<Rooms>, journal: &Journal, lifecycle: &Lifecycle) -> Self {
        let lanes = if rooms.have_slots() { PARTITIONS } else { LANES };
        let lane = |_| {
            let (inbox, waiting) = mpsc::channel((WAITING_MAX / lanes).max(WAITING_MIN));
            let lane = Lane::new(node.clone(), Arc::clone(rooms), journal.clone());
            lifecycle.spawn_critical("sends", lane.run(waiting));
            inbox
        };
        Self { lanes: (0..lanes).map(lane).collect() }
    }

    /// Enqueues a message; messages of one room that are enqueued one after the other are made in this order. Waits
    /// for a place. What comes of it happens, and is journaled, whether the receiver lives or not.
    pub async fn enqueue(&self, request: SendRequest) -> oneshot::Receiver<Result<SendResult, Refusal>> {
        let lane = &self.lanes[self.lane_of(&request.room)];
        let (waiter, result) = oneshot::channel();
        let waiting = Waiting { request, waiter, since: Instant::now(), is_rebuilt: false };
        if let Err(unsent) = lane.send(waiting).await {
            unsent.0.fail("the node is going down");
        }
        result
    }

    /// The lane of a room: what is enqueued in one lane keeps its order.
    fn lane_of(&self, room: &RoomId) -> usize {
        Partition::of_room(room).index() % self.lanes.len()
    }
}

/// A message in a lane.
struct Waiting {
    request: SendRequest,
    waiter: oneshot::Sender<Result<SendResult, Refusal>>,
    since: Instant,
    /// Its room was rebuilt for it already.
    is_rebuilt: bool,
}

impl Waiting {
    /// Bytes of the body as it is written: quotes take two, control characters six.
    fn bytes(&self) -> usize {
        let escaped = |byte: &u8| match byte {
            b'"' | b'\\' => 2,
            0..0x20 => 6,
            _ => 1,
        };
        self.request.content.body.as_bytes().iter().map(escaped).sum()
    }

    fn sending(&self) -> Sending<'_> {
        let SendRequest { person, room, content, permit, .. } = &self.request;
        Sending { person, room, content, accept: permit.is_some() }
    }

    fn resolve(self, result: Result<SendResult, Refusal>) {
        drop(self.request);
        // The sender may be gone.
        let _ = self.waiter.send(result);
    }

    fn fail(self, why: &str) {
        self.resolve(Err(Refusal::Unavailable(why.to_owned())));
    }
}
