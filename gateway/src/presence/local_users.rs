//! The users of this node with their connections: the updates of Redis, and when they are due.
//!
//! One script at a time updates a user. Changes in the meantime are in the next update.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rts_common::ids::Person;
use rts_common::redis::keys::{PARTITIONS, Partition};
use rts_common::seq::Timestamp;
use tokio::sync::{Notify, oneshot};

use super::PresenceError;
use crate::connection::ConnectionId;

/// Time until a failed update is repeated.
const RETRY_AFTER: Duration = Duration::from_millis(500);

type Reply = oneshot::Sender<Result<(), PresenceError>>;

/// The users who have, or just had, a connection here. About 300 bytes a user.
pub(super) struct LocalUsers {
    partitions: [Mutex<HashMap<Person, Local>>; PARTITIONS],
    /// Users whose update is due; each at most once, and only users in `partitions`.
    due: Mutex<VecDeque<Person>>,
    wake: Notify,
    /// The ends of the grace of closed connections. The grace is the same for all, so the first is due first.
    gone: Mutex<VecDeque<(Instant, Person)>>,
    /// Users whose update failed.
    failed: Mutex<VecDeque<(Instant, Person)>>,
}

#[derive(Default)]
struct Local {
    connections: Vec<Connection>,
    /// Waiters for the next update.
    waiting: Vec<Reply>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Redis is up to date.
    #[default]
    Synced,
    /// In the queue of due updates.
    Due,
    /// The update is being sent; `again` if something changed since it began.
    Sending { again: bool },
}

struct Connection {
    id: ConnectionId,
    is_away: bool,
    phase: Phase,
}

enum Phase {
    Arriving(Reply),
    Here,
    /// Shown until `until`.
    Gone {
        since: Timestamp,
        until: Instant,
    },
}

/// The update of a user for Redis.
pub(super) struct PresenceUpdate {
    pub(super) person: Person,
    /// Id, status and phase of each connection, as the script's arguments.
    pub(super) connections: Vec<[String; 3]>,
    ids: Vec<ConnectionId>,
    waiting: Vec<Reply>,
}

/// The result of an update.
pub(super) enum SyncResult {
    /// Redis has it; the rejected connections are not accepted.
    Done { rejected: Vec<String> },
    /// It has to be sent again, immediately or after a while.
    Again { has_failed: bool },
}

impl Default for LocalUsers {
    fn default() -> Self {
        Self {
            partitions: std::array::from_fn(|_| Mutex::default()),
            due: Mutex::default(),
            wake: Notify::new(),
            gone: Mutex::default(),
            failed: Mutex::default(),
        }
    }
}

impl LocalUsers {
    /// Adds a connection. The answer says if it is accepted.
    pub(super) fn arrive(&self, person: &Person, id: ConnectionId) -> oneshot::Receiver<Result<(), PresenceError>> {
        let (reply, answer) = oneshot::channel();
        let mut people = self.of(person);
        let local = people.entry(person.clone()).or_default();
        // A user who comes back needs no grace for closed connections.
        local.connections.retain(|connection| !matches!(connection.phase, Phase::Gone { .. }));
        local.connections.push(Connection { id, is_away: false, phase: Phase::Arriving(reply) });
        let is_due = local.touch();
        drop(people);
        if is_due {
            self.put_due([person.clone()]);
        }
        answer
    }

    /// Removes a connection; if it had been accepted, it is shown for the grace.
    pub(super) fn leave(&self, person: &Person, id: ConnectionId, grace: Duration) {
        let until = Instant::now() + grace;
        let mut is_shown = false;
        self.change(person, |local| {
            let Some(place) = local.connections.iter().position(|connection| connection.id == id) else {
                return false;
            };
            if matches!(local.connections[place].phase, Phase::Here) {
                local.connections[place].phase = Phase::Gone { since: Timestamp::now(), until };
                is_shown = true;
            } else {
                local.connections.swap_remove(place);
            }
            true
        });
        if is_shown {
            lock(&self.gone).push_back((until, person.clone()));
        }
    }

    /// Sets a user away, or back, on one of their connections. The answer comes once Redis has it.
    pub(super) fn set(
        &self,
        person: &Person,
        id: ConnectionId,
        is_away: bool,
    ) -> oneshot::Receiver<Result<(), PresenceError>> {
        let (reply, answer) = oneshot::channel();
        self.change(person, |local| {
            let found = local.connections.iter_mut().find(|connection| connection.id == id);
            // A connection that has closed meanwhile has no waiter.
            let Some(connection) = found else { return false };
            connection.is_away = is_away;
            local.waiting.push(reply);
            true
        });
        answer
    }

    /// Makes the updates of all users of a partition due: Redis may have lost them.
    pub(super) fn tell_all(&self, partition: Partition) {
        let mut due = Vec::new();
        for (person, local) in &mut *lock(&self.partitions[partition.index()]) {
            due.extend(local.touch().then(|| person.clone()));
        }
        self.put_due(due);
    }

    /// Compares with the users that Redis has for this node in a partition.
    pub(super) fn compare(&self, partition: Partition, recorded: &[Person]) {
        let recorded: std::collections::HashSet<_> = recorded.iter().collect();
        let mut people = lock(&self.partitions[partition.index()]);
        let is_missing = |(person, local): &(&Person, &Local)| local.is_recorded() && !recorded.contains(person);
        let missing: Vec<_> = people.iter().filter(is_missing).map(|(person, _)| person.clone()).collect();
        let rejected = recorded.iter().filter(|person| !people.contains_key(**person)).map(|person| (*person).clone());
        let wrong: Vec<_> = missing.into_iter().chain(rejected).collect();
        let due: Vec<_> =
            wrong.into_iter().filter(|person| people.entry(person.clone()).or_default().touch()).collect();
        drop(people);
        self.put_due(due);
    }

    /// Returns the number of users with a connection here.
    pub(super) fn online(&self) -> usize {
        let is_here = |local: &&Local| local.connections.iter().any(|each| matches!(each.phase, Phase::Here));
        self.partitions.iter().map(|people| lock(people).values().filter(is_here).count()).sum()
    }

    /// Waits for the next due update.
    pub(super) async fn next(&self) -> PresenceUpdate {
        loop {
            let woken = self.wake.notified();
            let person = {
                let mut due = lock(&self.due);
                let person = due.pop_front();
                // One permit may stand for several.
                if !due.is_empty() {
                    self.wake.notify_one();
                }
                person
            };
            match person {
                Some(person) => {
                    if let Some(update) = self.begin(person) {
                        return update;
                    }
                }
                None => woken.await,
            }
        }
    }

    fn begin(&self, person: Person) -> Option<PresenceUpdate> {
        let mut people = self.of(&person);
        let local = people.get_mut(&person)?;
        local.state = State::Sending { again: false };
        let waiting = std::mem::take(&mut local.waiting);
        let connections = local.connections.iter().map(Connection::words).collect();
        let ids = local.connections.iter().map(|connection| connection.id).collect();
        drop(people);
        Some(PresenceUpdate { person, connections, ids, waiting })
    }

    /// Finishes an update.
    pub(super) fn finish(&self, update: PresenceUpdate, result: &SyncResult) {
        let PresenceUpdate { person, ids, waiting, .. } = update;
        let has_failed = matches!(result, SyncResult::Again { has_failed: true });
        let mut people = self.of(&person);
        let Some(local) = people.get_mut(&person) else { return };
        let mut again = local.state == State::Sending { again: true };
        match result {
            SyncResult::Done { rejected } => {
                local.let_in(&ids, rejected);
                answer(waiting, Ok(()));
            }
            SyncResult::Again { has_failed: false } => {
                local.waiting.extend(waiting);
                again = true;
            }
            SyncResult::Again { has_failed: true } => {
                // It is unknown if the update took effect; the next one makes sure that it did not.
                local.turn_away(&ids);
                answer(waiting, Err(PresenceError::Unavailable));
                again = true;
            }
        }
        local.state = if again { State::Due } else { State::Synced };
        if local.state == State::Synced && local.connections.is_empty() {
            people.remove(&person);
        }
        drop(people);
        if has_failed {
            lock(&self.failed).push_back((Instant::now() + RETRY_AFTER, person));
        } else if again {
            self.put_due([person]);
        }
    }

    /// Removes connections whose grace has passed, and retries updates that failed a while ago.
    pub(super) fn tick(&self, now: Instant) {
        for person in take_due(&self.gone, now) {
            self.change(&person, |local| {
                let before = local.connections.len();
                let is_over = |phase: &Phase| matches!(phase, Phase::Gone { until, .. } if *until <= now);
                local.connections.retain(|connection| !is_over(&connection.phase));
                local.connections.len() < before
            });
        }
        let failed = take_due(&self.failed, now);
        self.put_due(failed);
    }

    fn change(&self, person: &Person, act: impl FnOnce(&mut Local) -> bool) {
        let mut people = self.of(person);
        let Some(local) = people.get_mut(person) else { return };
        let is_due = act(local) && local.touch();
        if local.state == State::Synced && local.connections.is_empty() {
            people.remove(person);
        }
        drop(people);
        if is_due {
            self.put_due([person.clone()]);
        }
    }

    fn put_due(&self, people: impl IntoIterator<Item = Person>) {
        let mut due = lock(&self.due);
        due.extend(people);
        if !due.is_empty() {
            self.wake.notify_one();
        }
    }

    fn of(&self, person: &Person) -> MutexGuard<'_, HashMap<Person, Local>> {
        lock(&self.partitions[Partition::of_person(person).index()])
    }
}

impl Local {
    /// Notes a change. True if the user's update has to be put into the queue.
    fn touch(&mut self) -> bool {
        match &mut self.state {
            State::Synced => {
                self.state = State::Due;
                true
            }
            State::Due => false,
            State::Sending { again } => {
                *again = true;
                false
            }
        }
    }

    /// True if Redis should know the user.
    fn is_recorded(&self) -> bool {
        self.state == State::Synced && !self.connections.is_empty()
    }

    fn let_in(&mut self, told: &[ConnectionId], rejected: &[String]) {
        for connection in std::mem::take(&mut self.connections) {
            let (phase, is_in) = match connection.phase {
                Phase::Arriving(reply) if told.contains(&connection.id) => {
                    let is_in = !rejected.contains(&connection.id.to_string());
                    let _ = reply.send(if is_in { Ok(()) } else { Err(PresenceError::TooMany) });
                    (Phase::Here, is_in)
                }
                phase => (phase, true),
            };
            if is_in {
                self.connections.push(Connection { phase, ..connection });
            }
        }
    }

    fn turn_away(&mut self, told: &[ConnectionId]) {
        for connection in std::mem::take(&mut self.connections) {
            match connection.phase {
                Phase::Arriving(reply) if told.contains(&connection.id) => {
                    let _ = reply.send(Err(PresenceError::Unavailable));
                }
                phase => self.connections.push(Connection { phase, ..connection }),
            }
        }
    }
}

impl Connection {
    fn words(&self) -> [String; 3] {
        let phase = match &self.phase {
            Phase::Arriving(_) => "n".to_owned(),
            Phase::Here => "l".to_owned(),
            Phase::Gone { since, .. } => since.millis().to_string(),
        };
        [self.id.to_string(), if self.is_away { "a" } else { "o" }.to_owned(), phase]
    }
}

fn answer(waiting: Vec<Reply>, answer: Result<(), PresenceError>) {
    for reply in waiting {
        // The waiter may be gone.
        let _ = reply.send(answer);
    }
}

fn take_due(queue: &Mutex<VecDeque<(Instant, Person)>>, now: Instant) -> Vec<Person> {
    let mut queue = lock(queue);
    let due = queue.partition_point(|(moment, _)| *moment <= now);
    queue.drain(..due).map(|(_, person)| person).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
