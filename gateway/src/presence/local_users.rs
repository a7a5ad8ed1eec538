//! The people of this node with their connections: what Redis is told, and when.
//!
//! Every person is told of by one script at a time. Whatever changes meanwhile is told by the next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rts_common::ids::Person;
use rts_common::redis::keys::{PARTITIONS, Partition};
use rts_common::seq::Timestamp;
use tokio::sync::{Notify, oneshot};

use super::PresenceError;
use crate::connection::ConnectionId;

/// How long until a telling that failed is repeated.
const RETRY_AFTER: Duration = Duration::from_millis(500);

type Reply = oneshot::Sender<Result<(), PresenceError>>;

/// Everyone who has, or just had, a connection here. About 300 bytes a person.
pub(super) struct LocalUsers {
    partitions: [Mutex<HashMap<Person, Local>>; PARTITIONS],
    /// Those to be told of; each at most once, and only who is in `partitions`.
    due: Mutex<VecDeque<Person>>,
    wake: Notify,
    /// Until when connections that went are shown. The grace is the same for all, so the first is due first.
    gone: Mutex<VecDeque<(Instant, Person)>>,
    /// Those of whom the telling failed.
    failed: Mutex<VecDeque<(Instant, Person)>>,
}

#[derive(Default)]
struct Local {
    connections: Vec<Connection>,
    /// Wait for the next telling.
    waiting: Vec<Reply>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Redis knows.
    #[default]
    SyncResult,
    /// In a queue.
    Due,
    /// Being told of; `again` if something changed since that began.
    PresenceUpdate { again: bool },
}

struct Connection {
    id: ConnectionId,
    is_away: bool,
    phase: Phase,
}

enum Phase {
    Arriving(Reply),
    Here,
    /// Shown until then.
    Gone {
        since: Timestamp,
        until: Instant,
    },
}

/// What Redis is to be told of a person.
pub(super) struct PresenceUpdate {
    pub(super) person: Person,
    /// Of each connection: id, status and phase, as the script takes them.
    pub(super) connections: Vec<[String; 3]>,
    ids: Vec<ConnectionId>,
    waiting: Vec<Reply>,
}

/// What came of it.
pub(super) enum SyncResult {
    /// Redis knows; these do not come in.
    Done { rejected: Vec<String> },
    /// It has to be told again, at once or after a while.
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
    /// A connection comes. The answer says whether it is let in.
    pub(super) fn arrive(&self, person: &Person, id: ConnectionId) -> oneshot::Receiver<Result<(), PresenceError>> {
        let (reply, answer) = oneshot::channel();
        let mut people = self.of(person);
        let local = people.entry(person.clone()).or_default();
        // Whoever comes back needs no showing of what went.
        local.connections.retain(|connection| !matches!(connection.phase, Phase::Gone { .. }));
        local.connections.push(Connection { id, is_away: false, phase: Phase::Arriving(reply) });
        let is_due = local.touch();
        drop(people);
        if is_due {
            self.put_due([person.clone()]);
        }
        answer
    }

    /// A connection goes; if it had been let in, it is shown for a while.
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

    /// Somebody is away from one of their connections, or back. The answer comes once that is told.
    pub(super) fn set(
        &self,
        person: &Person,
        id: ConnectionId,
        is_away: bool,
    ) -> oneshot::Receiver<Result<(), PresenceError>> {
        let (reply, answer) = oneshot::channel();
        self.change(person, |local| {
            let found = local.connections.iter_mut().find(|connection| connection.id == id);
            // One that is gone meanwhile has nobody who waits.
            let Some(connection) = found else { return false };
            connection.is_away = is_away;
            local.waiting.push(reply);
            true
        });
        answer
    }

    /// Everyone of a partition is to be told of: Redis may have forgotten them.
    pub(super) fn tell_all(&self, partition: Partition) {
        let mut due = Vec::new();
        for (person, local) in &mut *lock(&self.partitions[partition.index()]) {
            due.extend(local.touch().then(|| person.clone()));
        }
        self.put_due(due);
    }

    /// Compares with the people that Redis has for this node in a partition.
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

    /// How many people have a connection here.
    pub(super) fn online(&self) -> usize {
        let is_here = |local: &&Local| local.connections.iter().any(|each| matches!(each.phase, Phase::Here));
        self.partitions.iter().map(|people| lock(people).values().filter(is_here).count()).sum()
    }

    /// The next telling.
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
                    if let Some(telling) = self.begin(person) {
                        return telling;
                    }
                }
                None => woken.await,
            }
        }
    }

    fn begin(&self, person: Person) -> Option<PresenceUpdate> {
        let mut people = self.of(&person);
        let local = people.get_mut(&person)?;
        local.state = State::PresenceUpdate { again: false };
        let waiting = std::mem::take(&mut local.waiting);
        let connections = local.connections.iter().map(Connection::words).collect();
        let ids = local.connections.iter().map(|connection| connection.id).collect();
        drop(people);
        Some(PresenceUpdate { person, connections, ids, waiting })
    }

    /// A telling is over.
    pub(super) fn finish(&self, telling: PresenceUpdate, told: &SyncResult) {
        let PresenceUpdate { person, ids, waiting, .. } = telling;
        let has_failed = matches!(told, SyncResult::Again { has_failed: true });
        let mut people = self.of(&person);
        let Some(local) = people.get_mut(&person) else { return };
        let mut again = local.state == State::PresenceUpdate { again: true };
        match told {
            SyncResult::Done { rejected } => {
                local.let_in(&ids, rejected);
                answer(waiting, Ok(()));
            }
            SyncResult::Again { has_failed: false } => {
                local.waiting.extend(waiting);
                again = true;
            }
            SyncResult::Again { has_failed: true } => {
                // Whether it took effect is not known; the next telling makes sure that it did not.
                local.turn_away(&ids);
                answer(waiting, Err(PresenceError::Unavailable));
                again = true;
            }
        }
        local.state = if again { State::Due } else { State::SyncResult };
        if local.state == State::SyncResult && local.connections.is_empty() {
            people.remove(&person);
        }
        drop(people);
        if has_failed {
            lock(&self.failed).push_back((Instant::now() + RETRY_AFTER, person));
        } else if again {
            self.put_due([person]);
        }
    }

    /// Takes out what was shown for long enough, and tries again what failed a while ago.
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
        if local.state == State::SyncResult && local.connections.is_empty() {
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
    /// Something is to be told. True if that has to be put into a queue.
    fn touch(&mut self) -> bool {
        match &mut self.state {
            State::SyncResult => {
                self.state = State::Due;
                true
            }
            State::Due => false,
            State::PresenceUpdate { again } => {
                *again = true;
                false
            }
        }
    }

    /// Whether Redis should know them.
    fn is_recorded(&self) -> bool {
        self.state == State::SyncResult && !self.connections.is_empty()
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
        // Whoever asked may be gone.
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
