//! A worker: one thread with its share of the users, one task for each and one that makes them act.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::context::{Shared, Stage};
use super::scheduler::Generator;
use super::stats::{Count, Latency, Stats};
use super::user::User;
use super::{final_checks, setup};
use crate::connection::{DialError, Session, SessionEnd};
use crate::sync::lock;
use crate::wire;

/// The most bytes of one receive on any connection of the worker.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Connections that a worker opens at the same time: as many as a crowd of clients would.
const OPENING_MAX: usize = 256;
/// The stock client's interval between pings, and the time after which it gives up on a silent server.
const PING_EVERY: Duration = Duration::from_secs(15);
const SERVER_TIMEOUT: Duration = Duration::from_secs(30);
/// The stock client's waits before it reconnects: none at first, then longer and longer. The client then gives up, but
/// a user does not; and each wait is shortened by a random part of up to half, which the stock client lacks.
const RECONNECT_DELAYS_MS: [u64; 4] = [0, 2_000, 10_000, 30_000];

/// The place of a worker among the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The number among the workers of all machines.
    pub(super) number: usize,
    /// The number of workers on this machine.
    pub(super) neighbours: usize,
}

/// One thread's part of a run.
pub(super) struct Worker {
    pub(super) number: usize,
    /// The number of workers on this machine.
    pub(super) neighbours: usize,
    pub(super) shared: Arc<Shared>,
    /// The worker's users; users are dealt to all workers in turn.
    pub(super) users: Vec<Rc<User>>,
    stats: Arc<Mutex<Stats>>,
    scratch: RefCell<Vec<u8>>,
    busy: RefCell<Vec<Rc<User>>>,
    opening: Semaphore,
}

impl Worker {
    /// Runs until the stage is over, on a runtime of its own.
    pub(super) fn run(place: Place, shared: Arc<Shared>, stats: Arc<Mutex<Stats>>, done: impl Fn(Stage)) {
        let Place { number, neighbours } = place;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs only a few file descriptors");
        let users = (number..shared.scenario.users)
            .step_by(shared.workers)
            .map(|index| Rc::new(User::new(index, shared.world.memberships[index].len())))
            .collect();
        let worker = Rc::new(Self {
            number,
            neighbours,
            shared,
            users,
            stats,
            scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
            busy: RefCell::default(),
            opening: Semaphore::new(OPENING_MAX),
        });
        tokio::task::LocalSet::new().block_on(&runtime, worker.stages(done));
    }

    async fn stages(self: Rc<Self>, done: impl Fn(Stage)) {
        let mut stage = self.shared.stage.subscribe();
        setup::make_rooms(&self).await;
        done(Stage::Setup);
        if stage.wait_for(|&stage| stage >= Stage::Running).await.is_err() {
            return;
        }
        self.connect_all();
        let generator = tokio::task::spawn_local(Generator::new(&self).run(self.clone()));
        if stage.wait_for(|&stage| stage >= Stage::Draining).await.is_err() {
            return;
        }
        generator.abort();
        for user in &self.users {
            user.stop_sending(&self.shared);
        }
        done(Stage::Draining);
        if stage.wait_for(|&stage| stage >= Stage::Checking).await.is_err() {
            return;
        }
        final_checks::compare(&self).await;
        done(Stage::Checking);
        let _over = stage.wait_for(|&stage| stage >= Stage::Over).await;
    }

    /// Connects everyone who is not connected yet, spread over the scenario's time.
    fn connect_all(self: &Rc<Self>) {
        let over_us = u64::try_from(self.shared.scenario.connect.over.as_micros()).unwrap_or(u64::MAX);
        let (now_us, users) = (self.shared.now_us(), self.shared.scenario.users as u64);
        for user in &self.users {
            if !setup::makes_a_room(&self.shared.world, user.index) {
                self.start(user, now_us + over_us / users * user.index as u64);
            }
        }
    }

    /// Starts the task of a user.
    pub(super) fn start(self: &Rc<Self>, user: &Rc<User>, connect_at_us: u64) {
        tokio::task::spawn_local(live(self.clone(), user.clone(), connect_at_us));
    }

    /// Returns the worker's user of this index.
    pub(super) fn user(&self, index: usize) -> Option<&Rc<User>> {
        (index % self.shared.workers == self.number).then(|| &self.users[index / self.shared.workers])
    }

    pub(super) fn count(&self, count: Count) {
        lock(&self.stats).add(count, 1);
    }

    /// Counts a call that was answered with an error; the end of the run lists them.
    pub(super) fn failed(&self, method: &str, text: &str) {
        self.count(Count::Errors);
        let code: String = wire::error_code(text).chars().take(60).collect();
        if code == "unavailable" {
            self.count(Count::Unavailable);
        }
        self.shared.ended(format!("failed call: {method}: {code}"));
    }

    pub(super) fn record(&self, latency: Latency, us: u64) {
        lock(&self.stats).record(latency, us);
    }

    /// Records a sequenced event that was received this long after it was meant to be sent.
    pub(super) fn delivered(&self, latency: Latency, since_us: Option<u64>) {
        let mut stats = lock(&self.stats);
        stats.add(Count::Delivered, 1);
        if let Some(us) = since_us {
            stats.record(latency, us);
        }
    }

    /// Notes that a user has something left to send.
    pub(super) fn busy(&self, user: &Rc<User>) {
        if !user.is_busy.replace(true) {
            self.busy.borrow_mut().push(user.clone());
        }
    }

    /// Lets all busy users continue.
    pub(super) fn work_off(&self) {
        for user in self.busy.take() {
            user.is_busy.set(false);
            let session = user.session.borrow().clone();
            if session.is_some_and(|session| matches!(session.flush(), Ok(false))) {
                self.busy(&user);
            }
            user.send_waiting(self);
        }
    }
}

/// Runs a user: connects, and reconnects when the connection ends, as the stock client does.
async fn live(worker: Rc<Worker>, user: Rc<User>, first_at_us: u64) {
    let shared = &worker.shared;
    let mut stage = shared.stage.subscribe();
    let mut intended_us = first_at_us;
    let mut attempt = 0;
    let mut token = None;
    loop {
        let wait = Duration::from_micros(intended_us.saturating_sub(shared.now_us()));
        tokio::select! {
            () = sleep(wait) => {}
            _ = stage.wait_for(|&stage| stage == Stage::Over) => return,
        }
        let reason = match connect(&worker, &user, &mut token).await {
            Ok(session) => {
                let session = Rc::new(session);
                *user.session.borrow_mut() = Some(session.clone());
                worker.count(Count::Connects);
                user.resume(&worker, intended_us);
                let reason = tokio::select! {
                    end = serve(&worker, &user, &session) => {
                        worker.count(Count::Dropped);
                        Some(format!("dropped: {end}"))
                    }
                    () = user.cut.notified() => {
                        worker.count(Count::Cut);
                        None
                    }
                    _ = stage.wait_for(|&stage| stage == Stage::Over) => return,
                };
                *user.session.borrow_mut() = None;
                // A connection that could not even resume counts as a failed one.
                if shared.is_online(user.index) {
                    attempt = 0;
                    user.gone_us.set(Some(shared.now_us()));
                }
                shared.set_online(user.index, false);
                user.forget_calls(shared);
                reason
            }
            Err(error) => {
                worker.count(Count::ConnectFailures);
                Some(format!("not connected: {error}"))
            }
        };
        if let Some(reason) = reason {
            shared.ended(reason);
        }
        let delay_ms = RECONNECT_DELAYS_MS[attempt.min(RECONNECT_DELAYS_MS.len() - 1)];
        attempt += 1;
        let wait_us = rand::rng().random_range(delay_ms * 500..=delay_ms * 1000);
        intended_us = (shared.now_us() + wait_us).max(user.state.borrow().connect_after_us);
    }
}

async fn connect(worker: &Worker, user: &User, token: &mut Option<String>) -> Result<Session, DialError> {
    let _place = worker.opening.acquire().await.expect("the semaphore is never closed");
    let shared = &worker.shared;
    if token.is_none() {
        let target = shared.dialer.target(user.index);
        match shared.tokens.token(user.index, target).await {
            Ok(new) => *token = Some(new),
            Err(error) => return Err(DialError::Token(error)),
        }
    }
    let token = token.as_deref().unwrap_or_default();
    shared.dialer.open(user.index, token, shared.scenario.protocol_of(user.index)).await
}

/// Receives until the connection ends.
async fn serve(worker: &Worker, user: &Rc<User>, session: &Session) -> SessionEnd {
    let is_slow = worker.shared.scenario.slow.filter(|slow| user.index < slow.users);
    let mut next_ping = Instant::now() + PING_EVERY;
    let mut heard = Instant::now();
    loop {
        // Once the load is over, everyone catches up.
        let slow = is_slow.filter(|_| worker.shared.load().at(worker.shared.now_us()) > 0.0);
        match timeout_at(next_ping, session.readable()).await {
            Ok(Err(error)) => return error.into(),
            Ok(Ok(())) => {
                // The bytes of a tenth of a second, then a pause.
                let piece = slow.map_or(SCRATCH_BYTES, |slow| (slow.bytes_per_second / 10).clamp(1, SCRATCH_BYTES));
                let received = {
                    let mut scratch = worker.scratch.borrow_mut();
                    session.receive(&mut scratch[..piece], |record| user.on_record(worker, record))
                };
                match received {
                    Err(end) => return end,
                    Ok(0) => {}
                    Ok(_) => heard = Instant::now(),
                }
                if slow.is_some() {
                    sleep(Duration::from_millis(100)).await;
                }
            }
            Err(_) if heard.elapsed() > SERVER_TIMEOUT => return SessionEnd::Silent,
            Err(_) => {
                next_ping += PING_EVERY;
                if let Err(error) = session.ping() {
                    return error.into();
                }
            }
        }
        if slow.is_some() && next_ping <= Instant::now() {
            next_ping = Instant::now() + PING_EVERY;
            if let Err(error) = session.ping() {
                return error.into();
            }
        }
    }
}
