//! The report as `report.json` holds it.

use std::collections::BTreeMap;

use rts_common::seq::Timestamp;
use serde::{Deserialize, Serialize};

use super::cost::{Cost, Prices};
use crate::checker::{Kind, Violation};
use crate::engine::{
    Author, Authored, Count, FaultReport, Latency, MachineReport, Outcome, Point, Span, Stats, measures_of,
};
use crate::require::{Requirements, Verdict};

/// Everything worth keeping about a run. Measures are in base units: seconds, bytes, counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's purpose.
    pub about: String,
    /// The run's id.
    pub run: String,
    /// The targets of the connections.
    pub targets: Vec<String>,
    /// The time when it began.
    pub started_at: String,
    /// Its duration.
    pub seconds: f64,
    /// The number of virtual users.
    pub users: usize,
    /// The number of rooms.
    pub rooms: usize,
    /// True if every check and threshold holds, and nothing else failed.
    pub passed: bool,
    /// The other failures, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failures: Vec<String>,
    /// The faults injected into the local cluster.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub faults: Vec<FaultReport>,
    /// Every measured value.
    pub measures: BTreeMap<String, f64>,
    /// The thresholds.
    pub verdicts: Vec<Verdict>,
    /// Violations by kind.
    pub violation_counts: BTreeMap<String, u64>,
    /// The first violations of each kind.
    pub violations: Vec<NamedViolation>,
    /// The phases.
    pub spans: Vec<SpanReport>,
    /// The figures second by second.
    pub series: Series,
    /// Latencies as (upper bound in seconds, count).
    pub histograms: BTreeMap<String, Vec<(f64, u64)>>,
    /// The reasons why connections ended or were not opened.
    pub connection_ends: BTreeMap<String, u64>,
    /// The measured processes.
    pub processes: Vec<ProcessReport>,
    /// The machines that had the users; empty if it was one alone.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub machines: Vec<MachineReport>,
    /// The estimated cost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<Cost>,
}

/// One violation, with the server's names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedViolation {
    /// Its kind.
    pub kind: String,
    /// The room's id.
    pub room: String,
    /// The seq.
    pub seq: Option<u64>,
    /// The member's user id.
    pub user: Option<String>,
    /// The message's `clientId`.
    pub client_id: Option<String>,
    /// The message's sender.
    pub sender: Option<String>,
    /// The time it was found, in seconds since the run's start.
    pub at: f64,
    /// Further details.
    pub detail: String,
}

/// A phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpanReport {
    /// Its name.
    pub name: String,
    /// The beginning, in seconds since the run's start.
    pub from: f64,
    /// The end, in seconds since the run's start.
    pub to: f64,
    /// The requested rate at its end, in messages a second.
    pub rate: f64,
    /// The values measured in it.
    pub measures: BTreeMap<String, f64>,
    /// The verdicts on a step.
    pub verdicts: Vec<Verdict>,
}

/// The figures second by second, as columns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// Seconds since the run's start.
    pub at: Vec<f64>,
    /// Counts per second, by name.
    pub rates: BTreeMap<String, Vec<f64>>,
    /// The number of open connections.
    pub online: Vec<u64>,
    /// Median, p99 and greatest latency of live deliveries in seconds.
    pub latency: Vec<Option<[f64; 3]>>,
    /// p99 of connects in seconds.
    pub connect_p99: Vec<Option<f64>>,
    /// Cores used, per process.
    pub cpu: Vec<Vec<f64>>,
    /// Bytes of memory, per process.
    pub rss: Vec<Vec<u64>>,
}

/// A process that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessReport {
    /// The name.
    pub name: String,
    /// The process id.
    pub pid: u32,
    /// Processor time under load.
    pub cpu_seconds: f64,
    /// Memory before anybody connected.
    pub rss_before: u64,
    /// Memory with everyone connected.
    pub rss_connected: u64,
    /// Memory at the end of the load.
    pub rss_loaded: u64,
}

impl Report {
    /// Makes the report of a run, which passed if nothing was violated, nothing else failed, and all thresholds hold.
    pub fn new(outcome: &Outcome, requirements: &Requirements, prices: Option<&Prices>) -> Self {
        let measures = outcome.measures();
        let verdicts = requirements.judge(&measures);
        let failures = outcome.failures();
        let violations = &outcome.violations;
        let author = Author::new(&outcome.run, outcome.scenario.body_bytes);
        let counts = Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), violations.count(kind)));
        Self {
            scenario: outcome.scenario.name.clone(),
            about: outcome.scenario.about.clone(),
            run: outcome.run.clone(),
            targets: outcome.targets.clone(),
            started_at: Timestamp::from_millis(outcome.started_ms).to_string(),
            seconds: outcome.seconds,
            users: outcome.scenario.users,
            rooms: outcome.world.rooms.len(),
            passed: violations.total() == 0 && failures.is_empty() && verdicts.iter().all(|verdict| verdict.holds),
            failures,
            faults: outcome.faults.clone(),
            verdicts,
            violation_counts: counts.filter(|&(_, count)| count > 0).collect(),
            violations: violations.listed().iter().map(|v| named(outcome, &author, v)).collect(),
            spans: outcome.spans.iter().map(span_report).collect(),
            series: series(&outcome.series),
            histograms: Latency::ALL.into_iter().filter_map(|l| histogram(&outcome.total, l)).collect(),
            connection_ends: outcome.ends.clone(),
            processes: outcome.processes.iter().map(process_report).collect(),
            machines: outcome.machines.clone(),
            cost: prices.map(Prices::estimate),
            measures: owned(measures),
        }
    }
}

fn named(outcome: &Outcome, author: &Author, violation: &Violation) -> NamedViolation {
    let plan = &outcome.world.rooms[violation.room as usize];
    let user = |slot: u32| {
        let user = plan.members.get(slot as usize)?;
        Some(outcome.user_ids[*user as usize].clone())
    };
    let client_id = |key| author.client_id(Authored { room: violation.room, key, intended_us: 0 });
    let room_id = outcome.room_ids[violation.room as usize].clone();
    NamedViolation {
        kind: violation.kind.name().to_owned(),
        room: room_id.unwrap_or_else(|| format!("room {}", violation.room)),
        seq: violation.seq,
        user: violation.member.and_then(user),
        client_id: violation.message.map(client_id),
        sender: violation.message.and_then(|key| user(key.sender)),
        at: violation.at_us as f64 / 1e6,
        detail: violation.detail.clone(),
    }
}

fn span_report(span: &Span) -> SpanReport {
    let (from, to) = span.seconds;
    SpanReport {
        name: span.name.clone(),
        from,
        to,
        rate: span.rate,
        measures: owned(measures_of(&span.stats, to - from)),
        verdicts: span.verdicts.clone(),
    }
}

fn process_report(process: &crate::engine::ProcessUse) -> ProcessReport {
    ProcessReport {
        name: process.watched.name.clone(),
        pid: process.watched.pid,
        cpu_seconds: process.cpu_seconds(),
        rss_before: process.before.rss_bytes,
        rss_connected: process.loaded.0.rss_bytes,
        rss_loaded: process.loaded.1.rss_bytes,
    }
}

fn series(points: &[Point]) -> Series {
    let rate = |count: Count| {
        let of = |point: &Point| point.counts[count as usize] as f64 / point.seconds.max(1e-3);
        (count.name().to_owned(), points.iter().map(of).collect())
    };
    let processes = points.first().map_or(0, |point| point.processes.len());
    Series {
        at: points.iter().map(|point| point.at).collect(),
        rates: Count::ALL.into_iter().map(rate).collect(),
        online: points.iter().map(|point| point.online).collect(),
        latency: points.iter().map(|point| point.latency).collect(),
        connect_p99: points.iter().map(|point| point.connect_p99).collect(),
        cpu: (0..processes).map(|p| points.iter().map(|point| point.processes[p].0).collect()).collect(),
        rss: (0..processes).map(|p| points.iter().map(|point| point.processes[p].1).collect()).collect(),
    }
}

/// Returns a histogram with twelve buckets per doubling or so, from a tenth of a millisecond.
fn histogram(stats: &Stats, latency: Latency) -> Option<(String, Vec<(f64, u64)>)> {
    let histogram = stats.latency(latency);
    if histogram.is_empty() {
        return None;
    }
    let buckets = histogram
        .iter_log(50, 1.25)
        .map(|step| (step.value_iterated_to() as f64 / 1e6, step.count_since_last_iteration()))
        .collect();
    Some((latency.name().to_owned(), buckets))
}

fn owned(measures: BTreeMap<&'static str, f64>) -> BTreeMap<String, f64> {
    measures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
