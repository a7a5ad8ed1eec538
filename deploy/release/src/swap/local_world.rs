//! A local cluster whose gateways are two environments, and nginx the balancer: for a rehearsal.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use rts_local::{Cluster, State};
use tokio::process::Command;

use super::machine::{Health, Node, Seen, Weights};
use super::world::World;
use crate::side::Side;

/// Time of a smoke test.
const SMOKE: Duration = Duration::from_secs(2);

/// A local cluster. The first half of its gateways is blue, the second green.
pub struct LocalWorld {
    cluster: Arc<Cluster>,
    nodes: usize,
    /// The load tool, which also is the probe.
    loadtest: PathBuf,
    state: Mutex<Known>,
}

/// What AWS knows of itself.
#[derive(Debug)]
struct Known {
    weights: Weights,
    sides: BTreeSet<Side>,
    taken_out: BTreeSet<String>,
}

impl LocalWorld {
    /// Takes a cluster with this even number of gateways; everybody is on blue.
    pub fn new(cluster: Arc<Cluster>, nodes: usize, loadtest: PathBuf) -> anyhow::Result<Self> {
        let weights = Weights::to(Side::Blue, 100);
        let sides = [Side::Blue, Side::Green].into();
        let state = Mutex::new(Known { weights, sides, taken_out: BTreeSet::new() });
        let world = Self { cluster, nodes, loadtest, state };
        world.balance(weights)?;
        Ok(world)
    }

    /// Makes an environment that was ended anew.
    pub async fn make(&self, side: Side) -> anyhow::Result<()> {
        for index in self.indices(side) {
            let name = name(index);
            self.cluster.start_part(&name).await?;
            self.known(|known| known.taken_out.remove(&name));
        }
        self.known(|known| known.sides.insert(side));
        Ok(())
    }

    fn known<T>(&self, use_it: impl FnOnce(&mut Known) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn side(&self, index: usize) -> Side {
        if index < self.nodes / 2 { Side::Blue } else { Side::Green }
    }

    fn indices(&self, side: Side) -> impl Iterator<Item = usize> {
        (0..self.nodes).filter(move |index| self.side(*index) == side)
    }

    fn balance(&self, weights: Weights) -> anyhow::Result<()> {
        let shares: Vec<_> = (0..self.nodes).map(|index| weights.of(self.side(index))).collect();
        Ok(self.cluster.balance(&shares)?)
    }

    /// Runs two users who write to each other, for a time.
    async fn probe(&self, targets: Vec<String>, time: Duration) -> anyhow::Result<()> {
        let length = format!("{}ms", time.as_millis());
        let mut command = Command::new(&self.loadtest);
        command.args(["probe", "--every", "100ms", "--metrics", "none", "--for", &length]).kill_on_drop(true);
        for target in targets {
            command.args(["--target", &target]);
        }
        let output = command.output().await?;
        if !output.status.success() {
            bail!(
                "the probe failed: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    fn health(&self, name: &str, state: State) -> Health {
        match state {
            State::Stopping => Health::Draining,
            State::Stopped => Health::Out,
            // Asked to drain, which has not begun.
            _ if self.known(|known| known.taken_out.contains(name)) => Health::Draining,
            State::Running => Health::Ready,
            State::Starting | State::Cycling | State::Restarting => Health::Unready,
        }
    }
}

impl World for LocalWorld {
    async fn see(&self) -> anyhow::Result<Seen> {
        let parts = self.cluster.status();
        let nodes = (0..self.nodes).filter_map(|index| {
            let id = name(index);
            let part = parts.iter().find(|part| part.name == id)?;
            Some(Node { health: self.health(&id, part.state), side: self.side(index), id })
        });
        let nodes = nodes.collect();
        Ok(self.known(|known| Seen { weights: known.weights, sides: known.sides.iter().copied().collect(), nodes }))
    }

    async fn set_weights(&self, weights: Weights) -> anyhow::Result<()> {
        self.balance(weights)?;
        self.known(|known| known.weights = weights);
        Ok(())
    }

    async fn take_out(&self, node: &Node) -> anyhow::Result<()> {
        let (cluster, name) = (Arc::clone(&self.cluster), node.id.clone());
        self.known(|known| known.taken_out.insert(name.clone()));
        // It is seen when it has ended.
        tokio::spawn(async move { cluster.stop(&name).await });
        Ok(())
    }

    async fn put_back(&self, node: &Node) -> anyhow::Result<()> {
        self.cluster.start_part(&node.id).await?;
        self.known(|known| known.taken_out.remove(&node.id));
        Ok(())
    }

    async fn smoke(&self, side: Side) -> anyhow::Result<()> {
        self.probe(self.indices(side).map(|index| self.cluster.gateway_url(index)).collect(), SMOKE).await
    }

    async fn hold(&self, _side: Side, time: Duration) -> anyhow::Result<()> {
        self.probe(vec![self.cluster.balancer_url()], time).await
    }

    async fn end(&self, side: Side) -> anyhow::Result<()> {
        self.known(|known| known.sides.remove(&side));
        Ok(())
    }
}

/// Returns the name of a gateway, counted from 0.
fn name(index: usize) -> String {
    format!("gateway-{}", index + 1)
}
