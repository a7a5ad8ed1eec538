//! The conductor: starts the workers, changes the load, gathers the figures, and ends the run.

mod closing;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::closing::Loaded;
use super::clock::Clock;
use super::crew::Machine;
use super::fault::{self, Fault};
use super::outcome::{Outcome, Point, Span, Watched, measures_of};
use super::plan::{Moment, Plan, StorePlan, Watcher};
use super::shared::{Load, Parts, Shared, Stage};
use super::stats::{Count, Latency, Stats};
use super::threads::{Threads, take_figures};
use crate::checker::Kind;
use crate::procfs::ProcessSample;
use crate::scenario::{Phase, PhaseKind, World};

/// Everyone must be connected this long after the last was to begin.
const CONNECT_GRACE: Duration = Duration::from_secs(45);
/// All rooms must be made by then.
const SETUP_DEADLINE: Duration = Duration::from_mins(3);
/// The comparison at the end must be done by then.
const CHECK_DEADLINE: Duration = Duration::from_mins(3);
/// Points of the series; when there are so many, two become one.
const SERIES_MAX: usize = 3600;
/// So long before it begins is a load told to other machines.
const NOTICE: Duration = Duration::from_millis(250);
/// Between two steps, for what is under way.
const STEP_PAUSE: Duration = Duration::from_secs(2);

/// Runs a plan on this machine alone to its end, or until interrupted, and checks it either way.
pub async fn run(plan: Plan, watcher: &mut dyn Watcher) -> anyhow::Result<Outcome> {
    let world = World::new(&plan.scenario, plan.seed)?;
    let Plan { scenario, run, dialer, tokens, workers, seed, watched, faults, settle, store } = plan;
    let (clock, outbox) = (Clock::start(), None);
    let parts = Parts { scenario, world, run: run.clone(), tokens, dialer, seed, workers, clock, outbox };
    let shared = Arc::new(Shared::new(parts));
    let (done, finished) = mpsc::unbounded_channel();
    let threads = Threads::start(&shared, 0..workers, &done)?;
    let crew = Crew { figures: threads.figures.clone(), finished, machines: Vec::new() };
    let outcome = conduct(shared, crew, Orders { run, watched, faults, settle, store }, watcher).await;
    threads.join()?;
    outcome
}

/// Those who do what is told, on this machine or on others: threads here, or machines.
pub(super) struct Crew {
    /// What each has measured since it was last taken.
    pub(super) figures: Vec<Arc<Mutex<Stats>>>,
    /// Which of them has done with which stage.
    pub(super) finished: mpsc::UnboundedReceiver<(usize, Stage)>,
    /// If they are machines, what is known of each.
    pub(super) machines: Vec<Arc<Machine>>,
}

/// The rest of a plan.
pub(super) struct Orders {
    pub(super) run: String,
    pub(super) watched: Vec<Watched>,
    pub(super) faults: Vec<Fault>,
    pub(super) settle: Duration,
    pub(super) store: Option<StorePlan>,
}

/// Has a crew carry a plan out, and checks it.
pub(super) async fn conduct(
    shared: Arc<Shared>,
    crew: Crew,
    orders: Orders,
    watcher: &mut dyn Watcher,
) -> anyhow::Result<Outcome> {
    let Orders { run, watched, faults, settle, store } = orders;
    let mut conductor = Conductor {
        before: samples(&watched)?,
        last: samples(&watched)?,
        shared: shared.clone(),
        crew,
        spare: Stats::new(),
        total: Stats::new(),
        span: Stats::new(),
        series: Vec::new(),
        spans: Vec::new(),
        watched,
        watcher,
        done: Vec::new(),
        faults,
        interrupts: 0,
        is_loading: false,
        last_us: 0,
    };
    let conducted = conductor.conduct(settle, store).await;
    shared.stage.send_replace(Stage::Over);
    conducted.map(|loaded| conductor.outcome(run, loaded))
}

struct Conductor<'a> {
    shared: Arc<Shared>,
    crew: Crew,
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
    done: Vec<(usize, Stage)>,
    faults: Vec<Fault>,
    /// How often the end was asked for: once ends the load, twice also what is waited for after it.
    interrupts: u32,
    is_loading: bool,
    last_us: u64,
}

impl Conductor<'_> {
    async fn conduct(&mut self, settle: Duration, store: Option<StorePlan>) -> anyhow::Result<Loaded> {
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
        self.is_loading = true;
        self.phases().await;
        self.is_loading = false;
        let ended = samples(&self.watched).unwrap_or_else(|_| self.last.clone());
        self.watcher.stage("waiting for what is under way");
        let shared = self.shared.clone();
        let since_us = shared.now_us() + u64::try_from(NOTICE.as_micros()).unwrap_or_default();
        self.until(settle, |this| this.has_heard_after(since_us) && is_settled(&shared)).await;
        let settled_us = self.shared.now_us();
        let unanswered = self.shared.pending.load(Ordering::Relaxed);
        let absent = self.finish();
        self.watcher.stage("comparing unread counts and histories");
        self.shared.stage.send_replace(Stage::Checking);
        if !self.until(CHECK_DEADLINE, |this| this.all_done(Stage::Checking)).await {
            self.shared.ended("the comparison at the end was not done in time".to_owned());
        }
        let all_stored = self.compare_store(store, settled_us).await;
        self.close();
        Ok(Loaded { begun, ended, connections, absent, unanswered, all_stored })
    }

    async fn phases(&mut self) {
        fault::schedule(std::mem::take(&mut self.faults), &self.shared);
        for phase in self.shared.scenario.phases.clone() {
            if self.is_cut_short() {
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
            if broken || self.is_cut_short() {
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
        // Other machines have to hear of it first, so that all begin at once.
        let notice = if self.crew.machines.is_empty() { Duration::ZERO } else { NOTICE };
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2);
        let start_us = self.shared.now_us() + micros(notice);
        let end_us = start_us.saturating_add(micros(time));
        self.shared.set_load(Load { from, to, start_us, end_us });
        self.pause(notice + time).await;
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
            if now >= deadline || self.is_cut_short() {
                return false;
            }
            let look_again = (deadline - now).min(Duration::from_millis(50));
            tokio::select! {
                _ = seconds.tick() => self.gather(true),
                () = sleep(look_again) => {}
                _ = tokio::signal::ctrl_c() => self.interrupts += 1,
            }
        }
    }

    /// Whether what is under way has to end: asked for, or a machine is lost, and with it the load that
    /// was meant to be.
    fn is_cut_short(&self) -> bool {
        let is_lost = self.crew.machines.iter().any(|machine| machine.is_lost());
        self.interrupts > u32::from(!self.is_loading) || (self.is_loading && is_lost)
    }

    /// Whether every machine has told how it stands since then.
    fn has_heard_after(&self, at_us: u64) -> bool {
        self.crew.machines.iter().all(|machine| machine.is_lost() || machine.has_told_after(at_us))
    }

    /// Whether all of the crew have done with a stage, but for lost machines.
    fn all_done(&mut self, stage: Stage) -> bool {
        while let Ok(done) = self.crew.finished.try_recv() {
            self.done.push(done);
        }
        let is_lost = |member: usize| self.crew.machines.get(member).is_some_and(|machine| machine.is_lost());
        (0..self.crew.figures.len()).all(|member| is_lost(member) || self.done.contains(&(member, stage)))
    }

    /// Takes the workers' figures; as a point of the series, if a second is over.
    fn gather(&mut self, is_second: bool) {
        let mut second = Stats::new();
        take_figures(&self.crew.figures, &mut self.spare, &mut second);
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
        let rate = self.shared.load().at(now_us) * self.shared.scenario.rates.messages;
        let violations = self.violation_counts();
        self.watcher.second(&Moment { point: &point, total: &self.total, violations, rate });
        self.series.push(point);
        if self.series.len() >= SERIES_MAX {
            Point::halve(&mut self.series);
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
