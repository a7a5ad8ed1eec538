//! Integration tests of the gateway's parts against real servers.

#![expect(clippy::unwrap_used, reason = "an unwrap in a test's helper is an assertion")]

mod fanout;
mod presence;
mod reconciler;
mod rooms;
mod search;
mod support;
mod uploads;
