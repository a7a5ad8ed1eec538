//! Looks at the instance's metadata and at the node's targets.

use std::io;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::imds::client::{Client as Metadata, error::ImdsError};
use http::StatusCode;

use super::balancer::Balancer;
use super::query::QueryError;
use super::signs::Signs;
use crate::config::LeavingConfig;

/// Time for one call of the metadata service, of which the SDK makes a second one if the first fails.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// The place where the node runs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Place {
    metadata: Metadata,
    balancer: Option<Balancer>,
    /// The lifecycle is looked at.
    has_lifecycle: bool,
}

/// The reason why a look found nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error("the instance metadata do not answer: {0}")]
    Metadata(#[from] ImdsError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("the instance is in no group of Auto Scaling")]
    NoGroup,
}

impl Place {
    pub(super) fn new(signs: LeavingConfig, aws: &SdkConfig) -> io::Result<Self> {
        let metadata = Metadata::builder().max_attempts(2);
        Self::with_metadata(
            signs,
            aws,
            metadata.connect_timeout(METADATA_TIMEOUT).read_timeout(METADATA_TIMEOUT).build(),
        )
    }

    pub(super) fn with_metadata(signs: LeavingConfig, aws: &SdkConfig, metadata: Metadata) -> io::Result<Self> {
        let balancer = if signs.target { Some(Balancer::new(metadata.clone(), aws)?) } else { None };
        Ok(Self { metadata, balancer, has_lifecycle: signs.lifecycle })
    }

    /// Looks once.
    pub(super) async fn look(&mut self) -> Result<Signs, LookError> {
        let mut signs = Signs::default();
        if self.has_lifecycle {
            match self.lifecycle().await {
                Ok(lifecycle) => signs.lifecycle = lifecycle,
                // The targets may still be told.
                Err(error) if self.balancer.is_some() => tracing::debug!(%error, "no lifecycle"),
                Err(error) => return Err(error.into()),
            }
        }
        // This decides alone, and the balancer may not answer.
        if let Some(balancer) = &mut self.balancer
            && !signs.is_taken_out()
        {
            signs.targets = Some(balancer.target_states().await?);
        }
        Ok(signs)
    }

    /// Returns the lifecycle state that Auto Scaling wants for the instance. It changes as a termination begins.
    async fn lifecycle(&self) -> Result<Option<String>, ImdsError> {
        match self.metadata.get("/latest/meta-data/autoscaling/target-lifecycle-state").await {
            Ok(state) => Ok(Some(state.as_ref().trim().to_owned())),
            Err(ImdsError::ErrorResponse(answer)) if answer.response().status().as_u16() == StatusCode::NOT_FOUND => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
