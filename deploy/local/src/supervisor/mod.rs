//! Runs the parts of one cluster: starts them, watches them, restarts those that die, and leaves nothing behind. It
//! does not know what a part does.

mod keeper;
mod process;
mod reaper;
mod state;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::keeper::{Ask, Keeper, Status};
pub(crate) use self::keeper::{Event, EventKind};
pub(crate) use self::process::{log_file, logs_directory};
use self::reaper::Reaper;
pub(crate) use self::reaper::sweep;
pub use self::state::State;
use crate::parts::Part;

/// Requests waiting for one keeper; each is answered at once.
const ASKS: usize = 16;
/// Unread events; older ones are dropped.
const EVENTS: usize = 256;
/// The number of log lines that explain why a part is missing.
const TAIL_LINES: usize = 15;

/// The reason why a request for a part failed.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// No part has the name.
    #[error("there is no part {0}; see cargo local status")]
    Unknown(String),
    /// The part ended, or cannot be used.
    #[error("{part} did not come up: {how}{}", tail_text(log))]
    Failed {
        /// The part's name.
        part: String,
        /// The way it ended.
        how: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The part took too long.
    #[error("{part} was not ready after {seconds} s{}", tail_text(log))]
    TooLate {
        /// The part's name.
        part: String,
        /// The time waited.
        seconds: u64,
        /// The last lines of its log.
        log: Vec<String>,
    },
}

/// A part as `status` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct PartStatus {
    /// The name.
    pub name: String,
    /// The state.
    pub state: State,
    /// The process, if there is one.
    pub pid: Option<u32>,
    /// The address at which it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The way its process last ended, until it is ready again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

struct Handle {
    name: String,
    url: Option<String>,
    asks: mpsc::Sender<Ask>,
    status: watch::Receiver<Status>,
    keeper: JoinHandle<()>,
}

/// The parts of one run.
pub(crate) struct Supervisor {
    run: PathBuf,
    restart_after: Duration,
    parts: Vec<Handle>,
    events: broadcast::Sender<Event>,
    reaper: Option<Reaper>,
}

impl Supervisor {
    /// Makes a supervisor of a run's directory, with no parts yet. Ends processes that an earlier run left there.
    pub(crate) fn new(run: &Path, restart_after: Duration) -> io::Result<Self> {
        let run = run.canonicalize()?;
        reaper::sweep(&run)?;
        for directory in [process::groups_directory(&run), logs_directory(&run)] {
            if directory.exists() {
                fs::remove_dir_all(&directory)?;
            }
            fs::create_dir_all(&directory)?;
        }
        Ok(Self {
            reaper: Some(Reaper::tie(&run)?),
            run,
            restart_after,
            parts: Vec::new(),
            events: broadcast::channel(EVENTS).0,
        })
    }

    /// Adds a part, which stays down for now.
    pub(crate) fn add(&mut self, part: Part) {
        let (asks, receiver) = mpsc::channel(ASKS);
        let (status, seen) = watch::channel(Status { state: State::Stopped, pid: None, failures: 0, trouble: None });
        let name = part.name.clone();
        let url = part.url.clone();
        let keeper = Keeper {
            run: self.run.clone(),
            part,
            restart_after: self.restart_after,
            asks: receiver,
            status,
            events: self.events.clone(),
        };
        self.parts.push(Handle { name, url, asks, status: seen, keeper: tokio::spawn(keeper.keep()) });
    }

    /// Returns the events of parts from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Returns every part, in the order they were added.
    pub(crate) fn status(&self) -> Vec<PartStatus> {
        let one = |part: &Handle| {
            let status = part.status.borrow();
            PartStatus {
                name: part.name.clone(),
                state: status.state,
                pid: status.pid,
                url: part.url.clone(),
                trouble: status.trouble.clone(),
            }
        };
        self.parts.iter().map(one).collect()
    }

    /// Starts parts concurrently, and waits until they are ready.
    pub(crate) async fn start(&self, names: &[&str], patience: Duration) -> Result<(), PartError> {
        let mut failures = Vec::new();
        for name in names {
            let part = self.part(name)?;
            failures.push(part.status.borrow().failures);
            part.ask(Ask::Start).await;
        }
        for (name, failures) in names.iter().zip(failures) {
            self.settle(name, patience, |now| now.failures > failures).await?;
        }
        Ok(())
    }

    /// Waits until a part is ready, however often it has to be started.
    pub(crate) async fn wait_ready(&self, name: &str, patience: Duration) -> Result<(), PartError> {
        self.settle(name, patience, |_| false).await
    }

    /// Waits until a part is ready or has failed.
    async fn settle(
        &self,
        name: &str,
        patience: Duration,
        has_failed: impl Fn(&Status) -> bool,
    ) -> Result<(), PartError> {
        let mut status = self.part(name)?.status.clone();
        let settled = status.wait_for(|now| now.state == State::Running || has_failed(now));
        match timeout(patience, settled).await {
            Ok(Ok(now)) if now.state == State::Running => Ok(()),
            Ok(now) => Err(PartError::Failed {
                part: name.to_owned(),
                how: now.ok().and_then(|now| now.trouble.clone()).unwrap_or_else(|| "its keeper is gone".to_owned()),
                log: self.log_tail(name),
            }),
            Err(_) => {
                Err(PartError::TooLate { part: name.to_owned(), seconds: patience.as_secs(), log: self.log_tail(name) })
            }
        }
    }

    /// Ends a part gracefully and keeps it down.
    pub(crate) async fn stop(&self, name: &str) -> Result<(), PartError> {
        self.end(name, Ask::Stop).await
    }

    /// Ends a part with SIGKILL and keeps it down.
    pub(crate) async fn kill(&self, name: &str) -> Result<(), PartError> {
        self.end(name, Ask::Kill).await
    }

    /// Ends parts gracefully and concurrently.
    pub(crate) async fn stop_several(&self, names: &[String]) {
        for part in names.iter().filter_map(|name| self.part(name).ok()) {
            part.ask(Ask::Stop).await;
        }
        for name in names {
            // They exist; nothing else can fail.
            let _ = self.stop(name).await;
        }
    }

    /// Sends SIGSTOP to all processes of a part.
    pub(crate) async fn pause(&self, name: &str) -> Result<(), PartError> {
        self.part(name)?.ask(Ask::Pause).await;
        Ok(())
    }

    /// Sends SIGCONT to all processes of a part.
    pub(crate) async fn resume(&self, name: &str) -> Result<(), PartError> {
        self.part(name)?.ask(Ask::Resume).await;
        Ok(())
    }

    /// Sets a variable that the part gets at its next start.
    pub(crate) async fn set_variable(&self, name: &str, variable: &str, value: &str) -> Result<(), PartError> {
        let ask = Ask::Variable(variable.to_owned(), value.to_owned());
        self.part(name)?.ask(ask).await;
        Ok(())
    }

    /// Returns the last lines of a part's log.
    pub(crate) fn log_tail(&self, name: &str) -> Vec<String> {
        let text = fs::read(log_file(&self.run, name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].to_vec()
    }

    async fn end(&self, name: &str, ask: Ask) -> Result<(), PartError> {
        let part = self.part(name)?;
        part.ask(ask).await;
        let mut status = part.status.clone();
        // A keeper that is gone has ended its process.
        let _ = status.wait_for(|now| now.state == State::Stopped).await;
        Ok(())
    }

    fn part(&self, name: &str) -> Result<&Handle, PartError> {
        let mut parts = self.parts.iter();
        parts.find(|part| part.name == name).ok_or_else(|| PartError::Unknown(name.to_owned()))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for part in &self.parts {
            part.keeper.abort();
        }
        drop(self.reaper.take());
    }
}

impl Handle {
    async fn ask(&self, ask: Ask) {
        // Keepers live as long as their supervisor, unless the runtime is shutting down.
        let _ = self.asks.send(ask).await;
    }
}

fn tail_text(lines: &[String]) -> String {
    if lines.is_empty() {
        return "; its log is empty".to_owned();
    }
    format!("; its log ends:\n    {}", lines.join("\n    "))
}
