//! The view during a run.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::{Count, Latency, Moment, Point, Stats, Watcher};

/// The interval between lines without a terminal.
const LINE_EVERY: u64 = 5;

/// One line that is kept up to date; without a terminal, a line every few seconds.
#[derive(Debug)]
pub struct Live {
    bar: Option<ProgressBar>,
    seconds: u64,
    stage: String,
}

impl Live {
    /// Shows nothing until it gets a first stage.
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {elapsed_precise}  {prefix:.bold}\n  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, seconds: if quiet { u64::MAX } else { 0 }, stage: String::new() }
    }

    /// Removes the line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Live {
    fn stage(&mut self, name: &str) {
        name.clone_into(&mut self.stage);
        match &self.bar {
            Some(bar) => bar.set_prefix(name.to_owned()),
            None if self.seconds != u64::MAX => eprintln!("{name}"),
            None => {}
        }
    }

    fn second(&mut self, now: &Moment<'_>) {
        let point = now.point;
        let line = line(point, now.total);
        if let Some(bar) = &self.bar {
            bar.set_message(line);
            return;
        }
        if self.seconds == u64::MAX {
            return;
        }
        self.seconds += 1;
        if self.seconds.is_multiple_of(LINE_EVERY) {
            eprintln!("{:>5.0} s  {:<24} {line}", point.at, self.stage);
        }
    }
}

fn line(point: &Point, total: &Stats) -> String {
    let rate = |count: Count| point.counts[count as usize] as f64 / point.seconds.max(1e-3);
    let deliveries = total.latency(Latency::Delivery);
    let quantile = |q| {
        if deliveries.is_empty() {
            return "-".to_owned();
        }
        format!("{:.1}", deliveries.value_at_quantile(q) as f64 / 1000.0)
    };
    let wrong = total.count(Count::Errors) + total.count(Count::ConnectFailures) + total.count(Count::Dropped);
    format!(
        "{} online  sent {:.0}/s  acked {:.0}/s  delivered {:.0}/s  p50 {}  p99 {}  p99.9 {} ms  errors {wrong}  violations {}",
        point.online,
        rate(Count::Sent),
        rate(Count::Acked),
        rate(Count::Delivered),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        point.violations
    )
}
