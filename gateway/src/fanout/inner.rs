//! The state that the fan-out's tasks share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use rts_common::ids::{NodeId, Person, RoomId};
use rts_common::redis::Redis;
use rts_common::redis::keys::Partition;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::canary::Canary;
use super::command::Command;
use super::subscriber::link::Arrived;
use super::subscriber::subscriptions::Subscriptions;
use crate::connection::ConnectionId;
use crate::lifecycle::Lifecycle;
use crate::rooms::Rooms;

/// Reads from Redis at once: enough to fill a connection, few enough not to delay calls.
pub(super) const QUESTIONS_AT_ONCE: usize = 64;

/// Shared by shards and jobs.
pub(super) struct Inner {
    pub(super) node: NodeId,
    pub(super) redis: Arc<Redis>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) shards: Vec<mpsc::Sender<Command>>,
    /// The shards' other inboxes, of publications.
    pub(super) incoming: Arc<[mpsc::Sender<Arrived>]>,
    pub(super) questions: Semaphore,
    pub(super) canary: Canary,
    pub(super) lifecycle: Lifecycle,
}

impl Inner {
    pub(super) fn shard_of_room(&self, room: &RoomId) -> usize {
        Partition::of_room(room).index() % self.shards.len()
    }

    pub(super) fn shard_of_person(&self, person: &Person) -> usize {
        Partition::of_person(person).index() % self.shards.len()
    }

    /// Sends a command, and waits for room in a shard's inbox. Not for shards themselves.
    pub(super) async fn send(&self, shard: usize, command: Command) {
        // A shard ends only with the node.
        let _ = self.shards[shard].send(command).await;
    }

    /// Sends a command without waiting: if the inbox is full, a task waits.
    pub(super) fn post(&self, shard: usize, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(command)) = self.shards[shard].try_send(command) {
            let inbox = self.shards[shard].clone();
            self.spawn(async move {
                let _ = inbox.send(command).await;
            });
        }
    }

    pub(super) fn post_person(&self, command: Command, person: &Person) {
        self.post(self.shard_of_person(person), command);
    }

    /// Removes a session from rooms.
    pub(super) fn unregister(&self, connection: ConnectionId, rooms: Vec<RoomId>) {
        for (shard, rooms) in self.by_shard(rooms) {
            self.post(shard, Command::Unregister { connection, rooms });
        }
    }

    pub(super) fn by_shard(&self, rooms: Vec<RoomId>) -> HashMap<usize, Vec<RoomId>> {
        let mut groups: HashMap<usize, Vec<RoomId>> = HashMap::new();
        for room in rooms {
            groups.entry(self.shard_of_room(&room)).or_default().push(room);
        }
        groups
    }

    pub(super) async fn turn(&self) -> SemaphorePermit<'_> {
        self.questions.acquire().await.expect("nobody closes this semaphore")
    }

    /// Spawns a task that ends on its own, or with the node. A shard waits for its result: without one, by a panic, a
    /// room or user would be mute for ever, so the node ends.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.lifecycle.spawn_sound("fanout job", task);
    }
}
