//! The targets of the node, as the load balancer sees them.

use std::io;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_config::imds::client::{Client as Metadata, error::ImdsError};

use super::place::LookError;
use super::query::{AUTO_SCALING, LOAD_BALANCING, QueryClient, texts};

/// A group's target groups change when Beanstalk moves the instance to another group.
const GROUPS_KNOWN: Duration = Duration::from_mins(5);

/// Asks the load balancer about the node's targets. Cheap to clone.
#[derive(Clone)]
pub(super) struct Balancer {
    metadata: Metadata,
    client: QueryClient,
    instance: Option<String>,
    groups: Option<(Vec<String>, Instant)>,
}

impl Balancer {
    pub(super) fn new(metadata: Metadata, aws: &SdkConfig) -> io::Result<Self> {
        Ok(Self { metadata, client: QueryClient::new(aws)?, instance: None, groups: None })
    }

    /// Returns the states of all targets that are this node.
    pub(super) async fn target_states(&mut self) -> Result<Vec<String>, LookError> {
        let states = self.ask().await;
        if states.is_err() {
            // A target group that is gone is why the next look asks for them anew.
            self.groups = None;
        }
        states
    }

    async fn ask(&mut self) -> Result<Vec<String>, LookError> {
        let instance = self.instance().await?;
        let mut states = Vec::new();
        for group in self.groups(&instance).await? {
            let about = [("TargetGroupArn", group.as_str()), ("Targets.member.1.Id", instance.as_str())];
            let health = self.client.call(LOAD_BALANCING, "DescribeTargetHealth", &about).await?;
            states.extend(texts(&health, "State"));
        }
        Ok(states)
    }

    async fn instance(&mut self) -> Result<String, ImdsError> {
        if let Some(instance) = &self.instance {
            return Ok(instance.clone());
        }
        let instance = self.metadata.get("/latest/meta-data/instance-id").await?;
        Ok(self.instance.insert(instance.as_ref().trim().to_owned()).clone())
    }

    /// Returns the target groups that the instance's group feeds.
    async fn groups(&mut self, instance: &str) -> Result<Vec<String>, LookError> {
        if let Some((groups, since)) = &self.groups
            && since.elapsed() < GROUPS_KNOWN
        {
            return Ok(groups.clone());
        }
        let about = [("InstanceIds.member.1", instance)];
        let instances = self.client.call(AUTO_SCALING, "DescribeAutoScalingInstances", &about).await?;
        let group = texts(&instances, "AutoScalingGroupName").pop().ok_or(LookError::NoGroup)?;
        let about = [("AutoScalingGroupNames.member.1", group.as_str())];
        let described = self.client.call(AUTO_SCALING, "DescribeAutoScalingGroups", &about).await?;
        let groups: Vec<_> =
            texts(&described, "TargetGroupARNs").iter().flat_map(|arns| texts(arns, "member")).collect();
        self.groups = Some((groups.clone(), Instant::now()));
        Ok(groups)
    }
}
