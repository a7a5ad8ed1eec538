//! The parts of a cluster: one file for each defines its process and its readiness.

pub(crate) mod aws;
pub(crate) mod balancer;
pub(crate) mod gateway;
pub(crate) mod prometheus;
pub(crate) mod redis;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::http;

/// The interval between checks whether a part is ready.
const PROBE_PAUSE: Duration = Duration::from_millis(50);

/// One part: a process, and the check that it is ready.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its name in every command and log.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The program's variables; it gets hardly any others.
    pub(crate) environment: BTreeMap<String, String>,
    /// The working directory, below that of the run.
    pub(crate) directory: PathBuf,
    /// The check that it is ready.
    pub(crate) probe: Probe,
    /// The address at which it answers.
    pub(crate) url: Option<String>,
    /// The time it may take to end after SIGTERM.
    pub(crate) grace: Duration,
}

/// The check that a part is ready.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// A Redis answers PING on the port.
    Redis(u16),
    /// A GET of the address returns 200.
    Http(String),
    /// The stand-in answers and the data template is deployed on it.
    Deployed(Arc<aws::Deployment>),
}

/// The reason why a running part will never be ready.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NeverReady(pub(crate) String);

impl Probe {
    /// Waits until the part is ready; the caller sets the deadline.
    pub(crate) async fn wait(self) -> Result<(), NeverReady> {
        match self {
            Self::Redis(port) => {
                while redis::command(port, "PING").await.ok().as_deref() != Some("+PONG") {
                    sleep(PROBE_PAUSE).await;
                }
                Ok(())
            }
            Self::Http(url) => {
                wait_for_ok(&url).await;
                Ok(())
            }
            Self::Deployed(deployment) => {
                wait_for_ok(&deployment.health_url()).await;
                deployment.deploy().await
            }
        }
    }
}

async fn wait_for_ok(url: &str) {
    while http::get(url).await.ok().and_then(|answer| answer.status()) != Some(200) {
        sleep(PROBE_PAUSE).await;
    }
}

/// Makes a map of variables from pairs.
pub(crate) fn variables<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
