//! The probe's figures: for Prometheus while it runs, for thresholds at its end.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use crate::metrics::write_histogram;
use crate::require::Measures;

/// The longest latency that is distinguished: ten minutes, in microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Sent,
    Acked,
    Delivered,
    Late,
    Lost,
    Failed,
    Doubled,
    Errors,
    Connects,
    ConnectFailures,
    Disconnects,
}

impl Count {
    const ALL: [(Self, &'static str, &'static str); 11] = [
        (Self::Sent, "sent", "Messages that were due."),
        (Self::Acked, "acked", "Messages acknowledged: durable."),
        (Self::Delivered, "delivered", "Messages that the other user has received."),
        (Self::Late, "late", "Messages received, but late."),
        (Self::Lost, "lost", "Messages acknowledged, and not received by both users within the deadline."),
        (Self::Failed, "failed", "Messages refused for good, or not acknowledged within the deadline."),
        (Self::Doubled, "doubled", "Messages received twice, as two of the room's events."),
        (Self::Errors, "errors", "Calls answered with an error."),
        (Self::Connects, "connects", "Connections opened."),
        (Self::ConnectFailures, "connect_failures", "Attempts to connect that failed."),
        (Self::Disconnects, "disconnects", "Connections that ended though the probe did not end them."),
    ];
}

/// A latency that is measured, from the intended time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timing {
    Ack,
    Delivery,
}

/// The figures of a probe.
#[derive(Debug)]
pub(super) struct Figures {
    counts: [u64; Count::ALL.len()],
    timings: [Histogram<u64>; 2],
    /// The users that are connected.
    pub(super) connected: u64,
    last_success: Option<SystemTime>,
}

impl Figures {
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are valid");
        Self { counts: [0; Count::ALL.len()], timings: [histogram(), histogram()], connected: 0, last_success: None }
    }

    pub(super) fn add(&mut self, count: Count) {
        self.counts[count as usize] += 1;
    }

    pub(super) fn count(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    pub(super) fn record(&mut self, timing: Timing, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).clamp(1, LATENCY_US_MAX);
        self.timings[timing as usize].saturating_record(us);
    }

    /// Notes that a message has just been received in time.
    pub(super) fn succeeded(&mut self) {
        self.last_success = Some(SystemTime::now());
    }

    /// Returns the text that Prometheus scrapes. Everything exists from the start, as zero.
    pub(super) fn render(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        let _infallible = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        for (count, name, help) in Count::ALL {
            writeln!(text, "# HELP rts_probe_{name}_total {help}\n# TYPE rts_probe_{name}_total counter")?;
            writeln!(text, "rts_probe_{name}_total {}", self.count(count))?;
        }
        let since_epoch = self.last_success.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        for (name, help, value) in [
            ("connected", "Users of the probe that are connected: 2 if all is well.", self.connected as f64),
            (
                "last_success_timestamp_seconds",
                "When a message was last received in time, in seconds since the Unix epoch; 0 before the first.",
                since_epoch.as_secs_f64(),
            ),
        ] {
            writeln!(text, "# HELP rts_probe_{name} {help}\n# TYPE rts_probe_{name} gauge\nrts_probe_{name} {value}")?;
        }
        let name = "rts_probe_latency_seconds";
        writeln!(text, "# HELP {name} From the intended send.\n# TYPE {name} histogram")?;
        write_histogram(text, name, "ack", &self.timings[Timing::Ack as usize])?;
        write_histogram(text, name, "delivery", &self.timings[Timing::Delivery as usize])
    }

    /// Returns the values that thresholds may name.
    pub(super) fn measures(&self) -> Measures {
        let mut measures: Measures =
            Count::ALL.into_iter().map(|(count, name, _)| (name, self.count(count) as f64)).collect();
        let quantile = |timing: Timing, q| self.timings[timing as usize].value_at_quantile(q) as f64 / 1e6;
        if self.count(Count::Delivered) > 0 {
            measures.insert("p50", quantile(Timing::Delivery, 0.5));
            measures.insert("p99", quantile(Timing::Delivery, 0.99));
            measures.insert("max", quantile(Timing::Delivery, 1.0));
        }
        if self.count(Count::Acked) > 0 {
            measures.insert("ack_p99", quantile(Timing::Ack, 0.99));
        }
        measures
    }

    /// True if a threshold may have this name.
    pub(super) fn is_measure(name: &str) -> bool {
        Count::ALL.iter().any(|(_, known, _)| *known == name) || ["p50", "p99", "max", "ack_p99"].contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_exists_from_the_start_and_can_be_measured() {
        let mut figures = Figures::new();
        let text = figures.render();
        for (count, name, _) in Count::ALL {
            assert!(text.contains(&format!("\nrts_probe_{name}_total 0\n")), "{name}: {text}");
            assert_eq!(Count::ALL[count as usize].0, count);
        }
        assert!(!figures.measures().contains_key("p99") && Figures::is_measure("p99"));
        figures.add(Count::Delivered);
        figures.record(Timing::Delivery, Duration::from_millis(4));
        figures.succeeded();
        let text = figures.render();
        for line in [
            "rts_probe_delivered_total 1",
            "rts_probe_latency_seconds_bucket{kind=\"delivery\",le=\"0.0025\"} 0",
            "rts_probe_latency_seconds_bucket{kind=\"delivery\",le=\"0.005\"} 1",
            "rts_probe_latency_seconds_count{kind=\"ack\"} 0",
        ] {
            assert!(text.lines().any(|have| have == line), "no {line} in\n{text}");
        }
        assert!((figures.measures()["p99"] - 0.004).abs() < 1e-4);
        assert!(!figures.measures().keys().any(|name| !Figures::is_measure(name)));
    }
}
