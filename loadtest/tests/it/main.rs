//! The tool against a server that plays the gateway's part, and against one that lies.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod crew;
mod dashboards;
mod flags;
mod idle;
mod probe;
mod refusals;
mod run;
mod support;
