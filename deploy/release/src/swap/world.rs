//! The way to the two environments and the balancer in front of them.

use std::future::Future;
use std::time::Duration;

use super::machine::{Node, Seen, Weights};
use crate::side::Side;

/// What a swap sees and does. Each deed may be done again, after an interruption, and then changes nothing.
pub trait World {
    /// Looks at both sides.
    fn see(&self) -> impl Future<Output = anyhow::Result<Seen>> + Send;

    /// Sets the shares of new connections. Open ones stay where they are.
    fn set_weights(&self, weights: Weights) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Takes a node out of the balancer, which drains it.
    fn take_out(&self, node: &Node) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Puts a node back into the balancer.
    fn put_back(&self, node: &Node) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Tests a side that has no clients yet.
    fn smoke(&self, side: Side) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Watches a side that has a few clients; an error if it does not do well.
    fn hold(&self, side: Side, time: Duration) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Ends an environment that nobody is on.
    fn end(&self, side: Side) -> impl Future<Output = anyhow::Result<()>> + Send;
}
