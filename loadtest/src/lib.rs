//! `loadtest`: measures how fast a cluster is and checks that every message is right, in one run.
//!
//! [`scenario`] describes a run, as data. [`engine`] runs it: [`connection`] opens connections as the stock client
//! does, virtual users act open-loop, and the [`checker`], which is pure, is given everything that they send and
//! receive. [`report`] presents the results, [`require`] compares them with thresholds on [`measures`]. [`metrics`] exports
//! them to Prometheus during the run. [`probe`] is two users without a scenario, for as long as one likes. [`procfs`]
//! watches local server processes, [`local`] finds those of the local cluster,
//! [`cli`] is the program.
//!
//! Deliberately absent: TLS (it ends at the balancer), transports other than WebSocket, files.

pub mod checker;
pub mod cli;
pub mod connection;
pub mod engine;
pub mod local;
pub mod measures;
pub mod metrics;
pub mod probe;
pub mod procfs;
pub mod report;
pub mod require;
pub mod scenario;
mod sync;
mod units;
mod wire;
