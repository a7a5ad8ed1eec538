//! What all workers of a run share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::message::Author;
use super::wire;
use crate::checker::{Content, Kind, RoomCheck, Slot, Violation, Violations};
use crate::link::{Dialer, Tokens};
use crate::scenario::{Scenario, World};

/// Messages whose place is kept for the check of the history, over all rooms: 32 MB.
const RETAINED_MAX: usize = 2_000_000;

/// Everything that is the same for all workers.
pub(super) struct Shared {
    pub(super) scenario: Scenario,
    pub(super) world: World,
    pub(super) author: Author,
    pub(super) tokens: Tokens,
    pub(super) dialer: Dialer,
    pub(super) seed: u64,
    pub(super) workers: usize,
    pub(super) stage: watch::Sender<Stage>,
    /// Whether a user is connected, and has resumed.
    pub(super) online: Vec<AtomicBool>,
    /// Sends under way: not answered yet, or waiting for a connection.
    pub(super) pending: AtomicU64,
    user_ids: Vec<String>,
    rooms: Vec<OnceLock<RoomState>>,
    by_id: OnceLock<HashMap<String, u32>>,
    violations: Mutex<Violations>,
    load: Mutex<Load>,
    ends: Mutex<BTreeMap<String, u64>>,
    started: Instant,
    epoch_us: u64,
}

/// A room that exists.
pub(super) struct RoomState {
    pub(super) id: String,
    /// Its last event before anybody sent anything.
    pub(super) head: u64,
    check: Mutex<RoomCheck>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Rooms are made.
    Setup,
    /// Everyone connects, and the phases run.
    Running,
    /// Everything has been sent and received; what the server remembers is compared.
    Checking,
    /// Time to go.
    Over,
}

/// How much is to be done now, as a multiple of the scenario's rates.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) start_us: u64,
    pub(super) end_us: u64,
}

impl Load {
    /// The multiple at a time; before and after, none.
    pub(super) fn at(&self, now_us: u64) -> f64 {
        if now_us < self.start_us || now_us >= self.end_us {
            return 0.0;
        }
        let part = (now_us - self.start_us) as f64 / (self.end_us - self.start_us) as f64;
        self.from + (self.to - self.from) * part
    }
}

/// What [`Shared::new`] is made of.
pub(super) struct Parts {
    pub(super) scenario: Scenario,
    pub(super) world: World,
    pub(super) run: String,
    pub(super) tokens: Tokens,
    pub(super) dialer: Dialer,
    pub(super) seed: u64,
    pub(super) workers: usize,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { scenario, world, run, tokens, dialer, seed, workers } = parts;
        let users = scenario.users;
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            author: Author::new(&run, scenario.body_bytes),
            user_ids: (0..users).map(|user| tokens.user(user)).collect(),
            online: (0..users).map(|_| AtomicBool::new(false)).collect(),
            rooms: world.rooms.iter().map(|_| OnceLock::new()).collect(),
            stage: watch::Sender::new(Stage::Setup),
            pending: AtomicU64::new(0),
            by_id: OnceLock::new(),
            violations: Mutex::default(),
            load: Mutex::default(),
            ends: Mutex::default(),
            started: Instant::now(),
            epoch_us: u64::try_from(epoch.as_micros()).unwrap_or_default(),
            scenario,
            world,
            tokens,
            dialer,
            seed,
            workers,
        }
    }

    /// Microseconds since the run's start.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A time of the run as microseconds since the Unix epoch, on a clock that never jumps.
    pub(super) fn wall_us(&self, at_us: u64) -> u64 {
        self.epoch_us + at_us
    }

    /// How long ago a time since the Unix epoch was.
    pub(super) fn since_wall(&self, wall_us: u64) -> u64 {
        self.wall_us(self.now_us()).saturating_sub(wall_us)
    }

    pub(super) fn user_id(&self, user: usize) -> &str {
        &self.user_ids[user]
    }

    /// The rest of a member's rooms' facts; `None` while the room is not made.
    pub(super) fn room(&self, room: u32) -> Option<&RoomState> {
        self.rooms[room as usize].get()
    }

    /// A room was made.
    pub(super) fn room_made(&self, room: u32, id: String, head: u64) {
        let members = self.world.rooms[room as usize].members.len();
        let members = u32::try_from(members).expect("a room has at most a thousand members");
        let retained = RETAINED_MAX / self.rooms.len();
        let check = Mutex::new(RoomCheck::new(room, members, head, retained));
        let _made_before = self.rooms[room as usize].set(RoomState { id, head, check });
    }

    /// All rooms are made that will be.
    pub(super) fn rooms_made(&self) {
        let named = (0..).zip(&self.rooms).filter_map(|(i, room)| Some((room.get()?.id.clone(), i)));
        let _first = self.by_id.set(named.collect());
    }

    /// Which room an id is of; only after [`Self::rooms_made`].
    pub(super) fn room_of_id(&self, id: &str) -> Option<u32> {
        self.by_id.get()?.get(id).copied()
    }

    /// Tells the checker of a room something.
    pub(super) fn check<T>(&self, room: u32, tell: impl FnOnce(&mut RoomCheck, &mut Violations) -> T) -> Option<T> {
        let mut found = Violations::default();
        let told = tell(&mut lock(&self.room(room)?.check), &mut found);
        if found.total() > 0 {
            let mut violations = lock(&self.violations);
            found.listed().iter().for_each(|violation| violations.push(violation.clone()));
        }
        Some(told)
    }

    /// Something could not be checked.
    pub(super) fn unverified(&self, room: u32, member: Option<Slot>, detail: &str) {
        let (kind, at_us) = (Kind::Unverified, self.now_us());
        let violation = Violation { kind, room, seq: None, member, message: None, at_us, detail: detail.to_owned() };
        self.violations().push(violation);
    }

    /// What a message is, and when it was meant to be sent.
    pub(super) fn recognize(&self, message: &wire::Message) -> Option<(Content, u64)> {
        let authored = self.author.recognize(&message.client_id, &message.body)?;
        let plan = self.world.rooms.get(authored.room as usize)?;
        let sender = *plan.members.get(authored.key.sender as usize)?;
        let right =
            self.room(authored.room)?.id == message.room_id && self.user_id(sender as usize) == message.sender_id;
        right.then_some((Content::Message(authored.key), authored.intended_us))
    }

    pub(super) fn load(&self) -> Load {
        *lock(&self.load)
    }

    pub(super) fn set_load(&self, load: Load) {
        *lock(&self.load) = load;
    }

    pub(super) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    pub(super) fn violations(&self) -> MutexGuard<'_, Violations> {
        lock(&self.violations)
    }

    /// A connection, or an attempt at one, ended for this reason.
    pub(super) fn ended(&self, reason: String) {
        let mut ends = lock(&self.ends);
        // Reasons may hold what the server said: only so many different ones are kept.
        if ends.len() < 50 || ends.contains_key(&reason) {
            *ends.entry(reason).or_default() += 1;
        }
    }

    pub(super) fn ends(&self) -> BTreeMap<String, u64> {
        lock(&self.ends).clone()
    }

    pub(super) fn online_count(&self) -> usize {
        self.online.iter().filter(|online| online.load(Ordering::Relaxed)).count()
    }
}

/// A lock whose holder panicked is still used: the run ends anyway.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_goes_from_one_rate_to_another() {
        let load = Load { from: 0.0, to: 2.0, start_us: 100, end_us: 200 };
        let at = [99, 100, 150, 200].map(|now| load.at(now));
        assert!(at.iter().zip([0.0, 0.0, 1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
