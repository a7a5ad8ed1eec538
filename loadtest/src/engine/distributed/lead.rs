//! The lead's side: admits workers, instructs them, and takes their reports.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::wire::{self, LIST_MAX, PlanMessage, ToLead, ToWorker};
use super::{FORMAT, Machine, SILENCE_MAX, auth};
use crate::engine::clock::Clock;
use crate::engine::context::{Parts, Shared, Stage};
use crate::engine::coordinator::{Crew, conduct};
use crate::engine::observation::Said;
use crate::engine::outcome::Outcome;
use crate::engine::plan::{Plan, Watcher};
use crate::engine::stats::{Count, Stats};
use crate::scenario::World;
use crate::sync::lock;

/// The deadline for one worker to authenticate.
const ADMIT_DEADLINE: Duration = Duration::from_secs(5);
/// The deadline for all to be ready.
const READY_DEADLINE: Duration = Duration::from_mins(1);
/// The time at the end in which everyone must be informed.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(5);
/// The most threads of one machine.
const THREADS_MAX: usize = 1024;
/// The most bytes of a worker's name.
const NAME_MAX: usize = 100;

/// The listener for workers.
#[derive(Debug)]
pub struct Gate {
    /// The socket.
    pub listener: TcpListener,
    /// The secret that they must know.
    pub secret: String,
    /// The number of workers to wait for.
    pub machines: usize,
    /// The time to wait for them.
    pub patience: Duration,
}

/// A worker that was admitted.
struct Joined {
    stream: TcpStream,
    name: String,
    threads: usize,
}

/// Runs a plan with the workers that join, to its end, or until interrupted or one is lost, and checks it in any case.
pub async fn lead(plan: Plan, gate: Gate, watcher: &mut dyn Watcher) -> anyhow::Result<Outcome> {
    let Plan { scenario, dialer, tokens, workers: _, seed, orders } = plan;
    let run = orders.run.clone();
    let joined = gate.gather(watcher).await?;
    let world = World::new(&scenario, seed)?;
    let workers = joined.iter().map(|joined| joined.threads).sum();
    let scenario_text = serde_json::to_string(&scenario)?;
    let clock = Clock::start();
    let parts = Parts { scenario, world, run: run.clone(), tokens, dialer, seed, workers, clock, outbox: None };
    let shared = Arc::new(Shared::new(parts));
    let (done, finished) = mpsc::unbounded_channel();
    let (ready, mut readies) = mpsc::channel(joined.len());
    let begin = watch::Sender::new(false);
    let (mut machines, mut figures, mut tasks, mut first) = (Vec::new(), Vec::new(), JoinSet::new(), 0);
    for (number, Joined { stream, name, threads }) in joined.into_iter().enumerate() {
        let numbers = first..first + threads;
        first += threads;
        let users = numbers.clone().map(|thread| (thread..shared.scenario.users).step_by(workers).len()).sum();
        let machine = Arc::new(Machine {
            name: format!("{} ({name})", number + 1),
            numbers: numbers.clone(),
            users,
            clock_error_us: AtomicU64::new(0),
            told_us: AtomicU64::new(0),
            lost: OnceLock::new(),
        });
        let stats = Arc::new(Mutex::new(Stats::new()));
        let plan = PlanMessage {
            scenario: scenario_text.clone(),
            run: run.clone(),
            seed,
            workers,
            first: numbers.start,
            epoch_us: shared.wall_us(0),
        };
        let line = Line {
            shared: shared.clone(),
            machine: machine.clone(),
            number,
            stats: stats.clone(),
            done: done.clone(),
            ready: ready.clone(),
            pending: 0,
        };
        tasks.spawn(line.serve(stream, plan, begin.subscribe()));
        machines.push(machine);
        figures.push(stats);
    }
    drop(ready);
    all_ready(&shared, &machines, &mut readies).await?;
    begin.send_replace(true);
    let crew = Crew { figures, finished, machines };
    let outcome = conduct(shared, crew, orders, watcher).await;
    let gone = async { while tasks.join_next().await.is_some() {} };
    let _who_does_not_hear_it_sees_us_go = timeout(GOODBYE_DEADLINE, gone).await;
    outcome
}

/// Waits until every worker has built the same world from the plan.
async fn all_ready(
    shared: &Shared,
    machines: &[Arc<Machine>],
    readies: &mut mpsc::Receiver<u64>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_DEADLINE;
    let mine = shared.digest();
    for _ in machines {
        // A line that has ended sends nothing more.
        let lost = async {
            while !machines.iter().any(|machine| machine.is_lost()) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let digest = tokio::select! {
            digest = timeout_at(deadline, readies.recv()) => digest.context("not all workers were ready in time")?,
            () = lost => None,
        };
        let lost = machines.iter().find_map(|machine| Some((&machine.name, machine.lost.get()?)));
        match (digest, lost) {
            (_, Some((name, why))) => bail!("worker {name} was lost before the run began: {why}"),
            (Some(digest), None) if digest == mine => {}
            (Some(_), None) => {
                bail!("a worker has other users or rooms: it needs the same program, and the same --org and --tokens")
            }
            (None, None) => bail!("a worker has disconnected"),
        }
    }
    Ok(())
}

impl Gate {
    /// Admits workers until all are present.
    async fn gather(self, watcher: &mut dyn Watcher) -> anyhow::Result<Vec<Joined>> {
        let deadline = Instant::now() + self.patience;
        let mut joined = Vec::new();
        while joined.len() < self.machines {
            watcher.stage(&format!("waiting for workers, {} of {} have joined", joined.len(), self.machines));
            let accepted = timeout_at(deadline, self.listener.accept()).await;
            let Ok(accepted) = accepted else {
                let waited = self.patience.as_secs_f64();
                bail!("{} of {} workers joined within {waited} s", joined.len(), self.machines);
            };
            let Ok((stream, peer)) = accepted else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            match timeout(ADMIT_DEADLINE, self.admit(stream)).await {
                Ok(Ok(worker)) => joined.push(worker),
                Ok(Err(error)) => eprintln!("{peer} was not admitted: {error}"),
                Err(_) => eprintln!("{peer} was not admitted: it sent nothing"),
            }
        }
        Ok(joined)
    }

    async fn admit(&self, mut stream: TcpStream) -> io::Result<Joined> {
        stream.set_nodelay(true)?;
        auth::admit(&mut stream, &self.secret).await?;
        let ToLead::Join { format, name, threads } = wire::read(&mut stream).await? else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it did not identify itself"));
        };
        let refusal = if format != FORMAT {
            "it has a different version"
        } else if !(1..=THREADS_MAX).contains(&threads) || name.len() > NAME_MAX {
            "it has too many threads or too long a name"
        } else {
            return Ok(Joined { stream, name, threads });
        };
        wire::write(&mut stream, &ToWorker::Refused(refusal.to_owned())).await?;
        Err(io::Error::other(refusal))
    }
}

/// The connection to one worker.
struct Line {
    shared: Arc<Shared>,
    machine: Arc<Machine>,
    /// The number of the machine.
    number: usize,
    stats: Arc<Mutex<Stats>>,
    done: mpsc::UnboundedSender<(usize, Stage)>,
    ready: mpsc::Sender<u64>,
    /// The number of its sends in flight, as last reported.
    pending: u64,
}

impl Line {
    /// Sends and receives until the end.
    async fn serve(mut self, stream: TcpStream, plan: PlanMessage, begin: watch::Receiver<bool>) {
        let shared = self.shared.clone();
        let (reader, writer) = stream.into_split();
        let (clock, asked) = mpsc::channel(16);
        let why = {
            let listening = self.listen(reader, clock);
            tokio::pin!(listening);
            tokio::select! {
                why = &mut listening => why,
                spoken = speak(&shared, writer, plan, begin, asked) => match spoken {
                    Ok(()) => {
                        // Closed by the worker: the frames it has sent meanwhile must not cut off those sent to it.
                        let _whatever_it_says = timeout(GOODBYE_DEADLINE, listening).await;
                        return;
                    }
                    Err(error) => error.to_string(),
                },
            }
        };
        if shared.stage() == Stage::Over {
            return;
        }
        shared.ended(format!("worker {} was lost: {why}", self.machine.name));
        shared.pending.fetch_sub(self.pending, Ordering::Relaxed);
        for user in 0..shared.scenario.users {
            if self.has_user(user) {
                shared.set_online(user, false);
            }
        }
        let _first = self.machine.lost.set(why);
    }

    fn has_user(&self, user: usize) -> bool {
        self.machine.numbers.contains(&(user % self.shared.workers))
    }

    /// Takes the worker's frames; returns the reason why there are no more.
    async fn listen(&mut self, mut reader: OwnedReadHalf, clock: mpsc::Sender<(u64, u64)>) -> String {
        loop {
            let message = match timeout(SILENCE_MAX, wire::read(&mut reader)).await {
                Ok(Ok(message)) => message,
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return "it disconnected".to_owned(),
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "it sent nothing for too long".to_owned(),
            };
            match message {
                ToLead::Ask(at_us) => {
                    // A worker that asks faster than it is answered does not need every answer.
                    let _full = clock.try_send((at_us, self.shared.now_us()));
                }
                ToLead::Ready { digest, clock_error_us } => {
                    self.machine.clock_error_us.store(clock_error_us, Ordering::Relaxed);
                    let _asked_once = self.ready.try_send(digest);
                }
                ToLead::Said(said) => {
                    if !said.into_iter().all(|said| self.take(said)) {
                        return "it reported rooms or users that do not exist".to_owned();
                    }
                }
                ToLead::Figures(figures) => {
                    let Some(stats) = figures.stats() else { return "it sent malformed figures".to_owned() };
                    lock(&self.stats).merge(&stats);
                    self.shared.acks.fetch_add(stats.count(Count::Acked), Ordering::Relaxed);
                    let more = figures.pending.wrapping_sub(self.pending);
                    self.shared.pending.fetch_add(more, Ordering::Relaxed);
                    self.pending = figures.pending;
                    self.machine.clock_error_us.store(figures.clock_error_us, Ordering::Relaxed);
                    self.machine.told_us.store(figures.at_us, Ordering::Relaxed);
                    for (reason, times) in figures.ends {
                        self.shared.ended_times(reason, times);
                    }
                }
                ToLead::Done(stage) => {
                    let _conductor_has_gone = self.done.send((self.number, stage));
                }
                ToLead::Failed(why) => return why,
                ToLead::Join { .. } => return "it joined twice".to_owned(),
            }
        }
    }

    /// Takes one observation; `false` if it is invalid.
    fn take(&self, said: Said) -> bool {
        let shared = &self.shared;
        let is_room = |room: u32| (room as usize) < shared.world.rooms.len();
        match said {
            Said::Tell(room, at_us, tell) => {
                is_room(room) && shared.check(room, |check, found| check.take(&tell, at_us, found)).unwrap_or_default()
            }
            Said::Made(room, id, head) => {
                let known = is_room(room);
                if known {
                    shared.room_made(room, id, head);
                }
                known
            }
            Said::Online(user, online) => {
                let user = user as usize;
                let known = user < shared.scenario.users && self.has_user(user);
                if known {
                    shared.set_online(user, online);
                }
                known
            }
            Said::Unacked(more) => {
                shared.unacked_more(more);
                true
            }
        }
    }
}

/// Sends a worker the plan, and then every change.
async fn speak(
    shared: &Shared,
    mut writer: OwnedWriteHalf,
    plan: PlanMessage,
    mut begin: watch::Receiver<bool>,
    mut asked: mpsc::Receiver<(u64, u64)>,
) -> io::Result<()> {
    let (mut stages, mut loads) = (shared.stage.subscribe(), shared.loads());
    let mut told = Stage::Setup;
    let mut has_begun = false;
    wire::write(&mut writer, &ToWorker::Plan(plan)).await?;
    loop {
        let message = tokio::select! {
            Some((at_us, now_us)) = asked.recv() => ToWorker::Clock(at_us, now_us),
            changed = begin.changed(), if !has_begun => {
                if changed.is_err() {
                    return Err(io::Error::other("the run does not begin"));
                }
                has_begun = true;
                ToWorker::Begin
            }
            Ok(()) = loads.changed() => ToWorker::Load(*loads.borrow_and_update()),
            Ok(()) = stages.changed() => {
                let stage = *stages.borrow_and_update();
                if told < Stage::Running && stage >= Stage::Running {
                    tell_rooms(shared, &mut writer).await?;
                }
                if told < Stage::Checking && stage >= Stage::Checking {
                    for absent in shared.absent().chunks(LIST_MAX) {
                        wire::write(&mut writer, &ToWorker::Absent(absent.to_vec())).await?;
                    }
                }
                told = stage;
                ToWorker::Stage(stage)
            }
        };
        wire::write(&mut writer, &message).await?;
        if told == Stage::Over {
            return Ok(());
        }
    }
}

async fn tell_rooms(shared: &Shared, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let rooms = (0_u32..).take(shared.world.rooms.len());
    let made: Vec<_> =
        rooms.filter_map(|room| shared.room(room).map(|state| (room, state.id.clone(), state.head))).collect();
    for rooms in made.chunks(LIST_MAX) {
        wire::write(writer, &ToWorker::Rooms(rooms.to_vec())).await?;
    }
    Ok(())
}
