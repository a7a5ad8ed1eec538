//! The budget of the reconciler's journaling: little beside the node's own.

use std::time::Duration;

use tokio::time::Instant;

/// Records per second that it may journal even if the node itself journals nothing.
const LEAST_PER_SECOND: f64 = 20.0;
/// Its share of the node's own records.
const SHARE: f64 = 0.1;
/// Time for which an unused budget is kept.
const KEPT: Duration = Duration::from_secs(10);

/// Records that may be journaled now.
#[derive(Debug)]
pub(super) struct Budget {
    records: f64,
    carried: u64,
    at: Instant,
}

impl Budget {
    /// Returns a budget with the records of one second.
    pub(super) fn new(now: Instant) -> Self {
        Self { records: LEAST_PER_SECOND, carried: 0, at: now }
    }

    /// Adds the records for the time since the last call; `carried` is the total number that the journal has carried.
    pub(super) fn refill(&mut self, carried: u64, now: Instant) {
        let seconds = now.duration_since(self.at).as_secs_f64();
        let share = SHARE * carried.saturating_sub(self.carried) as f64;
        let given = share.max(LEAST_PER_SECOND * seconds);
        let most = given.max(LEAST_PER_SECOND * KEPT.as_secs_f64());
        self.records = (self.records + given).min(most);
        (self.carried, self.at) = (carried, now);
    }

    /// Takes the right to journal this many records, or nothing.
    pub(super) fn take(&mut self, records: usize) -> bool {
        let records = records as f64;
        // A single call's messages may be more than the records of one second.
        let may = self.records >= records.min(LEAST_PER_SECOND);
        if may {
            self.records -= records;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_tenth_of_what_the_journal_carries_and_never_nothing() {
        for (carried_per_second, taken_at_once, expected) in [(0, 10, 2000..=2040), (5000, 100, 49_000..=50_500)] {
            let begun = Instant::now();
            let mut budget = Budget::new(begun);
            let mut taken = 0;
            for second in 1..=100 {
                budget.refill(second * carried_per_second, begun + Duration::from_secs(second));
                while budget.take(taken_at_once) {
                    taken += taken_at_once;
                }
            }
            assert!(expected.contains(&taken), "{taken}");
        }
    }

    #[test]
    fn a_large_call_is_paid_for_later() {
        let begun = Instant::now();
        let mut budget = Budget::new(begun);
        assert!(budget.take(128));
        assert!(!budget.take(1));
        budget.refill(0, begun + Duration::from_secs(7));
        assert!(budget.take(20));
    }
}
