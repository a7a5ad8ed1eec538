//! What is to be run, and who watches.

use std::net::SocketAddr;
use std::time::Duration;

use rts_common::store::Store;

use super::faults::Fault;
use super::outcome::Point;
use super::stats::Stats;
use crate::connection::{Dialer, Tokens};
use crate::procfs::Watched;
use crate::scenario::Scenario;

/// What is to be run, and how.
pub struct Plan {
    /// What.
    pub scenario: Scenario,
    /// How to connect.
    pub dialer: Dialer,
    /// As whom.
    pub tokens: Tokens,
    /// Threads; with several machines, each says how many it has.
    pub workers: usize,
    /// Of everything that is left to chance.
    pub seed: u64,
    /// The rest of it, which concerns whoever conducts the run.
    pub orders: Orders,
}

/// What is measured and done besides, and how long things may take.
pub struct Orders {
    /// An id that no other run has.
    pub run: String,
    /// Local processes to measure.
    pub watched: Vec<Watched>,
    /// What is done to the local cluster meanwhile.
    pub faults: Vec<Fault>,
    /// Where the gateways tell their metrics, if that is known.
    pub admins: Vec<SocketAddr>,
    /// What is to be compared with what is stored, if it is.
    pub store: Option<StorePlan>,
    /// How long things may take.
    pub limits: Limits,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At the end, until everything sent is acknowledged and received.
    pub settle: Duration,
    /// After that, until the gateways say that everything is stored.
    pub drain_within: Duration,
    /// Without faults: the longest stretch without an acknowledgement while some are due.
    pub ack_gap_max: Duration,
}

/// A comparison with DynamoDB at the end.
#[derive(Clone, Debug)]
pub struct StorePlan {
    /// Where.
    pub store: Store,
    /// How long to wait, while nothing more comes, until everything is there.
    pub within: Duration,
}

/// Is told what happens while it happens.
pub trait Watcher {
    /// A new part of the run began.
    fn stage(&mut self, name: &str);
    /// A second is over.
    fn second(&mut self, now: &Moment<'_>);
}

/// How a run stands.
pub struct Moment<'a> {
    /// The last second.
    pub point: &'a Point,
    /// All of it so far.
    pub total: &'a Stats,
    /// Violations so far, as [`Kind::ALL`](crate::checker::Kind::ALL).
    pub violations: Vec<u64>,
    /// Messages a second that are asked for now.
    pub rate: f64,
}
