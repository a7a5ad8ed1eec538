//! `loadtest`: how fast a cluster is, and whether every message is right, in one run.
//!
//! [`scenario`] says what a run does, as data. [`engine`] runs it: [`connection`] opens connections as the
//! stock client does, virtual users act open-loop, and the [`checker`], which is pure, is told what
//! they send and receive. [`report`] tells what came of it, [`require`] holds it against thresholds.
//! [`metrics`] shows it to Prometheus meanwhile.
//! [`procfs`] watches local server processes, [`local`] finds those of the local cluster, [`cli`] is
//! the program.
//!
//! Deliberately absent: TLS (it ends at the balancer), other transports than WebSocket, files.

pub mod checker;
pub mod cli;
pub mod connection;
pub mod engine;
pub mod local;
pub mod metrics;
pub mod procfs;
pub mod report;
pub mod require;
pub mod scenario;
mod sync;
mod units;
