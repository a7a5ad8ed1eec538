//! `loadtest`: how fast a cluster is, and whether every message is right, in one run.
//!
//! [`link`] opens SignalR connections as the stock client does, [`require`] holds what was measured
//! against thresholds, [`procfs`] watches local server processes, [`cli`] is the program.

pub mod checker;
pub mod cli;
pub mod engine;
pub mod link;
pub mod local;
pub mod procfs;
pub mod report;
pub mod require;
pub mod scenario;
mod ws;
