//! Integration tests of the gateway's parts against real servers.

#![expect(clippy::unwrap_used, reason = "an unwrap in a test's helper is an assertion")]

mod budgets;
mod fanout;
mod formats;
mod marks;
mod presence;
mod reconciler;
mod rollback;
mod rooms;
mod scripts;
mod search;
mod support;
mod upkeep;
mod uploads;
