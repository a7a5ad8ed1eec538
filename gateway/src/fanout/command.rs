//! Commands to a shard: everything that reaches it other than through Redis.

use std::sync::Weak;
use std::time::Instant;

use rts_common::ids::{Person, RoomId};
use tokio::sync::oneshot;

use super::members::local_user::{AttachReply, Outcome};
use super::room::sequencer::Answer;
use super::room::{JoinSnapshot, OpenSignal};
use crate::connection::{ConnectionId, SessionHandle};
use crate::presence::PersonStatus;

/// A command to a shard from within the node.
pub(super) enum Command {
    /// Adds a session to rooms. Answers with those where its user's membership has to be checked.
    Register { session: SessionHandle, rooms: Vec<RoomId>, open: OpenSignal, needs_check: oneshot::Sender<Vec<RoomId>> },
    /// Removes a session from rooms.
    Unregister { connection: ConnectionId, rooms: Vec<RoomId> },
    /// Removes a user's sessions from a room, and notifies them.
    Remove { room: RoomId, person: Person },
    /// Collects events for sessions that join a room; answers `None` if all have joined.
    Hold { room: RoomId, sessions: Vec<SessionHandle>, open: OpenSignal, join: oneshot::Sender<Option<u64>> },
    /// Adds them to the room as it was read; or does not.
    Release { room: RoomId, join: u64, read: Option<Box<JoinSnapshot>> },
    /// Redis answered for a room.
    Answered { room: RoomId, generation: Weak<()>, answer: Answer },
    Attach {
        session: SessionHandle,
        /// Its client counts on all events after this moment.
        answer_by: Instant,
        reply: AttachReply,
    },
    /// A session has ended.
    Detach { person: Person, connection: ConnectionId },
    /// A job of a user is done.
    JobDone { person: Person, outcome: Outcome },
    /// A user's membership of a room may have changed.
    Recheck { person: Person, room: RoomId },
    /// A user's rooms have to be compared.
    Reload { person: Person },
    /// A command about watched users.
    Watch(WatchCommand),
}

/// A command to a shard about watched users.
pub(super) enum WatchCommand {
    /// A session watches users; `open` is dropped once the status of all is known.
    Begin { session: SessionHandle, people: Vec<Person>, answer: u64, open: OpenSignal },
    /// Read the answer for a session.
    Answer { connection: ConnectionId, people: Vec<Person>, reply: oneshot::Sender<Vec<(Person, PersonStatus)>> },
    /// The answer is being sent to the client.
    Answered { connection: ConnectionId, people: Vec<Person>, answer: u64 },
    /// A session does not watch users any more.
    End { connection: ConnectionId, people: Vec<Person> },
    /// Redis answered with a user's status.
    Read { person: Person, generation: Weak<()>, status: PersonStatus },
}
