//! Two runs side by side.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::Report;

/// Formats a table of everything measured in either of two runs, with the second as a multiple of the first.
pub fn compare(first: &Report, second: &Report) -> String {
    let mut out = String::new();
    let title = |report: &Report| format!("{} {}", report.scenario, report.run);
    let _infallible = writeln!(out, "{:<24}{:>24}{:>24}{:>10}", "", title(first), title(second), "ratio");
    let names: BTreeSet<_> = first.measures.keys().chain(second.measures.keys()).collect();
    for name in names {
        let (a, b) = (first.measures.get(name).copied(), second.measures.get(name).copied());
        if [a, b].into_iter().flatten().all(|value| value == 0.0) {
            continue;
        }
        let ratio = match (a, b) {
            (Some(a), Some(b)) if a != 0.0 => format!("{:.2}", b / a),
            _ => "-".to_owned(),
        };
        let _infallible = writeln!(out, "{name:<24}{:>24}{:>24}{ratio:>10}", cell(a), cell(b));
    }
    out
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.6}"),
    }
}
