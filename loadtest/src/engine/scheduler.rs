//! Makes users act, open-loop, so that a slow server does not slow down the load.
//!
//! Every arrival has an intended time, and latencies are measured from it, so a late action is late in the figures,
//! too.

use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{MissedTickBehavior, interval};

use super::backoff::Allowance;
use super::context::Stage;
use super::stats::{Count, Latency};
use super::user::User;
use super::worker::Worker;
use crate::scenario::{Arrivals, World};

/// The finest step of the runtime's timers.
const TICK: Duration = Duration::from_millis(1);
/// Below the product's limit for one user, 20 messages a second with a burst of 40.
const ALLOWANCE_PER_SECOND: f64 = 18.0;
const ALLOWANCE_BURST: f64 = 30.0;

/// Makes one worker's users act.
pub(super) struct Generator {
    rng: StdRng,
    streams: Vec<Stream>,
    rooms: Vec<LocalRoom>,
    /// The cumulative sums of the rooms' weights.
    weights: Vec<f64>,
    allowances: Vec<Allowance>,
    next_storm_us: Option<u64>,
}

/// One kind of action.
struct Stream {
    action: Action,
    /// This worker's part of the scenario's rate.
    rate: f64,
    next_due_us: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Message,
    Typing,
    Read,
    History,
}

/// A room, with those of its members that are this worker's.
struct LocalRoom {
    /// For each member, its index in the worker's list and the room's index in the user's.
    members: Vec<(usize, usize)>,
    next: usize,
}

impl Generator {
    pub(super) fn new(worker: &Worker) -> Self {
        let shared = &worker.shared;
        let rng = StdRng::seed_from_u64(shared.seed.wrapping_add(worker.number as u64));
        let (rooms, weights) = local_rooms(worker);
        let all: f64 = shared.world.rooms.iter().map(|room| room.weight).sum();
        let of_messages = weights.last().copied().unwrap_or_default() / all;
        let of_users = worker.users.len() as f64 / shared.scenario.users as f64;
        let rates = shared.scenario.rates;
        let stream = |action, rate| Stream { action, rate, next_due_us: None };
        Self {
            rng,
            streams: vec![
                stream(Action::Message, rates.messages * of_messages),
                stream(Action::Typing, rates.typing * of_users),
                stream(Action::Read, rates.reads * of_users),
                stream(Action::History, rates.history * of_users),
            ],
            rooms,
            weights,
            allowances: vec![Allowance::new(ALLOWANCE_PER_SECOND, ALLOWANCE_BURST); worker.users.len()],
            next_storm_us: None,
        }
    }

    /// Makes users act until aborted.
    pub(super) async fn run(mut self, worker: Rc<Worker>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            for at in 0..self.streams.len() {
                self.work_off(&worker, at);
            }
            self.storm(&worker);
            worker.work_off();
        }
    }

    /// Carries out the due actions of one stream.
    fn work_off(&mut self, worker: &Worker, at: usize) {
        let shared = &worker.shared;
        let (load, now_us) = (shared.load(), shared.now_us());
        loop {
            let stream = &mut self.streams[at];
            let due_us = stream.next_due_us.unwrap_or(now_us as f64);
            let rate = stream.rate * load.at(whole(due_us));
            if rate <= 0.0 {
                stream.next_due_us = None;
                return;
            }
            let gap_us = match shared.scenario.arrivals {
                Arrivals::Even => 1e6 / rate,
                Arrivals::Poisson => -1e6 / rate * (1.0 - self.rng.random::<f64>()).ln(),
            };
            if stream.next_due_us.is_none() {
                // A random point in the first gap, so that workers do not act in step.
                stream.next_due_us = Some(due_us + gap_us * self.rng.random::<f64>());
                continue;
            }
            if due_us > now_us as f64 {
                return;
            }
            // The next is due relative to this one, however late this one is.
            stream.next_due_us = Some(due_us + gap_us);
            let (action, due_us) = (stream.action, whole(due_us));
            if action == Action::Message {
                worker.record(Latency::Lag, shared.now_us().saturating_sub(due_us));
            }
            self.act(worker, action, due_us);
        }
    }

    fn act(&mut self, worker: &Worker, action: Action, due_us: u64) {
        if action == Action::Message {
            return self.send(worker, due_us);
        }
        let Some(user) = self.someone(worker) else { return };
        let rooms = worker.shared.world.memberships[user.index].len();
        if rooms == 0 || !user.is_connected() {
            return;
        }
        let place = self.rng.random_range(0..rooms);
        match action {
            Action::Message => {}
            Action::Typing => user.type_in(worker, place, due_us),
            Action::Read => user.mark_read(worker, place, due_us),
            Action::History => user.scroll(worker, place, due_us),
        }
    }

    /// Makes the next member of a room chosen by weight send, unless all have used up their allowance.
    fn send(&mut self, worker: &Worker, due_us: u64) {
        let Some(&all) = self.weights.last() else { return };
        let chosen = self.rng.random::<f64>() * all;
        let at = self.weights.partition_point(|&sum| sum <= chosen).min(self.weights.len() - 1);
        let room = &mut self.rooms[at];
        for _ in 0..room.members.len() {
            let (user, place) = room.members[room.next];
            room.next = (room.next + 1) % room.members.len();
            if self.allowances[user].take(due_us) {
                worker.users[user].send_message(worker, place, due_us);
                return;
            }
        }
        worker.count(Count::Unsent);
    }

    /// Cuts a share of the connections, if it is time.
    fn storm(&mut self, worker: &Worker) {
        let Some(storm) = worker.shared.scenario.storm else { return };
        let now_us = worker.shared.now_us();
        if worker.shared.stage() != Stage::Running || worker.shared.load().at(now_us) <= 0.0 {
            self.next_storm_us = None;
            return;
        }
        let every_us = u64::try_from(storm.every.as_micros()).unwrap_or(u64::MAX);
        let due_us = *self.next_storm_us.get_or_insert(now_us.saturating_add(every_us));
        if now_us < due_us {
            return;
        }
        self.next_storm_us = Some(due_us.saturating_add(every_us));
        for user in &worker.users {
            if user.is_connected() && self.rng.random_bool(storm.share) {
                user.cut.notify_one();
            }
        }
    }

    fn someone<'a>(&mut self, worker: &'a Worker) -> Option<&'a Rc<User>> {
        if worker.users.is_empty() {
            return None;
        }
        worker.users.get(self.rng.random_range(0..worker.users.len()))
    }
}

/// Returns the rooms with members of this worker, and the sums of their weights: a worker that has half of a room's
/// members makes half of its messages.
fn local_rooms(worker: &Worker) -> (Vec<LocalRoom>, Vec<f64>) {
    let world: &World = &worker.shared.world;
    let (mut rooms, mut weights, mut sum) = (Vec::new(), Vec::new(), 0.0);
    for (index, plan) in (0_u32..).zip(&world.rooms) {
        let members: Vec<_> = plan
            .members
            .iter()
            .filter(|&&user| user as usize % worker.shared.workers == worker.number)
            .filter_map(|&user| {
                let place = world.memberships[user as usize].iter().position(|m| m.room == index)?;
                Some((user as usize / worker.shared.workers, place))
            })
            .collect();
        if members.is_empty() || worker.shared.room(index).is_none() {
            continue;
        }
        sum += plan.weight * members.len() as f64 / plan.members.len() as f64;
        rooms.push(LocalRoom { members, next: 0 });
        weights.push(sum);
    }
    (rooms, weights)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times of a run are positive and far below 2^53"
)]
fn whole(us: f64) -> u64 {
    us as u64
}
