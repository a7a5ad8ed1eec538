//! One stack of CloudFormation: seen, changed by a change set, waited for, deleted.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::aws::{Aws, AwsError, existing};

/// Redis takes longest, with a quarter of an hour.
const PATIENCE: Duration = Duration::from_hours(1);
/// What templates may make.
const CAPABILITIES: [&str; 2] = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

/// A stack as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Its state, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// Its parameters' values.
    pub parameters: HashMap<String, String>,
    /// Its outputs.
    pub outputs: HashMap<String, String>,
}

impl Described {
    /// True if CloudFormation is at work on it.
    pub fn is_busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    /// True if it was never made: what is left of a change set that was not carried out.
    pub fn is_only_planned(&self) -> bool {
        self.status == "REVIEW_IN_PROGRESS"
    }

    /// True if it can be updated.
    pub fn is_sound(&self) -> bool {
        matches!(
            self.status.as_str(),
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_COMPLETE"
        )
    }
}

/// Returns a stack; `None` if there is none.
pub async fn describe(aws: &Aws, name: &str) -> Result<Option<Described>, AwsError> {
    let answer = existing(aws.call(&["cloudformation", "describe-stacks", "--stack-name", name]).await)?;
    Ok(answer.map(|answer| read(&answer["Stacks"][0])))
}

fn read(stack: &Value) -> Described {
    let pairs = |list: &str, key: &str, value: &str| {
        let elements = stack[list].as_array().map(Vec::as_slice).unwrap_or_default();
        let pair = |element: &Value| Some((element[key].as_str()?.to_owned(), element[value].as_str()?.to_owned()));
        elements.iter().filter_map(pair).collect()
    };
    Described {
        status: stack["StackStatus"].as_str().unwrap_or_default().to_owned(),
        parameters: pairs("Parameters", "ParameterKey", "ParameterValue"),
        outputs: pairs("Outputs", "OutputKey", "OutputValue"),
    }
}

/// Waits until CloudFormation has done what it began, whoever asked for it.
pub async fn settled(aws: &Aws, name: &str) -> anyhow::Result<Option<Described>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match describe(aws, name).await? {
            Some(stack) if stack.is_busy() => {}
            other => return Ok(other),
        }
        if Instant::now() > deadline {
            bail!("{name} is not settled after {} minutes; the same command continues", PATIENCE.as_secs() / 60);
        }
        sleep(aws.look).await;
    }
}

/// Changes some parameters, and nothing else.
pub async fn change(aws: &Aws, name: &str, changes: &[(String, String)]) -> anyhow::Result<()> {
    let stack = settled(aws, name).await?.with_context(|| format!("there is no stack {name}"))?;
    if changes.iter().all(|(parameter, value)| stack.parameters.get(parameter) == Some(value)) {
        return Ok(());
    }
    let previous = stack.parameters.keys().filter(|known| changes.iter().all(|(changed, _)| changed != *known));
    let previous = previous.map(|known| json!({ "ParameterKey": known, "UsePreviousValue": true }));
    let new = changes.iter().map(|(name, value)| json!({ "ParameterKey": name, "ParameterValue": value }));
    let parameters = Value::from(previous.chain(new).collect::<Vec<_>>()).to_string();
    let asked = [
        "cloudformation",
        "update-stack",
        "--stack-name",
        name,
        "--use-previous-template",
        "--parameters",
        &parameters,
    ];
    let asked: Vec<_> = asked.into_iter().chain(["--capabilities"]).chain(CAPABILITIES).collect();
    aws.call(&asked).await?;
    sleep(aws.look).await;
    let stack = settled(aws, name).await?.with_context(|| format!("{name} is gone"))?;
    if stack.status != "UPDATE_COMPLETE" {
        bail!("{name} was not changed: {}", stack.status);
    }
    Ok(())
}

/// Deletes a stack, and waits until it is gone.
pub async fn delete(aws: &Aws, name: &str) -> anyhow::Result<()> {
    aws.call(&["cloudformation", "delete-stack", "--stack-name", name]).await?;
    sleep(aws.look).await;
    match settled(aws, name).await? {
        None => Ok(()),
        Some(stack) if stack.status == "DELETE_COMPLETE" => Ok(()),
        Some(stack) => bail!("{name} was not deleted: {}", stack.status),
    }
}

/// Makes a change set, and returns its changes; none if nothing would change.
pub async fn prepare(aws: &Aws, wanted: &Wanted<'_>) -> anyhow::Result<Vec<Value>> {
    let Wanted { name, template, parameters, is_new } = wanted;
    let body = format!("file://{template}");
    let parameters = Value::from(parameters.to_vec()).to_string();
    let kind = if *is_new { "CREATE" } else { "UPDATE" };
    discard(aws, name).await?;
    let mut asked = vec!["cloudformation", "create-change-set", "--change-set-name", CHANGE_SET, "--stack-name", name];
    asked.extend(["--change-set-type", kind, "--template-body", &body, "--parameters", &parameters, "--capabilities"]);
    asked.extend(CAPABILITIES);
    aws.call(&asked).await?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let asked = ["cloudformation", "describe-change-set", "--change-set-name", CHANGE_SET, "--stack-name", name];
        let answer = aws.call(&asked).await?;
        let reason = answer["StatusReason"].as_str().unwrap_or_default();
        match answer["Status"].as_str() {
            Some("CREATE_COMPLETE") => return Ok(answer["Changes"].as_array().cloned().unwrap_or_default()),
            Some("FAILED") if reason.contains("didn't contain changes") || reason.contains("No updates") => {
                discard(aws, name).await?;
                return Ok(Vec::new());
            }
            Some("FAILED") => bail!("{name} cannot be changed so: {reason}"),
            _ => sleep(aws.look).await,
        }
    }
    bail!("the changes of {name} are not known after {} minutes", PATIENCE.as_secs() / 60)
}

/// Removes the change set, if there is one.
pub async fn discard(aws: &Aws, name: &str) -> anyhow::Result<()> {
    let asked = ["cloudformation", "delete-change-set", "--change-set-name", CHANGE_SET, "--stack-name", name];
    existing(aws.call(&asked).await)?;
    Ok(())
}

/// Carries the change set out, and waits for it.
pub async fn carry_out(aws: &Aws, name: &str) -> anyhow::Result<Described> {
    aws.call(&["cloudformation", "execute-change-set", "--change-set-name", CHANGE_SET, "--stack-name", name]).await?;
    // Just after it was asked, CloudFormation still tells what was before.
    sleep(aws.look).await;
    let stack = settled(aws, name).await?.with_context(|| format!("{name} is gone"))?;
    if !matches!(stack.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
        bail!("{name} was not changed: {}; see its events (aws cloudformation describe-stack-events)", stack.status);
    }
    Ok(stack)
}

/// The one change set that this makes.
const CHANGE_SET: &str = "rts-deploy";

/// A stack as it shall be.
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// The path of its template.
    pub template: &'a str,
    /// Its parameters, as CloudFormation takes them.
    pub parameters: &'a [Value],
    /// True if there is none yet.
    pub is_new: bool,
}
