//! New messages on their way into their rooms: what a node has to send at once shares a call to Redis.
//!
//! Each room belongs to a lane, and a lane makes one call at a time: it takes all that came in meanwhile. So a
//! quiet node sends each message at once, a busy one many with one call, and the messages of one room are made in
//! the order in which they were handed in, without anybody waiting for anybody.
//!
//! What happens when a party dies:
//! - *Redis does not answer, or not in time*: all messages of the call fail, and their senders are told to send
//!   again; those that did get into their rooms are duplicates then. Nothing of them is journaled; the reconciler finds them.
//! - *Redis does not have a room*: its messages wait, in their order, while it is rebuilt; other rooms go on.
//! - *The sender*: its messages go on, and are journaled by what they were handed in with.
//! - *This node*: a message that Redis took and nobody journaled is found by the reconciler. On purpose, the node
//!   goes down only once the places of the journal that messages hold are filled or given back.

mod flights;
mod lane;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::ids::{Person, RoomId};
use rts_common::message::MessageContent;
use rts_common::redis::keys::{PARTITIONS, Partition};
use tokio::sync::mpsc;

use self::lane::Lane;
use crate::bus::Bus;
use crate::lifecycle::Lifecycle;
use crate::rooms::{Refusal, Rooms, Sending, Sent};

pub use self::flights::{Flight, Flights};

/// While one lane's replies are read, Redis works on another's call. On a cluster each partition has a lane of its
/// own: a call must not cross slots, and one master that does not answer holds up nobody else.
const LANES: usize = 2;
/// Messages that wait for lanes; behind them, sessions wait. At 16 KiB each, 16 MiB; on a cluster 128 MiB, since each
/// lane has places for itself.
const WAITING_MAX: usize = 1024;
/// Messages of a lane whose rooms are being rebuilt.
const PARKED_MAX: usize = 512;
/// Messages of one call. Redis serves nobody else meanwhile: some three milliseconds.
const TOGETHER_MAX: usize = 128;
/// Bytes of their bodies, but for one that is larger: they may be published as one.
const TOGETHER_BYTES_MAX: usize = 64 * 1024;
/// Messages that wait for one lane at least, where there are many.
const WAITING_MIN: usize = 64;
/// How long a message may wait until it is tried. Less than clients wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A message to be sent.
pub struct Outgoing {
    /// Who sends it.
    pub person: Person,
    /// Where.
    pub room: RoomId,
    /// What.
    pub content: MessageContent,
    /// Whether a new message may be made; if not, only a duplicate is answered.
    pub accept: bool,
}

/// Told what became of a message, in the lane's task: it must not wait.
pub type Done = Box<dyn FnOnce(Result<Sent, Refusal>) + Send>;

/// The lanes of this node.
pub struct Sends {
    lanes: Vec<mpsc::Sender<Waiting>>,
    lifecycle: Lifecycle,
}

impl Sends {
    /// Starts the lanes, in tasks of the node's lifecycle.
    pub fn start(rooms: &Arc<Rooms>, bus: &Bus, lifecycle: &Lifecycle) -> Self {
        let lanes = if rooms.have_slots() { PARTITIONS } else { LANES };
        let lane = |_| {
            let (inbox, waiting) = mpsc::channel((WAITING_MAX / lanes).max(WAITING_MIN));
            let lane = Lane::new(Arc::clone(rooms), bus.clone());
            lifecycle.spawn_critical("sends", lane.run(waiting));
            inbox
        };
        Self { lanes: (0..lanes).map(lane).collect(), lifecycle: lifecycle.clone() }
    }

    /// Hands a message in. Messages of one room that are handed in one after the other are made in this order.
    /// Waits for a place; whatever becomes of the caller then, `done` is told.
    pub async fn send(&self, outgoing: Outgoing, done: Done) {
        let lane = &self.lanes[self.lane_of(&outgoing.room)];
        let waiting = Waiting { outgoing, done, since: Instant::now(), is_rebuilt: false };
        if let Err(unsent) = lane.send(waiting).await {
            unsent.0.fail("the node is going down");
        }
    }

    /// Goes on with what a message came to, outside of its lane.
    pub fn go_on(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.lifecycle.stopping().clone();
        self.lifecycle.spawn(async move {
            stopping.run_until_cancelled(task).await;
        });
    }

    /// The lane of a room: what is handed in to one lane keeps its order.
    fn lane_of(&self, room: &RoomId) -> usize {
        Partition::of_room(room).index() % self.lanes.len()
    }
}

/// A message in a lane.
struct Waiting {
    outgoing: Outgoing,
    done: Done,
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
        self.outgoing.content.body.as_bytes().iter().map(escaped).sum()
    }

    fn sending(&self, bus: &Bus) -> Sending<'_> {
        let Outgoing { person, room, content, accept } = &self.outgoing;
        Sending { person, room, content, hint: bus.last_seq(room), accept: *accept }
    }

    fn fail(self, why: &str) {
        (self.done)(Err(Refusal::Unavailable(why.to_owned())));
    }
}
