//! The reasons why a run has failed, besides violations and thresholds.

use super::outcome::{Judged, Outcome};
use super::stats::Count;
use crate::scenario::PhaseKind;

impl Outcome {
    /// Returns the failures, a sentence each: sends that were never acknowledged, a long stretch without any
    /// acknowledgement though no fault was requested, machines that were lost, faults that did not work.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        failures.extend(self.unacked_failure());
        failures.extend(self.gap_failure());
        for machine in &self.machines {
            failures.extend(machine.lost.as_ref().map(|why| format!("worker {} was lost: {why}", machine.name)));
        }
        for fault in &self.faults {
            failures.extend(fault.error.as_ref().map(|why| format!("the fault {} failed: {why}", fault.name)));
        }
        failures
    }

    fn unacked_failure(&self) -> Option<String> {
        let unacked = self.unacked;
        let sent = self.total.count(Count::Sent);
        let when =
            format!("meant to be sent from {:.1} s to {:.1} s", seconds(unacked.first_us), seconds(unacked.last_us));
        (unacked.count > 0).then(|| format!("{} of {sent} sends were never acknowledged, {when}", unacked.count))
    }

    fn gap_failure(&self) -> Option<String> {
        let Judged { has_faults, ack_gap_max } = self.judged;
        // Steps are meant to break, and have a limit of their own.
        let has_steps = self.scenario.phases.iter().any(|phase| phase.kind == PhaseKind::Step);
        if has_faults || has_steps || self.longest_ack_gap() <= ack_gap_max.as_secs_f64() {
            return None;
        }
        let (from, to) = self.longest_gap;
        Some(format!(
            "nothing was acknowledged for {:.1} s while sends were due, from {:.1} s to {:.1} s; at most {:.1} s are allowed",
            self.longest_ack_gap(),
            seconds(from),
            seconds(to),
            ack_gap_max.as_secs_f64()
        ))
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
