//! The conductor: starts the workers, changes the load, gathers the figures, and ends the run.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::fault::{self, Fault};
use super::outcome::{Outcome, Point, ProcessUse, Span, Watched, measures_of};
use super::shared::{Load, Parts, Shared, Stage, lock};
use super::stats::{Count, Latency, Stats};
use super::worker::Worker;
use crate::checker::{Kind, RoomTotals};
use crate::link::{Dialer, Tokens};
use crate::procfs::ProcessSample;
use crate::scenario::{Phase, PhaseKind, Scenario, World};

/// Everyone must be connected this long after the last was to begin.
const CONNECT_GRACE: Duration = Duration::from_secs(45);
/// All rooms must be made by then.
const SETUP_DEADLINE: Duration = Duration::from_mins(3);
/// The comparison at the end must be done by then.
const CHECK_DEADLINE: Duration = Duration::from_mins(3);
/// Between two steps, for what is under way.
const STEP_PAUSE: Duration = Duration::from_secs(2);

/// What is to be run, and how.
pub struct Plan {
    /// What.
    pub scenario: Scenario,
    /// An id that no other run has.
    pub run: String,
    /// How to connect.
    pub dialer: Dialer,
    /// As whom.
    pub tokens: Tokens,
    /// Threads.
    pub workers: usize,
    /// Of everything that is left to chance.
    pub seed: u64,
    /// Local processes to measure.
    pub watched: Vec<Watched>,
    /// What is done to the local cluster meanwhile.
    pub faults: Vec<Fault>,
    /// How long to wait at the end until everything sent is received.
    pub settle: Duration,
}

/// Is told what happens while it happens.
pub trait Watcher {
    /// A new part of the run began.
    fn stage(&mut self, name: &str);
    /// A second is over; with the figures of the whole run so far.
    fn second(&mut self, point: &Point, total: &Stats);
}

/// Runs a plan to its end, or until interrupted, and checks it either way.
pub async fn run(plan: Plan, watcher: &mut dyn Watcher) -> anyhow::Result<Outcome> {
    let world = World::new(&plan.scenario, plan.seed)?;
    let Plan { scenario, run, dialer, tokens, workers, seed, watched, faults, settle } = plan;
    let parts = Parts { scenario, world, run: run.clone(), tokens, dialer, seed, workers };
    let shared = Arc::new(Shared::new(parts));
    let (done, finished) = mpsc::unbounded_channel();
    let figures: Vec<_> = (0..workers).map(|_| Arc::new(Mutex::new(Stats::new()))).collect();
    let mut conductor = Conductor {
        before: samples(&watched)?,
        last: samples(&watched)?,
        shared: shared.clone(),
        figures: figures.clone(),
        spare: Stats::new(),
        total: Stats::new(),
        span: Stats::new(),
        series: Vec::new(),
        spans: Vec::new(),
        watched,
        watcher,
        finished,
        done: Vec::new(),
        faults,
        interrupted: false,
        last_us: 0,
    };
    let threads: Vec<JoinHandle<()>> = figures
        .into_iter()
        .enumerate()
        .map(|(number, stats)| {
            let (shared, done) = (shared.clone(), done.clone());
            let work = move || {
                Worker::run(number, shared, stats, |stage| {
                    let _nobody_waits = done.send(stage);
                });
            };
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(work)
        })
        .collect::<Result<_, _>>()?;
    let conducted = conductor.conduct(settle).await;
    shared.stage.send_replace(Stage::Over);
    let outcome = conducted.map(|loaded| conductor.outcome(run, loaded));
    for thread in threads {
        if thread.join().is_err() {
            bail!("a worker ended with a panic");
        }
    }
    outcome
}

struct Conductor<'a> {
    shared: Arc<Shared>,
    figures: Vec<Arc<Mutex<Stats>>>,
    spare: Stats,
    total: Stats,
    /// Since the present phase began.
    span: Stats,
    series: Vec<Point>,
    spans: Vec<Span>,
    watched: Vec<Watched>,
    before: Vec<ProcessSample>,
    last: Vec<ProcessSample>,
    watcher: &'a mut dyn Watcher,
    finished: mpsc::UnboundedReceiver<Stage>,
    done: Vec<Stage>,
    faults: Vec<Fault>,
    interrupted: bool,
    last_us: u64,
}

/// The watched processes when the load began and ended, how many connections there were, and how
/// many users and answers were missing at the end.
struct Loaded {
    begun: Vec<ProcessSample>,
    ended: Vec<ProcessSample>,
    connections: u64,
    absent: u64,
    unanswered: u64,
}

impl Conductor<'_> {
    async fn conduct(&mut self, settle: Duration) -> anyhow::Result<Loaded> {
        self.watcher.stage("making rooms");
        let unmade_in_time = !self.until(SETUP_DEADLINE, |this| this.all_done(Stage::Setup)).await;
        self.shared.rooms_made();
        let rooms = self.shared.world.rooms.len();
        let made = (0_u32..).take(rooms).filter(|&room| self.shared.room(room).is_some()).count();
        if unmade_in_time || made == 0 {
            let reasons: Vec<_> = self.shared.ends().into_iter().map(|(why, n)| format!("{n} × {why}")).collect();
            bail!("{made} of {rooms} rooms could be made: {}", reasons.join("; "));
        }
        self.watcher.stage("connecting");
        self.shared.stage.send_replace(Stage::Running);
        let connect = self.shared.scenario.connect;
        if connect.first {
            let users = self.shared.scenario.users;
            let all = |this: &mut Self| this.shared.online_count() == users;
            self.until(connect.over + CONNECT_GRACE, all).await;
        }
        // What connecting and making rooms cost is not the load's.
        self.pause(Duration::from_secs(1)).await;
        let (begun, connections) = (samples(&self.watched)?, self.shared.online_count() as u64);
        self.phases().await;
        let ended = samples(&self.watched).unwrap_or_else(|_| self.last.clone());
        self.watcher.stage("waiting for what is under way");
        let shared = self.shared.clone();
        self.until(settle, |_| is_settled(&shared)).await;
        let unanswered = self.shared.pending.load(Ordering::Relaxed);
        let absent = self.finish();
        self.watcher.stage("comparing unread counts and histories");
        self.shared.stage.send_replace(Stage::Checking);
        if !self.until(CHECK_DEADLINE, |this| this.all_done(Stage::Checking)).await {
            self.shared.ended("the comparison at the end was not done in time".to_owned());
        }
        Ok(Loaded { begun, ended, connections, absent, unanswered })
    }

    async fn phases(&mut self) {
        fault::schedule(std::mem::take(&mut self.faults), &self.shared);
        for phase in self.shared.scenario.phases.clone() {
            if self.interrupted {
                return;
            }
            match phase.kind {
                PhaseKind::Ramp => self.span("ramp".to_owned(), phase.time, 0.0, 1.0).await,
                PhaseKind::Hold => self.span("hold".to_owned(), phase.time, 1.0, 1.0).await,
                PhaseKind::Step => self.steps(&phase).await,
            }
        }
    }

    /// One rate after the other until the limit breaks.
    async fn steps(&mut self, phase: &Phase) {
        let mut multiple = phase.from;
        for step in 1..=phase.steps {
            let lost_before = self.violation_counts();
            let rate = multiple * self.shared.scenario.rates.messages;
            self.span(format!("step {step}: {rate:.0}/s"), phase.time, multiple, multiple).await;
            let lost_after = self.violation_counts();
            let Some(span) = self.spans.last_mut() else { return };
            let mut measures = measures_of(&span.stats, span.seconds.1 - span.seconds.0);
            for ((kind, before), after) in Kind::ALL.into_iter().zip(lost_before).zip(lost_after) {
                measures.insert(kind.name(), (after - before) as f64);
            }
            span.verdicts = phase.limit.judge(&measures);
            let broken = span.verdicts.iter().any(|verdict| !verdict.holds);
            if broken || self.interrupted {
                return;
            }
            multiple *= phase.factor;
        }
    }

    fn violation_counts(&self) -> Vec<u64> {
        let violations = self.shared.violations();
        Kind::ALL.into_iter().map(|kind| violations.count(kind)).collect()
    }

    /// Load between two multiples of the scenario's rates for some time.
    async fn span(&mut self, name: String, time: Duration, from: f64, to: f64) {
        self.watcher.stage(&name);
        self.gather(false);
        self.span.clear();
        let start_us = self.shared.now_us();
        let end_us = start_us + u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2);
        self.shared.set_load(Load { from, to, start_us, end_us });
        self.pause(time).await;
        self.shared.set_load(Load::default());
        let ended_us = self.shared.now_us();
        if name.starts_with("step") {
            self.pause(STEP_PAUSE).await;
        }
        self.gather(false);
        let stats = std::mem::take(&mut self.span);
        let seconds = (start_us as f64 / 1e6, ended_us as f64 / 1e6);
        let rate = to * self.shared.scenario.rates.messages;
        self.spans.push(Span { name, seconds, rate, stats, verdicts: Vec::new() });
    }

    async fn pause(&mut self, time: Duration) {
        self.until(time, |_| false).await;
    }

    /// Waits for a condition, looking often, and gathers figures each second; `false` if it did not
    /// come true in time.
    async fn until(&mut self, time: Duration, mut reached: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = Instant::now() + time;
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.tick().await;
        loop {
            if reached(self) {
                return true;
            }
            let now = Instant::now();
            if now >= deadline || self.interrupted {
                return false;
            }
            let look_again = (deadline - now).min(Duration::from_millis(50));
            tokio::select! {
                _ = seconds.tick() => self.gather(true),
                () = sleep(look_again) => {}
                _ = tokio::signal::ctrl_c() => self.interrupted = true,
            }
        }
    }

    /// Whether all workers have done with a stage.
    fn all_done(&mut self, stage: Stage) -> bool {
        while let Ok(done) = self.finished.try_recv() {
            self.done.push(done);
        }
        self.done.iter().filter(|&&done| done == stage).count() == self.figures.len()
    }

    /// Takes the workers' figures; as a point of the series, if a second is over.
    fn gather(&mut self, is_second: bool) {
        let mut second = Stats::new();
        for figures in &self.figures {
            std::mem::swap(&mut *lock(figures), &mut self.spare);
            second.merge(&self.spare);
            self.spare.clear();
        }
        self.total.merge(&second);
        self.span.merge(&second);
        if is_second {
            self.point(&second);
        }
    }

    fn point(&mut self, second: &Stats) {
        let now_us = self.shared.now_us();
        let seconds = (now_us - self.last_us) as f64 / 1e6;
        self.last_us = now_us;
        let quantile = |latency, q| {
            let histogram = second.latency(latency);
            (!histogram.is_empty()).then(|| histogram.value_at_quantile(q) as f64 / 1e6)
        };
        let mut processes = Vec::new();
        // A process that was killed on purpose is not there for a while.
        for (watched, last) in self.watched.iter().zip(&mut self.last) {
            let now = ProcessSample::of(watched.pid).unwrap_or_default();
            processes.push((now.cpu.saturating_sub(last.cpu).as_secs_f64() / seconds, now.rss_bytes));
            *last = now;
        }
        let latency = quantile(Latency::Delivery, 0.5).zip(quantile(Latency::Delivery, 0.99));
        let point = Point {
            at: now_us as f64 / 1e6,
            seconds,
            counts: Count::ALL.into_iter().map(|count| second.count(count)).collect(),
            latency: latency.zip(quantile(Latency::Delivery, 1.0)).map(|((p50, p99), max)| [p50, p99, max]),
            connect_p99: quantile(Latency::Connect, 0.99),
            online: self.shared.online_count() as u64,
            violations: self.shared.violations().total(),
            processes,
        };
        self.watcher.second(&point, &self.total);
        self.series.push(point);
    }

    /// Nothing more is waited for: tells the checker, and gives how many users are not there.
    fn finish(&mut self) -> u64 {
        let now_us = self.shared.now_us();
        let mut absent = 0;
        for (user, online) in self.shared.online.iter().enumerate() {
            if online.load(Ordering::Relaxed) {
                continue;
            }
            absent += 1;
            for membership in &self.shared.world.memberships[user] {
                self.shared.check(membership.room, |check, _| check.absent(membership.slot));
                self.shared.unverified(membership.room, Some(membership.slot), "not connected at the end");
            }
        }
        for room in (0_u32..).take(self.shared.world.rooms.len()) {
            self.shared.check(room, |check, found| check.finish(now_us, found));
        }
        absent
    }

    fn outcome(&mut self, run: String, loaded: Loaded) -> Outcome {
        self.gather(false);
        let shared = &self.shared;
        let mut rooms = RoomTotals::default();
        let mut room_ids = Vec::new();
        for room in (0_u32..).take(shared.world.rooms.len()) {
            rooms += shared.check(room, |check, _| check.totals()).unwrap_or_default();
            room_ids.push(shared.room(room).map(|state| state.id.clone()));
        }
        let loads = loaded.begun.into_iter().zip(loaded.ended);
        let processes = self.watched.iter().zip(&self.before).zip(loads);
        Outcome {
            scenario: shared.scenario.clone(),
            run,
            targets: shared.dialer.targets.iter().map(|target| target.authority.clone()).collect(),
            started_ms: shared.wall_us(0) / 1000,
            seconds: shared.now_us() as f64 / 1e6,
            world: shared.world.clone(),
            user_ids: (0..shared.scenario.users).map(|user| shared.user_id(user).to_owned()).collect(),
            room_ids,
            total: std::mem::take(&mut self.total),
            spans: std::mem::take(&mut self.spans),
            series: std::mem::take(&mut self.series),
            violations: shared.violations().clone(),
            rooms,
            absent: loaded.absent,
            unanswered: loaded.unanswered,
            ends: shared.ends(),
            processes: processes
                .map(|((watched, before), loaded)| ProcessUse { watched: watched.clone(), before: *before, loaded })
                .collect(),
            connections: loaded.connections,
        }
    }
}

/// Whether every send is answered, and everyone has everything.
fn is_settled(shared: &Shared) -> bool {
    let rooms = (0_u32..).take(shared.world.rooms.len());
    shared.pending.load(Ordering::Relaxed) == 0
        && shared.online_count() == shared.scenario.users
        && rooms.into_iter().all(|room| shared.check(room, |check, _| check.is_settled()).unwrap_or(true))
}

fn samples(watched: &[Watched]) -> anyhow::Result<Vec<ProcessSample>> {
    watched
        .iter()
        .map(|w| ProcessSample::of(w.pid).with_context(|| format!("process {} ({}) cannot be measured", w.pid, w.name)))
        .collect()
}
