//! The threads of this machine.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::bail;
use tokio::sync::mpsc;

use super::context::{Shared, Stage};
use super::stats::Stats;
use super::worker::{Place, Worker};
use crate::sync::lock;

/// The running workers; they end with [`Stage::Over`].
pub(super) struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// The figures that each has measured since they were last taken.
    pub(super) figures: Vec<Arc<Mutex<Stats>>>,
}

impl Threads {
    /// Starts the workers with these numbers among those of all machines. Each reports the stage that it has finished,
    /// with its index here.
    pub(super) fn start(
        shared: &Arc<Shared>,
        numbers: Range<usize>,
        done: &mpsc::UnboundedSender<(usize, Stage)>,
    ) -> std::io::Result<Self> {
        let figures: Vec<_> = numbers.clone().map(|_| Arc::new(Mutex::new(Stats::new()))).collect();
        let neighbours = figures.len();
        let handles = numbers
            .zip(&figures)
            .enumerate()
            .map(|(place, (number, stats))| {
                let (shared, done, stats) = (shared.clone(), done.clone(), stats.clone());
                let work = move || {
                    Worker::run(Place { number, neighbours }, shared, stats, |stage| {
                        let _nobody_waits = done.send((place, stage));
                    });
                };
                std::thread::Builder::new().name(format!("worker-{number}")).spawn(work)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { handles, figures })
    }

    /// Waits for all of them to end.
    pub(super) fn join(self) -> anyhow::Result<()> {
        for thread in self.handles {
            if thread.join().is_err() {
                bail!("a worker ended with a panic");
            }
        }
        Ok(())
    }
}

/// Moves the figures into `total`, by way of `spare`, which is empty before and after.
pub(super) fn take_figures(figures: &[Arc<Mutex<Stats>>], spare: &mut Stats, total: &mut Stats) {
    for figures in figures {
        std::mem::swap(&mut *lock(figures), spare);
        total.merge(spare);
        spare.clear();
    }
}
