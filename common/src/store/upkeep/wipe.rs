//! Removing everything of an organization.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Keeper, Table, WRITES_AT_ONCE, fields};
use crate::ids::{OrgId, RoomId};
use crate::seq::{Seq, Timestamp};
use crate::store::item::id;
use crate::store::schema::{messages, rooms};
use crate::store::{StoreError, oldest_month};

impl Keeper {
    /// Returns the rooms of an organization. There is no index of them: it reads the whole table.
    pub async fn rooms_of_org(&self, org: &OrgId) -> Result<Vec<RoomId>, StoreError> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let reply = self
                .store
                .client
                .scan()
                .table_name(self.name(Table::Rooms))
                .filter_expression("#sk = :meta AND #org = :org")
                .expression_attribute_names("#sk", rooms::SK)
                .expression_attribute_names("#org", rooms::ORG)
                .expression_attribute_values(":meta", AttributeValue::S(rooms::META.to_owned()))
                .expression_attribute_values(":org", AttributeValue::S(org.to_string()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in reply.items.unwrap_or_default() {
                found.push(fields(item).required(rooms::PK, id)?);
            }
            start = reply.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Counts a room's messages, fences included, and removes them if it is to.
    pub async fn message_items(&self, room: &RoomId, made: Timestamp, removes: bool) -> Result<u64, StoreError> {
        let mut partitions = vec![messages::fences(room)];
        let (mut month, newest) = (oldest_month(made), Seq::now().month().next());
        while month <= newest {
            partitions.push(messages::room_month(room, month));
            month = month.next();
        }
        let mut count = 0;
        for partition in partitions {
            count += self.items(Table::Messages, &partition, removes).await?;
        }
        Ok(count)
    }

    /// Counts the facts, members and marks of a room, and removes them if it is to. They go last of a room: they tell that
    /// there is one.
    pub async fn room_items(&self, room: &RoomId, removes: bool) -> Result<u64, StoreError> {
        self.items(Table::Rooms, &rooms::room_pk(room), removes).await
    }

    /// The same of the directory of an organization.
    pub async fn all_directory_items(&self, org: &OrgId, removes: bool) -> Result<u64, StoreError> {
        self.items(Table::Rooms, &rooms::directory_pk(org), removes).await
    }

    /// The same of its archived rooms.
    pub async fn all_archive_entries(&self, org: &OrgId, removes: bool) -> Result<u64, StoreError> {
        self.items(Table::Archive, org.as_str(), removes).await
    }

    async fn items(&self, table: Table, partition: &str, removes: bool) -> Result<u64, StoreError> {
        let items = self.partition(table, partition).await?;
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if removes {
            let keys = items.iter().map(|item| table.key_of(item)).collect::<Result<Vec<_>, _>>()?;
            stream::iter(keys.into_iter().map(|key| self.delete(self.name(table), key)))
                .buffer_unordered(WRITES_AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
        Ok(count)
    }
}
