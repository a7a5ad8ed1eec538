//! A run on several machines: one leads, the others work.
//!
//! The lead has no users. It decides when everything happens, checks, and reports; each worker runs its share of the
//! users' threads, and reports everything that its users see to the lead. A message sent on one machine is therefore
//! checked at the members on all others, by the same checker that a run on one machine has.
//!
//! A worker joins over one TCP connection: both prove that they know the run's secret (`auth`), then frames go both
//! ways (`wire`). All machines use the lead's clock, which each worker asks for once a second; the report gives the
//! possible error.
//!
//! What happens when a party dies:
//! - A worker before the run begins: the lead reports it and ends.
//! - A worker later (its connection ends, or says nothing for `SILENCE_MAX`): the load ends for all, what
//!   the others' users saw is checked, each check that its users would have made is reported as unverified,
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

/// The version on which the programs must agree; increases with each change of the messages.
const FORMAT: u32 = 2;
/// The longest silence: each side sends something every second, and one that is silent for longer is lost.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The deadline for writing one frame.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// A worker, as the lead knows it.
#[derive(Debug)]
pub(super) struct Machine {
    name: String,
    /// Its threads' numbers among those of all machines.
    numbers: Range<usize>,
    users: usize,
    clock_error_us: AtomicU64,
    /// The time when its last figures were made, by the run's clock.
    told_us: AtomicU64,
    lost: OnceLock<String>,
}

impl Machine {
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    /// True if its last report is newer than a time of the run.
    pub(super) fn has_told_after(&self, at_us: u64) -> bool {
        self.told_us.load(Ordering::Relaxed) > at_us
    }

    /// Returns its part of the report.
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
