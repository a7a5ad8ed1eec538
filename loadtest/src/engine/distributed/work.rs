//! A worker's side: joins, follows the lead, and reports its users' observations.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use super::figures::Figures;
use super::wire::{self, LIST_MAX, PlanMessage, ToLead, ToWorker};
use super::{FORMAT, SILENCE_MAX, auth};
use crate::connection::{Dialer, Tokens};
use crate::engine::clock::{Clock, Offset};
use crate::engine::context::{Parts, Shared, Stage};
use crate::engine::observation::Outbox;
use crate::engine::stats::Stats;
use crate::engine::threads::{Threads, take_figures};
use crate::scenario::{Scenario, World};

/// The time in which the lead must admit the worker, once it was reached.
const ADMIT_DEADLINE: Duration = Duration::from_secs(10);
/// The time in which all workers must join and the lead must send the plan.
const PLAN_DEADLINE: Duration = Duration::from_hours(1);
/// The pause between two attempts to reach the lead.
const KNOCK_PAUSE: Duration = Duration::from_millis(500);
/// The number of questions for the lead's time before anything begins.
const QUESTIONS: usize = 10;
/// The longest time before an observation is reported.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// Messages of the lead that may wait here; there are few.
const INCOMING_MAX: usize = 64;

/// A worker's part in a run that is led elsewhere.
pub struct Work {
    stream: TcpStream,
    plan: PlanMessage,
    scenario: Scenario,
    threads: usize,
}

/// Joins the run of a lead, trying as long as patience lasts, and waits for the plan.
pub async fn join(address: &str, secret: &str, name: &str, threads: usize, patience: Duration) -> anyhow::Result<Work> {
    let deadline = Instant::now() + patience;
    let mut stream = loop {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => break stream,
            Ok(Err(error)) if Instant::now() + KNOCK_PAUSE >= deadline => {
                return Err(error).with_context(|| format!("the lead at {address} cannot be reached"));
            }
            Ok(Err(_)) => sleep(KNOCK_PAUSE).await,
            Err(_) => bail!("the lead at {address} cannot be reached"),
        }
    };
    stream.set_nodelay(true)?;
    let admitted = timeout(ADMIT_DEADLINE, auth::apply(&mut stream, secret)).await;
    admitted.context("the lead does not admit us: no answer in time")?.context("the lead does not admit us")?;
    wire::write(&mut stream, &ToLead::Join { format: FORMAT, name: name.to_owned(), threads }).await?;
    let said = timeout(PLAN_DEADLINE, wire::read(&mut stream)).await;
    match said.context("the lead did not begin")?.context("the lead has disconnected")? {
        ToWorker::Plan(plan) => {
            let scenario: Scenario = serde_json::from_str(&plan.scenario).context("the lead's scenario")?;
            scenario.check()?;
            Ok(Work { stream, plan, scenario, threads })
        }
        ToWorker::Refused(why) => bail!("the lead does not admit us: {why}"),
        _ => bail!("the lead sent something other than a plan"),
    }
}

impl Work {
    /// Returns the scenario of the run.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Returns the run's id.
    pub fn run(&self) -> &str {
        &self.plan.run
    }

    /// Returns the number of users on this machine.
    pub fn users(&self) -> usize {
        let numbers = self.plan.first..self.plan.first + self.threads;
        numbers.map(|thread| (thread..self.scenario.users).step_by(self.plan.workers.max(1)).len()).sum()
    }

    /// Tells the lead that this worker cannot take part.
    pub async fn give_up(mut self, why: &str) {
        let _lead_has_gone = wire::write(&mut self.stream, &ToLead::Failed(why.to_owned())).await;
    }

    /// Carries out the plan, until the lead says that the run is over.
    pub async fn carry_out(self, dialer: Dialer, tokens: Tokens, say: &dyn Fn(&str)) -> anyhow::Result<()> {
        let Self { stream, plan, scenario, threads } = self;
        let world = World::new(&scenario, plan.seed)?;
        let numbers = plan.first..plan.first + threads;
        let parts = Parts {
            scenario,
            world,
            run: plan.run,
            tokens,
            dialer,
            seed: plan.seed,
            workers: plan.workers,
            clock: Clock::of(plan.epoch_us),
            outbox: Some(Outbox::default()),
        };
        let shared = Arc::new(Shared::new(parts));
        let (reader, writer) = stream.into_split();
        let (sender, incoming) = mpsc::channel(INCOMING_MAX);
        let listening = tokio::spawn(listen(reader, sender));
        let mut line = Line {
            shared: shared.clone(),
            writer,
            incoming,
            offset: Offset::default(),
            clock_error_us: 0,
            spare: Stats::new(),
        };
        let worked = line.work(numbers, say).await;
        if let Err(error) = &worked {
            let _lead_has_gone = wire::write(&mut line.writer, &ToLead::Failed(format!("{error:#}"))).await;
        }
        shared.stage.send_replace(Stage::Over);
        listening.abort();
        worked.and_then(|threads| threads.map_or(Ok(()), Threads::join))
    }
}

/// Passes on the lead's messages; the channel ends when no more arrive.
async fn listen(mut reader: OwnedReadHalf, sender: mpsc::Sender<ToWorker>) {
    while let Ok(Ok(message)) = timeout(SILENCE_MAX, wire::read(&mut reader)).await {
        if sender.send(message).await.is_err() {
            return;
        }
    }
}

/// The connection to the lead.
struct Line {
    shared: Arc<Shared>,
    writer: OwnedWriteHalf,
    incoming: mpsc::Receiver<ToWorker>,
    offset: Offset,
    clock_error_us: u64,
    spare: Stats,
}

impl Line {
    /// Takes part in the whole run; returns the threads to be joined, if any were started.
    async fn work(&mut self, numbers: std::ops::Range<usize>, say: &dyn Fn(&str)) -> anyhow::Result<Option<Threads>> {
        for _ in 0..QUESTIONS {
            self.ask().await?;
            match self.next().await? {
                ToWorker::Clock(asked_us, told_us) => self.clock(asked_us, told_us),
                _ => bail!("the lead did not send the time"),
            }
        }
        let ready = ToLead::Ready { digest: self.shared.digest(), clock_error_us: self.clock_error_us };
        wire::write(&mut self.writer, &ready).await?;
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                message = self.next() => match message? {
                    ToWorker::Clock(asked_us, told_us) => self.clock(asked_us, told_us),
                    ToWorker::Begin => break,
                    ToWorker::Stage(Stage::Over) => return Ok(None),
                    _ => bail!("the lead did not begin"),
                },
                // Shows that this worker is alive.
                _ = seconds.tick() => self.ask().await?,
            }
        }
        say("making rooms");
        let (done, mut finished) = mpsc::unbounded_channel();
        let threads = Threads::start(&self.shared, numbers, &done)?;
        let worked = self.stages(&threads, &mut finished, say).await;
        self.shared.stage.send_replace(Stage::Over);
        worked.map(|()| Some(threads))
    }

    async fn stages(
        &mut self,
        threads: &Threads,
        finished: &mut mpsc::UnboundedReceiver<(usize, Stage)>,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<()> {
        let mut done = Vec::new();
        let mut tells = interval(TELL_EVERY);
        let mut seconds = interval(Duration::from_secs(1));
        tells.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut absent = Vec::new();
        loop {
            tokio::select! {
                message = self.next() => match message? {
                    ToWorker::Clock(asked_us, told_us) => self.clock(asked_us, told_us),
                    ToWorker::Rooms(rooms) => {
                        for (room, id, head) in rooms {
                            self.shared.room_known(room, id, head);
                        }
                    }
                    ToWorker::Load(load) => self.shared.set_load(load),
                    ToWorker::Absent(more) => absent.extend(more),
                    ToWorker::Stage(stage) => {
                        self.begin(stage, &absent, say);
                        if stage == Stage::Over {
                            return Ok(());
                        }
                    }
                    ToWorker::Refused(_) | ToWorker::Plan(_) | ToWorker::Begin => bail!("the lead began twice"),
                },
                _ = tells.tick() => self.tell().await?,
                _ = seconds.tick() => {
                    self.ask().await?;
                    self.figures(threads).await?;
                }
                Some((place, stage)) = finished.recv() => {
                    done.push((place, stage));
                    if done.iter().filter(|&&(_, of)| of == stage).count() == threads.figures.len() {
                        self.tell().await?;
                        self.figures(threads).await?;
                        wire::write(&mut self.writer, &ToLead::Done(stage)).await?;
                    }
                }
                _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            }
        }
    }

    fn begin(&self, stage: Stage, absent: &[u32], say: &dyn Fn(&str)) {
        match stage {
            Stage::Setup => {}
            Stage::Running => {
                say("running");
                self.shared.rooms_made();
            }
            Stage::Draining => say("waiting until everything is stored"),
            Stage::Checking => {
                say("comparing unread counts and histories");
                let mut present = vec![true; self.shared.scenario.users];
                for &user in absent {
                    if let Some(there) = present.get_mut(user as usize) {
                        *there = false;
                    }
                }
                self.shared.set_present(present);
            }
            Stage::Over => say("over; the lead has the report"),
        }
        self.shared.stage.send_replace(stage);
    }

    async fn next(&mut self) -> anyhow::Result<ToWorker> {
        // The channel ends when the lead is gone, or silent for too long.
        self.incoming.recv().await.context("the lead has disconnected")
    }

    async fn ask(&mut self) -> io::Result<()> {
        wire::write(&mut self.writer, &ToLead::Ask(self.shared.clock.local_us())).await
    }

    fn clock(&mut self, asked_us: u64, told_us: u64) {
        let clock = &self.shared.clock;
        let estimate = self.offset.answered(asked_us, clock.local_us(), told_us);
        clock.set_ahead(estimate.ahead_us);
        self.clock_error_us = estimate.error_us;
    }

    /// Reports what users have seen since the last time.
    async fn tell(&mut self) -> anyhow::Result<()> {
        let Some(outbox) = &self.shared.outbox else { return Ok(()) };
        let mut said = outbox.take()?.into_iter();
        while said.len() > 0 {
            let part = said.by_ref().take(LIST_MAX).collect();
            wire::write(&mut self.writer, &ToLead::Said(part)).await.context("the lead accepts no observations")?;
        }
        Ok(())
    }

    async fn figures(&mut self, threads: &Threads) -> io::Result<()> {
        let mut stats = Stats::new();
        take_figures(&threads.figures, &mut self.spare, &mut stats);
        let at_us = self.shared.now_us();
        let figures = Figures {
            at_us,
            pending: self.shared.pending.load(std::sync::atomic::Ordering::Relaxed),
            ends: self.shared.take_ends(),
            clock_error_us: self.clock_error_us,
            ..Figures::new(&stats)
        };
        wire::write(&mut self.writer, &ToLead::Figures(figures)).await
    }
}
