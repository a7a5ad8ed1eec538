//! The cluster of `cargo local up`, as its status tells it.

use anyhow::Context;
use serde::Deserialize;

use crate::engine::Watched;

/// The running parts of the local cluster.
pub fn parts() -> anyhow::Result<Vec<Watched>> {
    #[derive(Deserialize)]
    struct Status {
        parts: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Part {
        name: String,
        pid: Option<u32>,
    }
    let output = std::process::Command::new("cargo")
        .args(["local", "status", "--json"])
        .output()
        .context("`cargo local status --json` cannot be run")?;
    let status: Status = serde_json::from_slice(&output.stdout).context("`cargo local status --json` gave no parts")?;
    let running = |part: Part| Some(Watched { name: part.name, pid: part.pid? });
    Ok(status.parts.into_iter().filter_map(running).collect())
}
