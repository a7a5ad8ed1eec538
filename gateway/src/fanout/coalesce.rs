//! The rest of a shard between its turns: none, unless the node is behind.
//!
//! A write to a socket costs about the same for one record and for ten. An overloaded node writes less often, so that
//! more records share a write, until it keeps up: it trades latency, which it would have anyway, for throughput. The
//! measure is the wait of publications for their turn beyond the rest itself. Sans-IO.

use std::time::Duration;

use tokio::time::Instant;

/// A wait that a node which keeps up does not have.
const LATE: Duration = Duration::from_millis(5);
/// The first rest, and the shortest one.
const REST_MIN: Duration = Duration::from_millis(2);
/// The longest rest: users do not notice it.
const REST_MAX: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct CoalesceDelay {
    rest: Duration,
    until: Option<Instant>,
}

impl CoalesceDelay {
    /// Returns the end of the current rest.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.until
    }

    /// Ends the rest.
    pub(super) fn rested(&mut self) {
        self.until = None;
    }

    /// Begins a turn, whose oldest publication has waited for `waited`.
    pub(super) fn begin(&mut self, waited: Duration) {
        self.rest = if waited > self.rest + LATE {
            (self.rest * 2).clamp(REST_MIN, REST_MAX)
        } else {
            Some(self.rest / 2).filter(|rest| *rest >= REST_MIN).unwrap_or_default()
        };
    }

    /// Ends the turn.
    pub(super) fn end(&mut self, now: Instant) {
        self.until = (!self.rest.is_zero()).then(|| now + self.rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_while_the_node_is_behind_and_end_when_it_is_not() {
        let (mut pace, now) = (CoalesceDelay::default(), Instant::now());
        let mut rest = |waited: u64| {
            pace.begin(Duration::from_millis(waited));
            pace.end(now);
            let rest = pace.rests_until().map_or(0, |until| (until - now).as_millis());
            pace.rested();
            rest
        };
        assert_eq!([0, 1, 5].map(&mut rest), [0, 0, 0]);
        assert_eq!([6, 20, 20, 20, 40, 60].map(&mut rest), [2, 4, 8, 16, 32, 50]);
        assert_eq!([60, 56].map(&mut rest), [50, 50]);
        assert_eq!([52, 26, 13, 7, 4, 1].map(&mut rest), [25, 12, 6, 3, 0, 0], "its own rest is no reason to rest");
    }
}
