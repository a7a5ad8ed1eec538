//! Back pressure from SQS: entries that could not be accepted soon are refused before anything is published. Sans-IO.
//!
//! | SQS | then |
//! |---|---|
//! | answers quickly | up to 16 batches are under way at once |
//! | slows down | fewer batches are, so that each is answered in time; entries that would wait longer than a second are
//! refused |
//! | fails | a few entries at a time are tried; the rest is refused until one succeeds |

use std::time::Duration;

use tokio::time::Instant;

/// The most batches under way at once. At 20 ms each they carry 8,000 entries a second.
const BATCHES_MAX: u32 = 16;
/// A batch that takes no longer shows that SQS can accept more.
const QUICK: Duration = Duration::from_millis(300);
/// A batch that takes longer shows that SQS is overloaded.
const SLOW: Duration = Duration::from_secs(1);
/// The longest wait of the oldest entry for another to be accepted.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Up to this wait, the time that the queue will take is not estimated.
const WAIT_UNNOTICED: Duration = Duration::from_millis(250);
/// The longest time that the queue may take at the recent rate of acceptance.
const BACKLOG_MAX: Duration = Duration::from_secs(2);
/// Time that SQS may fail without a success in between, for entries to be accepted as usual.
const FAILING_MAX: Duration = Duration::from_secs(1);
/// Entries that are accepted while SQS fails: they show when it is back.
const PROBES: usize = 16;
/// The shortest and the longest time that a refused caller is asked to wait.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Span over which acceptances are counted.
const RATE_SPAN: Duration = Duration::from_secs(5);

/// The pressure of one queue.
#[derive(Debug)]
pub(super) struct Pressure {
    batches: u32,
    /// The time since when every call has failed.
    failing_since: Option<Instant>,
    rate: Rate,
}

/// The load of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Entries that wait, are under way, or have a reserved slot.
    pub(super) places: usize,
    /// The wait of the oldest entry to be sent.
    pub(super) oldest: Option<Duration>,
}

impl Default for Pressure {
    fn default() -> Self {
        Self { batches: BATCHES_MAX, failing_since: None, rate: Rate::default() }
    }
}

impl Pressure {
    /// Notes a call that SQS answered, with the number of records that it accepted.
    pub(super) fn answered(&mut self, accepted: usize, took: Duration, now: Instant) {
        self.failing_since = None;
        self.rate.add(accepted, now);
        if took > SLOW {
            self.batches = (self.batches / 2).max(1);
        } else if took <= QUICK {
            self.batches = (self.batches + 1).min(BATCHES_MAX);
        }
    }

    /// Notes a call that failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failing_since.get_or_insert(now);
        self.batches = (self.batches / 2).max(1);
    }

    /// Returns the number of batches that may be under way at once.
    pub(super) fn batches(&self) -> usize {
        self.batches as usize
    }

    /// True while SQS fails.
    pub(super) fn is_failing(&self, now: Instant) -> bool {
        self.failing_since.is_some_and(|since| now.duration_since(since) > FAILING_MAX)
    }

    /// Returns the time after which to try again, if one more entry must not be accepted.
    pub(super) fn refuses(&mut self, load: Load, now: Instant) -> Option<Duration> {
        let (least, most) = RETRY_AFTER;
        if self.is_failing(now) {
            return (load.places > PROBES).then_some(least * 4);
        }
        let oldest = load.oldest?;
        let backlog = self.rate.time_for(load.places, now);
        let is_late = oldest > WAIT_MAX || (oldest > WAIT_UNNOTICED && backlog > BACKLOG_MAX);
        is_late.then(|| backlog.clamp(least, most))
    }

    /// Returns the time after which to try again if the journal is full.
    pub(super) fn retry_after(&mut self, load: Load, now: Instant) -> Duration {
        self.rate.time_for(load.places, now).clamp(RETRY_AFTER.0, RETRY_AFTER.1)
    }
}

/// Records accepted recently, by second.
#[derive(Debug, Default)]
struct Rate {
    seconds: std::collections::VecDeque<(Instant, usize)>,
}

impl Rate {
    fn add(&mut self, records: usize, now: Instant) {
        self.forget(now);
        match self.seconds.back_mut() {
            Some((second, number)) if now.duration_since(*second) < Duration::from_secs(1) => *number += records,
            _ => self.seconds.push_back((now, records)),
        }
    }

    fn forget(&mut self, now: Instant) {
        while self.seconds.front().is_some_and(|(second, _)| now.duration_since(*second) > RATE_SPAN) {
            self.seconds.pop_front();
        }
    }

    /// Returns the time that a number of records would take; long, if nothing was accepted recently.
    fn time_for(&mut self, records: usize, now: Instant) -> Duration {
        self.forget(now);
        let accepted: usize = self.seconds.iter().map(|(_, number)| number).sum();
        let Some((first, _)) = self.seconds.front().filter(|_| accepted > 0) else { return RATE_SPAN };
        let span = now.duration_since(*first).max(Duration::from_millis(100));
        span.mul_f64(records as f64 / accepted as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn load(places: usize, oldest_ms: u32) -> Load {
        Load { places, oldest: Some(MS * oldest_ms) }
    }

    #[tokio::test]
    async fn a_quick_queue_takes_all() {
        let mut pressure = Pressure::default();
        let now = Instant::now();
        for second in 0..5 {
            pressure.answered(100, MS * 20, now + MS * 1000 * second);
        }
        let now = now + MS * 4500;
        assert_eq!(pressure.refuses(Load { places: 5000, oldest: None }, now), None, "all of it is under way");
        assert_eq!(pressure.refuses(load(150, 240), now), None);
        assert_eq!(pressure.batches(), 16);
    }

    #[tokio::test]
    async fn a_slow_queue_takes_what_it_can_answer_soon() {
        let mut pressure = Pressure::default();
        let begun = Instant::now();
        for second in 0..5 {
            pressure.answered(20, MS * 1500, begun + MS * 1000 * second);
        }
        assert_eq!(pressure.batches(), 1);
        let now = begun + MS * 5000;
        assert_eq!(pressure.refuses(load(10, 300), now), None);
        let wait = pressure.refuses(load(80, 300), now).unwrap();
        assert!(wait > MS * 3500 && wait < MS * 4500, "20 a second: {wait:?}");
        assert!(pressure.refuses(load(1, 1001), now).is_some(), "by its age alone");
        for _ in 0..20 {
            pressure.answered(20, MS * 20, now);
        }
        assert_eq!(pressure.batches(), 16, "it comes back");
    }

    #[tokio::test]
    async fn while_sqs_fails_a_few_entries_find_out_if_it_is_back() {
        let mut pressure = Pressure::default();
        let now = Instant::now();
        pressure.failed(now);
        assert_eq!(pressure.refuses(load(100, 100), now + MS * 500), None, "one failure is none");
        pressure.failed(now + MS * 900);
        let later = now + MS * 1100;
        assert!(pressure.is_failing(later));
        assert_eq!(pressure.refuses(load(17, 0), later), Some(MS * 1000));
        assert_eq!(pressure.refuses(load(16, 9000), later), None);
        pressure.answered(1, MS, later);
        assert!(!pressure.is_failing(later + MS * 5000));
        assert_eq!(pressure.refuses(load(100, 100), later), None);
    }
}
