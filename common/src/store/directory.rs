//! The directory of an organization: its users, and the texts by which they are found.
//!
//! A user's profile is one item, and each text that finds the user is another in the same partition, whose sort key
//! starts with the text. Readers take the texts as hints and trust the profile: texts that lag behind it or were left
//! over are not shown.
//!
//! The function that writes may die at any point. It writes the new texts, then the profile with the previous name, on
//! the condition that nobody else changed it meanwhile, and then removes the texts of the previous name; when the same
//! record comes again, it finds the profile written and removes what was left. A text carries the version of the
//! profile that wrote it, so that an old record that comes late removes nothing that a newer one needs.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Fields, ItemBuilder, id, seq, seq_value, text};
use super::schema::rooms as names;
use super::writer::{IF_NEWER, Writer, Written, conditional};
use super::{Store, StoreError};
use crate::ids::{OrgId, UserId};
use crate::names as searched;
use crate::seq::Seq;

/// The longest sort key that DynamoDB accepts.
const SORT_KEY_BYTES_MAX: usize = 1024;
/// Attempts at a profile that others change at the same time.
const ATTEMPTS: usize = 4;

/// A text by which a user is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundName {
    /// The text, folded.
    pub text: String,
    /// The user that it finds.
    pub user_id: UserId,
}

impl FoundName {
    /// Returns its position in the directory, from which the next page continues.
    pub fn place(&self) -> String {
        names::name_sk(&self.text, &self.user_id)
    }
}

/// True if a text may be the position of a name with this beginning: DynamoDB refuses anything else that a client sends
/// as one.
pub fn is_name_place(place: &str, beginning: &str) -> bool {
    place.len() <= SORT_KEY_BYTES_MAX && place.starts_with(&names::name_prefix(beginning))
}

/// Texts in order, and the position to continue from if there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamePage {
    /// The texts.
    pub found: Vec<FoundName>,
    /// The end of the page, if there are more.
    pub next: Option<String>,
}

impl Store {
    /// Returns the texts of an organization's users that start with a folded one, after a position that an earlier page
    /// gave. One query, of at most `limit` items.
    pub async fn names(
        &self,
        org: &OrgId,
        beginning: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<NamePage, StoreError> {
        let pk = AttributeValue::S(names::directory_pk(org));
        let start = after.map(|place| {
            [(names::PK.to_owned(), pk.clone()), (names::SK.to_owned(), AttributeValue::S(place.to_owned()))].into()
        });
        let reply = self
            .client
            .query()
            .table_name(&self.tables.rooms)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
            .expression_attribute_names("#pk", names::PK)
            .expression_attribute_names("#sk", names::SK)
            .expression_attribute_values(":pk", pk)
            .expression_attribute_values(":sk", AttributeValue::S(names::name_prefix(beginning)))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let mut page = NamePage::default();
        for item in reply.items.unwrap_or_default() {
            let mut fields = Fields(item);
            let user_id: UserId = fields.required(names::USER_ID, id)?;
            let text = fields.required(names::SK, |sk| names::text_of_name(&text(sk)?, &user_id))?;
            page.found.push(FoundName { text, user_id });
        }
        if let Some(key) = reply.last_evaluated_key.filter(|key| !key.is_empty()) {
            page.next = Some(Fields(key).required(names::SK, text)?);
        }
        Ok(page)
    }
}

/// The new state of a user's profile.
#[derive(Clone, Copy)]
struct Profile<'a> {
    name: &'a str,
    version: Seq,
}

/// A profile as the writer finds it.
struct Known {
    version: Seq,
    name: String,
    name_before: Option<String>,
}

impl Writer {
    /// Writes a user's name into the directory of the organization, and the texts by which it is found.
    pub async fn profile(&self, org: &OrgId, user: &UserId, name: &str, version: Seq) -> Result<Written, StoreError> {
        let wanted = searched::keys(name, user);
        for _ in 0..ATTEMPTS {
            let known = self.known_profile(org, user).await?;
            let Some(known) = known else {
                self.put_names(org, user, &wanted, version).await?;
                if self.put_profile(org, user, Profile { name, version }, None).await? == Written::Applied {
                    return Ok(Written::Applied);
                }
                continue;
            };
            let present = searched::keys(&known.name, user);
            if known.version > version {
                // Texts that an earlier attempt may have written, but that no longer belong to the name.
                self.remove_names(org, user, wanted.difference(&present), version).await?;
                return Ok(Written::Superseded);
            }
            let before = if known.version == version { known.name_before.as_ref() } else { Some(&known.name) };
            let old = before.map(|name| searched::keys(name, user)).unwrap_or_default();
            let is_new = known.version < version;
            if is_new {
                self.put_names(org, user, &wanted, version).await?;
                if self.put_profile(org, user, Profile { name, version }, Some(&known)).await? == Written::Superseded {
                    continue;
                }
            }
            self.remove_names(org, user, old.difference(&wanted), version).await?;
            return Ok(if is_new { Written::Applied } else { Written::Superseded });
        }
        // Other writers keep changing it; the record is delivered again.
        Err(StoreError::Unavailable)
    }

    async fn known_profile(&self, org: &OrgId, user: &UserId) -> Result<Option<Known>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.tables.rooms)
            .key(names::PK, AttributeValue::S(names::directory_pk(org)))
            .key(names::SK, AttributeValue::S(names::profile_sk(user)))
            .consistent_read(true)
            .send()
            .await?;
        let Some(item) = found.item else { return Ok(None) };
        let mut fields = Fields(item);
        Ok(Some(Known {
            version: fields.required(names::VERSION, seq)?,
            name: fields.required(names::DISPLAY_NAME, text)?,
            name_before: fields.optional(names::NAME_BEFORE, text)?,
        }))
    }

    /// Writes the profile if it still is the known one.
    async fn put_profile(
        &self,
        org: &OrgId,
        user: &UserId,
        profile: Profile<'_>,
        known: Option<&Known>,
    ) -> Result<Written, StoreError> {
        let item = ItemBuilder::default()
            .text(names::PK, names::directory_pk(org))
            .text(names::SK, names::profile_sk(user))
            .text(names::DISPLAY_NAME, profile.name)
            .optional_text(names::NAME_BEFORE, known.map(|known| &known.name))
            .number(names::VERSION, profile.version.get())
            .build();
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.rooms)
            .set_item(Some(item))
            .expression_attribute_names("#version", names::VERSION);
        let put = match known {
            Some(known) => put
                .condition_expression("#version = :known")
                .expression_attribute_values(":known", seq_value(known.version)),
            None => put.condition_expression("attribute_not_exists(#version)"),
        };
        conditional(put.send()).await
    }

    async fn put_names(
        &self,
        org: &OrgId,
        user: &UserId,
        texts: &BTreeSet<String>,
        version: Seq,
    ) -> Result<(), StoreError> {
        for text in texts {
            let item = ItemBuilder::default()
                .text(names::PK, names::directory_pk(org))
                .text(names::SK, names::name_sk(text, user))
                .text(names::USER_ID, user.as_str())
                .number(names::VERSION, version.get())
                .build();
            let put = self
                .client
                .put_item()
                .table_name(&self.tables.rooms)
                .set_item(Some(item))
                .condition_expression(IF_NEWER)
                .expression_attribute_names("#version", names::VERSION)
                .expression_attribute_values(":version", seq_value(version));
            conditional(put.send()).await?;
        }
        Ok(())
    }

    /// Removes texts unless a profile newer than this version has written them.
    async fn remove_names(
        &self,
        org: &OrgId,
        user: &UserId,
        texts: impl Iterator<Item = &String>,
        version: Seq,
    ) -> Result<(), StoreError> {
        for text in texts {
            let delete = self
                .client
                .delete_item()
                .table_name(&self.tables.rooms)
                .key(names::PK, AttributeValue::S(names::directory_pk(org)))
                .key(names::SK, AttributeValue::S(names::name_sk(text, user)))
                .condition_expression("attribute_not_exists(#version) OR #version <= :version")
                .expression_attribute_names("#version", names::VERSION)
                .expression_attribute_values(":version", seq_value(version));
            conditional(delete.send()).await?;
        }
        Ok(())
    }
}
