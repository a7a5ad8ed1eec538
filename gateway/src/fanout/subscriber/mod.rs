//! The connections that subscribe: what is published in Redis, as it comes in.

pub(super) mod cluster;
pub(super) mod connection;
pub(super) mod link;
pub(super) mod resp;
pub(super) mod subscriptions;
