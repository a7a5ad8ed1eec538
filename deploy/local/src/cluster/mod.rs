//! A cluster: the parts, wired together. `cargo local up` runs one, and every integration test its own.

mod layout;
mod options;
mod start;

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::broadcast;

pub(crate) use self::layout::{Home, Ports};
pub use self::options::{ClusterOptions, FUNCTIONS, Variable};
pub(crate) use self::start::ClusterSpec;
use crate::doctor::Missing;
use crate::http;
use crate::parts::aws::{self, Deployment, Fault, Outputs};
use crate::parts::balancer::{self, Target};
use crate::parts::gateway::Jwt;
use crate::parts::redis;
use crate::proxy::Proxy;
use crate::supervisor::{Event, PartError, PartStatus, Supervisor};

/// The time that a part may take to become ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// The reason why a request for a cluster, or a part of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The options contradict each other.
    #[error("{0}")]
    Options(&'static str),
    /// Ports are taken.
    #[error("{}", .0.join("\n"))]
    Ports(Vec<String>),
    /// Something needed is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A request for a part failed.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The answer of a part was unexpected.
    #[error("{0}")]
    Answer(String),
    /// An error with files or processes.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A running cluster. Dropping it ends every process of it at once.
pub struct Cluster {
    // Comes first: its processes must end before their directory is removed.
    supervisor: Supervisor,
    ports: Ports,
    deployment: Option<Arc<Deployment>>,
    jwt: Jwt,
    redis_proxies: Vec<Proxy>,
    sqs_proxies: Vec<Proxy>,
    has_balancer: bool,
    has_web_app: bool,
    home: Home,
}

impl Cluster {
    /// Starts a cluster on free ports, in a directory of its own, and waits until it is completely ready.
    ///
    /// The binaries come from the directory that `RTS_BIN_DIR` names, or are built.
    pub async fn start(options: ClusterOptions) -> Result<Self, ClusterError> {
        ClusterSpec::of_fixture(options).await?.build(&|_| {}).await
    }

    /// Returns the address for clients: that of the balancer, or of the first gateway if there is none.
    pub fn balancer_url(&self) -> String {
        if self.has_balancer {
            return http_url(self.ports.balancer);
        }
        self.gateway_url(0)
    }

    /// Returns the address of the web app, if the gateways serve it.
    pub fn web_url(&self) -> Option<String> {
        self.has_web_app.then(|| format!("{}/", self.balancer_url()))
    }

    /// Returns the address of a gateway, counted from 0.
    pub fn gateway_url(&self, index: usize) -> String {
        http_url(self.ports.gateways[index])
    }

    /// Returns the admin address of a gateway, counted from 0.
    pub fn admin_url(&self, index: usize) -> String {
        http_url(self.ports.admins[index])
    }

    /// Returns the value of `RTS_REDIS_URL`: one address, or several separated by commas.
    pub fn redis_url(&self) -> String {
        let urls: Vec<_> = self.ports.redis.iter().map(|(port, _)| redis::url(*port)).collect();
        urls.join(",")
    }

    /// Returns the address of every AWS service.
    pub fn aws_endpoint(&self) -> String {
        http_url(self.ports.aws)
    }

    /// Returns the address of Prometheus, if the cluster has it.
    pub fn prometheus_url(&self) -> Option<String> {
        self.status().into_iter().any(|part| part.name == "prometheus").then(|| http_url(self.ports.prometheus))
    }

    /// Returns the address that Prometheus scrapes for the metrics of a load test.
    pub fn loadtest_metrics(&self) -> String {
        format!("127.0.0.1:{}", self.ports.loadtest)
    }

    /// Returns the queues, tables and bucket.
    ///
    /// # Panics
    ///
    /// If the cluster has no AWS.
    pub fn outputs(&self) -> Outputs {
        let deployed = self.deployment.as_ref().and_then(|it| it.outputs());
        deployed.expect("the cluster was started with AWS")
    }

    /// Returns the settings by which tokens are signed and checked.
    pub fn jwt(&self) -> &Jwt {
        &self.jwt
    }

    /// Requests a token of the dev login for a user of an organization.
    pub async fn dev_token(&self, user: &str, org: &str) -> Result<String, ClusterError> {
        let request = json!({ "userId": user, "orgId": org, "name": user });
        let url = format!("{}/dev/token", self.balancer_url());
        let answer = http::post_json(&url, &request).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let token = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|answer| Some(answer.get("token")?.as_str()?.to_owned()));
        token.ok_or_else(|| ClusterError::Answer(format!("no token: {} {text}", answer.start)))
    }

    /// Returns the proxy between a gateway, counted from 0, and Redis.
    ///
    /// # Panics
    ///
    /// If the cluster was started without proxies.
    pub fn redis_proxy(&self, index: usize) -> &Proxy {
        &self.redis_proxies[index]
    }

    /// Returns the proxy between a gateway, counted from 0, and SQS.
    ///
    /// # Panics
    ///
    /// If the cluster was started without proxies.
    pub fn sqs_proxy(&self, index: usize) -> &Proxy {
        &self.sqs_proxies[index]
    }

    /// Returns a proxy by its name: `redis-1` or `sqs-1` is that of the first gateway.
    pub(crate) fn proxy(&self, name: &str) -> Option<&Proxy> {
        let (kind, number) = name.split_once('-')?;
        let proxies = match kind {
            "redis" => &self.redis_proxies,
            "sqs" => &self.sqs_proxies,
            _ => return None,
        };
        proxies.get(number.parse::<usize>().ok()?.checked_sub(1)?)
    }

    /// Ends a part with SIGKILL; it stays down until it is started.
    pub async fn kill(&self, part: &str) -> Result<(), ClusterError> {
        Ok(self.supervisor.kill(part).await?)
    }

    /// Ends a part gracefully; it stays down until it is started. The stand-in keeps its data.
    pub async fn stop(&self, part: &str) -> Result<(), ClusterError> {
        Ok(self.supervisor.stop(part).await?)
    }

    /// Starts a part and waits until it is ready.
    pub async fn start_part(&self, part: &str) -> Result<(), ClusterError> {
        Ok(self.supervisor.start(&[part], PATIENCE).await?)
    }

    /// Sends SIGSTOP: the part keeps its connections and does nothing.
    pub async fn pause(&self, part: &str) -> Result<(), ClusterError> {
        Ok(self.supervisor.pause(part).await?)
    }

    /// Sends SIGCONT.
    pub async fn resume(&self, part: &str) -> Result<(), ClusterError> {
        Ok(self.supervisor.resume(part).await?)
    }

    /// Sets a variable that a part gets at its next start.
    pub async fn set_variable(&self, part: &str, name: &str, value: &str) -> Result<(), ClusterError> {
        Ok(self.supervisor.set_variable(part, name, value).await?)
    }

    /// Waits until a part is ready, even after it crashed.
    pub async fn wait_ready(&self, part: &str) -> Result<(), ClusterError> {
        Ok(self.supervisor.wait_ready(part, PATIENCE).await?)
    }

    /// Lets the queues feed the functions, or not; this persists across restarts of the stand-in.
    pub async fn feed_functions(&self, feeds: bool) -> Result<(), ClusterError> {
        let deployment = self.deployed()?;
        *deployment.feeds_functions.lock().unwrap_or_else(PoisonError::into_inner) = feeds;
        let deployed = deployment.deploy().await;
        deployed.map_err(|error| ClusterError::Answer(error.to_string()))
    }

    /// Switches a fault of the stand-in, or none of one service; this persists across restarts of the stand-in.
    pub async fn set_fault(&self, fault: Fault) -> Result<(), ClusterError> {
        let deployment = self.deployed()?;
        deployment.faults.lock().unwrap_or_else(PoisonError::into_inner).set(fault);
        let switched = deployment.switch_faults().await;
        switched.map_err(|error| ClusterError::Answer(error.to_string()))
    }

    fn deployed(&self) -> Result<&Deployment, ClusterError> {
        self.deployment.as_deref().ok_or_else(|| ClusterError::Answer("the cluster has no AWS".to_owned()))
    }

    /// Returns the active faults, and whether the queues feed the functions, in the form of `status`.
    pub(crate) fn troubles(&self) -> (Value, Value) {
        let Some(deployment) = &self.deployment else { return (Value::Null, Value::Null) };
        let faults = *deployment.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let feeds = *deployment.feeds_functions.lock().unwrap_or_else(PoisonError::into_inner);
        (faults.status(), json!(if feeds { "on" } else { "off" }))
    }

    /// Gives each gateway, in order, its share of new connections; 0 for none. Open connections stay where they are.
    pub fn balance(&self, weights: &[u32]) -> Result<(), ClusterError> {
        let missing = || ClusterError::Answer("the balancer does not run, or nobody has a share".to_owned());
        let shares = self.ports.gateways.iter().zip(weights);
        let targets: Vec<_> = shares.map(|(port, weight)| Target { port: *port, weight: *weight }).collect();
        let process = self.pid("balancer").and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let process = process.filter(|_| weights.iter().any(|weight| *weight > 0)).ok_or_else(missing)?;
        balancer::write_config(self.directory(), self.ports.balancer, &targets)?;
        Ok(kill_process(process, Signal::HUP).map_err(io::Error::from)?)
    }

    /// Returns a metric of a gateway, counted from 0: the sum over all labels that the name does not include.
    pub async fn metric(&self, index: usize, name: &str) -> Result<f64, ClusterError> {
        let page = http::get(&format!("{}/metrics", self.admin_url(index))).await?;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let value = |line: &str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        };
        let values: Vec<_> = text.lines().filter_map(value).collect();
        if values.is_empty() {
            return Err(ClusterError::Answer(format!("gateway-{} has no {name}", index + 1)));
        }
        Ok(values.into_iter().sum())
    }

    /// Returns the present status of every part.
    pub fn status(&self) -> Vec<PartStatus> {
        self.supervisor.status()
    }

    /// Returns the process of a part, if there is one.
    pub fn pid(&self, part: &str) -> Option<u32> {
        let mut parts = self.status().into_iter();
        parts.find(|status| status.name == part)?.pid
    }

    /// Returns the directory that contains `logs/`.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// Ends all parts gracefully: first the gateways, which need the others to do so.
    pub async fn shut_down(self) {
        self.stop_all().await;
    }

    pub(crate) async fn stop_all(&self) {
        let names: Vec<_> = self.status().into_iter().map(|part| part.name).collect();
        let (gateways, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.starts_with(GATEWAYS));
        self.supervisor.stop_several(&gateways).await;
        self.supervisor.stop_several(&others).await;
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.supervisor.events()
    }

    /// Returns everything that another program needs to work with the cluster.
    pub(crate) fn description(&self) -> Value {
        let urls = |ports: &[u16]| ports.iter().map(|port| http_url(*port)).collect::<Vec<_>>();
        let deployed = self.deployment.as_ref().and_then(|it| it.outputs());
        json!({
            "balancer": self.has_balancer.then(|| http_url(self.ports.balancer)),
            "web": self.web_url(),
            "gateways": urls(&self.ports.gateways),
            "admins": urls(&self.ports.admins),
            "redis": self.redis_url(),
            "aws": self.deployment.is_some().then(|| json!({
                "endpoint": self.aws_endpoint(),
                "region": aws::REGION,
                "accessKeyId": aws::ACCESS_KEY_ID,
                "secretAccessKey": aws::SECRET_ACCESS_KEY,
                "outputs": deployed,
            })),
            "jwt": self.jwt,
            "parts": self.status(),
            "directory": self.directory(),
        })
    }
}

/// The prefix of the gateways' names.
const GATEWAYS: &str = "gateway-";

fn http_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// True if a variable for `wanted` concerns the part `name`.
fn is_meant(wanted: &str, name: &str) -> bool {
    wanted == name || (wanted == "gateway" && name.starts_with(GATEWAYS))
}

/// Returns the name of a Redis server, counted from 1 among `servers`.
fn redis_name(number: usize, servers: usize) -> String {
    if servers == 1 { "redis".to_owned() } else { format!("redis-{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_reach_the_parts_they_are_meant_for() {
        assert!(is_meant("gateway", "gateway-2"));
        assert!(is_meant("gateway-2", "gateway-2"));
        assert!(!is_meant("gateway-1", "gateway-2"));
        assert!(!is_meant("gateway", "redis"));
        assert!(crate::parts::gateway::name(1).starts_with(GATEWAYS));
    }
}
