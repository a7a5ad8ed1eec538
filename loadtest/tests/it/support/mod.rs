//! What the tests run the tool against.

mod fake;
mod hub;

pub(crate) use fake::FakeServer;
