//! One lane: a task that makes one call at a time.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rts_common::ids::RoomId;
use tokio::sync::mpsc;

use super::{PARKED_MAX, TOGETHER_BYTES_MAX, TOGETHER_MAX, WAIT_MAX, Waiting};
use crate::bus::Bus;
use crate::rooms::{Attempt, Refusal, Rooms};

type Rebuild = Pin<Box<dyn Future<Output = (RoomId, Result<bool, Refusal>)> + Send>>;

pub(super) struct Lane {
    rooms: Arc<Rooms>,
    bus: Bus,
    rebuilds: FuturesUnordered<Rebuild>,
    /// Messages to rooms that are being rebuilt, each room's in their order.
    parked: HashMap<RoomId, Vec<Waiting>>,
    parked_count: usize,
}

impl Lane {
    pub(super) fn new(rooms: Arc<Rooms>, bus: Bus) -> Self {
        Self { rooms, bus, rebuilds: FuturesUnordered::new(), parked: HashMap::new(), parked_count: 0 }
    }

    /// Runs until nobody can hand in any more.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Waiting>) {
        let mut taken = Vec::with_capacity(TOGETHER_MAX);
        loop {
            tokio::select! {
                Some((room, rebuilt)) = self.rebuilds.next() => self.rebuilt(&room, rebuilt).await,
                1.. = inbox.recv_many(&mut taken, TOGETHER_MAX) => self.send(&mut taken).await,
                else => return,
            }
        }
    }

    /// Calls for those that are due, in as few calls as may be.
    async fn send(&mut self, taken: &mut Vec<Waiting>) {
        let mut batch = Vec::with_capacity(taken.len());
        let mut bytes = 0;
        for waiting in taken.drain(..) {
            let size = waiting.bytes();
            if bytes + size > TOGETHER_BYTES_MAX {
                self.call(std::mem::take(&mut batch)).await;
                bytes = 0;
            }
            if waiting.since.elapsed() > WAIT_MAX {
                waiting.fail("a message waited too long for Redis");
            } else if self.parked.contains_key(&waiting.outgoing.room) {
                self.park(waiting);
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
        let sendings: Vec<_> = batch.iter().map(|waiting| waiting.sending(&self.bus)).collect();
        let attempts = self.rooms.send(&sendings).await;
        for (waiting, attempt) in batch.into_iter().zip(attempts) {
            match attempt {
                Attempt::Done(result) => (waiting.done)(result),
                Attempt::Cold if waiting.is_rebuilt => waiting.fail("the room was lost again while it was rebuilt"),
                Attempt::Cold => self.park(waiting),
            }
        }
    }

    /// Lets a message wait until its room is rebuilt, which begins with the first.
    fn park(&mut self, waiting: Waiting) {
        if self.parked_count >= PARKED_MAX {
            return waiting.fail("too many messages wait for rooms that are rebuilt");
        }
        self.parked_count += 1;
        let room = waiting.outgoing.room.clone();
        if let Some(parked) = self.parked.get_mut(&room) {
            parked.push(waiting);
            return;
        }
        self.parked.insert(room.clone(), vec![waiting]);
        let rooms = Arc::clone(&self.rooms);
        self.rebuilds.push(Box::pin(async move {
            let rebuilt = rooms.rebuild(&room).await;
            (room, rebuilt)
        }));
    }

    async fn rebuilt(&mut self, room: &RoomId, rebuilt: Result<bool, Refusal>) {
        let mut parked = self.parked.remove(room).unwrap_or_default();
        self.parked_count -= parked.len();
        let refusal = match rebuilt {
            Ok(true) => {
                for waiting in &mut parked {
                    waiting.is_rebuilt = true;
                }
                while !parked.is_empty() {
                    let rest = parked.split_off(parked.len().min(TOGETHER_MAX));
                    self.send(&mut parked).await;
                    parked = rest;
                }
                return;
            }
            Ok(false) => Refusal::NotFound,
            Err(refusal) => refusal,
        };
        for waiting in parked {
            (waiting.done)(Err(refusal.clone()));
        }
    }
}
