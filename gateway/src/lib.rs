//! gateway
pub mod error;
pub mod hub;
pub mod rooms;
pub mod metrics;
pub mod session;
