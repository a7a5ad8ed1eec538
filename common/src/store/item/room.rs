//! A room's facts and its members as items of `chat-rooms`.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Fields, Item, ItemBuilder, id, seq, text, timestamp};
use crate::ids::{OrgId, RoomId, UserId};
use crate::room::{Marks, Membership, Role, RoomFacts, RoomKind};
use crate::seq::Seq;
use crate::store::StoreError;
use crate::store::schema::rooms as names;

/// Makes the item of a room's facts, with its keys.
pub(in crate::store) fn facts_to_item(org: &OrgId, room: &RoomId, facts: &RoomFacts) -> Item {
    let kind = match facts.kind {
        RoomKind::Direct => "direct",
        RoomKind::Group => "group",
    };
    ItemBuilder::default()
        .text(names::PK, names::room_pk(room))
        .text(names::SK, names::META)
        .text(names::ORG, org.as_str())
        .number(names::VERSION, facts.version.get())
        .text(names::KIND, kind)
        .optional_text(names::NAME, facts.name.as_ref())
        .optional_text(names::CASE_ID, facts.case_id.as_ref())
        .text(names::CREATED_BY, facts.created_by.as_str())
        .text(names::CREATED_AT, facts.created_at.to_string())
        .optional_text(names::ARCHIVED_AT, facts.archived_at)
        .build()
}

/// Reads the organization and the facts of a `META` item.
pub(in crate::store) fn facts_from_item(item: Item) -> Result<(OrgId, RoomFacts), StoreError> {
    let mut fields = Fields(item);
    let org = fields.required(names::ORG, id)?;
    let facts = RoomFacts {
        kind: fields.required(names::KIND, kind)?,
        name: fields.optional(names::NAME, text)?,
        case_id: fields.optional(names::CASE_ID, id)?,
        created_by: fields.required(names::CREATED_BY, id)?,
        created_at: fields.required(names::CREATED_AT, timestamp)?,
        archived_at: fields.optional(names::ARCHIVED_AT, timestamp)?,
        version: fields.required(names::VERSION, seq)?,
    };
    Ok((org, facts))
}

/// Reads the membership of a member's item. An item that only has marks, because they overtook the membership, is a
/// tombstone of version zero: no member, and any membership supersedes it.
pub(in crate::store) fn membership_from_item(user_id: UserId, fields: &mut Fields) -> Result<Membership, StoreError> {
    Ok(Membership {
        user_id,
        display_name: fields.optional(names::DISPLAY_NAME, text)?.unwrap_or_default(),
        role: fields.optional(names::ROLE, role)?,
        version: fields.optional(names::VERSION, seq)?.unwrap_or(Seq::ZERO),
        joined_seq: fields.optional(names::JOINED_SEQ, seq)?.unwrap_or(Seq::ZERO),
    })
}

/// Reads the marks of a member's item.
pub(in crate::store) fn marks_from_item(fields: &mut Fields) -> Result<Marks, StoreError> {
    Ok(Marks {
        read_seq: fields.optional(names::READ_SEQ, seq)?.unwrap_or(Seq::ZERO),
        delivered_seq: fields.optional(names::DELIVERED_SEQ, seq)?.unwrap_or(Seq::ZERO),
    })
}

/// Returns the stored form of a role.
pub(in crate::store) fn role_to_text(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Member => "member",
    }
}

fn role(value: AttributeValue) -> Option<Role> {
    match text(value)?.as_str() {
        "owner" => Some(Role::Owner),
        "member" => Some(Role::Member),
        _ => None,
    }
}

fn kind(value: AttributeValue) -> Option<RoomKind> {
    match text(value)?.as_str() {
        "direct" => Some(RoomKind::Direct),
        "group" => Some(RoomKind::Group),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CaseId;
    use crate::seq::Timestamp;

    fn facts() -> RoomFacts {
        RoomFacts {
            kind: RoomKind::Group,
            name: Some("회의".to_owned()),
            case_id: Some(CaseId::parse("case/1").unwrap()),
            created_by: UserId::parse("ann").unwrap(),
            created_at: Timestamp::from_millis(1_767_225_600_123),
            archived_at: Some(Timestamp::from_millis(1_767_225_700_000)),
            version: Seq::new(1_767_225_700_000_001).unwrap(),
        }
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let org = OrgId::parse("acme").unwrap();
        let room = RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let bare = RoomFacts { kind: RoomKind::Direct, name: None, case_id: None, archived_at: None, ..facts() };
        for facts in [facts(), bare] {
            let item = facts_to_item(&org, &room, &facts);
            assert_eq!(item["pk"], AttributeValue::S(room.to_string()));
            assert_eq!(item["sk"], AttributeValue::S("META".to_owned()));
            assert_eq!(facts_from_item(item), Ok((org.clone(), facts)));
        }
    }

    #[test]
    fn an_item_of_marks_only_is_no_member() {
        let item = ItemBuilder::default().number(names::READ_SEQ, 5).build();
        let mut fields = Fields(item);
        let member = membership_from_item(UserId::parse("ann").unwrap(), &mut fields).unwrap();
        assert_eq!((member.role, member.version), (None, Seq::ZERO));
        let marks = marks_from_item(&mut fields).unwrap();
        assert_eq!(marks, Marks { read_seq: Seq::new(5).unwrap(), delivered_seq: Seq::ZERO });
    }
}
