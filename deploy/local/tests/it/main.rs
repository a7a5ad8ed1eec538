//! Clusters that really run: Redis, the AWS stand-in with the data template, faults, and nothing left behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aws;
mod redis;
mod support;
mod whole;
