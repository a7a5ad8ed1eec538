//! Faults of the stand-in that can be switched while it runs.

use serde_json::{Value, json};

/// A tenth of the load that the local cluster carries.
const SLOW_PER_SECOND: u32 = 30;
const THROTTLED_PERCENT: u8 = 90;

/// A fault of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A fault of SQS.
    Sqs(SqsFault),
    /// A fault of `DynamoDB`.
    Dynamodb(DynamodbFault),
}

/// A fault of SQS. The functions are fed as before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SqsFault {
    /// No fault.
    #[default]
    None,
    /// Every request is answered with 503 at once.
    Refuse,
    /// Sends are delayed to this many messages a second, over all senders and queues.
    Slow(u32),
}

/// A fault of `DynamoDB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DynamodbFault {
    /// No fault.
    #[default]
    None,
    /// This percentage of all requests exceeds the provisioned throughput.
    Throttle(u8),
}

impl Fault {
    /// Reads `sqs none|refuse|slow [N]` or `dynamodb none|throttle [PERCENT]`.
    pub fn parse(words: &[&str]) -> Option<Self> {
        Some(match *words {
            ["sqs", "none"] => Self::Sqs(SqsFault::None),
            ["sqs", "refuse"] => Self::Sqs(SqsFault::Refuse),
            ["sqs", "slow"] => Self::Sqs(SqsFault::Slow(SLOW_PER_SECOND)),
            ["sqs", "slow", rate] => {
                Self::Sqs(SqsFault::Slow(rate.parse().ok().filter(|messages_per_second| *messages_per_second > 0)?))
            }
            ["dynamodb", "none"] => Self::Dynamodb(DynamodbFault::None),
            ["dynamodb", "throttle"] => Self::Dynamodb(DynamodbFault::Throttle(THROTTLED_PERCENT)),
            ["dynamodb", "throttle", share] => {
                Self::Dynamodb(DynamodbFault::Throttle(share.parse().ok().filter(|percent| *percent <= 100)?))
            }
            _ => return None,
        })
    }

    /// Returns the words that [`Fault::parse`] reads.
    pub fn words(self) -> String {
        match self {
            Self::Sqs(fault) => format!("sqs {}", fault.word()),
            Self::Dynamodb(fault) => format!("dynamodb {}", fault.word()),
        }
    }
}

impl SqsFault {
    fn word(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Refuse => "refuse".to_owned(),
            Self::Slow(rate) => format!("slow {rate}"),
        }
    }
}

impl DynamodbFault {
    fn word(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Throttle(percent) => format!("throttle {percent}"),
        }
    }
}

/// The active faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    sqs: SqsFault,
    dynamodb: DynamodbFault,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault) {
        match fault {
            Fault::Sqs(fault) => self.sqs = fault,
            Fault::Dynamodb(fault) => self.dynamodb = fault,
        }
    }

    /// Returns the form shown by `status`.
    pub(crate) fn status(self) -> Value {
        json!({ "sqs": self.sqs.word(), "dynamodb": self.dynamodb.word() })
    }

    /// Returns the form that the stand-in reads; see `site/faults.py`.
    pub(super) fn order(self) -> Value {
        json!({
            "sqs": match self.sqs {
                SqsFault::None => json!("none"),
                SqsFault::Refuse => json!("refuse"),
                SqsFault::Slow(rate) => json!({ "slow": rate }),
            },
            "dynamodb": match self.dynamodb {
                DynamodbFault::None => json!("none"),
                DynamodbFault::Throttle(percent) => json!({ "throttle": percent }),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_say() {
        let read = |line: &str| Fault::parse(&line.split(' ').collect::<Vec<_>>());
        for line in ["sqs none", "sqs refuse", "sqs slow 12", "dynamodb none", "dynamodb throttle 50"] {
            assert_eq!(read(line).unwrap().words(), line);
        }
        assert_eq!(read("sqs slow").unwrap().words(), "sqs slow 30");
        assert_eq!(read("dynamodb throttle").unwrap().words(), "dynamodb throttle 90");
        for line in ["", "sqs", "sqs slow 0", "sqs throttle", "dynamodb throttle 101", "s3 none"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
