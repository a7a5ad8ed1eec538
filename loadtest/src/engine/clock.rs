//! The run's clock: microseconds since its start, the same on all machines of a run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The number of answers remembered; one arrives each second.
const SAMPLES_MAX: usize = 30;

/// A clock that ignores the system's clock, which may jump.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// The run's start in microseconds since the Unix epoch.
    epoch_us: u64,
    /// The run's clock minus this machine's part of it.
    ahead_us: AtomicI64,
}

impl Clock {
    /// Starts the clock of a run that begins now.
    pub(super) fn start() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::of(u64::try_from(epoch.as_micros()).unwrap_or_default())
    }

    /// Makes the clock of a run that another machine has begun, once [`Self::set_ahead`] was called.
    pub(super) fn of(epoch_us: u64) -> Self {
        Self { started: Instant::now(), epoch_us, ahead_us: AtomicI64::new(0) }
    }

    /// Returns the microseconds since the run's start.
    pub(super) fn now_us(&self) -> u64 {
        self.local_us().saturating_add_signed(self.ahead_us.load(Ordering::Relaxed))
    }

    /// Returns the microseconds since this clock was made.
    pub(super) fn local_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Converts a time of the run to microseconds since the Unix epoch.
    pub(super) fn wall_us(&self, at_us: u64) -> u64 {
        self.epoch_us.saturating_add(at_us)
    }

    pub(super) fn set_ahead(&self, ahead_us: i64) {
        self.ahead_us.store(ahead_us, Ordering::Relaxed);
    }
}

/// The offset of another clock, from answers to the question for its time: the quickest of the last answers is the
/// best, and wrong by at most half of its round trip.
#[derive(Debug, Default)]
pub(super) struct Offset(VecDeque<Estimate>);

/// An estimate of another clock's offset, with its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate {
    pub(super) ahead_us: i64,
    pub(super) error_us: u64,
}

impl Offset {
    /// Takes an answer of the other clock, `told_us`, to a question between two local times; returns the best estimate.
    pub(super) fn answered(&mut self, asked_us: u64, now_us: u64, told_us: u64) -> Estimate {
        let under_way = now_us.saturating_sub(asked_us);
        let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
        let ahead_us = signed(told_us).saturating_sub(signed(asked_us + under_way / 2));
        let newest = Estimate { ahead_us, error_us: under_way.div_ceil(2) };
        if self.0.len() >= SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(newest);
        self.0.iter().copied().min_by_key(|estimate| estimate.error_us).unwrap_or(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_answer_tells_the_other_clock() {
        let mut offset = Offset::default();
        // The other clock is 1,000,000 ahead; the first answer is slow on its way back.
        let slow = offset.answered(100, 900, 1_000_150);
        assert_eq!(slow, Estimate { ahead_us: 999_650, error_us: 400 });
        let quick = offset.answered(1000, 1020, 1_001_010);
        assert_eq!(quick, Estimate { ahead_us: 1_000_000, error_us: 10 });
        assert_eq!(offset.answered(2000, 2500, 1_002_010), quick);
        for second in 0..30 {
            let at = 10_000 + second * 1000;
            offset.answered(at, at + 100, at + 50);
        }
        assert_eq!(offset.answered(50_000, 50_090, 50_045), Estimate { ahead_us: 0, error_us: 45 });
    }

    #[test]
    fn a_clock_goes_with_the_run_s() {
        let clock = Clock::of(1_000_000);
        clock.set_ahead(5_000_000);
        assert!((5_000_000..9_000_000).contains(&clock.now_us()));
        assert_eq!(clock.wall_us(7), 1_000_007);
        clock.set_ahead(-60_000_000);
        assert_eq!(clock.now_us(), 0);
    }
}
