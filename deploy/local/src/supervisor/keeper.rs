//! Keeps one part: does what its state says.

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

/// What may be asked of a keeper.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// Bring it up.
    Start,
    /// End it in good order and keep it down.
    Stop,
    /// SIGKILL, and keep it down.
    Kill,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// Set a variable for its next start.
    Variable(String, String),
}

/// How a part is.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) state: State,
    pub(super) pid: Option<u32>,
    /// How often its process ended, or failed to start, by itself.
    pub(super) failures: u32,
    /// How its process ended last, or why it cannot be used.
    pub(super) trouble: Option<String>,
}

/// Something worth saying about a part.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The part.
    pub(crate) part: String,
    /// What happened.
    pub(crate) kind: EventKind,
}

/// What happened to a part by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// Its process ended, so, and is started again after so long.
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

/// What a keeper waits for at the moment.
#[derive(Default)]
struct Pending {
    process: Option<Process>,
    probing: Option<Probing>,
    time: Option<Instant>,
    /// It will never be ready, which has been said.
    is_doomed: bool,
}

impl Keeper {
    /// Runs until nobody can ask anything any more.
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

    /// Does what an ask says at once, or names what it means for the state.
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

    /// Does what a state asks for; what happens of it at once is returned.
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
                        self.note_failure(format!("{program} does not start: {error}"));
                        return Some(Happening::NotSpawned);
                    }
                }
            }
            Deed::Terminate => {
                if let Some(process) = &now.process {
                    process.signal(Signal::TERM);
                    // One that is paused could not hear it.
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
        // Nobody listens in tests.
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
