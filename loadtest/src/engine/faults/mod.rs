//! Faults of the local cluster, at a time of the load; the checker finds their consequences.

mod course;

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::local::Cluster;
use crate::units::duration;

pub use course::FaultReport;
pub(super) use course::{Course, schedule};

/// The share of the scenario's messages that a slowed queue takes.
const SLOW_SHARE: f64 = 0.1;

/// A fault of the local cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The fault as written.
    pub name: String,
    /// The time after the beginning of the load.
    pub at: Duration,
    /// Its duration, if it has to be undone.
    pub lasts: Option<Duration>,
    deed: Deed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    /// Ends one part, which the cluster starts again.
    End { part: String, is_gentle: bool },
    /// Switches something on, and off again.
    Switch(Switch),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    /// The queues do not feed the functions.
    FunctionsOff,
    /// SQS refuses every request.
    SqsRefuse,
    /// Sends are delayed to this many messages a second.
    SqsSlow(Option<u32>),
    /// This percentage of the requests is throttled.
    DynamodbThrottle(Option<u32>),
}

impl Switch {
    /// Returns the cluster's commands that switch it on and off, at a rate of messages.
    fn commands(self, rate: f64) -> (String, &'static str) {
        match self {
            Self::FunctionsOff => ("functions off".to_owned(), "functions on"),
            Self::SqsRefuse => ("fault sqs refuse".to_owned(), "fault sqs none"),
            Self::SqsSlow(Some(rate)) => (format!("fault sqs slow {rate}"), "fault sqs none"),
            Self::SqsSlow(None) => (format!("fault sqs slow {:.0}", (rate * SLOW_SHARE).max(1.0)), "fault sqs none"),
            Self::DynamodbThrottle(Some(percent)) => {
                (format!("fault dynamodb throttle {percent}"), "fault dynamodb none")
            }
            Self::DynamodbThrottle(None) => ("fault dynamodb throttle".to_owned(), "fault dynamodb none"),
        }
    }

    fn parse(text: &str) -> Result<Option<Self>, String> {
        let (word, number) = text.split_once(':').unwrap_or((text, ""));
        let parsed = || {
            let number: u32 = number.parse().map_err(|_| format!("{number:?} is not a number of {word}"))?;
            if number == 0 || (word == "dynamodb-throttle" && number > 100) {
                return Err(format!("{number} is out of the range of {word}"));
            }
            Ok(number)
        };
        let number = text.contains(':').then(parsed).transpose()?;
        Ok(match (word, number) {
            ("functions-off", None) => Some(Self::FunctionsOff),
            ("sqs-refuse", None) => Some(Self::SqsRefuse),
            ("sqs-slow", number) => Some(Self::SqsSlow(number)),
            ("dynamodb-throttle", number) => Some(Self::DynamodbThrottle(number)),
            _ => None,
        })
    }
}

impl Fault {
    /// Returns the time when it is over.
    pub fn until(&self) -> Duration {
        self.at.saturating_add(self.lasts.unwrap_or_default())
    }

    /// Carries it out now; blocks until it is done.
    fn strike(&self, rate: f64) -> anyhow::Result<()> {
        let cluster = Cluster::find()?;
        match &self.deed {
            Deed::Switch(switch) => cluster.control(&switch.commands(rate).0),
            Deed::End { part, is_gentle } => {
                let pid = cluster.pid(part).with_context(|| format!("no part called {part} is running"))?;
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id of 0")?;
                let signal = if *is_gentle { Signal::TERM } else { Signal::KILL };
                kill_process(pid, signal).with_context(|| format!("{part} cannot be ended"))
            }
        }
    }

    /// Undoes it, if there is anything to undo; blocks until it is done.
    fn undo(&self, rate: f64) -> anyhow::Result<()> {
        match &self.deed {
            Deed::Switch(switch) => Cluster::find()?.control(switch.commands(rate).1),
            Deed::End { .. } => Ok(()),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, when) = text.split_once('@').ok_or_else(|| format!("{text:?} has no time, like kill-node@30s"))?;
        let (at, lasts) = match when.split_once('+') {
            Some((at, lasts)) => (duration(at)?, Some(duration(lasts)?)),
            None => (duration(when)?, None),
        };
        let end = |part: &str, is_gentle| Deed::End { part: part.to_owned(), is_gentle };
        let deed = match what {
            "kill-node" => end("gateway-1", false),
            "drain" => end("gateway-1", true),
            "restart-redis" => end("redis", false),
            _ => match (Switch::parse(what)?, what.strip_prefix("kill-"), what.strip_prefix("drain-")) {
                (Some(switch), ..) => Deed::Switch(switch),
                (_, Some(part), _) => end(part, false),
                (.., Some(part)) => end(part, true),
                _ => {
                    return Err(format!(
                        "{what:?} is none of kill-node, drain, restart-redis, kill-NAME, drain-NAME, functions-off, \
                         sqs-refuse, sqs-slow, dynamodb-throttle"
                    ));
                }
            },
        };
        match (&deed, lasts) {
            (Deed::Switch(_), None) => Err(format!("{what} needs to know for how long, like {text}+60s")),
            (Deed::End { .. }, Some(_)) => Err(format!("{what} takes no duration: the cluster starts the part again")),
            _ => Ok(Self { name: text.to_owned(), at, lasts, deed }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_a_part_and_a_time() {
        let end = |part: &str, is_gentle| Deed::End { part: part.to_owned(), is_gentle };
        let fault: Fault = "kill-node@30s".parse().unwrap();
        assert_eq!((fault.deed, fault.at, fault.lasts), (end("gateway-1", false), Duration::from_secs(30), None));
        let fault: Fault = "drain-gateway-2@500ms".parse().unwrap();
        assert_eq!(fault.deed, end("gateway-2", true));
        assert_eq!("restart-redis@1s".parse::<Fault>().map(|fault| fault.deed), Ok(end("redis", false)));
        for bad in ["kill-node", "burn@1s", "kill-node@soon", "kill-node@1s+5s"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_switched_on_is_switched_off() {
        for (text, on, off) in [
            ("functions-off@60s+120s", "functions off", "functions on"),
            ("sqs-refuse@60s+60s", "fault sqs refuse", "fault sqs none"),
            ("sqs-slow@60s+60s", "fault sqs slow 12", "fault sqs none"),
            ("sqs-slow:7@60s+60s", "fault sqs slow 7", "fault sqs none"),
            ("dynamodb-throttle@60s+60s", "fault dynamodb throttle", "fault dynamodb none"),
            ("dynamodb-throttle:50@60s+60s", "fault dynamodb throttle 50", "fault dynamodb none"),
        ] {
            let fault: Fault = text.parse().unwrap();
            let Deed::Switch(switch) = fault.deed else { panic!("{text}") };
            assert_eq!(switch.commands(120.0), (on.to_owned(), off));
            assert_eq!(fault.at, Duration::from_mins(1));
        }
        assert_eq!("functions-off@60s+2m".parse::<Fault>().unwrap().until(), Duration::from_mins(3));
        for bad in ["functions-off@60s", "sqs-slow:0@1s+1s", "dynamodb-throttle:101@1s+1s", "sqs-refuse:3@1s+1s"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}
