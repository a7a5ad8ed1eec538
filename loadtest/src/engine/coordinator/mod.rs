//! The coordinator: starts the workers, changes the load, gathers the figures, and ends the run.

mod closing;
mod scheduling;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::closing::Loaded;
use super::acks::{AckWatch, FirstAndLast};
use super::clock::Clock;
use super::context::{Parts, Shared, Stage};
use super::distributed::Machine;
use super::faults::{self, Course, Fault};
use super::outcome::{Judged, Outcome, Point, Span};
use super::plan::{Limits, Moment, Orders, Plan, StorePlan, Watcher};
use super::queue::QueueWatch;
use super::stats::{Count, Latency, Stats};
use super::threads::{Threads, take_figures};
use crate::procfs::{ProcessSample, Watched};
use crate::scenario::World;

/// The deadline for everyone to be connected, after the last connect was due.
const CONNECT_GRACE: Duration = Duration::from_secs(45);
/// The deadline for creating all rooms.
const SETUP_DEADLINE: Duration = Duration::from_mins(3);
/// The deadline for everyone to stop sending.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// The deadline for the comparison at the end: reading back a long load from a busy store takes time.
const CHECK_DEADLINE: Duration = Duration::from_mins(10);
/// The time after the load's end in which the last fault must be undone, beyond its own duration.
const FAULT_GRACE: Duration = Duration::from_secs(30);
/// The part of the load at either end that is compared; half of a short load.
const ENDS_MAX: Duration = Duration::from_mins(1);
/// The most points of the series; at that number, each two become one.
const SERIES_MAX: usize = 3600;
/// The lead time with which a load is announced to other machines.
const NOTICE: Duration = Duration::from_millis(250);

/// Runs a plan on this machine alone to its end, or until interrupted, and checks it either way.
pub async fn run(plan: Plan, watcher: &mut dyn Watcher) -> anyhow::Result<Outcome> {
    let world = World::new(&plan.scenario, plan.seed)?;
    let Plan { scenario, dialer, tokens, workers, seed, orders } = plan;
    let run = orders.run.clone();
    let (clock, outbox) = (Clock::start(), None);
    let parts = Parts { scenario, world, run, tokens, dialer, seed, workers, clock, outbox };
    let shared = Arc::new(Shared::new(parts));
    let (done, finished) = mpsc::unbounded_channel();
    let threads = Threads::start(&shared, 0..workers, &done)?;
    let crew = Crew { figures: threads.figures.clone(), finished, machines: Vec::new() };
    let outcome = conduct(shared, crew, orders, watcher).await;
    threads.join()?;
    outcome
}

/// The workers that carry out a run: threads here, or other machines.
pub(super) struct Crew {
    /// The figures that each has measured since they were last taken.
    pub(super) figures: Vec<Arc<Mutex<Stats>>>,
    /// Receives the stages that each has finished.
    pub(super) finished: mpsc::UnboundedReceiver<(usize, Stage)>,
    /// The state of each, if they are machines.
    pub(super) machines: Vec<Arc<Machine>>,
}

/// Has a crew carry out a plan, and checks it.
pub(super) async fn conduct(
    shared: Arc<Shared>,
    crew: Crew,
    orders: Orders,
    watcher: &mut dyn Watcher,
) -> anyhow::Result<Outcome> {
    let Orders { run, watched, faults, admins, store, limits } = orders;
    let has_faults = !faults.is_empty();
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
        course: None,
        acks: None,
        ends: None,
        queue: None,
        interrupts: 0,
        is_loading: false,
        last_us: 0,
    };
    let conducted = conductor.conduct(faults, admins, &limits, store).await;
    // Whatever happened, no fault is left behind.
    let faults = match conductor.course.take() {
        Some(course) => course.end().await,
        None => Vec::new(),
    };
    shared.stage.send_replace(Stage::Over);
    let judged = Judged { has_faults, ack_gap_max: limits.ack_gap_max };
    conducted.map(|loaded| Outcome { run, faults, judged, ..conductor.outcome(loaded) })
}

struct Conductor<'a> {
    shared: Arc<Shared>,
    crew: Crew,
    spare: Stats,
    total: Stats,
    /// The figures since the present phase began.
    span: Stats,
    series: Vec<Point>,
    spans: Vec<Span>,
    watched: Vec<Watched>,
    before: Vec<ProcessSample>,
    last: Vec<ProcessSample>,
    watcher: &'a mut dyn Watcher,
    done: Vec<(usize, Stage)>,
    /// The faults in progress, once there is load.
    course: Option<Course>,
    /// The watch over acknowledgements, while they are expected.
    acks: Option<AckWatch>,
    ends: Option<FirstAndLast>,
    /// The watch over the gateways' metrics, if they are known.
    queue: Option<Arc<QueueWatch>>,
    /// The number of interrupts: one ends the load, two also the waiting after it.
    interrupts: u32,
    is_loading: bool,
    last_us: u64,
}

impl Conductor<'_> {
    async fn conduct(
        &mut self,
        faults: Vec<Fault>,
        admins: Vec<SocketAddr>,
        limits: &Limits,
        store: Option<StorePlan>,
    ) -> anyhow::Result<Loaded> {
        self.gather_people().await?;
        self.queue = QueueWatch::start(admins, &self.shared).await.map(Arc::new);
        let (begun, connections) = (samples(&self.watched)?, self.shared.online_count() as u64);
        let begun_us = self.shared.now_us();
        self.gather(false);
        self.acks = Some(AckWatch::new(begun_us, self.shared.acks.load(Ordering::Relaxed)));
        self.ends = Some(FirstAndLast::new(begun_us, ENDS_MAX.min(self.shared.scenario.load_time() / 2)));
        let rate = self.shared.scenario.rates.messages;
        let faults_end = faults.iter().map(Fault::until).max().unwrap_or_default();
        self.course = Some(faults::schedule(faults, rate, &self.shared));
        self.is_loading = true;
        self.phases().await;
        self.is_loading = false;
        let ended = samples(&self.watched).unwrap_or_else(|_| self.last.clone());
        let loaded_us = self.shared.now_us();
        if let Some(ends) = &mut self.ends {
            ends.end(loaded_us);
        }
        self.end_faults(begun_us, faults_end).await;
        self.watcher.stage("waiting for messages in flight");
        let shared = self.shared.clone();
        let since_us = shared.now_us() + u64::try_from(NOTICE.as_micros()).unwrap_or_default();
        self.until(limits.settle, |this| this.has_heard_after(since_us) && is_settled(&shared)).await;
        self.gather(false);
        let longest_gap = self.acks.take().map(|acks| acks.longest()).unwrap_or_default();
        let ack_p99 = self.ends.take().map(|ends| ends.p99()).unwrap_or_default();
        let unanswered = self.shared.pending.load(Ordering::Relaxed);
        self.shared.stage.send_replace(Stage::Draining);
        self.until(STOP_DEADLINE, |this| this.all_done(Stage::Draining)).await;
        let absent = self.finish();
        let queue = self.drain(limits.drain_within, loaded_us).await;
        self.watcher.stage("comparing unread counts and histories");
        self.shared.stage.send_replace(Stage::Checking);
        if !self.until(CHECK_DEADLINE, |this| this.all_done(Stage::Checking)).await {
            self.shared.ended("the comparison at the end was not finished in time".to_owned());
        }
        let all_stored = self.compare_store(store, loaded_us).await;
        self.close();
        Ok(Loaded { begun, ended, connections, absent, unanswered, all_stored, longest_gap, ack_p99, queue })
    }

    /// Has rooms created and everyone connected.
    async fn gather_people(&mut self) -> anyhow::Result<()> {
        self.watcher.stage("making rooms");
        let unmade_in_time = !self.until(SETUP_DEADLINE, |this| this.all_done(Stage::Setup)).await;
        self.shared.rooms_made();
        let rooms = self.shared.world.rooms.len();
        let made = (0_u32..).take(rooms).filter(|&room| self.shared.room(room).is_some()).count();
        if unmade_in_time || made == 0 {
            let reasons: Vec<_> = self.shared.ends().into_iter().map(|(why, n)| format!("{n} × {why}")).collect();
            bail!("{made} of {rooms} rooms could be created: {}", reasons.join("; "));
        }
        self.watcher.stage("connecting");
        self.shared.stage.send_replace(Stage::Running);
        let connect = self.shared.scenario.connect;
        if connect.first {
            let users = self.shared.scenario.users;
            let all = |this: &mut Self| this.shared.online_count() == users;
            self.until(connect.over + CONNECT_GRACE, all).await;
        }
        // The cost of connecting and creating rooms is not part of the load.
        self.pause(Duration::from_secs(1)).await;
        Ok(())
    }

    /// Waits until the faults that have begun are over, so that later measurements are without them.
    async fn end_faults(&mut self, begun_us: u64, faults_end: Duration) {
        let Some(course) = &mut self.course else { return };
        course.begin_no_more();
        if course.is_over() {
            return;
        }
        self.watcher.stage("waiting for the end of the faults");
        let passed = Duration::from_micros(self.shared.now_us().saturating_sub(begun_us));
        let left = faults_end.saturating_sub(passed) + FAULT_GRACE;
        self.until(left, |this| this.course.as_mut().is_none_or(Course::is_over)).await;
    }

    async fn pause(&mut self, time: Duration) {
        self.until(time, |_| false).await;
    }

    /// Waits for a condition, checking often, and gathers figures each second; `false` if it did not become true in
    /// time.
    async fn until(&mut self, time: Duration, mut reached: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = Instant::now() + time;
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.tick().await;
        loop {
            self.look_at_acks();
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

    fn look_at_acks(&mut self) {
        let (acks, pending) = (&self.shared.acks, &self.shared.pending);
        if let Some(watch) = &mut self.acks {
            watch.look(self.shared.now_us(), acks.load(Ordering::Relaxed), pending.load(Ordering::Relaxed));
        }
    }

    /// True if the run must end early: on request, or because a machine is lost, and with it part of the intended load.
    fn is_cut_short(&self) -> bool {
        let is_lost = self.crew.machines.iter().any(|machine| machine.is_lost());
        self.interrupts > u32::from(!self.is_loading) || (self.is_loading && is_lost)
    }

    /// True if every machine has reported its state since a time.
    fn has_heard_after(&self, at_us: u64) -> bool {
        self.crew.machines.iter().all(|machine| machine.is_lost() || machine.has_told_after(at_us))
    }

    /// True if all of the crew have finished a stage, except for lost machines.
    fn all_done(&mut self, stage: Stage) -> bool {
        while let Ok(done) = self.crew.finished.try_recv() {
            self.done.push(done);
        }
        let is_lost = |member: usize| self.crew.machines.get(member).is_some_and(|machine| machine.is_lost());
        (0..self.crew.figures.len()).all(|member| is_lost(member) || self.done.contains(&(member, stage)))
    }

    /// Takes the workers' figures; adds them to the series if a second is over.
    fn gather(&mut self, is_second: bool) {
        let mut second = Stats::new();
        take_figures(&self.crew.figures, &mut self.spare, &mut second);
        self.total.merge(&second);
        self.span.merge(&second);
        if let Some(ends) = &mut self.ends {
            ends.take(self.shared.now_us(), &second);
        }
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
        // A process that was killed as a fault is absent for a while.
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

/// True if every send is answered, and every member has every event.
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
