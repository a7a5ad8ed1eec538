//! The plan of a run, and its watcher.

use std::net::SocketAddr;
use std::time::Duration;

use rts_common::store::Store;

use super::faults::Fault;
use super::outcome::Point;
use super::stats::Stats;
use crate::connection::{Dialer, Tokens};
use crate::procfs::Watched;
use crate::scenario::Scenario;

/// The plan of a run.
pub struct Plan {
    /// The scenario to run.
    pub scenario: Scenario,
    /// The dialer of connections.
    pub dialer: Dialer,
    /// The tokens of the users.
    pub tokens: Tokens,
    /// The number of threads; with several machines, each says how many it has.
    pub workers: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// The rest of it, which concerns the coordinator.
    pub orders: Orders,
}

/// The measurements and faults of a run, and its time limits.
pub struct Orders {
    /// An id that no other run has.
    pub run: String,
    /// Local processes to measure.
    pub watched: Vec<Watched>,
    /// The faults of the local cluster during the run.
    pub faults: Vec<Fault>,
    /// The addresses at which the gateways serve their metrics, if known.
    pub admins: Vec<SocketAddr>,
    /// The comparison with the stored messages, if requested.
    pub store: Option<StorePlan>,
    /// The time limits.
    pub limits: Limits,
}

/// The time limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time at the end until everything sent is acknowledged and received.
    pub settle: Duration,
    /// The time after that until the gateways report that everything is stored.
    pub drain_within: Duration,
    /// Without faults: the longest stretch without an acknowledgement while some are due.
    pub ack_gap_max: Duration,
}

/// A comparison with DynamoDB at the end.
#[derive(Clone, Debug)]
pub struct StorePlan {
    /// The store to compare.
    pub store: Store,
    /// The time to wait, while nothing more arrives, until everything is there.
    pub within: Duration,
}

/// Watches a run while it happens.
pub trait Watcher {
    /// Called when a new part of the run begins.
    fn stage(&mut self, name: &str);
    /// Called after each second.
    fn second(&mut self, now: &Moment<'_>);
}

/// The state of a run.
pub struct Moment<'a> {
    /// The figures of the last second.
    pub point: &'a Point,
    /// The figures so far.
    pub total: &'a Stats,
    /// Violations so far, as [`Kind::ALL`](crate::checker::Kind::ALL).
    pub violations: Vec<u64>,
    /// The present target rate, in messages a second.
    pub rate: f64,
}
