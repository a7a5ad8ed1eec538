//! Watches the metrics of the local cluster's gateways on storing: messages not stored yet, and entries journaled
//! again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::context::Shared;
use crate::connection::scrape;
use crate::sync::lock;

/// The interval between two scrapes.
const EVERY: Duration = Duration::from_secs(1);
/// The gauge lags by some seconds: the queue is empty only if nothing has waited for this long.
const EMPTY_FOR: Duration = Duration::from_secs(5);

/// Scrapes the gateways again and again.
pub(super) struct QueueWatch {
    seen: Arc<Mutex<Seen>>,
    asking: JoinHandle<()>,
}

/// The metrics so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Entries journaled again since the load began.
    journaled: f64,
    /// The number of messages not stored, as last reported by all gateways.
    unstored: Option<f64>,
    /// The time since when that number is zero.
    empty_since_us: Option<u64>,
}

/// The result of the watch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueueReport {
    /// The number of entries journaled again.
    pub journaled: f64,
    /// The number of messages not stored at the end.
    pub unstored: Option<f64>,
    /// The time after the load until nothing was left to be stored, if that was seen.
    pub drained: Option<Duration>,
}

impl QueueWatch {
    /// Begins with the present metrics; `None` without gateways to scrape.
    pub(super) async fn start(admins: Vec<SocketAddr>, shared: &Arc<Shared>) -> Option<Self> {
        if admins.is_empty() {
            return None;
        }
        let mut nodes = Nodes { journaled: vec![None; admins.len()], admins };
        let seen = Arc::new(Mutex::new(Seen::default()));
        nodes.ask(&mut Seen::default(), shared.now_us()).await;
        let (told, shared) = (seen.clone(), shared.clone());
        let asking = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let mut now = *lock(&told);
                nodes.ask(&mut now, shared.now_us()).await;
                *lock(&told) = now;
            }
        });
        Some(Self { seen, asking })
    }

    /// True if nothing is left to be stored, for long enough to be certain.
    pub(super) fn is_empty(&self, now_us: u64) -> bool {
        let since_us = lock(&self.seen).empty_since_us;
        let enough_us = u64::try_from(EMPTY_FOR.as_micros()).unwrap_or(u64::MAX);
        since_us.is_some_and(|since_us| now_us.saturating_sub(since_us) >= enough_us)
    }

    /// True if something is known to be left.
    pub(super) fn has_more(&self) -> bool {
        lock(&self.seen).unstored.is_some_and(|unstored| unstored > 0.0)
    }

    /// Returns the figures; the load was over at `since_us`.
    pub(super) fn report(&self, since_us: u64, now_us: u64) -> QueueReport {
        let seen = *lock(&self.seen);
        let empty_us = seen.empty_since_us.filter(|_| self.is_empty(now_us));
        QueueReport {
            journaled: seen.journaled,
            unstored: seen.unstored,
            drained: empty_us.map(|at_us| Duration::from_micros(at_us.saturating_sub(since_us))),
        }
    }
}

impl Drop for QueueWatch {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

/// The gateways, and the last value of each one's counter.
struct Nodes {
    admins: Vec<SocketAddr>,
    journaled: Vec<Option<f64>>,
}

impl Nodes {
    async fn ask(&mut self, seen: &mut Seen, now_us: u64) {
        let mut unstored = Some(0.0);
        for (address, last) in self.admins.iter().zip(&mut self.journaled) {
            let Ok(text) = scrape(*address).await else {
                // It is being restarted, so its value is unknown.
                unstored = None;
                continue;
            };
            let now = sum(&text, "rts_reconciled_total", "outcome=\"journaled\"");
            seen.journaled += grown(*last, now);
            *last = Some(now);
            unstored = unstored.map(|others| others + sum(&text, "rts_unstored_messages", ""));
        }
        if let Some(unstored) = unstored {
            seen.unstored = Some(unstored);
            seen.empty_since_us = (unstored <= 0.0).then(|| seen.empty_since_us.unwrap_or(now_us));
        }
    }
}

/// Returns the growth of a counter. One that is smaller than before belongs to a new process; the first value of one
/// does not count, since it may be from before the load.
fn grown(last: Option<f64>, now: f64) -> f64 {
    match last {
        Some(last) if now >= last => now - last,
        Some(_) => now,
        None => 0.0,
    }
}

/// Adds up the samples of a metric whose labels hold a text.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_once('}')?,
            None => ("", rest.strip_prefix(' ')?),
        };
        labels.contains(label).then(|| value.trim().parse::<f64>().ok())?
    };
    text.lines().filter_map(value).fold(0.0, |all, value| all + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_label() {
        let text = "# HELP rts_unstored_messages x\nrts_unstored_messages 7\nrts_unstored_messages_more 9\n\
                    rts_reconciled_total{outcome=\"stored\"} 3\nrts_reconciled_total{outcome=\"journaled\",node=\"a\"} 4\n\
                    rts_reconciled_total{outcome=\"journaled\",node=\"b\"} 5e1\n";
        let found = |name, label| sum(text, name, label).to_string();
        assert_eq!(found("rts_unstored_messages", ""), "7");
        assert_eq!(found("rts_reconciled_total", "outcome=\"journaled\""), "54");
        assert_eq!(found("rts_nothing", ""), "0");
    }

    #[test]
    fn a_node_that_begins_anew_counts_from_nothing() {
        let steps = [(None, 100.0), (Some(100.0), 130.0), (Some(130.0), 5.0), (Some(5.0), 5.0)];
        let grown: Vec<_> = steps.into_iter().map(|(last, now)| grown(last, now).to_string()).collect();
        assert_eq!(grown, ["0", "30", "5", "0"]);
    }
}
