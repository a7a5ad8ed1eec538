//! `plan` and `up`: brings everything to where it shall be, in the order in which it has to come. What exists is asked of AWS
//! at each step and nothing is kept here, so `up` continues after any interruption.
//!
//! A first deployment makes blue and sends clients there. A later one brings the functions first, and the new version to the
//! side that nobody is on; `swap` does the rest.

mod code;
mod describe;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use self::code::Code;
use crate::aws::{Aws, texts};
use crate::package::Package;
use crate::paths;
use crate::side::Side;
use crate::stacks::loss;
use crate::stacks::names::{Stack, environment};
use crate::stacks::parameters::Sources;
use crate::stacks::stack::{self, Described, Wanted};
use crate::swap::aws_world::AwsWorld;
use crate::swap::machine::Weights;
use crate::swap::world::World as _;

pub use self::describe::{cost, status};

/// What is to be brought where.
pub struct Deployment {
    /// The way to AWS.
    pub aws: Aws,
    /// The prefix of a second copy in one account.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// The folder of the size's parameters.
    pub size: String,
    /// Values of parameters.
    pub given: BTreeMap<String, String>,
    /// The directory with what was packaged.
    pub package: PathBuf,
    /// False to change nothing.
    pub changes: bool,
    /// The one stack that is brought, with what the others are now.
    pub only: Option<Stack>,
    /// True to make the other environment even of the version that serves: nodes read secrets when they start.
    pub is_beside: bool,
}

/// The end of a step of a plan.
enum Outcome {
    Same,
    Changed,
    /// A plan cannot know more: what follows needs the outputs of what is not there yet.
    Unknown,
}

impl Deployment {
    /// Brings everything, or says what would be brought.
    pub async fn run(&self, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let mut sources = Sources { given: self.given.clone(), size: self.size.clone(), ..Sources::default() };
        sources.check()?;
        if !self.prefix.is_empty() {
            sources.given.insert("NamePrefix".to_owned(), self.prefix.clone());
        }
        match self.only {
            Some(stack) => self.one(stack, &mut sources, say).await,
            None => self.all(&mut sources, say).await,
        }
    }

    async fn one(&self, stack: Stack, sources: &mut Sources, say: &impl Fn(&str)) -> anyhow::Result<()> {
        for other in Stack::SHARED.into_iter().filter(|other| *other != stack) {
            let described = stack::describe(&self.aws, &other.name(&self.prefix)).await?;
            sources.outputs.extend(described.unwrap_or_default().outputs);
        }
        if stack == Stack::Observability {
            return self.watch(sources, say).await;
        }
        self.bring(stack, sources, say).await.map(drop)
    }

    async fn all(&self, sources: &mut Sources, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let package = Package::read(&self.package)?;
        sources.given.insert("Architecture".to_owned(), package.architecture.name().to_owned());
        let code = Code::find(&self.aws, &self.prefix, &self.region).await?;
        for stack in Stack::SHARED {
            if stack == Stack::Data {
                if self.changes {
                    code.upload_functions(&self.package, &package, say).await?;
                }
                sources.given.extend(code.parameters(&package));
            }
            if matches!(self.bring(stack, sources, say).await?, Outcome::Unknown) {
                say("the rest is known once that exists");
                return Ok(());
            }
        }
        let application = sources.outputs.get("ApplicationName").context("the platform has no application")?.clone();
        if self.changes {
            code.upload_version(&application, &self.package, &package, say).await?;
        }
        self.gateways(&package, sources, say).await?;
        self.watch(sources, say).await
    }

    /// Brings the version to the side that has no clients; a version that serves already gets its settings there.
    async fn gateways(&self, package: &Package, sources: &mut Sources, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let world = AwsWorld::new(self.aws.clone(), &self.prefix);
        let weights = world.see().await?.weights;
        let serving = serving(weights);
        let version = code::version(package);
        let side = match serving {
            None => Side::Blue,
            Some(side) if !self.is_beside && self.version(side).await?.as_deref() == Some(version.as_str()) => side,
            Some(side) => side.other(),
        };
        sources.given.insert("VersionLabel".to_owned(), version);
        sources.given.insert("EnvironmentName".to_owned(), environment(side).to_owned());
        let order = if side == Side::Blue { "10" } else { "20" };
        sources.given.insert("RuleOrder".to_owned(), order.to_owned());
        if !sources.given.contains_key("PlatformArn") {
            sources.given.insert("PlatformArn".to_owned(), self.platform(side).await?);
        }
        self.bring(Stack::Service(side), sources, say).await?;
        if !self.changes {
            return Ok(());
        }
        match serving {
            None => {
                say(&format!("new clients: {side}"));
                world.set_weights(Weights::to(side, 100)).await
            }
            Some(serving) if serving != side => {
                say(&format!("{side} has the new version and no clients; cargo deploy swap {side} sends them there"));
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// Brings the alarms, of the nodes of Redis and the environments that there are.
    async fn watch(&self, sources: &mut Sources, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let Some(group) = sources.outputs.get("ReplicationGroupId").cloned() else { bail!("the cache has no id") };
        let asked = ["elasticache", "describe-replication-groups", "--replication-group-id", &group];
        let answer = self.aws.call(&asked).await?;
        let members = answer["ReplicationGroups"][0]["MemberClusters"].as_array().cloned().unwrap_or_default();
        let members: Vec<_> = members.iter().filter_map(serde_json::Value::as_str).collect();
        sources.given.insert("CacheNodeIds".to_owned(), members.join(","));
        let platform = stack::describe(&self.aws, &Stack::Platform.name(&self.prefix)).await?.unwrap_or_default();
        for side in ["Blue", "Green"] {
            let arn = platform.parameters.get(&format!("{side}TargetGroupArn")).map_or("", String::as_str);
            let full_name = arn.rsplit(':').next().unwrap_or_default().to_owned();
            sources.given.insert(format!("{side}TargetGroupFullName"), full_name);
        }
        self.bring(Stack::Observability, sources, say).await.map(drop)
    }

    /// Brings one stack, and learns its outputs.
    async fn bring(&self, stack: Stack, sources: &mut Sources, say: &impl Fn(&str)) -> anyhow::Result<Outcome> {
        let name = stack.name(&self.prefix);
        let mut present = stack::settled(&self.aws, &name).await?;
        if present.as_ref().is_some_and(|stack| stack.status == "ROLLBACK_COMPLETE") && self.changes {
            say(&format!("{name}: its first creation failed; it is made anew"));
            stack::delete(&self.aws, &name).await?;
            present = None;
        }
        let present = present.filter(|stack| !stack.is_only_planned());
        if let Some(stack) = present.as_ref().filter(|stack| !stack.is_sound()) {
            bail!("{name} is {}: mend that first (RUNBOOK, Roll back)", stack.status);
        }
        let parameters = match sources.of(stack, present.as_ref())? {
            Ok(parameters) => parameters,
            Err(missing) => bail!("{name} needs {}", missing.join(", ")),
        };
        if present.is_none() && !self.changes {
            say(&format!("{name}: new"));
            return Ok(Outcome::Unknown);
        }
        let template = paths::of("deploy/cloudformation").join(format!("{}.yaml", stack.template()));
        let template = template.to_string_lossy();
        let wanted = Wanted { name: &name, template: &template, parameters: &parameters, is_new: present.is_none() };
        let changes = stack::prepare(&self.aws, &wanted).await?;
        let result = self.decide(&name, &changes, say).await;
        let (outcome, described) = match result? {
            Some(described) => (Outcome::Changed, Some(described)),
            None => (Outcome::Same, present),
        };
        if let Some(described) = described {
            sources.outputs.extend(described.outputs);
        }
        Ok(outcome)
    }

    /// Carries a change set out, unless it would lose something, or nothing is to be changed.
    async fn decide(
        &self,
        name: &str,
        changes: &[serde_json::Value],
        say: &impl Fn(&str),
    ) -> anyhow::Result<Option<Described>> {
        if changes.is_empty() {
            say(&format!("{name}: as it shall be"));
            return Ok(None);
        }
        say(&format!("{name}:"));
        for line in loss::lines(changes) {
            say(&format!("  {line}"));
        }
        let losses = loss::losses(changes);
        if !losses.is_empty() {
            stack::discard(&self.aws, name).await?;
            bail!("{name} would lose data: {}", losses.join("; "));
        }
        if !self.changes {
            stack::discard(&self.aws, name).await?;
            return Ok(None);
        }
        stack::carry_out(&self.aws, name).await.map(Some)
    }

    async fn version(&self, side: Side) -> anyhow::Result<Option<String>> {
        let stack = stack::describe(&self.aws, &Stack::Service(side).name(&self.prefix)).await?;
        Ok(stack.and_then(|mut stack| stack.parameters.remove("VersionLabel")))
    }

    /// Returns the platform of the environment as it is, or the newest for one that is new.
    async fn platform(&self, side: Side) -> anyhow::Result<String> {
        let stack = stack::describe(&self.aws, &Stack::Service(side).name(&self.prefix)).await?;
        if let Some(platform) = stack.and_then(|mut stack| stack.parameters.remove("PlatformArn")) {
            return Ok(platform);
        }
        let answer = self.aws.call(&["elasticbeanstalk", "list-platform-versions"]).await?;
        let mut arns = texts(&answer["PlatformSummaryList"], "PlatformArn").into_iter();
        let found = arns.find(|arn| arn.contains("/Go ") && arn.contains("Amazon Linux 2023"));
        found.context("Beanstalk names no Go platform of Amazon Linux 2023; give PlatformArn=…")
    }
}

/// Returns the side that gets most clients; none if nobody gets any.
fn serving(weights: Weights) -> Option<Side> {
    [Side::Blue, Side::Green].into_iter().filter(|side| weights.of(*side) > 0).max_by_key(|side| weights.of(*side))
}
