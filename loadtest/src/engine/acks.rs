//! Acknowledgements over a whole run: the time without any while some were due, and those that never came.

use std::collections::VecDeque;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::stats::{Latency, Stats};

/// Sends that were neither acknowledged nor refused for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unacked {
    /// The number of them.
    pub count: u64,
    /// The intended time of the first, in microseconds since the run's start.
    pub first_us: u64,
    /// The intended time of the last.
    pub last_us: u64,
}

impl Unacked {
    pub(super) fn add(&mut self, other: Self) {
        if self.count == 0 || other.count == 0 {
            *self = if self.count == 0 { other } else { *self };
            return;
        }
        self.count += other.count;
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
    }
}

/// Measures the longest stretch without an acknowledgement while some send was waiting for one. It looks often, and
/// does not see what happens between two looks.
#[derive(Debug, Default)]
pub(super) struct AckWatch {
    acks: u64,
    since_us: u64,
    longest: (u64, u64),
}

impl AckWatch {
    /// Begins with the number of acknowledgements so far.
    pub(super) fn new(now_us: u64, acks: u64) -> Self {
        Self { acks, since_us: now_us, longest: (now_us, now_us) }
    }

    /// Looks at the number of acknowledgements so far, and of sends that wait for one.
    pub(super) fn look(&mut self, now_us: u64, acks: u64, pending: u64) {
        if pending == 0 || acks != self.acks {
            (self.acks, self.since_us) = (acks, now_us);
            return;
        }
        if now_us.saturating_sub(self.since_us) > self.longest.1 - self.longest.0 {
            self.longest = (self.since_us, now_us);
        }
    }

    /// Returns the beginning and the end of the longest stretch, in microseconds since the run's start.
    pub(super) fn longest(&self) -> (u64, u64) {
        self.longest
    }
}

/// Latencies of acknowledgements at the beginning and at the end of the load.
pub(super) struct FirstAndLast {
    window_us: u64,
    begun_us: u64,
    ended_us: Option<u64>,
    first: Histogram<u64>,
    /// The time of each span of a second or so, and its latencies as (microseconds, count).
    last: VecDeque<(u64, Vec<(u64, u64)>)>,
}

impl FirstAndLast {
    /// Covers this much of the load at each of its ends.
    pub(super) fn new(begun_us: u64, window: Duration) -> Self {
        let window_us = u64::try_from(window.as_micros()).unwrap_or(u64::MAX / 4);
        let first = Stats::new().latency(Latency::Ack).clone();
        Self { window_us, begun_us, ended_us: None, first, last: VecDeque::new() }
    }

    /// Takes the latencies measured since the last time. After the load's end everything is taken: late latencies
    /// belong to the end, too.
    pub(super) fn take(&mut self, now_us: u64, stats: &Stats) {
        let acks = stats.latency(Latency::Ack);
        if acks.is_empty() {
            return;
        }
        if now_us <= self.begun_us.saturating_add(self.window_us) {
            self.first.add(acks).expect("an auto-resizing histogram takes any other");
        }
        let values = acks.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()));
        self.last.push_back((now_us, values.collect()));
        let from_us = self.ended_us.unwrap_or(now_us).saturating_sub(self.window_us);
        while self.last.front().is_some_and(|&(at_us, _)| at_us < from_us) {
            self.last.pop_front();
        }
    }

    /// Marks the end of the load.
    pub(super) fn end(&mut self, now_us: u64) {
        self.ended_us = Some(now_us);
    }

    /// Returns the p99 of either end, in seconds, if anything was acknowledged there.
    pub(super) fn p99(&self) -> [Option<f64>; 2] {
        let mut last = Stats::new().latency(Latency::Ack).clone();
        for &(value, count) in self.last.iter().flat_map(|(_, values)| values) {
            last.record_n(value, count).expect("an auto-resizing histogram takes any value");
        }
        [&self.first, &last].map(|all| (!all.is_empty()).then(|| all.value_at_quantile(0.99) as f64 / 1e6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn only_while_something_is_due_is_no_acknowledgement_a_stretch() {
        let mut watch = AckWatch::new(0, 5);
        for (second, acks, pending) in
            [(10, 5, 0), (11, 5, 1), (13, 5, 1), (14, 6, 1), (20, 6, 3), (21, 9, 1), (26, 9, 1)]
        {
            watch.look(second * SECOND, acks, pending);
        }
        assert_eq!(watch.longest(), (14 * SECOND, 20 * SECOND));
        watch.look(30 * SECOND, 9, 2);
        assert_eq!(watch.longest(), (21 * SECOND, 30 * SECOND));
    }

    #[test]
    fn those_never_acknowledged_are_counted_from_the_first_to_the_last() {
        let one = |at| Unacked { count: 1, first_us: at, last_us: at };
        let mut all = Unacked::default();
        for at in [7, 3, 9] {
            all.add(one(at));
        }
        all.add(Unacked::default());
        assert_eq!(all, Unacked { count: 3, first_us: 3, last_us: 9 });
    }

    #[test]
    fn the_first_and_the_last_minute_are_told_apart_and_late_acks_belong_to_the_last() {
        let mut ends = FirstAndLast::new(0, Duration::from_mins(1));
        assert_eq!(ends.p99(), [None, None]);
        let mut take = |second: u64, ms: u64| {
            let mut stats = Stats::new();
            stats.record(Latency::Ack, ms * 1000);
            if second == 301 {
                ends.end(300 * SECOND);
            }
            ends.take(second * SECOND, &stats);
        };
        for second in 1..=300 {
            take(second, if second <= 60 { 10 } else { 20 });
        }
        take(301, 20);
        take(360, 9000);
        let [first, last] = ends.p99().map(Option::unwrap);
        assert!((first - 0.01).abs() < 1e-4 && last > 8.9, "{first} {last}");
    }
}
