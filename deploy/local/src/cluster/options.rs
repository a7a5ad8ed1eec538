//! What a cluster is to have.

use std::path::PathBuf;
use std::time::Duration;

use crate::parts::aws::FunctionFault;

/// What a cluster is to have. The default is what `cargo local up` starts, without Prometheus.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether there is one more thing")]
pub struct ClusterOptions {
    /// How many gateways, at most 9.
    pub nodes: usize,
    /// How many Redis servers: one, or at least three masters of a Redis Cluster.
    pub redis_servers: usize,
    /// Whether there is the AWS stand-in with queues, tables and functions. Gateways need it.
    pub aws: bool,
    /// Whether the queues feed the functions from the start; see
    /// [`Cluster::feed_functions`](crate::Cluster::feed_functions).
    pub feeds_functions: bool,
    /// Makes the functions fail.
    pub function_fault: Option<FunctionFault>,
    /// How long a failed batch stays out of sight, in seconds.
    pub visibility_seconds: u64,
    /// After how many days messages expire; 0 keeps all.
    pub retention_days: f64,
    /// Whether there is a balancer in front of the gateways.
    pub balancer: bool,
    /// Whether Prometheus scrapes the gateways, if it can be had.
    pub prometheus: bool,
    /// Seconds from one scrape of Prometheus to the next.
    pub scrape_seconds: u64,
    /// Whether a [`Proxy`](crate::Proxy) stands between each gateway and Redis, and one between it and
    /// SQS. Not with a Redis Cluster, whose servers name each other.
    pub proxies: bool,
    /// Whether data outlives the processes.
    pub keeps_data: bool,
    /// How long after its death a part is started again.
    pub restart_after: Duration,
    /// The directory of the built web app, if the gateways are to serve it.
    pub web_root: Option<PathBuf>,
    /// More variables for parts; `gateway` stands for all gateways.
    pub environment: Vec<Variable>,
}

/// A variable for a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name of the part, or `gateway`.
    pub part: String,
    /// The variable.
    pub name: String,
    /// Its value.
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
        }
    }
}

impl ClusterOptions {
    /// Redis and nothing else.
    pub fn redis_only() -> Self {
        Self { nodes: 0, aws: false, balancer: false, ..Self::default() }
    }

    /// Redis, and the stand-in with its functions.
    pub fn without_gateways() -> Self {
        Self { nodes: 0, balancer: false, ..Self::default() }
    }

    /// With one more variable for a part, or for all gateways as `gateway`.
    #[must_use]
    pub fn with_variable(mut self, part: &str, name: &str, value: impl Into<String>) -> Self {
        self.environment.push(Variable { part: part.to_owned(), name: name.to_owned(), value: value.into() });
        self
    }

    /// What cannot be, in words.
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
