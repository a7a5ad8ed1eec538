//! The parts of a cluster: for each, one file that says which process it is and when it is ready.

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

/// How often a part is asked whether it is ready.
const PROBE_PAUSE: Duration = Duration::from_millis(50);

/// One part: a process, and how to tell that it is ready.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its name in every command and log.
    pub(crate) name: String,
    /// What to run.
    pub(crate) program: PathBuf,
    /// With these arguments.
    pub(crate) arguments: Vec<String>,
    /// With these variables, and hardly any others.
    pub(crate) environment: BTreeMap<String, String>,
    /// In this directory, below that of the run.
    pub(crate) directory: PathBuf,
    /// When it is ready.
    pub(crate) probe: Probe,
    /// Where it answers.
    pub(crate) url: Option<String>,
    /// How long it may take to end after SIGTERM.
    pub(crate) grace: Duration,
}

/// When a part is ready.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// When a Redis answers PING on the port.
    Redis(u16),
    /// When GET of the address says 200.
    Http(String),
    /// When the stand-in answers and the data template is deployed on it.
    Deployed(Arc<aws::Deployment>),
}

/// Why a part that runs will never be ready.
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

/// Variables from pairs.
pub(crate) fn variables<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
