//! Runs a scenario: workers with virtual users, phase after phase, then the comparison of what the
//! server remembers with what happened.
//!
//! Workers are threads that share nothing but the checker's rooms, a lock each, and hand their figures
//! over once a second. A user is one task and one socket; sends go to the socket from wherever they
//! become due, and what a socket does not take at once is kept. With several machines ([`crew`]) the
//! checker is the lead's, and what users tell it goes there.

mod acks;
mod backoff;
mod clock;
mod context;
mod coordinator;
pub mod distributed;
mod faults;
mod final_checks;
mod message;
mod observation;
mod outcome;
mod plan;
mod queue;
mod receive;
mod scheduler;
mod setup;
mod stats;
mod store;
mod threads;
mod user;
mod verdict;
mod wire;
mod worker;

pub use acks::Unacked;
pub use coordinator::run;
pub use faults::{Fault, FaultReport};
pub use message::{Author, Authored};
pub(crate) use outcome::measures_of;
pub use outcome::{Judged, MachineReport, Outcome, Point, ProcessUse, Span};
pub use plan::{Limits, Moment, Orders, Plan, StorePlan, Watcher};
pub use queue::QueueReport;
pub use stats::{Count, Latency, Stats};
