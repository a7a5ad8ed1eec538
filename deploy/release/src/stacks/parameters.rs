//! The parameters of a stack, from where they come.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::names::Stack;
use super::stack::Described;
use crate::paths;

/// Parameters named differently from the output that they take.
const RENAMED: [(&str, &str, &str); 2] =
    [("data", "SubnetIds", "NodeSubnetIds"), ("data", "SecurityGroupIds", "FunctionGroupId")];

/// What is known of parameters' values. The first source that has one wins, in this order.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// What the command says.
    pub given: BTreeMap<String, String>,
    /// What other stacks made.
    pub outputs: HashMap<String, String>,
    /// The name of the folder of the size's values.
    pub size: String,
}

/// A parameter of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// True if the template has a value.
    pub has_default: bool,
}

impl Sources {
    /// Returns a stack's parameters, as CloudFormation takes them; the names of those that nobody knows are an error.
    pub fn of(&self, stack: Stack, present: Option<&Described>) -> anyhow::Result<Result<Vec<Value>, Vec<String>>> {
        let template = stack.template();
        let sized = sized(&self.size, template)?;
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for Parameter { name, has_default } in of_template(template)? {
            let renamed = RENAMED.iter().find(|(of, to, _)| (*of, *to) == (template, name.as_str()));
            let output = renamed.map_or(name.as_str(), |(_, _, output)| output);
            let value = self.given.get(&name).or_else(|| self.outputs.get(output)).or_else(|| sized.get(&name));
            if let Some(value) = value {
                found.push(json!({ "ParameterKey": name, "ParameterValue": value }));
            } else if present.is_some_and(|stack| stack.parameters.contains_key(&name)) {
                found.push(json!({ "ParameterKey": name, "UsePreviousValue": true }));
            } else if !has_default {
                missing.push(name);
            }
        }
        Ok(if missing.is_empty() { Ok(found) } else { Err(missing) })
    }

    /// Refuses a given name that no template has.
    pub fn check(&self) -> anyhow::Result<()> {
        let mut known = Vec::new();
        for template in ["network", "cache", "data", "platform", "service", "observability"] {
            known.extend(of_template(template)?.into_iter().map(|parameter| parameter.name));
        }
        match self.given.keys().find(|name| !known.contains(name)) {
            Some(strange) => bail!("no template has a parameter {strange}"),
            None => Ok(()),
        }
    }
}

/// Returns the values of a size.
fn sized(size: &str, template: &str) -> anyhow::Result<HashMap<String, String>> {
    let path = paths::of("deploy/cloudformation/parameters").join(size).join(format!("{template}.json"));
    let text = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let list: Vec<HashMap<String, String>> = serde_json::from_slice(&text).context("it has parameters")?;
    let pair = |mut item: HashMap<String, String>| Some((item.remove("ParameterKey")?, item.remove("ParameterValue")?));
    Ok(list.into_iter().filter_map(pair).collect())
}

/// Reads the parameters of one of our templates, by the layout of our files.
fn of_template(template: &str) -> anyhow::Result<Vec<Parameter>> {
    let path = paths::of("deploy/cloudformation").join(format!("{template}.yaml"));
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = text.lines().skip_while(|line| *line != "Parameters:").skip(1);
    let mut found: Vec<Parameter> = Vec::new();
    for line in lines.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        let indent = line.len() - line.trim_start().len();
        match (indent, line.trim().strip_suffix(':')) {
            (2, Some(name)) => found.push(Parameter { name: name.to_owned(), has_default: false }),
            (4, _) if line.trim_start().starts_with("Default:") => {
                if let Some(last) = found.last_mut() {
                    last.has_default = true;
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(given: &[(&str, &str)], outputs: &[(&str, &str)]) -> Sources {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Sources {
            given: given.iter().map(owned).collect(),
            outputs: outputs.iter().map(owned).collect(),
            size: "small".to_owned(),
        }
    }

    fn value<'a>(parameters: &'a [Value], name: &str) -> Option<&'a Value> {
        parameters.iter().find(|parameter| parameter["ParameterKey"] == name)
    }

    #[test]
    fn the_command_comes_before_other_stacks_and_these_before_the_size() {
        let outputs = [("NodeSubnetIds", "a,b"), ("FunctionGroupId", "sg"), ("VpcId", "vpc"), ("CodeBucket", "never")];
        let given =
            [("CodeBucket", "code"), ("MessageCodeKey", "m"), ("RoomCodeKey", "r"), ("FunctionMemoryMb", "512")];
        let parameters = sources(&given, &outputs).of(Stack::Data, None).unwrap().unwrap();
        for (name, expected) in [
            ("SubnetIds", "a,b"),
            ("SecurityGroupIds", "sg"),
            ("CodeBucket", "code"),
            ("FunctionMemoryMb", "512"),
            ("MaximumConcurrency", "20"),
        ] {
            assert_eq!(value(&parameters, name).unwrap()["ParameterValue"], expected, "{name}");
        }
    }

    #[test]
    fn what_nobody_says_stays_or_is_missing() {
        let nothing = sources(&[], &[]);
        let missing = nothing.of(Stack::Platform, None).unwrap().unwrap_err();
        assert!(missing.contains(&"CertificateArn".to_owned()) && !missing.contains(&"BlueWeight".to_owned()));
        let names = of_template("platform").unwrap().into_iter().map(|parameter| (parameter.name, "old".to_owned()));
        let present = Described { parameters: names.collect(), ..Described::default() };
        let parameters = nothing.of(Stack::Platform, Some(&present)).unwrap().unwrap();
        assert_eq!(value(&parameters, "BlueWeight").unwrap()["UsePreviousValue"], true);
        assert_eq!(value(&parameters, "AccessLogDays").unwrap()["ParameterValue"], "14", "the size's");
        assert!(sources(&[("Colour", "red")], &[]).check().is_err() && nothing.check().is_ok());
    }
}
