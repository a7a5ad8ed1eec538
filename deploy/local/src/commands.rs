//! The commands to a running cluster, one line each, answered with one line of JSON. They come through the control
//! socket of `up` and the standard input of `fixture`.

use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterError};
use crate::parts::aws::Fault;
use crate::proxy::Traffic;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Returns every part, and the settings for signing tokens.
    Status,
    /// `start PART`: starts it and waits until it is ready.
    Start(String),
    /// `stop PART`: ends it gracefully and keeps it down.
    Stop(String),
    /// `kill PART`: sends SIGKILL, and keeps it down.
    Kill(String),
    /// `pause PART`: sends SIGSTOP.
    Pause(String),
    /// `resume PART`: sends SIGCONT.
    Resume(String),
    /// `wait PART`: waits until it is ready.
    Wait(String),
    /// `env PART NAME=VALUE`: sets a variable from its next start on.
    Variable { part: String, name: String, value: String },
    /// `proxy redis-1 pass|stall|mute|refuse`: changes the traffic of a proxy.
    Proxy { name: String, traffic: Traffic },
    /// `cut redis-1`: cuts every present connection of a proxy.
    Cut(String),
    /// `functions on|off`: lets the queues feed the functions, or not.
    Functions(bool),
    /// `fault sqs none|refuse|slow [N]` or `fault dynamodb none|throttle [PERCENT]`: switches a fault.
    Fault(Fault),
    /// `down`: ends everything.
    Down,
}

impl Command {
    /// Reads a line; the error says what is wrong with it.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<_> = line.split_whitespace().collect();
        let command = match *words.as_slice() {
            ["status"] => Self::Status,
            ["start", part] => Self::Start(part.to_owned()),
            ["stop", part] => Self::Stop(part.to_owned()),
            ["kill", part] => Self::Kill(part.to_owned()),
            ["pause", part] => Self::Pause(part.to_owned()),
            ["resume", part] => Self::Resume(part.to_owned()),
            ["wait", part] => Self::Wait(part.to_owned()),
            ["env", part, pair] => {
                let (name, value) = pair.split_once('=').ok_or("env PART NAME=VALUE")?;
                Self::Variable { part: part.to_owned(), name: name.to_owned(), value: value.to_owned() }
            }
            ["proxy", name, word] => Self::Proxy {
                name: name.to_owned(),
                traffic: Traffic::parse(word).ok_or("proxy NAME pass|stall|mute|refuse")?,
            },
            ["cut", name] => Self::Cut(name.to_owned()),
            ["functions", "on"] => Self::Functions(true),
            ["functions", "off"] => Self::Functions(false),
            ["fault", ref fault @ ..] => Self::Fault(
                Fault::parse(fault).ok_or("fault sqs none|refuse|slow [N] or dynamodb none|throttle [PERCENT]")?,
            ),
            ["down"] => Self::Down,
            _ => return Err(format!("not a command: {line}")),
        };
        Ok(command)
    }

    /// Returns the line of the command.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Status => "status".to_owned(),
            Self::Start(part) => format!("start {part}"),
            Self::Stop(part) => format!("stop {part}"),
            Self::Kill(part) => format!("kill {part}"),
            Self::Pause(part) => format!("pause {part}"),
            Self::Resume(part) => format!("resume {part}"),
            Self::Wait(part) => format!("wait {part}"),
            Self::Variable { part, name, value } => format!("env {part} {name}={value}"),
            Self::Proxy { name, traffic } => format!("proxy {name} {}", traffic.word()),
            Self::Cut(name) => format!("cut {name}"),
            Self::Functions(true) => "functions on".to_owned(),
            Self::Functions(false) => "functions off".to_owned(),
            Self::Fault(fault) => format!("fault {}", fault.words()),
            Self::Down => "down".to_owned(),
        }
    }

    /// Carries it out, except [`Command::Down`], and returns the answer.
    pub(crate) async fn carry_out(&self, cluster: &Cluster) -> Value {
        let done = match self {
            Self::Status => {
                let (faults, functions) = cluster.troubles();
                return json!({
                    "ok": true,
                    "parts": parts(cluster),
                    "jwt": cluster.jwt(),
                    "web": cluster.web_url(),
                    "faults": faults,
                    "functions": functions,
                });
            }
            Self::Start(part) => cluster.start_part(part).await,
            Self::Stop(part) => cluster.stop(part).await,
            Self::Kill(part) => cluster.kill(part).await,
            Self::Pause(part) => cluster.pause(part).await,
            Self::Resume(part) => cluster.resume(part).await,
            Self::Wait(part) => cluster.wait_ready(part).await,
            Self::Variable { part, name, value } => cluster.set_variable(part, name, value).await,
            Self::Proxy { name, traffic } => proxy(cluster, name).map(|it| it.set(*traffic)),
            Self::Cut(name) => proxy(cluster, name).map(crate::Proxy::cut),
            Self::Functions(feeds) => cluster.feed_functions(*feeds).await,
            Self::Fault(fault) => cluster.set_fault(*fault).await,
            Self::Down => Ok(()),
        };
        match done {
            Ok(()) => json!({ "ok": true }),
            Err(error) => failure(&error.to_string()),
        }
    }
}

/// Returns every part, the gateways with their admin addresses.
fn parts(cluster: &Cluster) -> Vec<Value> {
    let parts = cluster.status().into_iter().map(|status| {
        let number = status.name.strip_prefix("gateway-").and_then(|number| number.parse::<usize>().ok());
        let mut part = json!(status);
        if let Some(number) = number {
            part["admin"] = json!(cluster.admin_url(number - 1));
        }
        part
    });
    parts.collect()
}

/// Returns the answer to a command that failed.
pub(crate) fn failure(error: &str) -> Value {
    json!({ "ok": false, "error": error })
}

fn proxy<'a>(cluster: &'a Cluster, name: &str) -> Result<&'a crate::Proxy, ClusterError> {
    let none = || ClusterError::Answer(format!("there is no proxy {name}"));
    cluster.proxy(name).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_they_say() {
        for line in [
            "status",
            "start redis",
            "stop gateway-1",
            "kill gateway-2",
            "pause redis",
            "resume redis",
            "wait aws",
            "env gateway-1 RTS_LOG=debug,hyper=info",
            "proxy redis-1 stall",
            "proxy sqs-2 pass",
            "cut redis-1",
            "functions off",
            "fault sqs slow 30",
            "fault dynamodb none",
            "down",
        ] {
            assert_eq!(Command::parse(line).unwrap().line(), line);
        }
        for line in
            ["", "start", "start a b", "proxy redis-1 melt", "env a b", "functions maybe", "fault", "fault s3 slow"]
        {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }
}
