//! What is to be run, and who watches.

use std::time::Duration;

use rts_common::store::Store;

use super::fault::Fault;
use super::outcome::{Point, Watched};
use super::stats::Stats;
use crate::link::{Dialer, Tokens};
use crate::scenario::Scenario;

/// What is to be run, and how.
pub struct Plan {
    /// What.
    pub scenario: Scenario,
    /// An id that no other run has.
    pub run: String,
    /// How to connect.
    pub dialer: Dialer,
    /// As whom.
    pub tokens: Tokens,
    /// Threads; with several machines, each says how many it has.
    pub workers: usize,
    /// Of everything that is left to chance.
    pub seed: u64,
    /// Local processes to measure.
    pub watched: Vec<Watched>,
    /// What is done to the local cluster meanwhile.
    pub faults: Vec<Fault>,
    /// How long to wait at the end until everything sent is received.
    pub settle: Duration,
    /// What is to be compared with what is stored, if it is.
    pub store: Option<StorePlan>,
}

/// A comparison with DynamoDB at the end.
#[derive(Clone, Debug)]
pub struct StorePlan {
    /// Where.
    pub store: Store,
    /// How long to wait until everything is there.
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
