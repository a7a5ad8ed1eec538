//! The gateway of RTS: a stateless node that speaks SignalR to clients, keeps rooms in Redis, fans
//! events out to its sessions, and journals what was accepted to SQS.
//!
//! Data goes one way: [`http`] → [`session`] → [`hub`] → [`rooms`] and [`journal`]; back: [`fanout`] →
//! outbox → session.

#[cfg(test)]
mod api_schema;
pub mod auth;
pub mod budgets;
pub mod close_reason;
pub mod config;
pub mod connection;
pub mod connection_token;
pub mod error;
pub mod fanout;
mod fetch;
pub mod format_watch;
pub mod http;
pub mod hub;
pub mod journal;
pub mod leaving;
pub mod lifecycle;
pub mod marks;
pub mod metrics;
pub mod node;
pub mod peers;
pub mod presence;
pub mod reconciler;
pub mod room_ids;
pub mod rooms;
pub mod search;
pub mod send;
pub mod session;
pub mod shares;
#[cfg(test)]
mod test_support;
pub mod uploads;
