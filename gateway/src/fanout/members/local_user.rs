//! One user on this node: their sessions, the rooms that those listen to, and the jobs for them.
//!
//! Jobs that change a user's rooms run one after the other, so that leaving and joining a room again, or a device that
//! connects meanwhile, cannot overtake one another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rts_common::ids::{Person, RoomId};
use rts_common::redis::keys;
use tokio::sync::{mpsc, oneshot};

use crate::close_reason::CloseReason;
use crate::connection::{ConnectionId, SessionHandle};
use crate::fanout::AttachError;
use crate::fanout::notification::PerProtocol;
use crate::fanout::room::OpenSignal;

/// Reports to a session's start if it is attached.
pub(in crate::fanout) type AttachReply = oneshot::Sender<Result<(), AttachError>>;

/// A task for a user's rooms.
#[derive(Debug)]
pub(in crate::fanout) enum Task {
    Attach {
        session: SessionHandle,
        /// Its client counts on all events after this moment.
        answer_by: Instant,
        reply: AttachReply,
    },
    /// Their membership of a room may have changed.
    Recheck(RoomId),
    /// Notifications may have been missed: compare all rooms.
    Reload,
}

/// A task with its data.
pub(in crate::fanout) struct Job {
    pub(in crate::fanout) person: Person,
    pub(in crate::fanout) task: Task,
    /// Their sessions at the start of the job.
    pub(in crate::fanout) sessions: Vec<SessionHandle>,
    /// Rooms that they listen to, as far as known.
    pub(in crate::fanout) rooms: HashSet<RoomId>,
    /// Rooms to be checked again, whatever the lists say.
    pub(in crate::fanout) unsettled: HashSet<RoomId>,
    /// Resolves once the user's channel is subscribed.
    pub(in crate::fanout) subscribed: mpsc::Receiver<()>,
}

/// The outcome of a job.
#[derive(Debug, Default)]
pub(in crate::fanout) struct Outcome {
    /// Sessions that listen, or may listen, to more rooms now.
    pub(in crate::fanout) sessions: Vec<ConnectionId>,
    /// Rooms that they listen, or may listen, to now.
    pub(in crate::fanout) joined: HashSet<RoomId>,
    /// Rooms that they do not listen to any more.
    pub(in crate::fanout) left: HashSet<RoomId>,
    /// Rooms that have to be checked again.
    pub(in crate::fanout) unsettled: HashSet<RoomId>,
    /// A read failed: all rooms have to be compared again.
    pub(in crate::fanout) has_failed: bool,
}

/// The work after a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::fanout) struct AfterJob {
    /// Sessions that ended meanwhile, to be removed from all of the user's rooms.
    pub(in crate::fanout) ended: Vec<ConnectionId>,
    /// The number of failures in a row, if this job failed: compare again after a while.
    pub(in crate::fanout) failures: Option<u32>,
}

/// A user with a session on this node.
pub(in crate::fanout) struct LocalPerson {
    person: Person,
    pub(in crate::fanout) channel: Arc<str>,
    sessions: HashMap<ConnectionId, SessionHandle>,
    rooms: HashSet<RoomId>,
    unsettled: HashSet<RoomId>,
    is_subscribed: bool,
    waiting: Vec<OpenSignal>,
    tasks: VecDeque<Task>,
    is_busy: bool,
    failures: u32,
}

impl LocalPerson {
    pub(in crate::fanout) fn new(person: Person) -> Self {
        Self {
            channel: keys::person_channel(&person).into(),
            person,
            sessions: HashMap::new(),
            rooms: HashSet::new(),
            unsettled: HashSet::new(),
            is_subscribed: false,
            waiting: Vec::new(),
            tasks: VecDeque::new(),
            is_busy: false,
            failures: 0,
        }
    }

    /// True if nothing is left of them here.
    pub(in crate::fanout) fn is_idle(&self) -> bool {
        self.sessions.is_empty() && !self.is_busy
    }

    /// Adds a session that starts.
    pub(in crate::fanout) fn attach(&mut self, session: SessionHandle, answer_by: Instant, reply: AttachReply) {
        self.sessions.insert(session.connection_id, session.clone());
        self.tasks.push_back(Task::Attach { session, answer_by, reply });
    }

    /// Removes a session that has ended. Returns the rooms that it may listen to.
    pub(in crate::fanout) fn detach(&mut self, connection: ConnectionId) -> Vec<RoomId> {
        self.sessions.remove(&connection);
        self.tasks.retain(|task| !matches!(task, Task::Attach { session, .. } if session.connection_id == connection));
        self.rooms.iter().cloned().collect()
    }

    /// Handles a subscription of the channel; if not the first, notifications may have been missed.
    pub(in crate::fanout) fn subscribed(&mut self) {
        self.waiting.clear();
        if std::mem::replace(&mut self.is_subscribed, true) {
            self.reload();
        }
    }

    /// Notes that their membership of a room may have changed.
    pub(in crate::fanout) fn settle(&mut self, room: RoomId) {
        let is_queued = |task: &Task| matches!(task, Task::Recheck(queued) if *queued == room);
        if !self.tasks.iter().any(is_queued) {
            self.tasks.push_back(Task::Recheck(room));
        }
    }

    /// Notes that all rooms have to be compared.
    pub(in crate::fanout) fn reload(&mut self) {
        if !self.tasks.iter().any(|task| matches!(task, Task::Reload)) {
            self.tasks.push_back(Task::Reload);
        }
    }

    /// Returns the next job, if none is running.
    pub(in crate::fanout) fn next_job(&mut self) -> Option<Job> {
        if self.is_busy {
            return None;
        }
        if self.sessions.is_empty() {
            self.tasks.clear();
        }
        let task = self.tasks.pop_front()?;
        self.is_busy = true;
        let (signal, subscribed) = mpsc::channel(1);
        if !self.is_subscribed {
            self.waiting.push(signal);
        }
        let unsettled = match task {
            Task::Reload => std::mem::take(&mut self.unsettled),
            _ => HashSet::new(),
        };
        Some(Job {
            person: self.person.clone(),
            task,
            sessions: self.sessions.values().cloned().collect(),
            rooms: self.rooms.clone(),
            unsettled,
            subscribed,
        })
    }

    /// Finishes a job.
    pub(in crate::fanout) fn done(&mut self, outcome: Outcome) -> AfterJob {
        self.is_busy = false;
        let others_listen = self.sessions.keys().any(|connection| !outcome.sessions.contains(connection));
        for room in outcome.joined {
            // One session's list of rooms has a room that the others do not know.
            if self.rooms.insert(room.clone()) && others_listen {
                self.unsettled.insert(room);
            }
        }
        for room in outcome.left {
            self.rooms.remove(&room);
        }
        self.unsettled.extend(outcome.unsettled);
        if !self.unsettled.is_empty() && !outcome.has_failed {
            self.reload();
        }
        self.failures = if outcome.has_failed { self.failures + 1 } else { 0 };
        let ended = outcome.sessions.into_iter().filter(|connection| !self.sessions.contains_key(connection)).collect();
        AfterJob { ended, failures: outcome.has_failed.then_some(self.failures) }
    }

    /// Returns their rooms, as far as known.
    pub(in crate::fanout) fn rooms(&self) -> Vec<RoomId> {
        self.rooms.iter().cloned().collect()
    }

    /// Ends all of their sessions.
    pub(in crate::fanout) fn close(&self, reason: CloseReason) {
        for session in self.sessions.values() {
            session.outbox.close(reason);
        }
    }

    /// Pushes a record to all of their sessions.
    pub(in crate::fanout) fn push<F>(&self, mut record: PerProtocol<F>)
    where
        F: Fn(rts_common::signalr::Protocol) -> Option<bytes::Bytes>,
    {
        for session in self.sessions.values() {
            if let Some(bytes) = record.get(session.protocol) {
                session.outbox.try_push(bytes);
            }
        }
    }
}
