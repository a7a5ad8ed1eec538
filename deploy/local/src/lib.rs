//! The whole cluster on one machine: `cargo local up` runs it, and the integration tests run theirs with
//! the same code.
//!
//! A test starts a [`Cluster`] on free ports in a directory of its own, any number at once, and injects faults:
//! [`Cluster::kill`], [`Cluster::pause`], a [`Proxy`] between a gateway and Redis or SQS, a [`Fault`] of SQS or
//! `DynamoDB`, functions that fail ([`ClusterOptions::function_fault`]). Nothing outlives the test, however it ends.
//!
//! Linux only: it reads `/proc`.

mod cluster;
mod commands;
mod console;
mod control;
mod doctor;
pub mod fault_bootstrap;
mod http;
mod parts;
mod paths;
mod ports;
mod proxy;
mod supervisor;
pub mod verbs;

pub use self::cluster::{Cluster, ClusterError, ClusterOptions, FUNCTIONS, Variable};
pub use self::doctor::{Missing, binaries};
pub use self::parts::aws::{
    ACCESS_KEY_ID, DynamodbFault, Fault, FaultTime, FunctionFault, Outputs, REGION, SECRET_ACCESS_KEY, SqsFault,
};
pub use self::parts::gateway::Jwt;
pub use self::proxy::{Proxy, Traffic};
pub use self::supervisor::{PartError, PartStatus, State};
