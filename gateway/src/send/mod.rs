//! The send queue: takes new messages to their rooms and the journal; messages that are due together share a call to
//! Redis.
//!
//! Each room belongs to a lane, and a lane makes one call at a time, with all messages that arrived meanwhile. So a
//! quiet node sends each message immediately, a busy one many with one call, and the messages of one room are created
//! in the order in which they were enqueued, without any sender waiting for another. The messages that a call created
//! in a room go into the journal as one entry, before the senders get their results. A very busy room makes 50 calls a
//! second after a burst: its messages share calls, entries, and writes to clients.
//!
//! What happens when a party dies:
//! - *Redis does not answer, or not in time*: all messages of the call fail, and their senders have to send again;
//!   those that did get into their rooms are duplicates then. None of them is journaled; the reconciler finds them.
//! - *Redis does not have a room*: its messages wait, in their order, while it is rebuilt; other rooms continue.
//! - *The sender*: its messages are still sent, and journaled with the permits that came with them.
//! - *This node*: the reconciler finds messages that Redis accepted and that were not journaled. In a planned shutdown,
//!   the node ends only once the permits of messages are used or given back.

mod in_flight;
mod pace;
mod request;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rts_common::ids::{NodeId, Person, RoomId};
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord};
use rts_common::redis::keys::{PARTITIONS, Partition};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use self::pace::Paces;
use self::request::Waiting;
use crate::journal::{Journal, Permit};
use crate::lifecycle::Lifecycle;
use crate::rooms::{Attempt, RoomError, Rooms, Sent};

pub use self::in_flight::{InFlight, InFlightSend};
pub use self::request::{SendPermit, SendRequest, SendResult};

/// The number of lanes: while one lane's replies are read, Redis works on another's call. On a cluster each partition
/// has its own lane: a call must not cross slots, and one master that does not answer holds up nobody else.
const LANES: usize = 2;
/// Messages that wait for lanes; beyond it, sessions wait. At 16 KiB each, 16 MiB; on a cluster 128 MiB, since each
/// lane has its own bound.
const WAITING_MAX: usize = 1024;
/// Messages of a lane that wait for their rooms: to be rebuilt, or for their turn.
const PARKED_MAX: usize = 512;
/// Messages of one call.
const TOGETHER_MAX: usize = rts_common::limits::SEND_TOGETHER;
/// Bytes of their bodies, unless a single one is larger: they may be published as one.
const TOGETHER_BYTES_MAX: usize = 64 * 1024;
/// The least bound of messages that wait for one lane, if there are many lanes.
const WAITING_MIN: usize = 64;
/// Time that a message may wait until it is tried. Less than the clients' timeout for an answer.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The lanes of this node.
pub struct SendQueue {
    lanes: Vec<mpsc::Sender<Waiting>>,
}

impl SendQueue {
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

    /// Enqueues a message; messages of one room that are enqueued one after the other are created in this order. Waits
    /// for room in the queue. The message is sent and journaled even if the receiver is dropped.
    pub async fn enqueue(&self, request: SendRequest) -> oneshot::Receiver<Result<SendResult, RoomError>> {
        let lane = &self.lanes[self.lane_of(&request.room)];
        let (waiter, result) = oneshot::channel();
        let waiting = Waiting { request, waiter, since: Instant::now(), is_rebuilt: false };
        if let Err(unsent) = lane.send(waiting).await {
            unsent.0.fail("the node is going down");
        }
        result
    }

    /// Returns the lane of a room: messages enqueued in one lane keep their order.
    fn lane_of(&self, room: &RoomId) -> usize {
        Partition::of_room(room).index() % self.lanes.len()
    }
}

type Rebuild = Pin<Box<dyn Future<Output = (RoomId, Person, Result<bool, RoomError>)> + Send>>;
type Refusal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A lane: a task that makes one call at a time.
struct Lane {
    node: NodeId,
    rooms: Arc<Rooms>,
    journal: Journal,
    rebuilds: FuturesUnordered<Rebuild>,
    refusals: FuturesUnordered<Refusal>,
    /// Messages to rooms that have to wait, each room's in their order.
    parked: HashMap<RoomId, Parked>,
    parked_count: usize,
    paces: Paces,
}

struct Parked {
    messages: Vec<Waiting>,
    /// The time of the room's turn; `None` while it is rebuilt.
    until: Option<Instant>,
}

impl Parked {
    /// Returns the time of the room's turn, or, while it is rebuilt, of giving up the first message.
    fn due(&self) -> Option<Instant> {
        self.until.or_else(|| self.messages.first().map(Waiting::deadline))
    }

    /// Takes out the messages that have waited too long. Those behind the first are no older.
    fn take_late(&mut self, now: Instant) -> impl Iterator<Item = Waiting> {
        let late = self.messages.partition_point(|waiting| waiting.deadline() <= now);
        self.messages.drain(..late)
    }
}

impl Lane {
    fn new(node: NodeId, rooms: Arc<Rooms>, journal: Journal) -> Self {
        let (rebuilds, refusals) = (FuturesUnordered::new(), FuturesUnordered::new());
        let (parked, paces) = (HashMap::new(), Paces::default());
        Self { node, rooms, journal, rebuilds, refusals, parked, parked_count: 0, paces }
    }

    /// Runs until nobody can enqueue any more.
    async fn run(mut self, mut inbox: mpsc::Receiver<Waiting>) {
        let mut taken = Vec::with_capacity(TOGETHER_MAX);
        loop {
            let turn = self.parked.values().filter_map(Parked::due).min();
            tokio::select! {
                Some((room, person, rebuilt)) = self.rebuilds.next() => self.rebuilt(&room, &person, rebuilt).await,
                Some(()) = self.refusals.next() => {}
                () = sleep_until(turn.unwrap_or_else(Instant::now)), if turn.is_some() => self.take_turns().await,
                1.. = inbox.recv_many(&mut taken, TOGETHER_MAX) => self.send(&mut taken).await,
                else => return,
            }
        }
    }

    /// Sends the messages that are due, in as few calls as possible.
    async fn send(&mut self, taken: &mut Vec<Waiting>) {
        let mut batch = Vec::with_capacity(taken.len());
        let mut bytes = 0;
        let now = Instant::now();
        for waiting in taken.drain(..) {
            let size = waiting.bytes();
            if bytes + size > TOGETHER_BYTES_MAX {
                self.call(std::mem::take(&mut batch)).await;
                bytes = 0;
            }
            if waiting.deadline() <= now {
                waiting.fail("a message waited too long for Redis");
            } else if self.parked.contains_key(&waiting.request.room) {
                self.park(waiting, None);
            } else if let Some(wait) = self.paces.wait(&waiting.request.room, now) {
                self.park(waiting, Some(now + wait));
            } else {
                bytes += size;
                batch.push(waiting);
            }
        }
        self.call(batch).await;
    }

    async fn call(&mut self, batch: Vec<Waiting>) {
        if batch.is_empty() {
            return;
        }
        let sendings: Vec<_> = batch.iter().map(Waiting::sending).collect();
        let attempts = self.rooms.send(&sendings).await;
        let mut made = Made::default();
        for (waiting, attempt) in batch.into_iter().zip(attempts) {
            match attempt {
                Attempt::Done(Ok(Sent::New(state))) => made.add(waiting, state),
                Attempt::Done(Ok(Sent::Duplicate { seq, durable })) => {
                    waiting.resolve(Ok(SendResult::Duplicate { seq, durable }));
                }
                Attempt::Done(Ok(Sent::Refused)) => waiting.resolve(Ok(SendResult::Refused)),
                Attempt::Done(Err(RoomError::NotFound)) => self.refuse(waiting),
                Attempt::Done(Err(refusal)) => waiting.resolve(Err(refusal)),
                Attempt::Cold if waiting.is_rebuilt => waiting.fail("the room was lost again while it was rebuilt"),
                Attempt::Cold => self.park(waiting, None),
            }
        }
        let now = Instant::now();
        for (room, messages) in made.rooms {
            self.paces.count(&room, now);
            self.journal(messages);
        }
    }

    /// Journals the messages that a call created in one room, and notifies the senders.
    fn journal(&self, made: Vec<(Waiting, MessageState)>) {
        let mut senders = Vec::with_capacity(made.len());
        let mut records: Vec<(Permit, MessageRecord)> = Vec::with_capacity(made.len());
        for (mut waiting, message) in made {
            let Some(permit) = waiting.request.permit.take() else {
                waiting.resolve(Ok(SendResult::Refused));
                continue;
            };
            permit.token.spend();
            let (org, origin) = (waiting.request.person.org.clone(), self.node.clone());
            senders.push((waiting, message.seq));
            records.push((permit.place, MessageRecord { v: FORMAT, org, origin, message }));
        }
        let tickets = self.journal.append(records);
        for ((waiting, seq), ticket) in senders.into_iter().zip(tickets) {
            waiting.resolve(Ok(SendResult::New { seq, ticket }));
        }
    }

    /// Lets a message wait until its room has its turn, or is rebuilt, which the first such message starts.
    fn park(&mut self, waiting: Waiting, until: Option<Instant>) {
        if self.parked_count >= PARKED_MAX {
            return waiting.fail("too many messages wait for their rooms");
        }
        self.parked_count += 1;
        let (room, person) = (waiting.request.room.clone(), waiting.request.person.clone());
        match self.parked.entry(room.clone()) {
            Entry::Occupied(mut parked) => return parked.get_mut().messages.push(waiting),
            Entry::Vacant(place) => place.insert(Parked { messages: vec![waiting], until }),
        };
        if until.is_none() {
            let rooms = Arc::clone(&self.rooms);
            self.rebuilds.push(Box::pin(async move {
                let rebuilt = rooms.rebuild_for(&person, &room).await;
                (room, person, rebuilt)
            }));
        }
    }

    /// Refuses a message to a room that its sender is not in, after as much work as one to a room that is nowhere.
    fn refuse(&self, waiting: Waiting) {
        if self.refusals.len() >= PARKED_MAX {
            return waiting.resolve(Err(RoomError::NotFound));
        }
        let rooms = Arc::clone(&self.rooms);
        self.refusals.push(Box::pin(async move {
            rooms.look_in_list(&waiting.request.person, &waiting.request.room).await;
            waiting.resolve(Err(RoomError::NotFound));
        }));
    }

    fn unpark(&mut self, room: &RoomId) -> Vec<Waiting> {
        let parked = self.parked.remove(room).map(|parked| parked.messages).unwrap_or_default();
        self.parked_count -= parked.len();
        parked
    }

    /// Sends the messages of rooms that have their turn now, and gives up those that waited too long for a rebuild, which
    /// continues.
    async fn take_turns(&mut self) {
        let now = Instant::now();
        for parked in self.parked.values_mut().filter(|parked| parked.until.is_none()) {
            for late in parked.take_late(now) {
                self.parked_count -= 1;
                late.fail("a message waited too long for its room");
            }
        }
        let due = |parked: &Parked| parked.until.is_some_and(|until| until <= now);
        let rooms: Vec<_> =
            self.parked.iter().filter(|(_, parked)| due(parked)).map(|(room, _)| room.clone()).collect();
        let mut messages: Vec<_> = rooms.iter().flat_map(|room| self.unpark(room)).collect();
        self.send_all(&mut messages).await;
    }

    async fn send_all(&mut self, messages: &mut Vec<Waiting>) {
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(TOGETHER_MAX));
            self.send(messages).await;
            *messages = rest;
        }
    }

    /// Sends the messages that waited for a rebuild. If there is no such room for the person whose message asked for it,
    /// there may be for others who sent to it meanwhile: then the first of them asks.
    async fn rebuilt(&mut self, room: &RoomId, person: &Person, rebuilt: Result<bool, RoomError>) {
        let mut parked = self.unpark(room);
        let refusal = match rebuilt {
            Ok(true) => {
                for waiting in &mut parked {
                    waiting.is_rebuilt = true;
                }
                return self.send_all(&mut parked).await;
            }
            Ok(false) => {
                let (theirs, others): (Vec<_>, Vec<_>) =
                    parked.into_iter().partition(|waiting| waiting.request.person == *person);
                parked = theirs;
                for waiting in others {
                    self.park(waiting, None);
                }
                RoomError::NotFound
            }
            Err(refusal) => refusal,
        };
        for waiting in parked {
            waiting.resolve(Err(refusal.clone()));
        }
    }
}

/// The messages that a call created, by room.
#[derive(Default)]
struct Made {
    rooms: HashMap<RoomId, Vec<(Waiting, MessageState)>>,
}

impl Made {
    fn add(&mut self, waiting: Waiting, state: MessageState) {
        self.rooms.entry(state.room_id.clone()).or_default().push((waiting, state));
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use rts_common::ids::{ClientId, OrgId, Person, UserId};
    use rts_common::message::MessageContent;
    use rts_common::redis::{Redis, RedisServers};
    use rts_common::store::{Store, Tables};

    use super::*;
    use crate::journal::JournalLimits;

    fn message(room: &RoomId, since: Instant) -> (Waiting, oneshot::Receiver<Result<SendResult, RoomError>>) {
        let person = Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse("ann").unwrap() };
        let content = MessageContent {
            sender_id: person.user.clone(),
            client_id: ClientId::parse("1").unwrap(),
            body: "hello".to_owned(),
            attachments: Vec::new(),
            reply_to: None,
            mentions: Vec::new(),
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
        };
        let request = SendRequest { person, room: room.clone(), content, permit: None, in_flight: None };
        let (waiter, result) = oneshot::channel();
        (Waiting { request, waiter, since, is_rebuilt: false }, result)
    }

    #[tokio::test]
    async fn a_message_is_given_up_while_its_room_is_still_being_rebuilt() {
        // Neither Redis nor AWS is asked for anything.
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:9")
            .build();
        let redis = Redis::new(&RedisServers::parse("redis://127.0.0.1:9").unwrap(), |_, _| ()).unwrap();
        let rooms = Arc::new(Rooms::new(Arc::new(redis), Store::connect(&config, Tables::default())));
        let queue = "http://127.0.0.1:9/000000000000/chat-message-queue.fifo";
        let journal = Journal::start(&config, queue, JournalLimits::default(), &Lifecycle::new());
        let mut lane = Lane::new(NodeId::random(), rooms, journal);
        let room = RoomId::new_group();
        let now = Instant::now();
        let (old, given_up) = message(&room, now.checked_sub(WAIT_MAX).unwrap());
        let (young, mut waits) = message(&room, now);
        lane.rebuilds.push(Box::pin(std::future::pending()));
        lane.parked.insert(room.clone(), Parked { messages: vec![old, young], until: None });
        lane.parked_count = 2;
        let (_inbox, waiting) = mpsc::channel(1);
        let lane = tokio::spawn(lane.run(waiting));
        assert!(matches!(given_up.await, Ok(Err(RoomError::Unavailable(_)))));
        assert_eq!(waits.try_recv().err(), Some(oneshot::error::TryRecvError::Empty), "its time is not over");
        lane.abort();
    }
}
