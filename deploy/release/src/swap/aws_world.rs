//! Both environments on AWS: stacks of Beanstalk environments, behind the weighted rule of the platform's stack.
//!
//! Nothing of this was run on AWS. Its calls are held against a recorded answer of each kind by its tests.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::sleep;

use super::machine::{Health, Node, Seen, Weights};
use super::world::World;
use crate::aws::{Aws, existing, texts};
use crate::side::Side;
use crate::stacks::names::{Stack, environment};
use crate::stacks::stack;

/// Both environments.
pub struct AwsWorld {
    /// The way to AWS.
    pub aws: Aws,
    /// The prefix of a second copy in one account.
    pub prefix: String,
    /// The load tool, and further arguments of its probe, such as those of tokens; without it only readiness is tested.
    pub probe: Option<(PathBuf, Vec<String>)>,
    /// The program that asks a side if it is ready.
    pub curl: PathBuf,
}

impl AwsWorld {
    /// Returns a world that nobody probes.
    pub fn new(aws: Aws, prefix: &str) -> Self {
        Self { aws, prefix: prefix.to_owned(), probe: None, curl: "curl".into() }
    }

    fn environment(&self, side: Side) -> String {
        format!("{}{}", self.prefix, environment(side))
    }

    /// Returns the parameters of the platform's stack.
    async fn platform(&self) -> anyhow::Result<HashMap<String, String>> {
        let stack = stack::describe(&self.aws, &Stack::Platform.name(&self.prefix)).await?;
        Ok(stack.context("there is no platform: run up first")?.parameters)
    }

    /// Returns the instances of an environment, and the target group that they are in; `None` if it does not exist.
    async fn place(&self, side: Side) -> anyhow::Result<Option<Place>> {
        let name = self.environment(side);
        let asked = ["elasticbeanstalk", "describe-environment-resources", "--environment-name", &name];
        let Some(answer) = existing(self.aws.call(&asked).await)? else { return Ok(None) };
        let resources = &answer["EnvironmentResources"];
        let instances = texts(&resources["Instances"], "Id");
        let Some(group) = texts(&resources["AutoScalingGroups"], "Name").pop() else { return Ok(None) };
        let asked = ["autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", &group];
        let answer = self.aws.call(&asked).await?;
        let target_group = answer["AutoScalingGroups"][0]["TargetGroupARNs"][0].as_str().map(str::to_owned);
        Ok(target_group.map(|target_group| Place { instances, target_group }))
    }

    async fn nodes(&self, side: Side, place: &Place) -> anyhow::Result<Vec<Node>> {
        let asked = ["elbv2", "describe-target-health", "--target-group-arn", &place.target_group];
        let answer = self.aws.call(&asked).await?;
        let states = states(&answer);
        let node = |id: &String| Node { id: id.clone(), side, health: health(states.get(id).map(String::as_str)) };
        Ok(place.instances.iter().map(node).collect())
    }

    /// Registers a node, or takes it out.
    async fn target(&self, action: &str, node: &Node) -> anyhow::Result<()> {
        let place = self.place(node.side).await?.with_context(|| format!("{} does not exist", node.side))?;
        let target = format!("Id={}", node.id);
        self.aws.call(&["elbv2", action, "--target-group-arn", &place.target_group, "--targets", &target]).await?;
        Ok(())
    }

    /// Runs two users who write to each other through the public name.
    async fn probe(&self, time: Duration) -> anyhow::Result<()> {
        let Some((program, arguments)) = &self.probe else {
            sleep(time).await;
            return Ok(());
        };
        let target = format!("https://{}", self.public_name().await?);
        let length = format!("{}s", time.as_secs().max(1));
        let mut command = Command::new(program);
        command.args(["probe", "--metrics", "none", "--for", &length, "--target", &target]).args(arguments);
        let output = command.kill_on_drop(true).output().await?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("the probe failed: {}", String::from_utf8_lossy(&said).trim());
        }
        Ok(())
    }

    async fn public_name(&self) -> anyhow::Result<String> {
        let mut parameters = self.platform().await?;
        parameters.remove("PublicName").context("the platform has no public name")
    }

    /// Looks until the time is over; an error as soon as a node is not ready.
    async fn stays_ready(&self, side: Side) -> anyhow::Result<()> {
        loop {
            let place = self.place(side).await?.with_context(|| format!("{side} does not exist"))?;
            let nodes = self.nodes(side, &place).await?;
            if let Some(node) = nodes.iter().find(|node| node.health == Health::Unready) {
                bail!("{} is not ready", node.id);
            }
            sleep(self.aws.look * 3).await;
        }
    }
}

/// Where the nodes of an environment are.
#[derive(Clone, Debug)]
struct Place {
    instances: Vec<String>,
    target_group: String,
}

impl World for AwsWorld {
    async fn see(&self) -> anyhow::Result<Seen> {
        let parameters = self.platform().await?;
        let mut seen = Seen { weights: weights(&parameters), ..Seen::default() };
        for side in [Side::Blue, Side::Green] {
            if let Some(place) = self.place(side).await? {
                seen.sides.push(side);
                seen.nodes.extend(self.nodes(side, &place).await?);
            }
        }
        Ok(seen)
    }

    async fn set_weights(&self, wanted: Weights) -> anyhow::Result<()> {
        let mut changes = vec![
            ("BlueWeight".to_owned(), wanted.blue.to_string()),
            ("GreenWeight".to_owned(), wanted.green.to_string()),
        ];
        for side in [Side::Blue, Side::Green] {
            let place = self.place(side).await?;
            // The rule may not name a group that does not exist.
            changes
                .push((group_parameter(side).to_owned(), place.map_or_else(String::new, |place| place.target_group)));
        }
        stack::change(&self.aws, &Stack::Platform.name(&self.prefix), &changes).await
    }

    async fn take_out(&self, node: &Node) -> anyhow::Result<()> {
        self.target("deregister-targets", node).await
    }

    async fn put_back(&self, node: &Node) -> anyhow::Result<()> {
        self.target("register-targets", node).await
    }

    async fn smoke(&self, side: Side) -> anyhow::Result<()> {
        // The certificate is for the public name; the host chooses the side.
        let name = self.public_name().await?;
        let (host, url) = (format!("Host: {}.{name}", environment(side)), format!("https://{name}/readyz"));
        let mut command = Command::new(&self.curl);
        command.args(["-fsS", "--max-time", "20", "-H", &host, &url]).kill_on_drop(true);
        let output = command.output().await?;
        if !output.status.success() {
            bail!("{side} does not answer: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    async fn hold(&self, side: Side, time: Duration) -> anyhow::Result<()> {
        tokio::select! {
            probed = self.probe(time) => probed,
            ended = self.stays_ready(side) => ended,
        }
    }

    async fn end(&self, side: Side) -> anyhow::Result<()> {
        // The rule must no longer name the target group that goes.
        let changes = [(group_parameter(side).to_owned(), String::new())];
        stack::change(&self.aws, &Stack::Platform.name(&self.prefix), &changes).await?;
        stack::delete(&self.aws, &Stack::Service(side).name(&self.prefix)).await
    }
}

fn group_parameter(side: Side) -> &'static str {
    match side {
        Side::Blue => "BlueTargetGroupArn",
        Side::Green => "GreenTargetGroupArn",
    }
}

/// Returns the shares as the rule has them: a side without a target group gets none.
pub(crate) fn weights(parameters: &HashMap<String, String>) -> Weights {
    let of = |side, name: &str| {
        let has_group = parameters.get(group_parameter(side)).is_some_and(|arn| !arn.is_empty());
        parameters.get(name).filter(|_| has_group).and_then(|weight| weight.parse().ok()).unwrap_or(0)
    };
    Weights { blue: of(Side::Blue, "BlueWeight"), green: of(Side::Green, "GreenWeight") }
}

/// Returns the state of each target.
fn states(answer: &Value) -> HashMap<String, String> {
    let targets = answer["TargetHealthDescriptions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |target: &Value| {
        let (id, state) = (target["Target"]["Id"].as_str()?, target["TargetHealth"]["State"].as_str()?);
        Some((id.to_owned(), state.to_owned()))
    };
    targets.iter().filter_map(of).collect()
}

/// A target that drains has sockets: the balancer forgets it as soon as it has none.
fn health(state: Option<&str>) -> Health {
    match state {
        Some("healthy") => Health::Ready,
        Some("draining") => Health::Draining,
        None | Some("unused") => Health::Out,
        Some(_) => Health::Unready,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn targets_are_ready_drain_or_are_gone() {
        let of =
            |id: &str, state: &str| json!({ "Target": { "Id": id, "Port": 8080 }, "TargetHealth": { "State": state } });
        let answer =
            json!({ "TargetHealthDescriptions": [of("i-1", "healthy"), of("i-2", "draining"), of("i-3", "initial")] });
        let states = states(&answer);
        let found = ["i-1", "i-2", "i-3", "i-4"].map(|id| health(states.get(id).map(String::as_str)));
        assert_eq!(found, [Health::Ready, Health::Draining, Health::Unready, Health::Out]);
    }

    #[test]
    fn a_side_without_a_target_group_has_no_weight() {
        let parameters = |green: &str| {
            let pairs = [
                ("BlueTargetGroupArn", "arn:b"),
                ("BlueWeight", "90"),
                ("GreenTargetGroupArn", green),
                ("GreenWeight", "10"),
            ];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        assert_eq!(weights(&parameters("arn:g")), Weights { blue: 90, green: 10 });
        assert_eq!(weights(&parameters("")), Weights { blue: 90, green: 0 });
    }
}
