//! The options of a cluster.

use std::path::PathBuf;
use std::time::Duration;

use crate::parts::aws::FunctionFault;

/// The options of a cluster. The default is that of `cargo local up`, without Prometheus.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether there is one more thing")]
pub struct ClusterOptions {
    /// The number of gateways, at most 9.
    pub nodes: usize,
    /// The number of Redis servers: one, or at least three masters of a Redis Cluster.
    pub redis_servers: usize,
    /// True to run the AWS stand-in with queues, tables and functions. Gateways need it.
    pub aws: bool,
    /// True if the queues feed the functions from the start; see
    /// [`Cluster::feed_functions`](crate::Cluster::feed_functions).
    pub feeds_functions: bool,
    /// Makes the functions fail.
    pub function_fault: Option<FunctionFault>,
    /// The time for which a failed batch is invisible, in seconds.
    pub visibility_seconds: u64,
    /// The number of days after which messages expire; 0 keeps all.
    pub retention_days: f64,
    /// True to run a balancer in front of the gateways.
    pub balancer: bool,
    /// True to have Prometheus scrape the gateways, if it is available.
    pub prometheus: bool,
    /// The seconds between two scrapes of Prometheus.
    pub scrape_seconds: u64,
    /// True to put a [`Proxy`](crate::Proxy) between each gateway and Redis, and one between it and SQS. Not possible
    /// with a Redis Cluster, whose servers name each other.
    pub proxies: bool,
    /// True if data outlives the processes.
    pub keeps_data: bool,
    /// The time after its death until a part is started again.
    pub restart_after: Duration,
    /// The directory of the built web app, if the gateways should serve it.
    pub web_root: Option<PathBuf>,
    /// More variables for parts; `gateway` stands for all gateways.
    pub environment: Vec<Variable>,
    /// The directories of parts whose binaries are of another build: names of gateways, `gateway` for all of them, or
    /// [`FUNCTIONS`].
    pub other_builds: Vec<(String, PathBuf)>,
}

/// The functions, as a part that may be of another build.
pub const FUNCTIONS: &str = "functions";

/// A variable for a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name of the part, or `gateway`.
    pub part: String,
    /// The variable's name.
    pub name: String,
    /// The variable's value.
    pub value: String,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            nodes: 2,
            redis_servers: 1,
            aws: true,
            feeds_functions: true,
            function_fault: None,
            visibility_seconds: 30,
            retention_days: 0.0,
            balancer: true,
            prometheus: false,
            scrape_seconds: 5,
            proxies: false,
            keeps_data: false,
            restart_after: Duration::from_secs(2),
            web_root: None,
            environment: Vec::new(),
            other_builds: Vec::new(),
        }
    }
}

impl ClusterOptions {
    /// Returns options for Redis and nothing else.
    pub fn redis_only() -> Self {
        Self { nodes: 0, aws: false, balancer: false, ..Self::default() }
    }

    /// Returns options for Redis, and the stand-in with its functions.
    pub fn without_gateways() -> Self {
        Self { nodes: 0, balancer: false, ..Self::default() }
    }

    /// Adds a variable for a part, or for all gateways as `gateway`.
    #[must_use]
    pub fn with_variable(mut self, part: &str, name: &str, value: impl Into<String>) -> Self {
        self.environment.push(Variable { part: part.to_owned(), name: name.to_owned(), value: value.into() });
        self
    }

    /// Runs a part from another build's directory.
    #[must_use]
    pub fn of_build(mut self, part: &str, directory: impl Into<PathBuf>) -> Self {
        self.other_builds.push((part.to_owned(), directory.into()));
        self
    }

    /// Returns a sentence on options that contradict each other.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.nodes > 9 {
            Some("there can be 9 gateways at most")
        } else if self.nodes > 0 && !self.aws {
            Some("gateways need AWS")
        } else if self.nodes == 0 && (self.balancer || self.prometheus) {
            Some("a balancer or Prometheus needs gateways")
        } else if self.redis_servers == 0 || self.redis_servers == 2 {
            Some("Redis is one server, or at least three")
        } else if self.proxies && self.redis_servers > 1 {
            Some("no proxy can stand in front of a Redis Cluster")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_said() {
        let fine = [ClusterOptions::default(), ClusterOptions::redis_only(), ClusterOptions::without_gateways()];
        assert!(fine.iter().all(|options| options.problem().is_none()));
        let two = ClusterOptions { redis_servers: 2, ..ClusterOptions::default() };
        assert!(two.problem().is_some());
        let gateways_alone = ClusterOptions { aws: false, ..ClusterOptions::default() };
        assert!(gateways_alone.problem().is_some());
    }
}
