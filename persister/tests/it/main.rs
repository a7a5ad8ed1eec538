//! The persister and the store against a DynamoDB: a real stand-in, and one that fails on request.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod aside;
mod batches;
mod dead_letters;
mod directory;
mod faults;
mod messages;
mod replays;
mod rooms;
mod support;
mod told;
mod upkeep;
