//! `status`, and what a deployment costs.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::aws::Aws;
use crate::paths;
use crate::side::Side;
use crate::stacks::names::Stack;
use crate::stacks::stack;
use crate::swap::aws_world::AwsWorld;
use crate::swap::world::World as _;

/// Says how all stacks and nodes are.
pub async fn status(aws: &Aws, prefix: &str, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let services = [Side::Blue, Side::Green].map(Stack::Service);
    let stacks = Stack::SHARED.into_iter().chain(services).chain([Stack::Observability]);
    let mut has_platform = false;
    for stack in stacks {
        let name = stack.name(prefix);
        let Some(described) = stack::describe(aws, &name).await? else {
            say(&format!("{name}: none"));
            continue;
        };
        has_platform |= stack == Stack::Platform;
        let version = described.parameters.get("VersionLabel").map_or_else(String::new, |label| format!(", {label}"));
        say(&format!("{name}: {}{version}", described.status));
        let mut outputs: Vec<_> = described.outputs.into_iter().collect();
        outputs.sort();
        for (name, value) in &outputs {
            say(&format!("  {name} = {value}"));
        }
    }
    if !has_platform {
        return Ok(());
    }
    let world = AwsWorld::new(aws.clone(), prefix);
    let seen = world.see().await?;
    say(&format!("new clients: blue {} %, green {} %", seen.weights.blue, seen.weights.green));
    for node in seen.nodes {
        say(&format!("  {} {}: {:?}", node.side, node.id, node.health));
    }
    Ok(())
}

/// Returns the estimate of costs, of the sizes that SIZING.md has.
pub fn cost() -> anyhow::Result<String> {
    let output = Command::new("python3").arg(paths::of("deploy/sizing.py")).output().context("python3 does not run")?;
    if !output.status.success() {
        bail!("sizing.py failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
