//! The state that all workers of a run share.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use rts_common::seq::{Month, Timestamp};
use rts_common::store::oldest_month;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::acks::Unacked;
use super::clock::Clock;
use super::message::Author;
use super::observation::{Outbox, Said};
use crate::checker::{Content, RoomCheck, Slot, Tell, Violation, Violations};
use crate::connection::{Dialer, Tokens};
use crate::scenario::{Scenario, World};
use crate::sync::lock;
use crate::wire;

/// The number of different reasons kept: they may contain the server's texts.
const ENDS_MAX: usize = 50;
/// Messages that are kept individually for the check of the history, over all rooms: 32 MB.
const RETAINED_MAX: usize = 2_000_000;

/// Everything that is the same for all workers.
pub(super) struct Shared {
    pub(super) scenario: Scenario,
    pub(super) world: World,
    pub(super) author: Author,
    pub(super) tokens: Tokens,
    pub(super) dialer: Dialer,
    pub(super) seed: u64,
    /// The number of workers on all machines.
    pub(super) workers: usize,
    pub(super) clock: Clock,
    /// On a machine that does not check: the observations for the lead.
    pub(super) outbox: Option<Outbox>,
    pub(super) stage: watch::Sender<Stage>,
    /// True for a user that is connected and has resumed; only the lead knows this of other machines' users.
    online: Vec<AtomicBool>,
    /// The users present at the end; set once the load is over.
    present: OnceLock<Vec<bool>>,
    /// Sends in flight: not answered yet, or waiting to be retried.
    pub(super) pending: AtomicU64,
    /// The number of sends acknowledged so far.
    pub(super) acks: AtomicU64,
    unacked: Mutex<Unacked>,
    user_ids: Vec<String>,
    rooms: Vec<OnceLock<RoomState>>,
    by_id: OnceLock<HashMap<String, u32>>,
    violations: Mutex<Violations>,
    load: watch::Sender<Load>,
    ends: Mutex<BTreeMap<String, u64>>,
}

/// A room that exists.
pub(super) struct RoomState {
    pub(super) id: String,
    /// Its last event before anybody sent anything.
    pub(super) head: u64,
    /// Its checker, on the machine that checks.
    check: Option<Mutex<RoomCheck>>,
}

/// The stages of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Rooms are created.
    Setup,
    /// Everyone connects, and the phases run.
    Running,
    /// Nothing is sent any more; accepted messages are being stored.
    Draining,
    /// Everything has been sent and received; the server's state is compared.
    Checking,
    /// Everything is over.
    Over,
}

/// The load now, as a multiple of the scenario's rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) start_us: u64,
    pub(super) end_us: u64,
}

impl Load {
    /// Returns the multiple at a time; zero before and after the load.
    pub(super) fn at(&self, now_us: u64) -> f64 {
        if now_us < self.start_us || now_us >= self.end_us {
            return 0.0;
        }
        let part = now_us.saturating_sub(self.start_us) as f64 / (self.end_us - self.start_us) as f64;
        self.from + (self.to - self.from) * part
    }
}

/// The parts of a new [`Shared`].
pub(super) struct Parts {
    pub(super) scenario: Scenario,
    pub(super) world: World,
    pub(super) run: String,
    pub(super) tokens: Tokens,
    pub(super) dialer: Dialer,
    pub(super) seed: u64,
    pub(super) workers: usize,
    pub(super) clock: Clock,
    pub(super) outbox: Option<Outbox>,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { scenario, world, run, tokens, dialer, seed, workers, clock, outbox } = parts;
        let users = scenario.users;
        Self {
            author: Author::new(&run, scenario.body_bytes),
            user_ids: (0..users).map(|user| tokens.user(user)).collect(),
            online: (0..users).map(|_| AtomicBool::new(false)).collect(),
            rooms: world.rooms.iter().map(|_| OnceLock::new()).collect(),
            stage: watch::Sender::new(Stage::Setup),
            pending: AtomicU64::new(0),
            acks: AtomicU64::new(0),
            unacked: Mutex::default(),
            by_id: OnceLock::new(),
            violations: Mutex::default(),
            load: watch::Sender::new(Load::default()),
            ends: Mutex::default(),
            present: OnceLock::new(),
            clock,
            outbox,
            scenario,
            world,
            tokens,
            dialer,
            seed,
            workers,
        }
    }

    /// Returns the microseconds since the run's start.
    pub(super) fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    /// Converts a time of the run to microseconds since the Unix epoch, on a clock that never jumps.
    pub(super) fn wall_us(&self, at_us: u64) -> u64 {
        self.clock.wall_us(at_us)
    }

    /// Returns the time since a moment, given since the Unix epoch.
    pub(super) fn since_wall(&self, wall_us: u64) -> u64 {
        self.wall_us(self.now_us()).saturating_sub(wall_us)
    }

    pub(super) fn user_id(&self, user: usize) -> &str {
        &self.user_ids[user]
    }

    /// Returns the state of a room; `None` while the room is not created.
    pub(super) fn room(&self, room: u32) -> Option<&RoomState> {
        self.rooms[room as usize].get()
    }

    /// Notes that a room was created.
    pub(super) fn room_made(&self, room: u32, id: String, head: u64) {
        let members = self.world.rooms[room as usize].members.len();
        let members = u32::try_from(members).expect("a room has at most a thousand members");
        let retained = RETAINED_MAX / self.rooms.len();
        let check = match &self.outbox {
            Some(outbox) => {
                outbox.push(Said::Made(room, id.clone(), head));
                None
            }
            None => Some(Mutex::new(RoomCheck::new(room, members, head, retained))),
        };
        let _made_before = self.rooms[room as usize].set(RoomState { id, head, check });
    }

    /// Notes that another machine has created a room.
    pub(super) fn room_known(&self, room: u32, id: String, head: u64) {
        if let Some(state) = self.rooms.get(room as usize) {
            let _made_here = state.set(RoomState { id, head, check: None });
        }
    }

    /// Notes that no more rooms will be created.
    pub(super) fn rooms_made(&self) {
        let named = (0..).zip(&self.rooms).filter_map(|(i, room)| Some((room.get()?.id.clone(), i)));
        let _first = self.by_id.set(named.collect());
    }

    /// Returns the room of an id; only after [`Self::rooms_made`].
    pub(super) fn room_of_id(&self, id: &str) -> Option<u32> {
        self.by_id.get()?.get(id).copied()
    }

    /// Reports an observation to the checker of a room, wherever it is.
    pub(super) fn tell(&self, room: u32, tell: Tell) {
        let at_us = self.now_us();
        match &self.outbox {
            Some(outbox) => outbox.push(Said::Tell(room, at_us, tell)),
            None => {
                self.check(room, |check, found| check.take(&tell, at_us, found));
            }
        }
    }

    /// Runs a function on the checker of a room on this machine.
    pub(super) fn check<T>(&self, room: u32, tell: impl FnOnce(&mut RoomCheck, &mut Violations) -> T) -> Option<T> {
        let mut found = Violations::default();
        let told = tell(&mut lock(self.room(room)?.check.as_ref()?), &mut found);
        if found.total() > 0 {
            self.found(&found);
        }
        Some(told)
    }

    /// Keeps violations.
    pub(super) fn found(&self, found: &Violations) {
        lock(&self.violations).absorb(found);
    }

    /// Returns the month in which the run began: nothing of it is older.
    pub(super) fn started_month(&self) -> Month {
        oldest_month(Timestamp::from_millis(self.wall_us(0) / 1000))
    }

    /// Reports that something could not be checked.
    pub(super) fn unverified(&self, room: u32, member: Option<Slot>, detail: &str) {
        if self.room(room).is_some() {
            return self.tell(room, Tell::Unverified(member, detail.to_owned()));
        }
        self.violations().push(Violation::unverified(room, member, detail, self.now_us()));
    }

    /// Returns the identity of a message, and the time when it was meant to be sent.
    pub(super) fn recognize(&self, message: &wire::Message) -> Option<(Content, u64)> {
        let authored = self.author.recognize(&message.client_id, &message.body)?;
        let plan = self.world.rooms.get(authored.room as usize)?;
        let sender = *plan.members.get(authored.key.sender as usize)?;
        let right =
            self.room(authored.room)?.id == message.room_id && self.user_id(sender as usize) == message.sender_id;
        right.then_some((Content::Message(authored.key), authored.intended_us))
    }

    /// Returns a digest of the users of each room: the same on all machines of a run.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.tokens.org().hash(&mut hasher);
        self.user_ids.hash(&mut hasher);
        for room in &self.world.rooms {
            (&room.members, room.direct, room.weight.to_bits()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Counts one more acknowledged send.
    pub(super) fn acked(&self) {
        self.acks.fetch_add(1, Ordering::Relaxed);
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a message with this intended time since the Unix epoch that was not acknowledged by the end.
    pub(super) fn never_acked(&self, intended_wall_us: u64) {
        let at_us = intended_wall_us.saturating_sub(self.wall_us(0));
        self.unacked_more(Unacked { count: 1, first_us: at_us, last_us: at_us });
    }

    /// As [`Self::never_acked`], for several.
    pub(super) fn unacked_more(&self, more: Unacked) {
        match &self.outbox {
            Some(outbox) => outbox.push(Said::Unacked(more)),
            None => lock(&self.unacked).add(more),
        }
    }

    /// Returns the sends that were never acknowledged, once the load is over.
    pub(super) fn unacked(&self) -> Unacked {
        *lock(&self.unacked)
    }

    pub(super) fn load(&self) -> Load {
        *self.load.borrow()
    }

    pub(super) fn loads(&self) -> watch::Receiver<Load> {
        self.load.subscribe()
    }

    pub(super) fn set_load(&self, load: Load) {
        self.load.send_replace(load);
    }

    pub(super) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    pub(super) fn violations(&self) -> MutexGuard<'_, Violations> {
        lock(&self.violations)
    }

    /// Counts the reason why a connection, or an attempt at one, ended.
    pub(super) fn ended(&self, reason: String) {
        self.ended_times(reason, 1);
    }

    /// As [`Self::ended`], this many times.
    pub(super) fn ended_times(&self, reason: String, times: u64) {
        let mut ends = lock(&self.ends);
        if ends.len() < ENDS_MAX || ends.contains_key(&reason) {
            *ends.entry(reason).or_default() += times;
        }
    }

    /// Returns the ends since the last time.
    pub(super) fn take_ends(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *lock(&self.ends))
    }

    pub(super) fn ends(&self) -> BTreeMap<String, u64> {
        lock(&self.ends).clone()
    }

    /// Notes that a user is connected and has resumed, or no longer is.
    pub(super) fn set_online(&self, user: usize, online: bool) {
        self.online[user].store(online, Ordering::Relaxed);
        if let Some(outbox) = &self.outbox {
            outbox.push(Said::Online(u32::try_from(user).unwrap_or(u32::MAX), online));
        }
    }

    pub(super) fn is_online(&self, user: usize) -> bool {
        self.online[user].load(Ordering::Relaxed)
    }

    /// Notes that the load is over, and these users are present; the same for all machines.
    pub(super) fn set_present(&self, present: Vec<bool>) {
        let _first = self.present.set(present);
    }

    /// True if a user was present when the load ended.
    pub(super) fn was_present(&self, user: usize) -> bool {
        self.present.get().and_then(|present| present.get(user)).copied().unwrap_or_default()
    }

    /// Returns the users that were not present when the load ended.
    pub(super) fn absent(&self) -> Vec<u32> {
        let present = self.present.get().map(Vec::as_slice).unwrap_or_default();
        (0_u32..).zip(present).filter(|&(_, &there)| !there).map(|(user, _)| user).collect()
    }

    pub(super) fn online_count(&self) -> usize {
        self.online.iter().filter(|online| online.load(Ordering::Relaxed)).count()
    }
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
