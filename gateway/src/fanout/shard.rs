//! A shard: the task that owns the rooms and users of some partitions.
//!
//! It waits for nothing but its inbox. Separate tasks read from Redis, and report back.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rts_common::ids::{Person, RoomId};
use rts_common::redis::keys;
use rts_common::redis::stored::WaitNotice;
use rts_common::seq::Seq;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::coalesce::CoalesceDelay;
use super::command::Command;
use super::fetch;
use super::inner::Inner;
use super::members::jobs;
use super::members::local_user::{LocalPerson, Outcome};
use super::notification::{UserNotification, messages_stored};
use super::presence::watches::Watches;
use super::room::{Effect, LocalRoom, PendingWrites};
use super::subscriber::link::{Arrived, Incoming};
use crate::close_reason::CloseReason;
use crate::connection::{FlushList, OUTBOX_BYTES_MAX, OUTBOX_RECORDS_MAX, SessionHandle};
use crate::metrics;

/// Sessions that have to resume are closed over this time, so that they do not all reconnect at once.
const RESYNC_SPREAD: Duration = Duration::from_secs(1);

/// Publications taken before their sessions are flushed: those of a session go out in one frame, so that a node writes
/// the less often the further it is behind.
const INCOMING_AT_ONCE: usize = 256;

/// The most that is put into outboxes before they are flushed: a quarter of an outbox, so that no session is closed as
/// slow before it was written to.
const UNFLUSHED_MAX: PendingWrites = PendingWrites { records: OUTBOX_RECORDS_MAX / 4, bytes: OUTBOX_BYTES_MAX / 4 };

/// Publications taken before other tasks run: to a room of a thousand, two milliseconds.
const INCOMING_IN_A_ROW: usize = 32;

/// Sockets written to before other tasks run: half a millisecond.
const FLUSHED_AT_ONCE: usize = 64;

/// The state of a shard.
pub(super) struct Shard {
    fanout: Arc<Inner>,
    rooms: HashMap<RoomId, LocalRoom>,
    people: HashMap<Person, LocalPerson>,
    watching: Watches,
    receipts_due: BinaryHeap<Reverse<(Instant, RoomId)>>,
    /// Outboxes to be flushed at the end of a turn.
    later: FlushList,
    /// Counts the pushes into outboxes since they were flushed.
    put: PendingWrites,
}

impl Shard {
    pub(super) fn new(fanout: Arc<Inner>) -> Self {
        let watching = Watches::new(Arc::clone(&fanout));
        Self {
            fanout,
            rooms: HashMap::new(),
            people: HashMap::new(),
            watching,
            receipts_due: BinaryHeap::new(),
            later: FlushList::default(),
            put: PendingWrites::default(),
        }
    }

    /// Runs until the fan-out is gone.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut incoming: mpsc::Receiver<Arrived>) {
        let mut taken = Vec::with_capacity(INCOMING_AT_ONCE);
        let mut pace = CoalesceDelay::default();
        loop {
            let due = self.receipts_due.peek().map(|Reverse((due, _))| *due);
            let (rests_until, never) = (pace.rests_until(), Instant::now() + RESYNC_SPREAD);
            let mut is_turn = false;
            tokio::select! {
                biased;
                Some(command) = commands.recv() => self.command(command),
                () = sleep_until(due.unwrap_or(never)), if due.is_some() => self.tell_receipts(),
                () = sleep_until(rests_until.unwrap_or(never)), if rests_until.is_some() => pace.rested(),
                1.. = incoming.recv_many(&mut taken, INCOMING_AT_ONCE), if rests_until.is_none() => {
                    pace.begin(taken.first().map(|oldest| oldest.at.elapsed()).unwrap_or_default());
                    for (number, arrived) in taken.drain(..).enumerate() {
                        if number > 0 && number % INCOMING_IN_A_ROW == 0 {
                            tokio::task::yield_now().await;
                        }
                        self.incoming(&arrived.incoming);
                        if self.put.records > UNFLUSHED_MAX.records || self.put.bytes > UNFLUSHED_MAX.bytes {
                            self.flush().await;
                        }
                    }
                    is_turn = true;
                }
                else => return,
            }
            self.flush().await;
            if is_turn {
                pace.end(Instant::now());
            }
        }
    }

    /// Flushes the outboxes that something was put into. A large room must not hold up the other tasks of this thread.
    async fn flush(&mut self) {
        self.put = PendingWrites::default();
        self.later.flush(FLUSHED_AT_ONCE);
        while !self.later.is_empty() {
            tokio::task::yield_now().await;
            self.later.flush(FLUSHED_AT_ONCE);
        }
    }

    fn incoming(&mut self, incoming: &Incoming) {
        let (Incoming::Subscribed(channel) | Incoming::Published { channel, .. }) = incoming;
        let Ok(channel) = std::str::from_utf8(channel) else {
            return;
        };
        if let Some(room) = keys::room_of_channel(channel) {
            self.room_incoming(&room, incoming);
        } else if let Some(person) = keys::person_of_channel(channel) {
            self.person_incoming(&person, incoming);
        } else if let Some(person) = keys::person_of_presence(channel) {
            self.watching.incoming(person, incoming);
        } else if keys::is_canary_channel(channel) {
            if let Incoming::Published { channel, payload } = incoming {
                self.fanout.canary.heard(channel, payload);
            }
        } else if keys::node_of_channel(channel).as_ref() == Some(&self.fanout.node) {
            node_incoming(incoming);
        }
    }

    fn room_incoming(&mut self, id: &RoomId, incoming: &Incoming) {
        // A room that is not here any more is being unsubscribed.
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        let effects = match incoming {
            Incoming::Subscribed(_) => room.subscribed(),
            Incoming::Published { payload, .. } => match text(payload) {
                Some(payload) => room.published(payload, Instant::now()),
                None => return,
            },
        };
        self.put.add(std::mem::take(&mut room.put));
        self.carry_out(id, effects);
    }

    fn person_incoming(&mut self, who: &Person, incoming: &Incoming) {
        let Some(person) = self.people.get_mut(who) else {
            return;
        };
        match incoming {
            Incoming::Subscribed(_) => person.subscribed(),
            Incoming::Published { payload, .. } => match text(payload).and_then(UserNotification::parse) {
                Some(UserNotification::Membership(room)) => person.settle(room),
                Some(UserNotification::Stored(notice)) => {
                    if notice.origin == self.fanout.node {
                        notice.seqs.iter().for_each(|seq| metrics::persist_lag(seq.age()));
                    }
                    person.push(messages_stored(&notice));
                }
                Some(UserNotification::Revoked) => person.close(CloseReason::Revoked),
                // Functions and nodes of other builds may say more than this one knows.
                None => tracing::debug!("skipping a notification of a user that this build does not know"),
            },
        }
        self.go_on(who);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Register { session, rooms, open, needs_check } => {
                let is_unsure = |room: &RoomId| self.room(room).register(session.clone(), &open);
                let _ = needs_check.send(rooms.into_iter().filter(is_unsure).collect());
            }
            Command::Unregister { connection, rooms } => {
                for room in rooms {
                    self.on_room(&room, |local| {
                        local.unregister(connection);
                        Vec::new()
                    });
                }
            }
            Command::Remove { room, person } => self.on_room(&room, |local| {
                local.expel(&person.user);
                Vec::new()
            }),
            Command::Hold { room, sessions, open, join } => {
                let held = self.room(&room).hold(sessions, &open);
                let _ = join.send(held);
                self.forget_if_idle(&room);
            }
            Command::Release { room, join, read } => {
                self.on_room(&room, |local| local.release(join, read.as_deref()));
            }
            Command::Answered { room, generation, answer } => self.on_room(&room, |local| {
                if generation.ptr_eq(&Arc::downgrade(&local.generation)) { local.answered(answer) } else { Vec::new() }
            }),
            command => self.person_command(command),
        }
    }

    fn person_command(&mut self, command: Command) {
        let person = match command {
            Command::Attach { session, answer_by, reply } => {
                let person = session.person.clone();
                self.person(&person).attach(session, answer_by, reply);
                person
            }
            Command::Detach { person, connection } => {
                if let Some(local) = self.people.get_mut(&person) {
                    let rooms = local.detach(connection);
                    self.fanout.unregister(connection, rooms);
                }
                person
            }
            Command::JobDone { person, outcome } => {
                self.job_done(&person, outcome);
                person
            }
            Command::Recheck { person, room } => {
                if let Some(local) = self.people.get_mut(&person) {
                    local.settle(room);
                }
                person
            }
            Command::Reload { person } => {
                if let Some(local) = self.people.get_mut(&person) {
                    local.reload();
                }
                person
            }
            Command::Watch(command) => return self.watching.command(command),
            _ => return,
        };
        self.go_on(&person);
    }

    fn job_done(&mut self, person: &Person, outcome: Outcome) {
        let Some(local) = self.people.get_mut(person) else {
            return;
        };
        let after = local.done(outcome);
        for connection in after.ended {
            self.fanout.unregister(connection, local.rooms());
        }
        if let Some(failures) = after.failures {
            jobs::reload_later(&self.fanout, person.clone(), failures);
        }
    }

    /// Starts a user's next job, or forgets them.
    fn go_on(&mut self, who: &Person) {
        let Some(person) = self.people.get_mut(who) else {
            return;
        };
        if let Some(job) = person.next_job() {
            jobs::start(&self.fanout, job);
        } else if person.is_idle() {
            self.fanout.subscriptions.drop_channel(&person.channel);
            self.people.remove(who);
        }
    }

    fn person(&mut self, who: &Person) -> &mut LocalPerson {
        self.people.entry(who.clone()).or_insert_with(|| {
            let person = LocalPerson::new(who.clone());
            self.fanout.subscriptions.want(&person.channel);
            person
        })
    }

    fn room(&mut self, id: &RoomId) -> &mut LocalRoom {
        self.rooms.entry(id.clone()).or_insert_with(|| {
            let room = LocalRoom::new(id.clone(), self.fanout.rooms.seq_hint(id));
            self.fanout.subscriptions.want(&room.channel);
            room
        })
    }

    fn on_room(&mut self, id: &RoomId, act: impl FnOnce(&mut LocalRoom) -> Vec<Effect>) {
        if let Some(room) = self.rooms.get_mut(id) {
            let effects = act(room);
            self.carry_out(id, effects);
        }
    }

    fn carry_out(&mut self, id: &RoomId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask(after) => self.ask(id, after),
                Effect::ReceiptsDue(due) => self.receipts_due.push(Reverse((due, id.clone()))),
                Effect::Recheck(person) => {
                    let room = id.clone();
                    self.fanout.post_person(Command::Recheck { person: person.clone(), room }, &person);
                }
                Effect::Resync(sessions) => resync(&self.fanout, sessions),
                Effect::Flush(later) => self.later.absorb(later),
            }
        }
        self.forget_if_idle(id);
    }

    fn ask(&self, id: &RoomId, after: Option<Seq>) {
        if let Some(room) = self.rooms.get(id) {
            fetch::start(&self.fanout, id.clone(), after, Arc::downgrade(&room.generation));
        }
    }

    fn forget_if_idle(&mut self, id: &RoomId) {
        if let Some(room) = self.rooms.get(id)
            && room.is_idle()
        {
            self.fanout.subscriptions.drop_channel(&room.channel);
            self.rooms.remove(id);
        }
    }

    fn tell_receipts(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((due, _))) = self.receipts_due.peek()
            && *due <= now
            && let Some(Reverse((_, id))) = self.receipts_due.pop()
        {
            if let Some(room) = self.rooms.get_mut(&id) {
                room.tell_receipts(now);
            }
        }
    }
}

pub(super) fn text(payload: &Bytes) -> Option<&str> {
    std::str::from_utf8(payload).inspect_err(|_| tracing::error!("skipping a publication that is not UTF-8")).ok()
}

/// Closes sessions one after the other over [`RESYNC_SPREAD`].
fn resync(fanout: &Arc<Inner>, sessions: Vec<SessionHandle>) {
    if sessions.is_empty() {
        return;
    }
    let begun = Instant::now();
    let mut moments: Vec<_> = sessions.iter().map(|_| begun + RESYNC_SPREAD.mul_f64(rand::random())).collect();
    moments.sort_unstable();
    fanout.spawn(async move {
        for (session, moment) in sessions.into_iter().zip(moments) {
            sleep_until(moment).await;
            session.outbox.close(CloseReason::Resync);
        }
    });
}

/// Handles a publication to this node.
fn node_incoming(incoming: &Incoming) {
    let Incoming::Published { payload, .. } = incoming else { return };
    if let Some(notice) = text(payload).and_then(WaitNotice::decode) {
        notice.waits_ms.into_iter().map(Duration::from_millis).for_each(metrics::queue_wait);
    } else {
        tracing::error!("a notice to this node cannot be read and is passed over");
    }
}
