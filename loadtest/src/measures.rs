//! The values that a run can measure: the names of thresholds, their units, and which way is better.

use std::fmt;

/// What a measured value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Seconds. A threshold needs a unit, as `p99<200` would be 200 seconds.
    Time,
    /// Bytes. A threshold needs a unit.
    Bytes,
    /// A number of something per second.
    Rate,
    /// A share, or a multiple.
    Share,
    /// A number of something.
    Count,
}

/// Which value of two is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// Neither: it describes the load.
    Neither,
}

/// A value that can be measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name in thresholds and in `report.json`.
    pub name: &'static str,
    /// Its unit.
    pub quantity: Quantity,
    /// The better direction.
    pub better: Better,
}

/// The beginnings of the names of latencies, each followed by one of [`QUANTILES`].
const LATENCIES: [&str; 9] =
    ["", "catch_up_", "ack_", "stored_", "connect_", "away_", "call_", "refused_told_", "send_lag_"];
const QUANTILES: [&str; 5] = ["p50", "p90", "p99", "p999", "max"];

const fn measure(name: &'static str, quantity: Quantity, better: Better) -> Measure {
    Measure { name, quantity, better }
}

/// Every value that `run` can measure, except latencies.
const OTHERS: [Measure; 54] = {
    use Better::{Higher, Lower, Neither};
    use Quantity::{Count, Rate, Share, Time};
    [
        measure("sent", Count, Neither),
        measure("acked", Count, Neither),
        measure("delivered", Count, Neither),
        measure("resent", Count, Lower),
        measure("rate_limited", Count, Lower),
        measure("errors", Count, Lower),
        measure("unsent", Count, Lower),
        measure("connects", Count, Neither),
        measure("connect_failures", Count, Lower),
        measure("dropped", Count, Lower),
        measure("cut", Count, Neither),
        measure("calls", Count, Neither),
        measure("noise", Count, Neither),
        measure("unavailable", Count, Lower),
        measure("refused", Count, Lower),
        measure("reads_back", Count, Neither),
        measure("reads_unavailable", Count, Lower),
        measure("rate", Rate, Higher),
        measure("deliveries_per_second", Rate, Higher),
        measure("highest_rate", Rate, Higher),
        measure("lost", Count, Lower),
        measure("duplicated", Count, Lower),
        measure("out_of_order", Count, Lower),
        measure("doubled", Count, Lower),
        measure("not_sent", Count, Lower),
        measure("disagreement", Count, Lower),
        measure("ack_mismatch", Count, Lower),
        measure("refused_delivered", Count, Lower),
        measure("not_stored", Count, Lower),
        measure("seen_not_stored", Count, Lower),
        measure("not_yet_stored", Count, Lower),
        measure("stored_not_delivered", Count, Lower),
        measure("history_order", Count, Lower),
        measure("history_differs", Count, Lower),
        measure("unread", Count, Lower),
        measure("resume_gap", Count, Lower),
        measure("unverified", Count, Lower),
        measure("violations", Count, Lower),
        measure("machines_lost", Count, Lower),
        measure("absent", Count, Lower),
        measure("rooms_unmade", Count, Lower),
        measure("unacked", Count, Lower),
        measure("unanswered", Count, Lower),
        measure("longest_ack_gap", Time, Lower),
        measure("ack_p99_first", Time, Lower),
        measure("ack_p99_last", Time, Lower),
        measure("ack_p99_growth", Share, Lower),
        measure("journaled_again", Count, Lower),
        measure("journaled_again_share", Share, Lower),
        measure("unstored_left", Count, Lower),
        measure("drained", Time, Lower),
        measure("all_stored", Time, Lower),
        measure("cpu_seconds", Time, Lower),
        measure("cpu_per_million", Time, Lower),
    ]
};

/// Those of `idle`, of which `run` measures one, too.
const IDLE: [Measure; 4] = [
    measure("rss", Quantity::Bytes, Better::Lower),
    measure("failed", Quantity::Count, Better::Lower),
    measure("dropped", Quantity::Count, Better::Lower),
    measure("connect_seconds", Quantity::Time, Better::Lower),
];
/// The one that `run` measures.
const RSS: &str = "rss";

/// Returns what is known of a name.
pub fn find(name: &str) -> Option<Measure> {
    find_of_run(name).or_else(|| IDLE.into_iter().find(|measure| measure.name == name))
}

/// Returns what is known of a name that `run` can measure.
pub fn find_of_run(name: &str) -> Option<Measure> {
    let listed = OTHERS.into_iter().chain(IDLE.into_iter().filter(|measure| measure.name == RSS));
    listed.into_iter().find(|measure| measure.name == name).or_else(|| latency(name))
}

fn latency(name: &str) -> Option<Measure> {
    let is_latency = LATENCIES.iter().any(|kind| name.strip_prefix(kind).is_some_and(|end| QUANTILES.contains(&end)));
    is_latency.then_some(Measure { name: "", quantity: Quantity::Time, better: Better::Lower })
}

/// Returns the names that resemble a wrong one, or else all of `run`, for a sentence.
pub fn proposals(wrong: &str) -> String {
    let latencies = LATENCIES.iter().flat_map(|kind| QUANTILES.iter().map(move |quantile| format!("{kind}{quantile}")));
    let others = OTHERS.iter().map(|measure| measure.name.to_owned()).chain([RSS.to_owned()]);
    let all: Vec<_> = latencies.chain(others).collect();
    let stem: String = wrong.chars().take(3).collect();
    let near: Vec<_> = all.iter().filter(|name| wrong.len() > 2 && name.contains(&stem)).cloned().collect();
    if near.is_empty() { all.join(", ") } else { near.join(", ") }
}

impl Quantity {
    /// Returns a number with this unit, as a person writes it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Time if value.abs() < 10.0 => format!("{:.2} ms", value * 1e3),
            Self::Time => format!("{value:.1} s"),
            Self::Bytes => format!("{:.1} kB", value / 1024.0),
            Self::Rate => format!("{value:.1}/s"),
            Self::Share => format!("{value:.4}"),
            Self::Count => format!("{value:.0}"),
        }
    }

    /// Returns the factor of a unit to the base unit; `None` if it is not one of this quantity.
    pub fn factor(self, unit: &str) -> Option<f64> {
        let factor = match (self, unit) {
            (Self::Time, "s") | (Self::Bytes, "B") | (Self::Rate, "" | "/s") | (Self::Share | Self::Count, "") => 1.0,
            (Self::Time, "min") => 60.0,
            (Self::Time, "ms") => 1e-3,
            (Self::Time, "us" | "µs") => 1e-6,
            // As the kernel counts.
            (Self::Bytes, "kB") => 1024.0,
            (Self::Bytes, "MB") => 1024.0 * 1024.0,
            (Self::Share, "%") => 0.01,
            _ => return None,
        };
        Some(factor)
    }
}

/// Names the units, for a sentence.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "is a time and needs a unit: us, ms, s or min",
            Self::Bytes => "is a size and needs a unit: B, kB or MB",
            Self::Rate => "is a rate: a number, with or without /s",
            Self::Share => "is a share: a number, or one with %",
            Self::Count => "is a count: a number without a unit",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_their_units() {
        assert_eq!(find("ack_p99").map(|it| it.quantity), Some(Quantity::Time));
        assert_eq!(find("rss").map(|it| it.quantity), Some(Quantity::Bytes));
        assert!(find("failed").is_some() && find_of_run("failed").is_none() && find_of_run("rss").is_some());
        assert!(find("ack_p98").is_none() && find("foo").is_none());
        assert!(proposals("ack_p98").contains("ack_p99") && !proposals("ack_p98").contains("cpu"));
        assert!(proposals("foo").contains("cpu_seconds"));
    }
}
