//! Making the tables equal to others, to which a backup was restored.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Item, Keeper, Table, WRITES_AT_ONCE};
use crate::store::{StoreError, Tables};

/// Items read and compared at once: as many keys as one request may name.
const PAGE: i32 = 100;

/// The changes that make one table another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCopy {
    /// The table that is to change.
    pub table: String,
    /// The items of the other.
    pub items: u64,
    /// The differences.
    pub difference: Difference,
}

/// The differences of two tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Items that the other has, and this one has not, or not like that.
    pub written: u64,
    /// Items that only this one has.
    pub removed: u64,
}

impl Keeper {
    /// Compares each table with one of others, and makes it equal if it is to. Nobody may write to either meanwhile.
    pub async fn copy_from(&self, others: &Tables, writes: bool) -> Result<Vec<TableCopy>, StoreError> {
        let mut copies = Vec::new();
        let pairs =
            [(Table::Rooms, &others.rooms), (Table::Messages, &others.messages), (Table::Archive, &others.archive)];
        for (table, other) in pairs {
            copies.push(self.copy_table(table, other, writes).await?);
        }
        Ok(copies)
    }

    async fn copy_table(&self, table: Table, other: &str, writes: bool) -> Result<TableCopy, StoreError> {
        let own = self.name(table);
        let mut copy = TableCopy { table: own.to_owned(), items: 0, difference: Difference::default() };
        let mut start = None;
        loop {
            let (page, next) = self.page(other, start).await?;
            copy.items += count(page.len());
            let known = self.same_keys(table, own, &page).await?;
            let different: Vec<_> = page.into_iter().filter(|item| !known.contains(item)).collect();
            copy.difference.written += count(different.len());
            if writes {
                let puts = different.into_iter().map(|item| self.put(own, item));
                stream::iter(puts).buffer_unordered(WRITES_AT_ONCE).try_collect::<()>().await?;
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
        loop {
            let (page, next) = self.page(own, start).await?;
            let known = self.same_keys(table, other, &page).await?;
            let known = known.iter().map(|item| table.key_of(item)).collect::<Result<Vec<_>, _>>()?;
            let keys = page.iter().map(|item| table.key_of(item)).collect::<Result<Vec<_>, _>>()?;
            let surplus: Vec<_> = keys.into_iter().filter(|key| !known.contains(key)).collect();
            copy.difference.removed += count(surplus.len());
            if writes {
                let deletes = surplus.into_iter().map(|key| self.delete(own, key));
                stream::iter(deletes).buffer_unordered(WRITES_AT_ONCE).try_collect::<()>().await?;
            }
            start = next;
            if start.is_none() {
                return Ok(copy);
            }
        }
    }

    async fn page(&self, table: &str, start: Option<Item>) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let scan = self.store.client.scan().table_name(table).consistent_read(true).limit(PAGE);
        let reply = scan.set_exclusive_start_key(start).send().await?;
        Ok((reply.items.unwrap_or_default(), reply.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// Returns the items of a table that have the keys of these.
    async fn same_keys(&self, of: Table, table: &str, items: &[Item]) -> Result<Vec<Item>, StoreError> {
        let keys = items.iter().map(|item| of.key_of(item)).collect::<Result<Vec<_>, _>>()?;
        self.store.get_all(table, keys, &[]).await
    }

    async fn put(&self, table: &str, item: HashMap<String, AttributeValue>) -> Result<(), StoreError> {
        self.store.client.put_item().table_name(table).set_item(Some(item)).send().await?;
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
