//! A room's facts with the archive index. Both are written in one transaction, so that the index always agrees with the
//! stored facts.
//!
//! The facts of the highest version win, in whatever order and however often records arrive. A late record finds higher
//! facts and changes nothing, in the index neither: it cannot bring back an entry that a later record removed. A
//! function that dies does so before or after the transaction; then the record is delivered again.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};

use super::item::{Fields, Item, archive_entry, facts_to_item, seq, seq_value, timestamp};
use super::schema::{archive, rooms};
use super::writer::{IF_NEWER, Writer, Written, conditional};
use super::{StoreError, batch};
use crate::ids::{OrgId, RoomId};
use crate::room::{Closing, RoomFacts};
use crate::seq::{Seq, Timestamp};

/// The number of times that others may change the facts between the read and the transaction.
const ATTEMPTS: usize = 4;

/// The part of a room's stored facts that decides whether others are written.
struct Known {
    version: Option<Seq>,
    archived_at: Option<Timestamp>,
}

impl Writer {
    /// Writes a room's facts at their version, and its entry in the archive index, which exists only while the room is
    /// archived.
    pub async fn facts(
        &self,
        org: &OrgId,
        room: &RoomId,
        facts: &RoomFacts,
        closing: Option<&Closing>,
    ) -> Result<Written, StoreError> {
        let item = facts_to_item(org, room, facts);
        // Usually the room neither is nor was archived: then the index does not matter.
        if facts.archived_at.is_none() && self.put_open(item.clone(), facts.version).await? == Written::Applied {
            return Ok(Written::Applied);
        }
        for _ in 0..ATTEMPTS {
            let known = self.known_facts(room).await?;
            if known.version.is_some_and(|version| version >= facts.version) {
                return Ok(Written::Superseded);
            }
            let mut writes = vec![self.put_if_still(item.clone(), &known)?];
            if let Some(at) = known.archived_at.filter(|at| Some(*at) != facts.archived_at) {
                writes.push(self.take_out(org, room, at)?);
            }
            if let Some(entry) = archive_entry(org, room, facts, closing) {
                writes.push(self.put_in(entry)?);
            }
            if self.transact(writes).await? {
                return Ok(Written::Applied);
            }
        }
        Err(StoreError::Throttled)
    }

    /// Writes the facts of an open room, unless archived ones are stored.
    async fn put_open(&self, item: Item, version: Seq) -> Result<Written, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.rooms)
            .set_item(Some(item))
            .condition_expression(format!("({IF_NEWER}) AND attribute_not_exists(#archivedAt)"))
            .expression_attribute_names("#version", rooms::VERSION)
            .expression_attribute_names("#archivedAt", rooms::ARCHIVED_AT)
            .expression_attribute_values(":version", seq_value(version));
        conditional(put.send()).await
    }

    async fn known_facts(&self, room: &RoomId) -> Result<Known, StoreError> {
        let key = batch::key(
            (rooms::PK, AttributeValue::S(rooms::room_pk(room))),
            (rooms::SK, AttributeValue::S(rooms::META.to_owned())),
        );
        let get = self.client.get_item().table_name(&self.tables.rooms).set_key(Some(key)).consistent_read(true);
        let mut fields = Fields(get.send().await?.item.unwrap_or_default());
        Ok(Known {
            version: fields.optional(rooms::VERSION, seq)?,
            archived_at: fields.optional(rooms::ARCHIVED_AT, timestamp)?,
        })
    }

    fn put_if_still(&self, item: Item, known: &Known) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.tables.rooms)
            .set_item(Some(item))
            .expression_attribute_names("#version", rooms::VERSION);
        let put = match known.version {
            None => put.condition_expression("attribute_not_exists(#version)"),
            Some(version) => {
                put.condition_expression("#version = :known").expression_attribute_values(":known", seq_value(version))
            }
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build())
    }

    fn put_in(&self, entry: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.tables.archive).set_item(Some(entry)).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn take_out(&self, org: &OrgId, room: &RoomId, at: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let key = batch::key(
            (archive::ORG, AttributeValue::S(org.to_string())),
            (archive::ARCHIVED_AT_ROOM, AttributeValue::S(archive::archived_at_room(at, room))),
        );
        let delete =
            Delete::builder().table_name(&self.tables.archive).set_key(Some(key)).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Returns false if the facts have changed since they were read.
    async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<bool, StoreError> {
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        match sent {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(failure)) if has_reason(failure.err(), "ConditionalCheckFailed") => Ok(false),
            Err(SdkError::ServiceError(failure)) if has_reason(failure.err(), INVALID) => {
                Err(StoreError::Refused(INVALID.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The reason of a transaction one of whose items is not valid, or too large.
const INVALID: &str = "ValidationError";

/// True if a transaction was cancelled for this reason, among others: its condition does not hold, or an item is refused.
/// A conflict with another transaction is a `TransactionCanceledException` too, but the caller may retry that one.
fn has_reason(error: &TransactWriteItemsError, reason: &str) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        return false;
    };
    cancelled.cancellation_reasons().iter().any(|found| found.code() == Some(reason))
}

fn incomplete(_: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Refused("ConstructionFailure".to_owned())
}
