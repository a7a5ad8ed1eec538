//! Thresholds: `p99<200ms,lost=0` decides the exit code.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::measures::{self, Measure};

/// Measured values by name, in base units: seconds, bytes, counts.
pub type Measures = BTreeMap<&'static str, f64>;

/// One threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    name: String,
    comparison: Comparison,
    value: f64,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// Thresholds, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requirements(pub Vec<Requirement>);

/// The verdict on a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The threshold as written.
    pub text: String,
    /// The measured value, if there is one.
    pub measured: Option<f64>,
    /// True if it holds. A value that was not measured does not hold.
    pub holds: bool,
}

impl Requirements {
    /// Compares each threshold with the measured values.
    pub fn judge(&self, measures: &Measures) -> Vec<Verdict> {
        self.0.iter().map(|requirement| requirement.judge(measures)).collect()
    }

    /// Returns the thresholds that do not hold.
    pub fn broken(&self, measures: &Measures) -> Vec<Verdict> {
        let mut verdicts = self.judge(measures);
        verdicts.retain(|verdict| !verdict.holds);
        verdicts
    }

    /// Returns the names used, to check that they exist.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|requirement| requirement.name.as_str())
    }
}

impl Requirement {
    fn judge(&self, measures: &Measures) -> Verdict {
        let found = measures.get(self.name.as_str()).copied();
        Verdict {
            text: self.text.clone(),
            measured: found,
            holds: found.is_some_and(|value| self.comparison.holds(value, self.value)),
        }
    }
}

impl Comparison {
    /// Longer signs first, so that `<=` is not read as `<`.
    const SIGNS: [(&'static str, Self); 5] = [
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("<", Self::Less),
        (">", Self::Greater),
        ("=", Self::Equal),
    ];

    fn holds(self, measured: f64, value: f64) -> bool {
        match self {
            Self::Less => measured < value,
            Self::LessOrEqual => measured <= value,
            Self::Equal => (measured - value).abs() < f64::EPSILON * value.abs().max(1.0),
            Self::GreaterOrEqual => measured >= value,
            Self::Greater => measured > value,
        }
    }
}

impl FromStr for Requirements {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a threshold like p99<200ms or lost=0");
        let unknown = |name: &str| format!("{name:?} is not measured; near it: {}", measures::proposals(name));
        let at = text.find(['<', '>', '=']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let (sign, comparison) =
            Comparison::SIGNS.into_iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(wrong)?;
        let name = name.trim();
        if name.is_empty() {
            return Err(wrong());
        }
        let measure = measures::find(name).ok_or_else(|| unknown(name))?;
        let value = parse_value(measure, rest[sign.len()..].trim())
            .ok_or_else(|| format!("{text:?} is no threshold: {name} {}", measure.quantity))?;
        Ok(Self { name: name.to_owned(), comparison, value, text: text.to_owned() })
    }
}

/// A number with a unit of what is measured, in base units.
fn parse_value(measure: Measure, text: &str) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    Some(number.parse::<f64>().ok()? * measure.quantity.factor(unit.trim())?)
}

/// Formats them as written.
impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(|requirement| requirement.text.as_str()).collect();
        f.write_str(&texts.join(","))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds { "holds" } else { "BROKEN" };
        match self.measured {
            Some(measured) => write!(f, "{}: {word} (measured {measured:.6})", self.text),
            None => write!(f, "{}: {word} (not measured)", self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_compare_in_base_units() {
        let requirements: Requirements = "p99<200ms, lost=0,rate >= 500,rss<=14kB".parse().unwrap();
        let good = Measures::from([("p99", 0.1999), ("lost", 0.0), ("rate", 500.0), ("rss", 14_336.0)]);
        assert!(requirements.broken(&good).is_empty());
        let bad = Measures::from([("p99", 0.2), ("lost", 1.0), ("rss", 14_337.0)]);
        let broken = requirements.broken(&bad);
        assert_eq!(broken.len(), 4);
        assert_eq!(broken[2].measured, None);
    }

    #[test]
    fn what_is_no_threshold_is_refused() {
        for (bad, said) in [
            ("p99", "is not a threshold"),
            ("<3s", "is not a threshold"),
            ("p99<", "needs a unit"),
            ("p99<fast", "needs a unit"),
            ("p99<200", "needs a unit: us, ms, s or min"),
            ("p99<3parsec", "needs a unit"),
            ("rss<14", "needs a unit: B, kB or MB"),
            ("lost=0s", "without a unit"),
            ("foo=1", "is not measured"),
            ("ack_p98<1s", "near it: ack_p50"),
        ] {
            let error = bad.parse::<Requirements>().unwrap_err();
            assert!(error.contains(said) && !error.contains('\n'), "{bad}: {error}");
        }
        assert_eq!("".parse(), Ok(Requirements::default()));
    }
}
