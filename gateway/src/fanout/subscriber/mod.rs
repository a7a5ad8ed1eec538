//! The connections that subscribe to Redis's publications.

pub(super) mod cluster;
pub(super) mod connection;
pub(super) mod link;
pub(super) mod resp;
pub(super) mod subscriptions;
