//! The budgets of one user, as one node sees them. Sans-IO.

use std::time::{Duration, Instant};

use super::{Budget, Rate, Rates};

/// The part of a burst that may be spent before it is reported.
const UNREPORTED: u32 = 8;
/// The part of a burst, in tenths, that a user's next node may give until the others can know of it: they may give a whole
/// burst meanwhile.
const NEWCOMERS_TENTHS: u32 = 3;
/// Reports after which the others know: the one with which the node learns of them, and the one of what was spent here.
const NEWCOMERS_REPORTS: u8 = 2;
/// About the time that a report takes.
const REPORT: Duration = Duration::from_millis(20);

/// A user's budgets.
#[derive(Debug, Default)]
pub(super) struct Account {
    budgets: [Bucket; Budget::ALL.len()],
    is_reporting: bool,
    /// A call waits for the next report.
    is_awaited: bool,
    /// The nodes on which the user was connected at the last report; 0 if unknown.
    nodes: u32,
    /// Reports that are missing until the other nodes know that the user is here, too.
    newcomers_reports: u8,
}

/// One budget of a user.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// The moment when it is whole again; `None` if it has not been used.
    whole_at: Option<Instant>,
    /// What was spent here since the last report, in time of its rate.
    unreported: Duration,
    /// What the report under way says.
    reporting: Duration,
}

impl Account {
    /// Takes from a budget, or returns the time until it has as much.
    pub(super) fn take(&mut self, budget: Budget, rate: Rate, weight: u32, now: Instant) -> Result<(), Duration> {
        let burst = rate.time_of(rate.burst);
        let bucket = &self.budgets[budget.index()];
        // The other nodes may have given as much since the last report: together, no more than was left then.
        let unknown = bucket.unreported + bucket.reporting;
        let left = (burst + unknown).saturating_sub(bucket.debt(now));
        if self.nodes > 1 && !unknown.is_zero() && unknown + rate.time_of(weight) > self.share(burst, left) {
            self.is_awaited = true;
            return Err(REPORT);
        }
        let early = (bucket.debt(now) + rate.time_of(weight)).saturating_sub(burst);
        if !early.is_zero() {
            return Err(early);
        }
        self.budgets[budget.index()].spend(rate.time_of(weight), now);
        Ok(())
    }

    /// Returns what this node may give between two reports, of what was left, where the user is on others, too.
    fn share(&self, burst: Duration, left: Duration) -> Duration {
        match self.newcomers_reports {
            0 => left / self.nodes.max(1),
            _ => left.min(burst * NEWCOMERS_TENTHS / 10 / self.nodes.saturating_sub(1).max(1)),
        }
    }

    /// Notes that the user connects here: other nodes may not know it yet.
    pub(super) fn connects(&mut self) {
        self.newcomers_reports = NEWCOMERS_REPORTS;
    }

    /// Charges a budget whatever it holds.
    pub(super) fn charge(&mut self, budget: Budget, rate: Rate, weight: u32, now: Instant) {
        self.budgets[budget.index()].spend(rate.time_of(weight), now);
    }

    pub(super) fn give_back(&mut self, budget: Budget, time: Duration) {
        let bucket = &mut self.budgets[budget.index()];
        bucket.unreported = bucket.unreported.saturating_sub(time);
        bucket.whole_at = bucket.whole_at.and_then(|at| at.checked_sub(time));
    }

    /// True if enough was spent for a report, and none is under way.
    pub(super) fn is_to_be_reported(&self, rates: &Rates) -> bool {
        let mut each = self.budgets.iter().zip(Budget::ALL.map(|budget| rates.get(budget)));
        let is_due = self.is_awaited
            || each.any(|(bucket, rate)| {
                !bucket.unreported.is_zero() && bucket.unreported >= rate.time_of(rate.burst) / UNREPORTED
            });
        is_due && !self.is_reporting
    }

    /// False if a report is under way.
    pub(super) fn await_report(&mut self) -> bool {
        !std::mem::replace(&mut self.is_reporting, true)
    }

    pub(super) fn begin_report(&mut self) -> Vec<(Budget, Duration)> {
        (self.is_reporting, self.is_awaited) = (true, false);
        let spent = Budget::ALL.into_iter().zip(&mut self.budgets);
        let taken = spent.map(|(budget, bucket)| {
            bucket.reporting = std::mem::take(&mut bucket.unreported);
            (budget, bucket.reporting)
        });
        taken.collect()
    }

    pub(super) fn reported(&mut self, nodes: u32, until_whole: &[(Budget, Duration)], now: Instant) {
        (self.is_reporting, self.nodes) = (false, nodes);
        self.newcomers_reports = self.newcomers_reports.saturating_sub(1);
        for &(budget, time) in until_whole {
            let bucket = &mut self.budgets[budget.index()];
            bucket.reporting = Duration::ZERO;
            // What was spent while the report was under way comes on top.
            bucket.whole_at = Some(now + time + bucket.unreported);
        }
    }

    pub(super) fn not_reported(&mut self, spent: &[(Budget, Duration)], rates: &Rates) {
        // Without Redis, the node's own view is all there is.
        (self.is_reporting, self.nodes) = (false, 0);
        for &(budget, time) in spent {
            let rate = rates.get(budget);
            let bucket = &mut self.budgets[budget.index()];
            bucket.reporting = Duration::ZERO;
            // Of long ago, it is whole again.
            bucket.unreported = (bucket.unreported + time).min(rate.time_of(rate.burst));
        }
    }

    /// True if nothing is lost with it.
    pub(super) fn is_whole(&self, now: Instant) -> bool {
        !self.is_reporting && self.budgets.iter().all(|bucket| bucket.whole_at.is_none_or(|at| at <= now))
    }
}

impl Bucket {
    /// Returns how long it takes to be whole.
    fn debt(&self, now: Instant) -> Duration {
        self.whole_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    fn spend(&mut self, time: Duration, now: Instant) {
        self.whole_at = Some(self.whole_at.map_or(now, |at| at.max(now)) + time);
        self.unreported += time;
    }
}
