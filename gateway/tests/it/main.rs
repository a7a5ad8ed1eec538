//! Integration tests of the gateway's parts against real servers.

#![expect(clippy::unwrap_used, reason = "what helpers of a test unwrap is its assertion too")]

mod fanout;
mod presence;
mod reconciler;
mod rooms;
mod search;
mod support;
mod uploads;
