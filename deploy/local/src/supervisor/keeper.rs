//! Keeps one part in the condition that its state requires.

use std::future::{Future, pending};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::process::Process;
use super::state::{Deed, Happening, State};
use crate::parts::{NeverReady, Part};

/// A request to a keeper.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// Start the part.
    Start,
    /// End it gracefully and keep it down.
    Stop,
    /// Send SIGKILL, and keep it down.
    Kill,
    /// Send SIGSTOP.
    Pause,
    /// Send SIGCONT.
    Resume,
    /// Set a variable for its next start.
    Variable(String, String),
}

/// The status of a part.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) state: State,
    pub(super) pid: Option<u32>,
    /// The number of times that its process crashed, or failed to start.
    pub(super) failures: u32,
    /// The way its process last ended, or the reason why it cannot be used.
    pub(super) trouble: Option<String>,
}

/// A notable event of a part.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) part: String,
    /// The kind of event.
    pub(crate) kind: EventKind,
}

/// A change of a part that nobody requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// Its process ended in this way, and is started again after this time.
    Ended { how: String, again_in: Duration },
    /// It is ready again after that.
    Back,
}

type Probing = Pin<Box<dyn Future<Output = Result<(), NeverReady>> + Send>>;

pub(super) struct Keeper {
    pub(super) run: PathBuf,
    pub(super) part: Part,
    pub(super) restart_after: Duration,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) status: watch::Sender<Status>,
    pub(super) events: broadcast::Sender<Event>,
}

/// The things that a keeper is waiting for.
#[derive(Default)]
struct Pending {
    process: Option<Process>,
    probing: Option<Probing>,
    time: Option<Instant>,
    /// True if it will never be ready, which has been reported.
    is_doomed: bool,
}

impl Keeper {
    /// Runs until no more requests can come.
    pub(super) async fn keep(mut self) {
        let mut state = State::Stopped;
        let mut now = Pending::default();
        loop {
            let happening = tokio::select! {
                ask = self.asks.recv() => match ask {
                    None => return,
                    Some(ask) => match self.answer(ask, now.process.as_ref()) {
                        None => continue,
                        Some(happening) => happening,
                    },
                },
                how = ended(&mut now.process) => {
                    let by_itself = matches!(state, State::Starting | State::Running);
                    if by_itself && !now.is_doomed {
                        self.note_failure(how);
                    }
                    now = Pending::default();
                    Happening::Ended
                }
                ready = probed(&mut now.probing) => {
                    now.probing = None;
                    now.is_doomed = ready.is_err();
                    self.note_ready(ready)
                }
                () = over(now.time) => {
                    now.time = None;
                    Happening::TimeOver
                }
            };
            let mut happening = Some(happening);
            while let Some(happened) = happening {
                let (next, deed) = state.on(happened);
                state = next;
                happening = self.carry_out(deed, &mut now);
            }
            let pid = now.process.as_ref().map(Process::id);
            self.status.send_modify(|status| {
                status.state = state;
                status.pid = pid;
            });
        }
    }

    /// Handles a request at once, or returns its meaning for the state.
    fn answer(&mut self, ask: Ask, process: Option<&Process>) -> Option<Happening> {
        match (ask, process) {
            (Ask::Start, _) => return Some(Happening::StartAsked),
            (Ask::Stop, _) => return Some(Happening::StopAsked),
            (Ask::Kill, _) => return Some(Happening::KillAsked),
            (Ask::Pause, Some(process)) => process.signal(Signal::STOP),
            (Ask::Resume, Some(process)) => process.signal(Signal::CONT),
            (Ask::Pause | Ask::Resume, None) => {}
            (Ask::Variable(name, value), _) => {
                self.part.environment.insert(name, value);
            }
        }
        None
    }

    /// Carries out a deed; returns its immediate consequence.
    fn carry_out(&mut self, deed: Deed, now: &mut Pending) -> Option<Happening> {
        match deed {
            Deed::Nothing => {}
            Deed::Spawn => {
                now.time = None;
                match Process::spawn(&self.run, &self.part) {
                    Ok(process) => {
                        now.process = Some(process);
                        now.probing = Some(Box::pin(self.part.probe.clone().wait()));
                    }
                    Err(error) => {
                        let program = self.part.program.display();
                        self.note_failure(format!("{program} did not start: {error}"));
                        return Some(Happening::NotSpawned);
                    }
                }
            }
            Deed::Terminate => {
                if let Some(process) = &now.process {
                    process.signal(Signal::TERM);
                    // A paused one could not react to it.
                    process.signal(Signal::CONT);
                }
                now.probing = None;
                now.time = Some(Instant::now() + self.part.grace);
            }
            Deed::Kill => {
                if let Some(process) = &now.process {
                    process.signal(Signal::KILL);
                }
                now.probing = None;
                now.time = None;
            }
            Deed::Pause => now.time = Some(Instant::now() + self.restart_after),
        }
        None
    }

    fn note_ready(&self, ready: Result<(), NeverReady>) -> Happening {
        match ready {
            Ok(()) => {
                let mut came_back = false;
                self.status.send_modify(|status| came_back = status.trouble.take().is_some());
                if came_back {
                    self.say(EventKind::Back);
                }
                Happening::Ready
            }
            Err(error) => {
                self.note_failure(error.to_string());
                Happening::Unusable
            }
        }
    }

    fn note_failure(&self, how: String) {
        self.status.send_modify(|status| {
            status.failures += 1;
            status.trouble = Some(how.clone());
        });
        self.say(EventKind::Ended { how, again_in: self.restart_after });
    }

    fn say(&self, kind: EventKind) {
        // In tests, nobody listens.
        let _ = self.events.send(Event { part: self.part.name.clone(), kind });
    }
}

async fn ended(process: &mut Option<Process>) -> String {
    match process {
        Some(process) => process.wait().await,
        None => pending().await,
    }
}

async fn probed(probing: &mut Option<Probing>) -> Result<(), NeverReady> {
    match probing {
        Some(probing) => probing.await,
        None => pending().await,
    }
}

async fn over(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
