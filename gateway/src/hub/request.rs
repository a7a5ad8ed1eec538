//! The fields of requests, and their limits.

use rts_common::display_name;
use rts_common::ids::{AttachmentId, RoomId, UserId};
use rts_common::limits;
use serde::{Deserialize, Deserializer};

use crate::error::{ErrorKind, HubError};

/// A room named in a request. A malformed id names no room: it is not found, like an unknown one.
#[derive(Clone, Debug)]
pub(super) struct RoomRef {
    text: String,
    id: Option<RoomId>,
}

impl RoomRef {
    pub(super) fn id(&self) -> Result<&RoomId, HubError> {
        self.id.as_ref().ok_or_else(HubError::room_not_found)
    }

    pub(super) fn known(&self) -> Option<&RoomId> {
        self.id.as_ref()
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl<'de> Deserialize<'de> for RoomRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = RoomId::parse(&text).ok();
        Ok(Self { text, id })
    }
}

/// An existing user named in a request: a malformed id names no user.
#[derive(Clone, Debug)]
pub(super) struct UserRef(Option<UserId>);

impl UserRef {
    pub(super) fn id(&self) -> Option<&UserId> {
        self.0.as_ref()
    }
}

impl<'de> Deserialize<'de> for UserRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(UserId::parse(&String::deserialize(deserializer)?).ok()))
    }
}

/// A file named in a request. A malformed id names no file.
#[derive(Clone, Debug)]
pub(super) struct AttachmentRef(Option<AttachmentId>);

impl AttachmentRef {
    pub(super) fn id(&self) -> Result<&AttachmentId, HubError> {
        self.0.as_ref().ok_or_else(HubError::attachment_not_found)
    }
}

impl<'de> Deserialize<'de> for AttachmentRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(AttachmentId::parse(&String::deserialize(deserializer)?).ok()))
    }
}

/// A request that names nothing but a room.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomRequest {
    pub(super) room_id: RoomRef,
}

/// A page's size: the default without one, at most the maximum, however much more is asked for; zero or less is wrong.
pub(super) fn page_limit(limit: Option<i128>, page_max: usize) -> Result<usize, HubError> {
    match limit {
        None => Ok(limits::PAGE_DEFAULT.min(page_max)),
        Some(limit) if limit <= 0 => Err(HubError::invalid("limit has to be 1 or more.")),
        Some(limit) => Ok(usize::try_from(limit).unwrap_or(page_max).min(page_max)),
    }
}

/// Returns a room's name, with surrounding blanks removed.
pub(super) fn room_name(name: &str, chars_max: usize) -> Result<&str, HubError> {
    let name = name.trim();
    if !display_name::is_good(name) {
        let sentence = format!("A name has 1 to {chars_max} characters, something to see, and nothing hidden.");
        return Err(HubError::invalid(sentence));
    }
    if name.chars().count() > chars_max {
        return Err(HubError::new(ErrorKind::TooLarge, format!("A name has at most {chars_max} characters.")));
    }
    Ok(name)
}

/// Checks a message's body; it may be empty only if the message has other content.
pub(super) fn body(body: &str, body_bytes_max: usize, may_be_empty: bool) -> Result<(), HubError> {
    if body.is_empty() && !may_be_empty {
        return Err(HubError::invalid("body is empty."));
    }
    if body.len() > body_bytes_max {
        let sentence = format!("body has more than {body_bytes_max} bytes of UTF-8.");
        return Err(HubError::new(ErrorKind::TooLarge, sentence));
    }
    Ok(())
}

/// Returns the users named as members: each once, without the caller.
pub(super) fn others(mut users: Vec<UserId>, caller: &UserId) -> Result<Vec<UserId>, HubError> {
    users.sort_unstable();
    users.dedup();
    users.retain(|user| user != caller);
    if users.len() > limits::ROOM_MEMBERS {
        return Err(too_many_members());
    }
    Ok(users)
}

pub(super) fn too_many_members() -> HubError {
    let sentence = format!("A room has at most {} members.", limits::ROOM_MEMBERS);
    HubError::new(ErrorKind::TooLarge, sentence)
}

/// Names are texts for clients, also those that name nothing.
#[cfg(test)]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{AttachmentRef, RoomRef, UserRef};

    macro_rules! text {
        ($($type:ty)*) => {
            $(impl JsonSchema for $type {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    "Text".into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string" })
                }
            })*
        };
    }

    text! { RoomRef UserRef AttachmentRef }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_clamped_and_zero_or_less_is_wrong() {
        for (asked, expected) in
            [(None, 50), (Some(1), 1), (Some(200), 200), (Some(201), 200), (Some(i128::from(u64::MAX)), 200)]
        {
            assert_eq!(page_limit(asked, 200), Ok(expected), "{asked:?}");
        }
        assert_eq!(page_limit(None, 20), Ok(20));
        for wrong in [0, -1, i128::from(i64::MIN)] {
            assert!(page_limit(Some(wrong), 200).is_err(), "{wrong}");
        }
    }
}
