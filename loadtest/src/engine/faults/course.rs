//! Starts faults at their times, and makes sure that none is left behind.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::Fault;
use crate::engine::context::Shared;

/// The deadline for undoing everything.
const UNDO_DEADLINE: Duration = Duration::from_mins(2);

/// The outcome of a fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultReport {
    /// The fault as it was written.
    pub name: String,
    /// The time when it happened, in seconds since the run's start.
    pub from: Option<f64>,
    /// The time when it was undone, if it had to be.
    pub to: Option<f64>,
    /// The reason why it failed, if it did.
    pub error: Option<String>,
}

/// The faults that may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leave {
    /// All faults begin and end at their times.
    All,
    /// Faults that have begun end at their times.
    End,
    /// All faults end now.
    None,
}

/// The faults in progress or still to come.
pub(in super::super) struct Course {
    leave: watch::Sender<Leave>,
    tasks: JoinSet<FaultReport>,
    reports: Vec<FaultReport>,
}

/// Schedules each fault at its time from now on, in a load of `rate` messages a second.
pub(in super::super) fn schedule(faults: Vec<Fault>, rate: f64, shared: &Arc<Shared>) -> Course {
    let leave = watch::Sender::new(Leave::All);
    let mut tasks = JoinSet::new();
    for fault in faults {
        tasks.spawn(happen(fault, rate, shared.clone(), leave.subscribe()));
    }
    Course { leave, tasks, reports: Vec::new() }
}

impl Course {
    /// Prevents further faults from beginning: the load is over.
    pub(in super::super) fn begin_no_more(&self) {
        self.leave.send_replace(Leave::End);
    }

    /// True if all have happened, and those that had to be undone are.
    pub(in super::super) fn is_over(&mut self) -> bool {
        while let Some(report) = self.tasks.try_join_next() {
            self.reports.extend(report);
        }
        self.tasks.is_empty()
    }

    /// Undoes the remaining faults, and returns the outcome of all.
    pub(in super::super) async fn end(mut self) -> Vec<FaultReport> {
        self.leave.send_replace(Leave::None);
        let undone = async {
            while let Some(report) = self.tasks.join_next().await {
                self.reports.extend(report);
            }
        };
        if timeout(UNDO_DEADLINE, undone).await.is_err() {
            let error = Some("a fault may still be active: the local cluster did not answer".to_owned());
            self.reports.push(FaultReport { name: "undoing".to_owned(), from: None, to: None, error });
        }
        self.reports
    }
}

async fn happen(fault: Fault, rate: f64, shared: Arc<Shared>, mut leave: watch::Receiver<Leave>) -> FaultReport {
    let mut report = FaultReport { name: fault.name.clone(), from: None, to: None, error: None };
    tokio::select! {
        () = sleep(fault.at) => {}
        _ = leave.wait_for(|&leave| leave > Leave::All) => {
            report.error = Some("the load was over before".to_owned());
            return report;
        }
    }
    let seconds = || shared.now_us() as f64 / 1e6;
    report.from = Some(seconds());
    let striking = fault.clone();
    let struck = spawn_blocking(move || striking.strike(rate)).await;
    report.error = struck.map_err(anyhow::Error::from).flatten().err().map(|error| format!("{error:#}"));
    let Some(lasts) = fault.lasts else { return report };
    if report.error.is_none() {
        tokio::select! {
            () = sleep(lasts) => {}
            _ = leave.wait_for(|&leave| leave > Leave::End) => {}
        }
    }
    // Even if it failed: it may have been half done.
    let undone = spawn_blocking(move || fault.undo(rate)).await;
    if let Err(error) = undone.map_err(anyhow::Error::from).flatten() {
        report.error.get_or_insert_with(|| format!("it could not be undone: {error:#}"));
    }
    report.to = Some(seconds());
    report
}
