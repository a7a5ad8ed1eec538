//! The DynamoDB store, which keeps data permanently. Gateways read it through [`Store`]; only the Lambdas write,
//! through [`writer::Writer`], and the operator's tool, through [`upkeep::Keeper`].
//!
//! Every item carries its full state and a version, and is written on the condition that the stored version is smaller,
//! so writes may come twice, late and in any order. Nothing is deleted here except texts by which users were found,
//! and what the operator erases: deleted messages and ended memberships stay as tombstones.
//!
//! Every call has a deadline and few attempts. Reads are strongly consistent, except those of an index, for which
//! DynamoDB does not offer it.

mod archive;
mod backoff;
mod batch;
mod directory;
mod error;
mod item;
mod messages;
mod rooms;
pub mod schema;
pub mod upkeep;
pub mod writer;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;

pub use self::backoff::backoff;
pub use self::directory::{FoundName, NamePage, is_name_place};
pub use self::error::StoreError;
pub use self::messages::{Direction, MessageQuery, StoredVersion, oldest_month};
pub use self::rooms::{Profile, StoredRoom, UserRoom};
pub use self::schema::Tables;
use crate::retention::Retention;

/// The reading side of the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    tables: Tables,
    retention: Retention,
}

impl Store {
    /// Makes a store with the region, endpoint and credentials of `config`. Connects with the first call.
    pub fn connect(config: &SdkConfig, tables: Tables) -> Self {
        Self { client: client(config, CallLimits::READ), tables, retention: Retention::default() }
    }

    /// Leaves out messages that have expired.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Returns the time for which messages are kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }
}

/// The time limits of one call.
#[derive(Clone, Copy, Debug)]
struct CallLimits {
    attempt_timeout: Duration,
    operation_timeout: Duration,
    attempts: u32,
}

impl CallLimits {
    /// The limits of a gateway's reads: a user waits for them.
    const READ: Self =
        Self { attempt_timeout: Duration::from_millis(1500), operation_timeout: Duration::from_secs(4), attempts: 3 };
    /// The limits of a write: one attempt, because its caller repeats it within its own deadline.
    const WRITE: Self =
        Self { attempt_timeout: Duration::from_secs(3), operation_timeout: Duration::from_secs(3), attempts: 1 };
}

fn client(config: &SdkConfig, limits: CallLimits) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(limits.attempt_timeout)
        .operation_timeout(limits.operation_timeout)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(limits.attempts)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(1));
    let config = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(timeouts).retry_config(retries).build();
    Client::from_conf(config)
}
