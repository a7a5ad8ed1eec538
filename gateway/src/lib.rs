//! gateway
pub mod error;
pub mod hub;
pub mod metrics;
pub mod rooms;
pub mod session;
