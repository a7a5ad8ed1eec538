//! `down`: ends everything but what holds data: tables, bucket and their copies stay (CloudFormation's `Retain`), and Redis
//! leaves a snapshot.

use anyhow::bail;

use crate::aws::Aws;
use crate::side::Side;
use crate::stacks::names::Stack;
use crate::stacks::stack;

/// Deletes all stacks, those first that need others. Whoever asks has to say the platform's name.
pub async fn run(aws: &Aws, prefix: &str, confirmed: &str, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let platform = Stack::Platform.name(prefix);
    if confirmed != platform {
        bail!("this ends the service for everybody: say --end {platform}");
    }
    if stack::describe(aws, &platform).await?.is_some() {
        // The rule must no longer name the target groups that go, and the balancer lets itself be deleted.
        let values = [("BlueTargetGroupArn", ""), ("GreenTargetGroupArn", ""), ("DeletionProtection", "false")];
        let changes = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        stack::change(aws, &platform, &changes).await?;
    }
    let services = [Stack::Service(Side::Green), Stack::Service(Side::Blue)];
    for stack in services.into_iter().chain([Stack::Observability]).chain(Stack::SHARED.into_iter().rev()) {
        let name = stack.name(prefix);
        if stack::describe(aws, &name).await?.is_some() {
            say(&format!("deleting {name}"));
            stack::delete(aws, &name).await?;
        }
    }
    say("tables, bucket and secrets that are kept have to be deleted by hand, if nobody needs them");
    Ok(())
}
