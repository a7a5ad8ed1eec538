//! An archived room as an item of `chat-archive-index`.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, ItemBuilder};
use crate::ids::{OrgId, RoomId};
use crate::room::{Closing, RoomFacts};
use crate::store::schema::archive as names;

/// Returns the entry of a room, with its keys; `None` for a room that is not archived. Without a closing, the entry
/// leaves out the room's content.
pub(in crate::store) fn archive_entry(
    org: &OrgId,
    room: &RoomId,
    facts: &RoomFacts,
    closing: Option<&Closing>,
) -> Option<Item> {
    let at = facts.archived_at?;
    let mut entry = ItemBuilder::default()
        .text(names::ORG, org.as_str())
        .text(names::ARCHIVED_AT_ROOM, names::archived_at_room(at, room))
        .text(names::ROOM_ID, room.as_str())
        .text(names::ARCHIVED_AT, at.to_string())
        .number(names::VERSION, facts.version.get())
        .optional_text(names::TITLE, facts.name.as_ref())
        .optional_text(names::CASE_ID, facts.case_id.as_ref())
        .optional_text(names::CASE_KEY, facts.case_id.as_ref().map(|case| names::case_key(org, case)));
    if let Some(closing) = closing {
        let members = closing.members.iter().map(|user| AttributeValue::S(user.to_string())).collect();
        entry = entry
            .value(names::MEMBERS, AttributeValue::L(members))
            .number(names::FIRST_SEQ, closing.first_seq.get())
            .number(names::LAST_SEQ, closing.last_seq.get())
            .number(names::MESSAGE_COUNT, closing.message_count);
    }
    Some(entry.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CaseId, UserId};
    use crate::room::RoomKind;
    use crate::seq::{Seq, Timestamp};

    #[test]
    fn an_entry_has_these_attributes_and_types() {
        let org = OrgId::parse("acme").unwrap();
        let room = RoomId::parse("c_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let mut facts = RoomFacts {
            kind: RoomKind::Group,
            name: Some("회의".to_owned()),
            case_id: Some(CaseId::parse("case/1").unwrap()),
            created_by: UserId::parse("ann").unwrap(),
            created_at: Timestamp::from_millis(1_767_225_600_123),
            archived_at: Some(Timestamp::from_millis(1_767_225_700_000)),
            version: Seq::new(1_767_225_700_000_001).unwrap(),
        };
        let closing = Closing {
            members: vec![UserId::parse("ann").unwrap()],
            first_seq: Seq::new(5).unwrap(),
            last_seq: Seq::new(7).unwrap(),
            message_count: 3,
        };
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let n = |text: &str| AttributeValue::N(text.to_owned());
        let expected = [
            ("org", s("acme")),
            ("archivedAtRoom", s("2026-01-01T00:01:40.000Z#c_AAAAAAAAAAAAAAAAAAAAAA")),
            ("roomId", s("c_AAAAAAAAAAAAAAAAAAAAAA")),
            ("archivedAt", s("2026-01-01T00:01:40.000Z")),
            ("version", n("1767225700000001")),
            ("title", s("회의")),
            ("caseId", s("case/1")),
            ("caseKey", s("acme/case/1")),
            ("members", AttributeValue::L(vec![s("ann")])),
            ("firstSeq", n("5")),
            ("lastSeq", n("7")),
            ("messageCount", n("3")),
        ];
        let entry = archive_entry(&org, &room, &facts, Some(&closing)).unwrap();
        assert_eq!(entry, expected.map(|(name, value)| (name.to_owned(), value)).into());
        facts.archived_at = None;
        assert_eq!(archive_entry(&org, &room, &facts, Some(&closing)), None);
    }
}
