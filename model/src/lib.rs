//! A model of a room's life.

mod faults;
mod functions;
mod gateway;
mod list;
mod mechanism;
mod promise;
mod scenario;
mod scripts;
mod search;
mod show;
mod step;
mod world;

pub use mechanism::Mechanism;
pub use promise::Promise;
pub use scenario::{Budget, CLIENT_IDS, HEALERS, Scenario};
pub use search::{Counterexample, Outcome, explore};
