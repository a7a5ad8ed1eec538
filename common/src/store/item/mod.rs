//! The mapping between our types and DynamoDB items, written out attribute by attribute: renaming a field in Rust does
//! not change the stored form.

mod archive;
mod message;
mod room;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;

pub(super) use self::archive::archive_entry;
pub(super) use self::message::{fence_to_item, message_from_item, message_to_item};
pub(super) use self::room::{facts_from_item, facts_to_item, marks_from_item, membership_from_item, role_to_text};
use super::StoreError;
use crate::ids::{Id, IdKind};
use crate::seq::{Seq, Timestamp};

/// An item, or a map within one.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Builds an item.
#[derive(Default)]
pub(super) struct ItemBuilder(Item);

impl ItemBuilder {
    pub(super) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    pub(super) fn optional_value(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.value(name, value),
            None => self,
        }
    }

    pub(super) fn text(self, name: &str, text: impl Into<String>) -> Self {
        self.value(name, AttributeValue::S(text.into()))
    }

    pub(super) fn optional_text(self, name: &str, text: Option<impl ToString>) -> Self {
        match text {
            Some(text) => self.text(name, text.to_string()),
            None => self,
        }
    }

    pub(super) fn number(self, name: &str, number: u64) -> Self {
        self.value(name, AttributeValue::N(number.to_string()))
    }

    pub(super) fn optional_number(self, name: &str, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.number(name, number),
            None => self,
        }
    }

    pub(super) fn build(self) -> Item {
        self.0
    }
}

/// Returns a seq as a number attribute.
pub(super) fn seq_value(seq: Seq) -> AttributeValue {
    AttributeValue::N(seq.to_string())
}

/// Takes an item apart. Each attribute is moved out, so that texts are not copied.
pub(super) struct Fields(pub(super) Item);

impl Fields {
    /// Returns a mandatory attribute.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(AttributeValue) -> Option<T>,
    ) -> Result<T, StoreError> {
        self.optional(name, read)?.ok_or(StoreError::Malformed(name))
    }

    /// Returns an attribute that may be absent or NULL.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(AttributeValue) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.0.remove(name) {
            None | Some(AttributeValue::Null(_)) => Ok(None),
            Some(value) => read(value).map(Some).ok_or(StoreError::Malformed(name)),
        }
    }

    /// Returns a list of maps, each read by `read`; an absent one is empty.
    pub(super) fn maps<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(Fields) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let list = self.optional(name, list)?.unwrap_or_default();
        list.into_iter()
            .map(|value| match value {
                AttributeValue::M(map) => read(Fields(map)),
                _ => Err(StoreError::Malformed(name)),
            })
            .collect()
    }
}

pub(super) fn text(value: AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

pub(super) fn id<K: IdKind>(value: AttributeValue) -> Option<Id<K>> {
    Id::parse(&text(value)?).ok()
}

pub(super) fn number(value: AttributeValue) -> Option<u64> {
    match value {
        AttributeValue::N(number) => number.parse().ok(),
        _ => None,
    }
}

pub(super) fn seq(value: AttributeValue) -> Option<Seq> {
    number(value).and_then(Seq::new)
}

fn list(value: AttributeValue) -> Option<Vec<AttributeValue>> {
    match value {
        AttributeValue::L(list) => Some(list),
        _ => None,
    }
}

pub(super) fn timestamp(value: AttributeValue) -> Option<Timestamp> {
    let text = text(value)?;
    let deserializer = IntoDeserializer::<ValueError>::into_deserializer(text.as_str());
    Timestamp::deserialize(deserializer).ok()
}
