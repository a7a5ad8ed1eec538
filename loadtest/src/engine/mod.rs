//! Runs a scenario: workers with virtual users, phase after phase, then the comparison of what the
//! server remembers with what happened.
//!
//! Workers are threads that share nothing but the checker's rooms, a lock each, and hand their figures
//! over once a second. A user is one task and one socket; sends go to the socket from wherever they
//! become due, and what a socket does not take at once is kept.

mod checks;
mod conduct;
mod fault;
mod generate;
mod message;
mod outcome;
mod receive;
mod setup;
mod shared;
mod stats;
mod user;
mod wire;
mod worker;

pub use conduct::{Plan, Watcher, run};
pub use fault::Fault;
pub use message::{Author, Authored};
pub(crate) use outcome::measures_of;
pub use outcome::{Outcome, Point, ProcessUse, Span, Watched};
pub use stats::{Count, Latency, Stats};
