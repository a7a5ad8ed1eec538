//! The outcome of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::acks::Unacked;
use super::faults::FaultReport;
use super::queue::QueueReport;
use super::stats::{Count, Latency, Stats};
use crate::checker::{Kind, RoomTotals, Violations};
use crate::procfs::{ProcessSample, Watched};
use crate::require::{Measures, Verdict};
use crate::scenario::{Scenario, World};

/// One machine of a run on several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineReport {
    /// Its number and its name.
    pub name: String,
    /// Its threads.
    pub threads: usize,
    /// Its users.
    pub users: usize,
    /// The possible error of its clock, in seconds: latencies between machines may be wrong by this much.
    pub clock_error: f64,
    /// The reason why it was lost before the end, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lost: Option<String>,
}

/// Everything about a run.
pub struct Outcome {
    /// The scenario that was run.
    pub scenario: Scenario,
    /// The run's id, which all its users and messages carry.
    pub run: String,
    /// The targets of the connections.
    pub targets: Vec<String>,
    /// The time when it began, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The duration of everything, in seconds.
    pub seconds: f64,
    /// The users and rooms.
    pub world: World,
    /// The users' ids.
    pub user_ids: Vec<String>,
    /// The rooms' ids; `None` for a room that could not be created.
    pub room_ids: Vec<Option<String>>,
    /// The figures of the whole run.
    pub total: Stats,
    /// The phases with load.
    pub spans: Vec<Span>,
    /// The figures second by second.
    pub series: Vec<Point>,
    /// The violations that the checker found.
    pub violations: Violations,
    /// The counts of all rooms together.
    pub rooms: RoomTotals,
    /// The number of users that were not connected at the end.
    pub absent: u64,
    /// Sends that were neither acknowledged nor refused for good.
    pub unacked: Unacked,
    /// The beginning and the end of the longest stretch without an acknowledgement while some were due, in microseconds
    /// since the run's start.
    pub longest_gap: (u64, u64),
    /// p99 of acknowledgements in the first and in the last minute of the load, in seconds.
    pub ack_p99: [Option<f64>; 2],
    /// The gateways' report on storing, if they are known.
    pub queue: Option<QueueReport>,
    /// The faults that were injected.
    pub faults: Vec<FaultReport>,
    /// The criteria besides checks and thresholds.
    pub judged: Judged,
    /// The time after the load until DynamoDB held everything, if it was compared and did.
    pub all_stored: Option<Duration>,
    /// The reasons why connections ended or were not opened, the calls that failed, and the injected faults.
    pub ends: BTreeMap<String, u64>,
    /// The watched processes.
    pub processes: Vec<ProcessUse>,
    /// The connections open when memory was last measured under load.
    pub connections: u64,
    /// The machines that had the users; empty if it was this one alone.
    pub machines: Vec<MachineReport>,
}

/// The criteria for a run besides its checks and thresholds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judged {
    /// True if faults were requested: stretches without an acknowledgement are then no failure.
    pub has_faults: bool,
    /// The longest stretch allowed otherwise.
    pub ack_gap_max: Duration,
}

/// A phase, or a step of one.
pub struct Span {
    /// The name.
    pub name: String,
    /// Begin and end, in seconds since the run's start.
    pub seconds: (f64, f64),
    /// The requested rate of messages at its end.
    pub rate: f64,
    /// The figures measured in it.
    pub stats: Stats,
    /// The verdicts on a step.
    pub verdicts: Vec<Verdict>,
}

/// The figures of one second.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// Seconds since the run's start.
    pub at: f64,
    /// The real duration, in seconds.
    pub seconds: f64,
    /// The counts, as [`Count::ALL`].
    pub counts: Vec<u64>,
    /// Median, p99 and greatest latency of live deliveries, in seconds.
    pub latency: Option<[f64; 3]>,
    /// p99 of connects, in seconds.
    pub connect_p99: Option<f64>,
    /// The number of open connections.
    pub online: u64,
    /// The number of violations so far.
    pub violations: u64,
    /// For each watched process, the share of a core and the bytes of memory.
    pub processes: Vec<(f64, u64)>,
}

impl Point {
    /// Absorbs the next one: the worse of latencies, the later of states.
    pub(super) fn absorb(&mut self, next: &Self) {
        let worse = |a: Option<f64>, b: Option<f64>| a.zip(b).map_or(a.or(b), |(a, b)| Some(a.max(b)));
        for (mine, more) in self.counts.iter_mut().zip(&next.counts) {
            *mine += more;
        }
        for (mine, (cpu, rss)) in self.processes.iter_mut().zip(&next.processes) {
            let both = (mine.0 * self.seconds + cpu * next.seconds) / (self.seconds + next.seconds).max(1e-3);
            *mine = (both, *rss);
        }
        self.latency = match (self.latency, next.latency) {
            (Some(mine), Some(more)) => Some([0, 1, 2].map(|i| mine[i].max(more[i]))),
            (mine, more) => mine.or(more),
        };
        self.connect_p99 = worse(self.connect_p99, next.connect_p99);
        self.seconds += next.seconds;
        (self.at, self.online, self.violations) = (next.at, next.online, next.violations);
    }

    /// Halves a series, so that a run may be as long as it likes.
    pub(super) fn halve(series: &mut Vec<Self>) {
        let mut halved: Vec<Self> = Vec::with_capacity(series.len());
        for (i, point) in series.drain(..).enumerate() {
            match halved.last_mut().filter(|_| i % 2 == 1) {
                Some(last) => last.absorb(&point),
                None => halved.push(point),
            }
        }
        *series = halved;
    }
}

/// The resources that a process used.
#[derive(Clone, Debug)]
pub struct ProcessUse {
    /// The process.
    pub watched: Watched,
    /// A sample before anybody connected.
    pub before: ProcessSample,
    /// Samples at the beginning and at the end of the load.
    pub loaded: (ProcessSample, ProcessSample),
}

impl Outcome {
    /// Returns every measured value by the name that thresholds use.
    pub fn measures(&self) -> Measures {
        let mut measures = measures_of(&self.total, self.load_seconds());
        for kind in Kind::ALL {
            measures.insert(kind.name(), self.violations.count(kind) as f64);
        }
        measures.insert("violations", self.violations.total() as f64);
        measures.insert("machines_lost", self.machines_lost() as f64);
        measures.insert("absent", self.absent as f64);
        self.add_acks(&mut measures);
        self.add_queue(&mut measures);
        measures.insert("rooms_unmade", self.room_ids.iter().filter(|id| id.is_none()).count() as f64);
        if let Some(time) = self.all_stored {
            measures.insert("all_stored", time.as_secs_f64());
        }
        let nodes = self.nodes();
        if !nodes.is_empty() && self.connections > 0 {
            let grown = |p: &&ProcessUse| p.loaded.0.rss_bytes as f64 - p.before.rss_bytes as f64;
            measures.insert("rss", nodes.iter().map(grown).sum::<f64>() / self.connections as f64);
            let cpu: f64 = nodes.iter().map(|process| process.cpu_seconds()).sum();
            measures.insert("cpu_seconds", cpu);
            let deliveries = self.total.count(Count::Delivered);
            if deliveries > 0 {
                measures.insert("cpu_per_million", cpu * 1e6 / deliveries as f64);
            }
        }
        if let Some(best) = self.highest_rate() {
            measures.insert("highest_rate", best);
        }
        measures
    }

    fn add_acks(&self, measures: &mut Measures) {
        measures.insert("unacked", self.unacked.count as f64);
        // An earlier name of the same value.
        measures.insert("unanswered", self.unacked.count as f64);
        measures.insert("longest_ack_gap", self.longest_ack_gap());
        for (name, value) in ["ack_p99_first", "ack_p99_last"].into_iter().zip(self.ack_p99) {
            measures.extend(value.map(|value| (name, value)));
        }
        if let [Some(first), Some(last)] = self.ack_p99 {
            measures.insert("ack_p99_growth", last / first);
        }
    }

    fn add_queue(&self, measures: &mut Measures) {
        let Some(queue) = self.queue else { return };
        measures.insert("journaled_again", queue.journaled);
        let acked = self.total.count(Count::Acked);
        if acked > 0 {
            measures.insert("journaled_again_share", queue.journaled / acked as f64);
        }
        measures.extend(queue.unstored.map(|unstored| ("unstored_left", unstored)));
        measures.extend(queue.drained.map(|time| ("drained", time.as_secs_f64())));
    }

    /// Returns the longest stretch without an acknowledgement while some were due, in seconds.
    pub fn longest_ack_gap(&self) -> f64 {
        (self.longest_gap.1 - self.longest_gap.0) as f64 / 1e6
    }

    /// Returns the number of machines that were lost before the end.
    pub fn machines_lost(&self) -> usize {
        self.machines.iter().filter(|machine| machine.lost.is_some()).count()
    }

    /// Returns the processes that hold the connections: those called `gateway…`, or all if none is.
    fn nodes(&self) -> Vec<&ProcessUse> {
        let is_gateway = |process: &&ProcessUse| process.watched.name.starts_with("gateway");
        let gateways: Vec<_> = self.processes.iter().filter(is_gateway).collect();
        if gateways.is_empty() { self.processes.iter().collect() } else { gateways }
    }

    /// Returns the duration of the load.
    pub fn load_seconds(&self) -> f64 {
        self.spans.iter().map(|span| span.seconds.1 - span.seconds.0).sum()
    }

    /// Returns the highest rate of a step that kept its limit.
    pub fn highest_rate(&self) -> Option<f64> {
        let good = self.spans.iter().filter(|s| !s.verdicts.is_empty() && s.verdicts.iter().all(|v| v.holds));
        let best = good.map(|span| span.rate).fold(0.0, f64::max);
        self.spans.iter().any(|span| !span.verdicts.is_empty()).then_some(best)
    }
}

impl ProcessUse {
    /// Returns user and system time under load.
    pub fn cpu_seconds(&self) -> f64 {
        self.loaded.1.cpu.saturating_sub(self.loaded.0.cpu).as_secs_f64()
    }
}

/// Returns the values of a span by name. A latency without measurements is left out.
pub(crate) fn measures_of(stats: &Stats, seconds: f64) -> Measures {
    const NAMES: [(Latency, [&str; 5]); 9] = [
        (Latency::Delivery, ["p50", "p90", "p99", "p999", "max"]),
        (Latency::CatchUp, ["catch_up_p50", "catch_up_p90", "catch_up_p99", "catch_up_p999", "catch_up_max"]),
        (Latency::Ack, ["ack_p50", "ack_p90", "ack_p99", "ack_p999", "ack_max"]),
        (Latency::Stored, ["stored_p50", "stored_p90", "stored_p99", "stored_p999", "stored_max"]),
        (Latency::Connect, ["connect_p50", "connect_p90", "connect_p99", "connect_p999", "connect_max"]),
        (Latency::Away, ["away_p50", "away_p90", "away_p99", "away_p999", "away_max"]),
        (Latency::Call, ["call_p50", "call_p90", "call_p99", "call_p999", "call_max"]),
        (
            Latency::Refused,
            ["refused_told_p50", "refused_told_p90", "refused_told_p99", "refused_told_p999", "refused_told_max"],
        ),
        (Latency::Lag, ["send_lag_p50", "send_lag_p90", "send_lag_p99", "send_lag_p999", "send_lag_max"]),
    ];
    let mut measures = Measures::new();
    for (latency, names) in NAMES {
        let histogram = stats.latency(latency);
        if histogram.is_empty() {
            continue;
        }
        for (name, quantile) in names.into_iter().zip([0.5, 0.9, 0.99, 0.999, 1.0]) {
            measures.insert(name, histogram.value_at_quantile(quantile) as f64 / 1e6);
        }
    }
    for count in Count::ALL {
        measures.insert(count.name(), stats.count(count) as f64);
    }
    if seconds > 0.0 {
        measures.insert("rate", stats.count(Count::Sent) as f64 / seconds);
        measures.insert("deliveries_per_second", stats.count(Count::Delivered) as f64 / seconds);
    }
    measures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_of_any_length_keeps_its_sums_and_its_worst() {
        let point = |at: u32| Point {
            at: f64::from(at),
            seconds: 1.0,
            counts: vec![u64::from(at); Count::ALL.len()],
            latency: (at != 3).then(|| [0.001, f64::from(at), 9.0 - f64::from(at)]),
            online: u64::from(at),
            processes: vec![(f64::from(at), 7)],
            ..Point::default()
        };
        let mut series: Vec<_> = (1..=5).map(point).collect();
        Point::halve(&mut series);
        let seconds: Vec<_> =
            series.iter().map(|point| (point.at, point.seconds, point.counts[0], point.online)).collect();
        assert_eq!(seconds, [(2.0, 2.0, 3, 2), (4.0, 2.0, 7, 4), (5.0, 1.0, 5, 5)]);
        assert_eq!(series[0].latency, Some([0.001, 2.0, 8.0]));
        assert_eq!(series[1].latency, Some([0.001, 4.0, 5.0]));
        assert_eq!(series[0].processes, [(1.5, 7)]);
    }
}
