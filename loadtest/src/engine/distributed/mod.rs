//! A run on several machines: one leads, the others work.
//!
//! The lead has no users. It says when what happens, checks, and reports; each worker has its share of the
//! users' threads, and tells the lead all that its users see. So a message sent on one machine is
//! checked at the members on all others, by the one checker that a run on one machine has, too.
//!
//! A worker joins over one TCP connection: both prove that they know the run's secret (`auth`), then
//! frames go both ways (`wire`). All machines go by the lead's clock, which each worker asks for once a
//! second; the report says how far off it may be.
//!
//! Who dies when:
//! - A worker before the run begins: the lead says so and ends.
//! - A worker later (its connection ends, or says nothing for `SILENCE_MAX`): the load ends for all, what
//!   the others' users saw is checked, each check that its users would have made is told as unverified,
//!   and the run has failed.
//! - The lead: its workers end with an error.
//! - A worker that makes more checks than the lead takes: as if it had died, with that reason.

mod auth;
mod figures;
mod lead;
#[cfg(test)]
mod tests;
mod wire;
mod work;

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use lead::{Gate, lead};
pub use work::{Work, join};

use super::outcome::MachineReport;

/// What the programs have to agree on; goes up with each change of the messages.
const FORMAT: u32 = 2;
/// Each side says something every second; one that is silent for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// One frame has to be taken by then.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// A worker, as the lead knows it.
#[derive(Debug)]
pub(super) struct Machine {
    name: String,
    /// Its threads' numbers among those of all machines.
    numbers: Range<usize>,
    users: usize,
    clock_error_us: AtomicU64,
    /// When its last figures were made, by the run's clock.
    told_us: AtomicU64,
    lost: OnceLock<String>,
}

impl Machine {
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    /// Whether what it has told is newer than a time of the run.
    pub(super) fn has_told_after(&self, at_us: u64) -> bool {
        self.told_us.load(Ordering::Relaxed) > at_us
    }

    /// What a report says of it.
    pub(super) fn report(&self) -> MachineReport {
        MachineReport {
            name: self.name.clone(),
            threads: self.numbers.len(),
            users: self.users,
            clock_error: self.clock_error_us.load(Ordering::Relaxed) as f64 / 1e6,
            lost: self.lost.get().cloned(),
        }
    }
}
