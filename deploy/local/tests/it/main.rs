//! Clusters that really run: Redis, the AWS stand-in with the data template, faults, and nothing left
//! behind.

mod aws;
mod redis;
mod support;
mod whole;
