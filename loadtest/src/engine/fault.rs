//! Faults of the local cluster, at a time of the load; the checker shows what they cost.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use super::shared::Shared;
use crate::cli::duration;
use crate::local;

/// What is done to one part of the local cluster, which starts it again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As written.
    pub name: String,
    /// How long after the load has begun.
    pub at: Duration,
    part: String,
    is_gentle: bool,
}

impl Fault {
    /// Does it now.
    pub(super) fn strike(&self) -> anyhow::Result<()> {
        let parts = local::parts()?;
        let part = parts.iter().find(|part| part.name == self.part);
        let part = part.with_context(|| format!("no part called {} is running", self.part))?;
        let pid = i32::try_from(part.pid).ok().and_then(Pid::from_raw).context("a process id of 0")?;
        let signal = if self.is_gentle { Signal::TERM } else { Signal::KILL };
        kill_process(pid, signal).with_context(|| format!("{} cannot be ended", self.part))
    }
}

/// Lets each fault happen at its time from now on; what came of it is told among the run's ends.
pub(super) fn schedule(faults: Vec<Fault>, shared: &Arc<Shared>) {
    for fault in faults {
        let shared = shared.clone();
        tokio::spawn(async move {
            tokio::time::sleep(fault.at).await;
            let name = fault.name.clone();
            let struck = tokio::task::spawn_blocking(move || fault.strike()).await;
            shared.ended(match struck.map_err(anyhow::Error::from).flatten() {
                Ok(()) => format!("fault: {name}"),
                Err(error) => format!("fault that failed: {name}: {error:#}"),
            });
        });
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, at) = text.split_once('@').ok_or_else(|| format!("{text:?} has no time, like kill-node@30s"))?;
        let (part, is_gentle) = match what {
            "kill-node" => ("gateway-1", false),
            "drain" => ("gateway-1", true),
            "restart-redis" => ("redis", false),
            _ => match (what.strip_prefix("kill-"), what.strip_prefix("drain-")) {
                (Some(part), _) => (part, false),
                (_, Some(part)) => (part, true),
                _ => return Err(format!("{what:?} is none of kill-node, drain, restart-redis, kill-NAME, drain-NAME")),
            },
        };
        Ok(Self { name: text.to_owned(), at: duration(at)?, part: part.to_owned(), is_gentle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_a_part_and_a_time() {
        let fault: Fault = "kill-node@30s".parse().unwrap();
        assert_eq!((fault.part.as_str(), fault.at, fault.is_gentle), ("gateway-1", Duration::from_secs(30), false));
        let fault: Fault = "drain-gateway-2@500ms".parse().unwrap();
        assert_eq!((fault.part.as_str(), fault.is_gentle), ("gateway-2", true));
        assert_eq!("restart-redis@1s".parse::<Fault>().map(|fault| fault.part).as_deref(), Ok("redis"));
        for bad in ["kill-node", "burn@1s", "kill-node@soon"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}
