//! One lane: a task that makes one call at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rts_common::ids::{NodeId, RoomId};
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::pace::Paces;
use super::{PARKED_MAX, SendResult, TOGETHER_BYTES_MAX, TOGETHER_MAX, WAIT_MAX, Waiting};
use crate::journal::{Journal, Permit};
use crate::metrics;
use crate::rooms::{Attempt, Refusal, Rooms, Sent};

type Rebuild = Pin<Box<dyn Future<Output = (RoomId, Result<bool, Refusal>)> + Send>>;

pub(super) struct Lane {
    node: NodeId,
    rooms: Arc<Rooms>,
    journal: Journal,
    rebuilds: FuturesUnordered<Rebuild>,
    /// Messages to rooms that have to wait, each room's in their order.
    parked: HashMap<RoomId, Parked>,
    parked_count: usize,
    paces: Paces,
}

struct Parked {
    messages: Vec<Waiting>,
    /// When the room has its turn; none while it is rebuilt.
    until: Option<Instant>,
}

impl Lane {
    pub(super) fn new(node: NodeId, rooms: Arc<Rooms>, journal: Journal) -> Self {
        let (rebuilds, parked, paces) = (FuturesUnordered::new(), HashMap::new(), Paces::default());
        Self { node, rooms, journal, rebuilds, parked, parked_count: 0, paces }
    }

    /// Runs until nobody can enqueue any more.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Waiting>) {
        let mut taken = Vec::with_capacity(TOGETHER_MAX);
        loop {
            let turn = self.parked.values().filter_map(|parked| parked.until).min();
            tokio::select! {
                Some((room, rebuilt)) = self.rebuilds.next() => self.rebuilt(&room, rebuilt).await,
                () = sleep_until(turn.unwrap_or_else(Instant::now)), if turn.is_some() => self.take_turns().await,
                1.. = inbox.recv_many(&mut taken, TOGETHER_MAX) => self.send(&mut taken).await,
                else => return,
            }
        }
    }

    /// Calls for those that are due, in as few calls as may be.
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
            if waiting.since.elapsed() > WAIT_MAX {
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

    /// Journals what a call made in one room, and tells its senders.
    fn journal(&self, made: Vec<(Waiting, MessageState)>) {
        let mut senders = Vec::with_capacity(made.len());
        let mut records: Vec<(Permit, MessageRecord)> = Vec::with_capacity(made.len());
        for (mut waiting, message) in made {
            let Some(permit) = waiting.request.permit.take() else {
                waiting.resolve(Ok(SendResult::Refused));
                continue;
            };
            metrics::message_accepted();
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

    /// Lets a message wait until its room has its turn, or is rebuilt, which begins with the first.
    fn park(&mut self, waiting: Waiting, until: Option<Instant>) {
        if self.parked_count >= PARKED_MAX {
            return waiting.fail("too many messages wait for their rooms");
        }
        self.parked_count += 1;
        let room = waiting.request.room.clone();
        match self.parked.entry(room.clone()) {
            Entry::Occupied(mut parked) => return parked.get_mut().messages.push(waiting),
            Entry::Vacant(place) => place.insert(Parked { messages: vec![waiting], until }),
        };
        if until.is_none() {
            let rooms = Arc::clone(&self.rooms);
            self.rebuilds.push(Box::pin(async move {
                let rebuilt = rooms.rebuild(&room).await;
                (room, rebuilt)
            }));
        }
    }

    fn unpark(&mut self, room: &RoomId) -> Vec<Waiting> {
        let parked = self.parked.remove(room).map(|parked| parked.messages).unwrap_or_default();
        self.parked_count -= parked.len();
        parked
    }

    /// Sends for the rooms that have their turn now.
    async fn take_turns(&mut self) {
        let now = Instant::now();
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

    async fn rebuilt(&mut self, room: &RoomId, rebuilt: Result<bool, Refusal>) {
        let mut parked = self.unpark(room);
        let refusal = match rebuilt {
            Ok(true) => {
                for waiting in &mut parked {
                    waiting.is_rebuilt = true;
                }
                return self.send_all(&mut parked).await;
            }
            Ok(false) => Refusal::NotFound,
            Err(refusal) => refusal,
        };
        for waiting in parked {
            waiting.resolve(Err(refusal.clone()));
        }
    }
}

/// The messages that a call made, by room.
#[derive(Default)]
struct Made {
    rooms: HashMap<RoomId, Vec<(Waiting, MessageState)>>,
}

impl Made {
    fn add(&mut self, waiting: Waiting, state: MessageState) {
        self.rooms.entry(state.room_id.clone()).or_default().push((waiting, state));
    }
}
