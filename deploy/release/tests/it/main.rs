//! What was packaged, run; and a rehearsal.

#![expect(clippy::unwrap_used, reason = "an unwrap in a test's helper is an assertion")]

mod bundle;
mod deployments;
mod rehearsal;
