//! Runs a scenario: workers with virtual users, phase after phase, then the comparison of the server's state with the
//! observations.
//!
//! Workers are threads that share only the checker's rooms, with a lock each, and hand over their figures once a
//! second. A user is one task and one socket; sends are written to the socket by whichever task makes them due, and
//! bytes that a socket does not take at once are kept. With several machines the checker is the lead's, and users'
//! observations are sent there.

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
