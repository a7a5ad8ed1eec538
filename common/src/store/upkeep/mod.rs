//! Upkeep of the tables by an operator's tool: what nobody else does with them. It removes items, takes a person out of
//! items that stay, and makes a table equal to another one.
//!
//! The tool runs beside gateways and functions. Whatever it changes is changed on the condition that it still is as it
//! was read, and a message gets the version right after the one it had: a change that is still on its way to the table is
//! newer, and is not lost. So one pass may leave something; a pass that changes nothing has left nothing.

mod copy;
mod person;
mod wipe;

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;

pub use self::copy::{Difference, TableCopy};
pub use self::person::heir;
use super::item::{Fields, Item};
use super::schema::{archive, messages, rooms};
use super::{CallLimits, Store, StoreError, Tables, client};
use crate::retention::Retention;

/// The limits of a call of the tool, for which nobody waits.
const LIMITS: CallLimits =
    CallLimits { attempt_timeout: Duration::from_secs(5), operation_timeout: Duration::from_mins(1), attempts: 10 };
/// Items written at once.
const WRITES_AT_ONCE: usize = 32;

/// The tables, for upkeep; cheap to clone.
#[derive(Clone, Debug)]
pub struct Keeper {
    store: Store,
}

impl Keeper {
    /// Makes a keeper with the region, endpoint and credentials of `config`. Connects with the first call.
    pub fn connect(config: &SdkConfig, tables: Tables) -> Self {
        Self { store: Store { client: client(config, LIMITS), tables, retention: Retention::default() } }
    }

    /// Returns the reading side, with the limits of the tool; it reads expired messages too.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads a partition of a table, or what a filter lets through, and returns its items.
    async fn partition(&self, table: Table, value: &str) -> Result<Vec<Item>, StoreError> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let reply = self
                .store
                .client
                .query()
                .table_name(self.name(table))
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", table.keys()[0])
                .expression_attribute_values(":pk", AttributeValue::S(value.to_owned()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            found.extend(reply.items.unwrap_or_default());
            start = reply.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    async fn delete(&self, table: &str, key: Item) -> Result<(), StoreError> {
        self.store.client.delete_item().table_name(table).set_key(Some(key)).send().await?;
        Ok(())
    }

    fn name(&self, table: Table) -> &str {
        let Tables { rooms, messages, archive } = &self.store.tables;
        match table {
            Table::Rooms => rooms,
            Table::Messages => messages,
            Table::Archive => archive,
        }
    }
}

/// One of the three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Rooms,
    Messages,
    Archive,
}

impl Table {
    /// Returns the attributes of its key.
    fn keys(self) -> [&'static str; 2] {
        match self {
            Self::Rooms => [rooms::PK, rooms::SK],
            Self::Messages => [messages::ROOM_MONTH, messages::SEQ],
            Self::Archive => [archive::ORG, archive::ARCHIVED_AT_ROOM],
        }
    }

    /// Returns the key of one of its items.
    fn key_of(self, item: &Item) -> Result<Item, StoreError> {
        let part = |name: &'static str| {
            let value = item.get(name).cloned().ok_or(StoreError::Malformed(name))?;
            Ok((name.to_owned(), value))
        };
        self.keys().into_iter().map(part).collect::<Result<HashMap<_, _>, StoreError>>()
    }
}

/// Returns an attribute as text, if it is there.
fn text_of(item: &Item, name: &'static str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

/// Takes an item apart.
fn fields(item: Item) -> Fields {
    Fields(item)
}
