//! The form of a scenario file.

use std::time::Duration;

use rts_common::signalr::Protocol;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::require::Requirements;
use crate::units::duration;

/// The description of a run. Every field except the name has a default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Its purpose, for readers.
    #[serde(default)]
    pub about: String,
    /// Virtual users, each with one connection.
    #[serde(default = "default_users")]
    pub users: usize,
    /// The hub protocol of the users.
    #[serde(default)]
    pub protocol: Mix,
    /// The times of messages: evenly spaced, or at random, as independent users send.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Bytes of a message's body.
    #[serde(default = "default_body_bytes")]
    pub body_bytes: usize,
    /// The members of each room.
    #[serde(default)]
    pub rooms: Rooms,
    /// The frequency of each kind of action.
    #[serde(default)]
    pub rates: Rates,
    /// The way users connect.
    #[serde(default)]
    pub connect: Connect,
    /// Connections cut from time to time.
    #[serde(default)]
    pub storm: Option<Storm>,
    /// Users that read slowly.
    #[serde(default)]
    pub slow: Option<Slow>,
    /// The phases, one after another.
    #[serde(default = "default_phases")]
    pub phases: Vec<Phase>,
}

/// The hub protocols of the virtual users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mix {
    /// All JSON.
    #[default]
    Json,
    /// All MessagePack.
    Messagepack,
    /// JSON and MessagePack in turn.
    Mixed,
}

/// The spacing of arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Always the same time apart.
    #[default]
    Even,
    /// A Poisson process.
    Poisson,
}

/// The members of each room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rooms {
    /// Pairs, groups, or one room of all.
    pub shape: Shape,
    /// Members of a group.
    pub size: usize,
    /// The number of groups; 0 for as many as give each user one.
    pub count: usize,
    /// Exponent of the Zipf law by which rooms are chosen for messages; 0 chooses all alike.
    pub zipf: f64,
}

/// The shape of rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Direct rooms of two.
    Pairs,
    /// Group rooms.
    #[default]
    Groups,
    /// One group room of all.
    One,
}

/// Events a second, over all users.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Messages.
    pub messages: f64,
    /// Typing indicators.
    pub typing: f64,
    /// Read marks.
    pub reads: f64,
    /// Pages of history.
    pub history: f64,
}

/// The way users connect.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// The time over which their first connects are spread.
    #[serde(deserialize_with = "time", serialize_with = "time_text")]
    pub over: Duration,
    /// True if the phases wait until all are connected.
    pub first: bool,
}

/// Connections cut from time to time; they reconnect as the stock client does, and resume.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// The interval.
    #[serde(deserialize_with = "time", serialize_with = "time_text")]
    pub every: Duration,
    /// The share of the connections to cut.
    pub share: f64,
}

/// Users that read slowly.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// The number of such users.
    pub users: usize,
    /// The speed at which each reads.
    pub bytes_per_second: usize,
}

/// A part of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// The kind of phase.
    pub kind: PhaseKind,
    /// The duration, or that of each step.
    #[serde(deserialize_with = "time", serialize_with = "time_text")]
    pub time: Duration,
    /// For steps: the first rate as a multiple of the scenario's.
    #[serde(default = "one")]
    pub from: f64,
    /// For steps: the next rate as a multiple of the one before.
    #[serde(default = "default_factor")]
    pub factor: f64,
    /// For steps: the most steps.
    #[serde(default = "default_steps")]
    pub steps: usize,
    /// For steps: the thresholds that must hold for the next one to be tried.
    #[serde(default = "default_limit", deserialize_with = "requirements", serialize_with = "requirements_text")]
    pub limit: Requirements,
}

/// The kinds of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseKind {
    /// From nothing to the full rate.
    Ramp,
    /// The full rate.
    Hold,
    /// Rising rates until the limit breaks.
    Step,
}

impl Scenario {
    /// Reads and checks a file's text.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Checks that it can be run.
    pub fn check(&self) -> anyhow::Result<()> {
        use anyhow::ensure;
        ensure!(self.users >= 1, "users must be at least 1");
        ensure!((64..=16_384).contains(&self.body_bytes), "body_bytes must be between 64 and 16384");
        ensure!(self.rooms.size >= 1 && self.rooms.size <= 1000, "rooms.size must be between 1 and 1000");
        let rates = [self.rates.messages, self.rates.typing, self.rates.reads, self.rates.history];
        ensure!(rates.iter().all(|rate| (0.0..=1e7).contains(rate)), "rates must be between 0 and 10 million a second");
        ensure!((0.0..=10.0).contains(&self.rooms.zipf), "rooms.zipf must be between 0 and 10");
        ensure!(
            self.storm.is_none_or(|s| (0.0..=1.0).contains(&s.share) && !s.every.is_zero()),
            "storm.share must be between 0 and 1"
        );
        ensure!(self.slow.is_none_or(|s| s.bytes_per_second > 0), "slow.bytes_per_second must be at least 1");
        ensure!(self.phases.iter().all(|p| p.factor > 1.0 && p.from > 0.0), "factor must be over 1, from over 0");
        Ok(())
    }

    /// Returns the longest duration of the load.
    pub fn load_time(&self) -> Duration {
        let times = self.phases.iter().map(|phase| match phase.kind {
            PhaseKind::Step => phase.time.saturating_mul(u32::try_from(phase.steps).unwrap_or(u32::MAX)),
            PhaseKind::Ramp | PhaseKind::Hold => phase.time,
        });
        times.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Returns the hub protocol of user `index`.
    pub fn protocol_of(&self, index: usize) -> Protocol {
        match self.protocol {
            Mix::Messagepack => Protocol::MessagePack,
            Mix::Mixed if index % 2 == 1 => Protocol::MessagePack,
            Mix::Json | Mix::Mixed => Protocol::Json,
        }
    }
}

impl Default for Rooms {
    fn default() -> Self {
        Self { shape: Shape::Groups, size: 20, count: 0, zipf: 0.0 }
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self { over: Duration::from_secs(5), first: true }
    }
}

fn default_users() -> usize {
    1000
}

fn default_body_bytes() -> usize {
    128
}

fn default_phases() -> Vec<Phase> {
    let phase = |kind, seconds| Phase {
        kind,
        time: Duration::from_secs(seconds),
        from: 1.0,
        factor: default_factor(),
        steps: default_steps(),
        limit: default_limit(),
    };
    vec![phase(PhaseKind::Ramp, 3), phase(PhaseKind::Hold, 30)]
}

fn one() -> f64 {
    1.0
}

fn default_factor() -> f64 {
    1.5
}

fn default_steps() -> usize {
    20
}

fn default_limit() -> Requirements {
    "p99<200ms,lost=0,dropped=0,unsent=0".parse().expect("a literal that a test reads")
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn requirements<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Requirements, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// Formats a time as [`duration`] reads it, to the microsecond.
fn time_text<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:.6}s", time.as_secs_f64()))
}

fn requirements_text<S: Serializer>(requirements: &Requirements, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(requirements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        for name in crate::scenario::built_in_names() {
            let scenario = Scenario::load(name).unwrap();
            let text = serde_json::to_string(&scenario).unwrap();
            let read: Scenario = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{scenario:?}"));
        }
    }

    #[test]
    fn a_file_needs_only_a_name_and_unknown_fields_are_refused() {
        let scenario = Scenario::parse("name = \"x\"").unwrap();
        assert_eq!((scenario.users, scenario.phases.len()), (1000, 2));
        assert!(Scenario::parse("name = \"x\"\nuser = 3").is_err());
        assert!(Scenario::parse("name = \"x\"\nusers = 0").is_err());
        assert!(Scenario::parse("name = \"x\"\n[[phases]]\nkind = \"step\"\ntime = \"1s\"\nfactor = 1.0").is_err());
        let limit = "name = \"x\"\n[[phases]]\nkind = \"step\"\ntime = \"1s\"\nlimit = \"p99<1s\"";
        assert_eq!(Scenario::parse(limit).unwrap().phases[0].limit.0.len(), 1);
    }
}
