//! One room on this node: its order, the sessions that listen, and the users who are joining.

pub(super) mod receipts;
pub(super) mod sequencer;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rts_common::ids::{Person, RoomId, UserId};
use rts_common::redis::keys;
use rts_common::room::Room;
use rts_common::seq::Seq;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::receipts::Receipts;
use self::sequencer::{Answer, Item, Sequencer, Step};
use super::notification::{PerProtocol, person_changed, record, room_added, room_removed, typing_changed};
use crate::connection::{ConnectionId, FlushList, SessionHandle};
use crate::metrics;
use crate::rooms::{Change, Decoded, EventPosition, Publication, RoomEvent, SeqHint};

/// The first data that a new member gets.
pub(super) struct JoinSnapshot {
    pub(super) room: Room,
    /// The user was not a member before: their sessions are told of the room.
    pub(super) is_new: bool,
    /// Events between their joining and the reading of the room: a first message may be there before their node knows
    /// the room.
    pub(super) events: Vec<RoomEvent>,
}

/// The most events kept for a joining user, until the room was read for them.
const JOINING_EVENTS_MAX: usize = 1000;
/// Users remembered as removed, so that an older list of rooms does not add them again.
const REMOVED_MAX: usize = 64;

/// Dropped once the room's head is known: waiters for several rooms share one receiver.
pub(super) type OpenSignal = mpsc::Sender<()>;

/// A task of the shard for a room.
#[derive(Debug)]
pub(super) enum Effect {
    /// Read from Redis.
    Ask(Option<Seq>),
    /// Call [`LocalRoom::tell_receipts`] then.
    ReceiptsDue(Instant),
    /// Check again if this user is in the room.
    Recheck(Person),
    /// Close these and allow them to reconnect: they have missed an event.
    Resync(Vec<SessionHandle>),
    /// Flush the outboxes that got an event.
    Flush(FlushList),
}

/// The most that one session may find in its outbox.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PendingWrites {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl PendingWrites {
    pub(super) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// A user who is joining.
struct PendingJoin {
    user: UserId,
    sessions: Vec<SessionHandle>,
    events: Vec<Arc<RoomEvent>>,
    is_broken: bool,
}

struct Listener {
    session: SessionHandle,
    /// The session has these events already: nothing up to here is delivered.
    since: Seq,
}

/// A room with listening sessions on this node.
pub(super) struct LocalRoom {
    id: RoomId,
    pub(super) channel: Arc<str>,
    sequencer: Sequencer,
    listeners: HashMap<ConnectionId, Listener>,
    joining: HashMap<u64, PendingJoin>,
    joins: u64,
    removed: VecDeque<UserId>,
    receipts: Receipts,
    waiting: Vec<OpenSignal>,
    /// Raised by the events seen here.
    hint: SeqHint,
    /// Counts the pushes into the outboxes since this was last taken.
    pub(super) put: PendingWrites,
    /// The generation of the room on this node: answers to an earlier one are ignored.
    pub(super) generation: Arc<()>,
}

impl LocalRoom {
    pub(super) fn new(id: RoomId, hint: SeqHint) -> Self {
        Self {
            channel: keys::room_channel(&id).into(),
            id,
            sequencer: Sequencer::default(),
            listeners: HashMap::new(),
            joining: HashMap::new(),
            joins: 0,
            removed: VecDeque::new(),
            receipts: Receipts::default(),
            waiting: Vec::new(),
            hint,
            put: PendingWrites::default(),
            generation: Arc::default(),
        }
    }

    /// True if no session listens here any more.
    pub(super) fn is_idle(&self) -> bool {
        self.listeners.is_empty() && self.joining.is_empty()
    }

    /// Adds a session. True if its user's membership has to be checked: it does not follow from the events seen on this
    /// node.
    pub(super) fn register(&mut self, session: SessionHandle, open: &OpenSignal) -> bool {
        let is_unsure = !self.sequencer.is_open() || self.removed.contains(&session.person.user);
        self.wait_open(open);
        let since = self.sequencer.last();
        self.listeners.insert(session.connection_id, Listener { session, since });
        is_unsure
    }

    /// Removes a session that has ended.
    pub(super) fn unregister(&mut self, connection: ConnectionId) {
        self.listeners.remove(&connection);
        for joining in self.joining.values_mut() {
            joining.sessions.retain(|session| session.connection_id != connection);
        }
    }

    /// Collects events for those of a user's sessions that do not listen yet; `None` if all do.
    pub(super) fn hold(&mut self, sessions: Vec<SessionHandle>, open: &OpenSignal) -> Option<u64> {
        let sessions: Vec<_> =
            sessions.into_iter().filter(|session| !self.listeners.contains_key(&session.connection_id)).collect();
        let user = sessions.first()?.person.user.clone();
        self.wait_open(open);
        self.joins += 1;
        self.joining.insert(self.joins, PendingJoin { user, sessions, events: Vec::new(), is_broken: false });
        Some(self.joins)
    }

    /// Adds the sessions for which events were held: they get the room as it was read, the events in it since they
    /// became members, then the later ones. Without a snapshot, they are not added.
    pub(super) fn release(&mut self, join: u64, entrance: Option<&JoinSnapshot>) -> Vec<Effect> {
        let (Some(joining), Some(entrance)) = (self.joining.remove(&join), entrance) else {
            return Vec::new();
        };
        let room = &entrance.room;
        if joining.is_broken {
            return vec![Effect::Resync(joining.sessions)];
        }
        let later = |event: &&Arc<RoomEvent>| event.seq > room.head_seq;
        let is_removed = |event: &Arc<RoomEvent>| removed_by(event).contains(&joining.user);
        if joining.events.iter().filter(later).any(is_removed) {
            let person = joining.sessions.first().map(|session| session.person.clone());
            return person.map(Effect::Recheck).into_iter().collect();
        }
        self.removed.retain(|user| *user != joining.user);
        if entrance.is_new {
            let mut added = room_added(room);
            for session in &joining.sessions {
                push(session, &mut added);
            }
        }
        let earlier = entrance.events.iter().filter(|event| event.seq <= room.head_seq);
        let held = joining.events.iter().filter(later).map(Arc::as_ref);
        for event in earlier.chain(held) {
            let mut record = PerProtocol::new(|protocol| Some(event.encode(protocol)));
            for session in &joining.sessions {
                push(session, &mut record);
            }
        }
        let since = room.head_seq.max(self.sequencer.last());
        for session in joining.sessions {
            self.listeners.insert(session.connection_id, Listener { session, since });
        }
        Vec::new()
    }

    /// Removes a user's sessions, and notifies them.
    pub(super) fn expel(&mut self, user: &UserId) {
        self.take_out(user, Seq::ZERO);
    }

    /// Handles a subscription of the channel; perhaps not the first.
    pub(super) fn subscribed(&mut self) -> Vec<Effect> {
        let steps = self.sequencer.subscribed();
        self.carry_out(steps)
    }

    /// Handles a payload of the channel, with one publication or several.
    pub(super) fn published(&mut self, payload: &str, now: Instant) -> Vec<Effect> {
        let heard = Publication::read(&self.id, payload);
        heard.into_iter().flat_map(|heard| self.hear(heard, now)).collect()
    }

    fn hear(&mut self, heard: Decoded, now: Instant) -> Vec<Effect> {
        match heard {
            Decoded::Known(Publication::Event(event)) => {
                let steps = self.sequencer.published(Item::new(*event));
                self.carry_out(steps)
            }
            Decoded::Known(Publication::Marks { user_id, marks }) => {
                let due = self.receipts.add(user_id, marks, now);
                due.map(Effect::ReceiptsDue).into_iter().collect()
            }
            Decoded::Known(Publication::Typing { user_id, typing }) => {
                self.tell_typing(&user_id, typing);
                Vec::new()
            }
            Decoded::Known(Publication::Named { user_id, display_name }) => {
                self.tell_all(&mut person_changed(&user_id, &display_name));
                Vec::new()
            }
            Decoded::Unreadable(place) => {
                tracing::error!(room = %self.id, ?place, "skipping a publication that cannot be parsed");
                let steps = match place {
                    Some(EventPosition { epoch, seq, prev }) => {
                        self.sequencer.published(Item { epoch, seq, prev, event: None })
                    }
                    // A newer build may say events in a form without a place that this one knows: the stream has them.
                    None => self.sequencer.subscribed(),
                };
                self.carry_out(steps)
            }
        }
    }

    /// Handles Redis's answer.
    pub(super) fn answered(&mut self, answer: Answer) -> Vec<Effect> {
        let steps = self.sequencer.answered(answer);
        self.carry_out(steps)
    }

    /// Sends the receipts, at the moment of [`Effect::ReceiptsDue`].
    pub(super) fn tell_receipts(&mut self, now: Instant) {
        let Some(receipts) = self.receipts.take(&self.id, now) else {
            return;
        };
        self.tell_all(&mut record("ReceiptsUpdated", receipts));
    }

    fn tell_all<F>(&self, record: &mut PerProtocol<F>)
    where
        F: Fn(rts_common::signalr::Protocol) -> Option<bytes::Bytes>,
    {
        for listener in self.listeners.values() {
            push(&listener.session, record);
        }
    }

    /// Publishes typing to all but the typing user's own devices: they know.
    fn tell_typing(&self, user: &UserId, typing: bool) {
        let mut record = typing_changed(&self.id, user, typing);
        for listener in self.listeners.values().filter(|listener| listener.session.person.user != *user) {
            push(&listener.session, &mut record);
        }
    }

    fn wait_open(&mut self, open: &OpenSignal) {
        if !self.sequencer.is_open() {
            self.waiting.push(open.clone());
        }
    }

    fn carry_out(&mut self, steps: Vec<Step>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut backfilled = 0;
        for step in steps {
            match step {
                Step::Ask(after) => effects.push(Effect::Ask(after)),
                Step::Gap => metrics::bus_gap(),
                Step::Open => self.waiting.clear(),
                Step::Deliver { event, live } => {
                    backfilled += usize::from(!live);
                    self.deliver(&event, live, &mut effects);
                }
                Step::Lost => effects.push(self.lose()),
            }
        }
        if backfilled > 0 {
            metrics::bus_backfilled(backfilled);
        }
        self.hint.raise(self.sequencer.last());
        effects
    }

    fn deliver(&mut self, event: &Arc<RoomEvent>, live: bool, effects: &mut Vec<Effect>) {
        // Before anything else: a removed user cannot get anything more.
        for user in removed_by(event) {
            if let Some(person) = self.take_out(user, event.seq) {
                effects.push(Effect::Recheck(person));
            }
        }
        let mut record = PerProtocol::new(|protocol| Some(event.encode(protocol)));
        let mut later = FlushList::with_capacity(self.listeners.len());
        let mut put = |session: &SessionHandle| {
            record.get(session.protocol).is_some_and(|bytes| session.outbox.try_push_listed(bytes, &mut later))
        };
        let reached = self
            .listeners
            .values()
            .filter(|listener| listener.since < event.seq)
            .filter(|listener| put(&listener.session))
            .count();
        if !later.is_empty() {
            effects.push(Effect::Flush(later));
        }
        self.put.add(PendingWrites { records: usize::from(reached > 0), bytes: record.bytes() });
        metrics::deliveries(reached);
        if live && reached > 0 {
            metrics::fanout_delay(event.seq.age());
        }
        for joining in self.joining.values_mut() {
            if joining.events.len() < JOINING_EVENTS_MAX {
                joining.events.push(Arc::clone(event));
            } else {
                joining.is_broken = true;
            }
        }
    }

    /// Removes a user's sessions that joined before `at`.
    fn take_out(&mut self, user: &UserId, at: Seq) -> Option<Person> {
        if !self.removed.contains(user) {
            self.removed.truncate(REMOVED_MAX - 1);
            self.removed.push_front(user.clone());
        }
        let gone = self.listeners.extract_if(|_, listener| {
            listener.session.person.user == *user && (at == Seq::ZERO || listener.since < at)
        });
        let mut record = room_removed(&self.id);
        let mut person = None;
        for (_, listener) in gone {
            push(&listener.session, &mut record);
            person.get_or_insert(listener.session.person);
        }
        person
    }

    fn lose(&mut self) -> Effect {
        for joining in self.joining.values_mut() {
            joining.is_broken = true;
        }
        let sessions: Vec<_> = self.listeners.drain().map(|(_, listener)| listener.session).collect();
        tracing::warn!(room = %self.id, sessions = sessions.len(), "events of a room are missing; its sessions resume");
        Effect::Resync(sessions)
    }
}

fn push<F>(session: &SessionHandle, record: &mut PerProtocol<F>) -> bool
where
    F: Fn(rts_common::signalr::Protocol) -> Option<bytes::Bytes>,
{
    record.get(session.protocol).is_some_and(|bytes| session.outbox.try_push(bytes))
}

/// Returns the users that an event removes from the room.
fn removed_by(event: &RoomEvent) -> &[UserId] {
    match &event.change {
        Change::Room(update) if update.change == "memberRemoved" => &update.users,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
