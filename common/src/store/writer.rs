//! Writing, for the Lambdas only.
//!
//! Each call writes one item's full state on the condition that the stored version is smaller. A write that finds the
//! same or a higher version has succeeded: it was [`Written::Superseded`].

use std::future::Future;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{fence_to_item, message_to_item, role_to_text, seq_value};
use super::schema::{messages, rooms};
use super::{CallLimits, StoreError, Tables, client};
use crate::ids::{OrgId, Person, RoomId, UserId};
use crate::message::MessageState;
use crate::retention::Retention;
use crate::room::{Marks, Membership};
use crate::seq::Seq;

/// The outcome of a write. Either way the store now holds this version or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The item was written.
    Applied,
    /// This version, or a later one, was already there.
    Superseded,
}

/// The writing side of the store; cheap to clone. Each call makes one attempt: the caller repeats retryable ones,
/// within its own deadline.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(super) client: Client,
    pub(super) tables: Tables,
    retention: Retention,
}

impl Writer {
    /// Makes a writer with the region, endpoint and credentials of `config`. Connects with the first call.
    pub fn connect(config: &SdkConfig, tables: Tables) -> Self {
        Self { client: client(config, CallLimits::WRITE), tables, retention: Retention::default() }
    }

    /// Writes the expiry time into each message.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Writes a message at its version. A tombstone is written over any version that is none, and only another one over it:
    /// a change that was made without knowing of it brings nothing back.
    pub async fn message(&self, org: &OrgId, message: &MessageState) -> Result<Written, StoreError> {
        let item = message_to_item(org, message, self.retention.expires_at(message.seq));
        let condition = if message.content.deleted {
            format!("{IF_NEWER} OR #deleted = :false")
        } else {
            "attribute_not_exists(#version) OR (#version < :version AND #deleted = :false)".to_owned()
        };
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.messages)
            .set_item(Some(item))
            .condition_expression(condition)
            .expression_attribute_names("#version", messages::VERSION)
            .expression_attribute_names("#deleted", messages::DELETED)
            .expression_attribute_values(":version", seq_value(message.version))
            .expression_attribute_values(":false", AttributeValue::Bool(false));
        conditional(put.send()).await
    }

    /// Writes a fence of a room.
    pub async fn fence(&self, room: &RoomId, number: Seq) -> Result<(), StoreError> {
        let item = fence_to_item(room, number);
        self.client.put_item().table_name(&self.tables.messages).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Writes a membership at its version; the same item also holds the member's marks.
    pub async fn membership(&self, org: &OrgId, room: &RoomId, member: &Membership) -> Result<Written, StoreError> {
        let person = Person { org: org.clone(), user: member.user_id.clone() };
        let set = "SET #version = :version, #name = :name, #joined = :joined, #userKey = :userKey";
        let mut update = self
            .update_member(room, &member.user_id)
            .condition_expression(IF_NEWER)
            .expression_attribute_names("#version", rooms::VERSION)
            .expression_attribute_names("#name", rooms::DISPLAY_NAME)
            .expression_attribute_names("#joined", rooms::JOINED_SEQ)
            .expression_attribute_names("#userKey", rooms::USER_KEY)
            .expression_attribute_names("#role", rooms::ROLE)
            .expression_attribute_values(":version", seq_value(member.version))
            .expression_attribute_values(":name", AttributeValue::S(member.display_name.clone()))
            .expression_attribute_values(":joined", seq_value(member.joined_seq))
            .expression_attribute_values(":userKey", AttributeValue::S(person.key()));
        update = match member.role {
            Some(role) => update
                .update_expression(format!("{set}, #role = :role"))
                .expression_attribute_values(":role", AttributeValue::S(role_to_text(role).to_owned())),
            None => update.update_expression(format!("{set} REMOVE #role")),
        };
        conditional(update.send()).await
    }

    /// Moves a member's marks forward, each on its own. It never makes anyone a member: an item that only has marks has
    /// no role and is in no index.
    pub async fn marks(&self, room: &RoomId, user: &UserId, marks: Marks) -> Result<Written, StoreError> {
        let given: Vec<_> = [(rooms::READ_SEQ, marks.read_seq), (rooms::DELIVERED_SEQ, marks.delivered_seq)]
            .into_iter()
            .filter(|(_, seq)| *seq > Seq::ZERO)
            .collect();
        // Usually neither is behind the stored one, and one write does for both.
        if given.is_empty() || self.mark(room, user, &given).await? == Written::Applied {
            return Ok(if given.is_empty() { Written::Superseded } else { Written::Applied });
        }
        let mut written = Written::Superseded;
        if given.len() > 1 {
            for mark in given {
                if self.mark(room, user, &[mark]).await? == Written::Applied {
                    written = Written::Applied;
                }
            }
        }
        Ok(written)
    }

    /// Sets marks if none of them is behind the stored one.
    async fn mark(&self, room: &RoomId, user: &UserId, marks: &[(&str, Seq)]) -> Result<Written, StoreError> {
        let mut update = self.update_member(room, user);
        let (mut sets, mut conditions) = (Vec::new(), Vec::new());
        for (index, (name, seq)) in marks.iter().enumerate() {
            update = update
                .expression_attribute_names(format!("#m{index}"), *name)
                .expression_attribute_values(format!(":m{index}"), seq_value(*seq));
            sets.push(format!("#m{index} = :m{index}"));
            conditions.push(format!("(attribute_not_exists(#m{index}) OR #m{index} <= :m{index})"));
        }
        let update =
            update.update_expression(format!("SET {}", sets.join(", "))).condition_expression(conditions.join(" AND "));
        conditional(update.send()).await
    }

    fn update_member(&self, room: &RoomId, user: &UserId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.tables.rooms)
            .key(rooms::PK, AttributeValue::S(rooms::room_pk(room)))
            .key(rooms::SK, AttributeValue::S(rooms::member_sk(user)))
    }
}

/// An item without a version is absent, or only has marks.
pub(super) const IF_NEWER: &str = "attribute_not_exists(#version) OR #version < :version";

pub(super) async fn conditional<T, E>(
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<Written, StoreError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match call.await {
        Ok(_) => Ok(Written::Applied),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(Written::Superseded),
        Err(error) => Err(error.into()),
    }
}
