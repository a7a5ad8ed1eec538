//! The tool's own metrics, for Prometheus, during a run.
//!
//! | metric | what |
//! |---|---|
//! | `rts_loadtest_info{scenario}` | always 1 |
//! | `rts_loadtest_users`, `rts_loadtest_connections` | virtual users, and how many are connected and have resumed |
//! | `rts_loadtest_target_rate` | messages a second that the scenario asks for now |
//! | `rts_loadtest_sent_total`, `…acked_total`, `…delivered_total` and so on | each [`Count`] |
//! | `rts_loadtest_latency_seconds{kind}` | histogram of each [`Latency`], from the intended time |
//! | `rts_loadtest_violations_total{kind}` | each [`Kind`] of broken promise |
//!
//! Every metric exists from the start, as zero. Figures are at most a second old.

mod serve;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use hdrhistogram::Histogram;
use hdrhistogram::iterators::IterationValue;

use crate::checker::Kind;
use crate::engine::{Count, Latency, Moment, Stats};
use crate::sync::lock;

pub use serve::serve;

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const PREFIX: &str = "rts_loadtest";

/// The exported figures; clones share them.
#[derive(Clone, Debug)]
pub struct Exporter(Arc<Mutex<Shown>>);

#[derive(Debug)]
struct Shown {
    scenario: String,
    users: u64,
    connections: u64,
    rate: f64,
    violations: Vec<u64>,
    total: Stats,
}

impl Exporter {
    /// Makes the exporter of a run that begins.
    pub fn new(scenario: &str, users: usize) -> Self {
        let shown = Shown {
            scenario: scenario.to_owned(),
            users: users as u64,
            connections: 0,
            rate: 0.0,
            violations: vec![0; Kind::ALL.len()],
            total: Stats::new(),
        };
        Self(Arc::new(Mutex::new(shown)))
    }

    /// Takes the figures of a second.
    pub fn update(&self, now: &Moment<'_>) {
        let mut shown = lock(&self.0);
        shown.connections = now.point.online;
        shown.rate = now.rate;
        shown.violations.clone_from(&now.violations);
        shown.total.clone_from(now.total);
    }

    /// Returns the text that Prometheus scrapes.
    pub fn render(&self) -> String {
        let shown = lock(&self.0);
        let mut text = String::with_capacity(16 * 1024);
        let _infallible = write_all(&mut text, &shown);
        text
    }
}

fn write_all(text: &mut String, shown: &Shown) -> std::fmt::Result {
    head(text, "info", "gauge", "The scenario; always 1.")?;
    let scenario = shown.scenario.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ");
    writeln!(text, "{PREFIX}_info{{scenario=\"{scenario}\"}} 1")?;
    for (name, help, value) in [
        ("users", "Virtual users.", shown.users as f64),
        ("connections", "Virtual users that are connected and have resumed.", shown.connections as f64),
        ("target_rate", "Messages a second that the scenario asks for now.", shown.rate),
    ] {
        head(text, name, "gauge", help)?;
        writeln!(text, "{PREFIX}_{name} {value}")?;
    }
    for count in Count::ALL {
        let name = format!("{}_total", count.name());
        head(text, &name, "counter", count.help())?;
        writeln!(text, "{PREFIX}_{name} {}", shown.total.count(count))?;
    }
    head(text, "violations_total", "counter", "Broken promises that the checker found.")?;
    for (kind, number) in Kind::ALL.into_iter().zip(&shown.violations) {
        writeln!(text, "{PREFIX}_violations_total{{kind=\"{}\"}} {number}", kind.name())?;
    }
    head(text, "latency_seconds", "histogram", "Latencies from the intended time.")?;
    let name = format!("{PREFIX}_latency_seconds");
    Latency::ALL
        .into_iter()
        .try_for_each(|latency| write_histogram(text, &name, latency.name(), shown.total.latency(latency)))
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(text, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} {kind}")
}

/// Writes a histogram of microseconds as one of seconds, with the label `kind`.
pub(crate) fn write_histogram(
    text: &mut String,
    name: &str,
    kind: &str,
    histogram: &Histogram<u64>,
) -> std::fmt::Result {
    // Values that the histogram does not distinguish count together, at the least of them.
    let mut recorded = histogram.iter_recorded().peekable();
    let mut below = 0;
    for bound in BUCKETS {
        let bound_us = micros(bound);
        let is_within = |step: &IterationValue<u64>| histogram.lowest_equivalent(step.value_iterated_to()) <= bound_us;
        while let Some(step) = recorded.next_if(is_within) {
            below += step.count_at_value();
        }
        writeln!(text, "{name}_bucket{{kind=\"{kind}\",le=\"{bound}\"}} {below}")?;
    }
    writeln!(text, "{name}_bucket{{kind=\"{kind}\",le=\"+Inf\"}} {}", histogram.len())?;
    // The mean is exact to three digits.
    let sum = if histogram.is_empty() { 0.0 } else { histogram.mean() * histogram.len() as f64 / 1e6 };
    writeln!(text, "{name}_sum{{kind=\"{kind}\"}} {sum}\n{name}_count{{kind=\"{kind}\"}} {}", histogram.len())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are small and positive")]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Point;

    #[test]
    fn everything_is_told_in_the_form_that_prometheus_reads() {
        let exporter = Exporter::new("a \"b\"", 7);
        let mut total = Stats::new();
        for us in [500, 1_500, 2_500, 40_000, 400_000_000] {
            total.record(Latency::Ack, us);
        }
        total.add(Count::Sent, 12);
        let mut violations = vec![0; Kind::ALL.len()];
        violations[Kind::Lost as usize] = 3;
        let point = Point { online: 6, ..Point::default() };
        exporter.update(&Moment { point: &point, total: &total, violations, rate: 2.5 });
        let text = exporter.render();
        for line in [
            "rts_loadtest_info{scenario=\"a \\\"b\\\"\"} 1",
            "rts_loadtest_users 7",
            "rts_loadtest_connections 6",
            "rts_loadtest_target_rate 2.5",
            "# TYPE rts_loadtest_sent_total counter",
            "rts_loadtest_sent_total 12",
            "rts_loadtest_errors_total 0",
            "rts_loadtest_violations_total{kind=\"lost\"} 3",
            "rts_loadtest_violations_total{kind=\"duplicated\"} 0",
            "rts_loadtest_latency_seconds_bucket{kind=\"ack\",le=\"0.001\"} 1",
            "rts_loadtest_latency_seconds_bucket{kind=\"ack\",le=\"0.005\"} 3",
            "rts_loadtest_latency_seconds_bucket{kind=\"ack\",le=\"0.05\"} 4",
            "rts_loadtest_latency_seconds_bucket{kind=\"ack\",le=\"+Inf\"} 5",
            "rts_loadtest_latency_seconds_count{kind=\"delivery\"} 0",
        ] {
            assert!(text.lines().any(|have| have == line), "no {line} in\n{text}");
        }
        let buckets = text.lines().filter(|line| line.contains("_bucket{kind=\"ack\""));
        let counts: Vec<u64> = buckets.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(counts.is_sorted() && counts.len() == BUCKETS.len() + 1, "{counts:?}");
        assert!(Kind::ALL.into_iter().enumerate().all(|(i, kind)| kind as usize == i));
    }
}
