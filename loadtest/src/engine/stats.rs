//! The figures: latencies in HDR histograms, and counts.

use hdrhistogram::Histogram;

/// The longest latency that is distinguished, in microseconds.
const LATENCY_US_MAX: u64 = 300_000_000;

/// The number of digits in which latencies are distinguished.
const LATENCY_DIGITS: u8 = 3;

/// A latency that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// From the intended send to a member's receipt, live.
    Delivery,
    /// The same, for events that a resume brought.
    CatchUp,
    /// From the intended send to the acknowledgement.
    Ack,
    /// From the intended send to `MessagesStored`.
    Stored,
    /// From the intended connect to the handshake's answer, resume included.
    Connect,
    /// From the end of a connection that was up to the next one's resume.
    Away,
    /// Other calls, from the intended time to the answer.
    Call,
    /// The generator's own delay.
    Lag,
    /// From a send's call to its refusal.
    Refused,
}

impl Latency {
    /// Every latency.
    pub const ALL: [Self; 9] = [
        Self::Delivery,
        Self::CatchUp,
        Self::Ack,
        Self::Stored,
        Self::Connect,
        Self::Away,
        Self::Call,
        Self::Lag,
        Self::Refused,
    ];

    /// Returns its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::CatchUp => "catch_up",
            Self::Ack => "ack",
            Self::Stored => "stored",
            Self::Connect => "connect",
            Self::Away => "away",
            Self::Call => "call",
            Self::Lag => "send_lag",
            Self::Refused => "refused_told",
        }
    }
}

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Messages put on the wire for the first time.
    Sent,
    /// Acknowledgements.
    Acked,
    /// Sequenced events received.
    Delivered,
    /// Messages sent again after an error or a broken connection.
    Resent,
    /// Sends answered with `rateLimited`; they are tried again.
    RateLimited,
    /// Calls answered with another error.
    Errors,
    /// Sends that the generator could not make: every member had used up its allowance, or too many were waiting.
    Unsent,
    /// Connections opened.
    Connects,
    /// Attempts to connect that failed.
    ConnectFailures,
    /// Connections that ended, though nobody here ended them.
    Dropped,
    /// Connections that the generator cut.
    Cut,
    /// Calls other than sends that were answered.
    Calls,
    /// Unsequenced events received: typing, receipts, presence.
    Noise,
    /// Calls answered with `unavailable` under load; they also count as errors.
    Unavailable,
    /// Sends refused for good.
    Refused,
    /// Calls that read the server's state back at the end.
    ReadsBack,
    /// Those of them that were answered with `unavailable` or `rateLimited`, and retried.
    ReadsUnavailable,
}

impl Count {
    /// Every count.
    pub const ALL: [Self; 17] = [
        Self::Sent,
        Self::Acked,
        Self::Delivered,
        Self::Resent,
        Self::RateLimited,
        Self::Errors,
        Self::Unsent,
        Self::Connects,
        Self::ConnectFailures,
        Self::Dropped,
        Self::Cut,
        Self::Calls,
        Self::Noise,
        Self::Unavailable,
        Self::Refused,
        Self::ReadsBack,
        Self::ReadsUnavailable,
    ];

    /// Returns its name in reports and thresholds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Acked => "acked",
            Self::Delivered => "delivered",
            Self::Resent => "resent",
            Self::RateLimited => "rate_limited",
            Self::Errors => "errors",
            Self::Unsent => "unsent",
            Self::Connects => "connects",
            Self::ConnectFailures => "connect_failures",
            Self::Dropped => "dropped",
            Self::Cut => "cut",
            Self::Calls => "calls",
            Self::Noise => "noise",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::ReadsBack => "reads_back",
            Self::ReadsUnavailable => "reads_unavailable",
        }
    }

    /// Returns its description, in a sentence.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Sent => "Messages put on the wire for the first time.",
            Self::Acked => "Messages acknowledged.",
            Self::Delivered => "Sequenced events received, live or by a resume.",
            Self::Resent => "Messages sent again after an error or a lost connection.",
            Self::RateLimited => "Sends refused by the rate limit.",
            Self::Errors => "Calls answered with another error.",
            Self::Unsent => "Sends that the generator could not make.",
            Self::Connects => "Connections opened.",
            Self::ConnectFailures => "Attempts to connect that failed.",
            Self::Dropped => "Connections that ended though nobody here ended them.",
            Self::Cut => "Connections that the generator cut.",
            Self::Calls => "Calls other than sends that were answered.",
            Self::Noise => "Unsequenced events received.",
            Self::Unavailable => "Calls answered with unavailable under load.",
            Self::Refused => "Sends refused for good.",
            Self::ReadsBack => "Calls that read the server's state back at the end.",
            Self::ReadsUnavailable => "Calls that read back and were answered with unavailable or rateLimited.",
        }
    }
}

/// The figures of some span of time.
#[derive(Clone, Debug)]
pub struct Stats {
    latencies: Vec<Histogram<u64>>,
    counts: [u64; Count::ALL.len()],
}

impl Stats {
    /// Begins a span now. The histograms take 300 kB each once they are used.
    pub fn new() -> Self {
        let histogram = |_| {
            let mut histogram = Histogram::new_with_bounds(1, 1000, LATENCY_DIGITS).expect("the bounds are valid");
            histogram.auto(true);
            histogram
        };
        Self { latencies: Latency::ALL.iter().map(histogram).collect(), counts: [0; Count::ALL.len()] }
    }

    /// Adds one latency.
    pub fn record(&mut self, latency: Latency, us: u64) {
        let value = us.clamp(1, LATENCY_US_MAX);
        self.latencies[latency as usize].record(value).expect("an auto-resizing histogram takes any value");
    }

    /// Adds to a count.
    pub fn add(&mut self, count: Count, number: u64) {
        self.counts[count as usize] += number;
    }

    /// Returns a count.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    /// Returns a histogram, in microseconds.
    pub fn latency(&self, latency: Latency) -> &Histogram<u64> {
        &self.latencies[latency as usize]
    }

    /// Adds latencies measured elsewhere; `None` if they are coarser than these.
    pub(super) fn add_latencies(&mut self, latency: Latency, measured: &Histogram<u64>) -> Option<()> {
        let is_alike = measured.sigfig() == LATENCY_DIGITS && measured.low() == 1;
        (is_alike && self.latencies[latency as usize].add(measured).is_ok()).then_some(())
    }

    /// Adds the figures of another span or worker.
    pub fn merge(&mut self, other: &Self) {
        for (mine, others) in self.latencies.iter_mut().zip(&other.latencies) {
            mine.add(others).expect("an auto-resizing histogram takes any other");
        }
        for (mine, others) in self.counts.iter_mut().zip(other.counts) {
            *mine += others;
        }
    }

    /// Clears the figures, and keeps the memory.
    pub fn clear(&mut self) {
        self.latencies.iter_mut().for_each(Histogram::reset);
        self.counts = [0; Count::ALL.len()];
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_add_up_and_names_are_in_place() {
        let (mut one, mut other) = (Stats::new(), Stats::new());
        one.record(Latency::Ack, 1000);
        other.record(Latency::Ack, 3_000_000);
        other.add(Count::Noise, 2);
        one.merge(&other);
        assert_eq!(one.latency(Latency::Ack).len(), 2);
        assert!(one.latency(Latency::Ack).max() >= 3_000_000);
        assert_eq!(one.count(Count::Noise), 2);
        one.clear();
        assert_eq!((one.latency(Latency::Ack).len(), one.count(Count::Noise)), (0, 0));
        for (i, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, i);
        }
        for (i, latency) in Latency::ALL.into_iter().enumerate() {
            assert_eq!(latency as usize, i);
        }
    }
}
