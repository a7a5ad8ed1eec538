//! A room in the form of Redis's hashes.

use std::collections::HashMap;

use rts_common::ids::{CaseId, OrgId, RoomId, UserId};
use rts_common::redis::room_hash::{delivered_mark, meta, read_mark};
use rts_common::redis::stored::parse_member;
use rts_common::room::{Marks, RoomFacts, RoomKind, RoomSnapshot};
use rts_common::seq::{Seq, Timestamp};
use serde::{Deserialize, Deserializer};

/// Parses flat lists of names and values; `None` if they are not a room's.
pub(super) fn parse(room_id: &RoomId, facts: &[String], members: &[String], marks: &[String]) -> Option<RoomSnapshot> {
    let found = Fields::new(facts);
    let marks = Fields::new(marks);
    let facts = RoomFacts {
        kind: match found.get(meta::KIND)? {
            "direct" => RoomKind::Direct,
            "group" => RoomKind::Group,
            _ => return None,
        },
        name: found.get(meta::NAME).filter(|name| !name.is_empty()).map(str::to_owned),
        case_id: found.get(meta::CASE).and_then(|case| CaseId::parse(case).ok()),
        created_by: UserId::parse(found.get(meta::CREATED_BY)?).ok()?,
        created_at: Timestamp::from_millis(found.get(meta::CREATED_AT)?.parse().ok()?),
        archived_at: found.get(meta::ARCHIVED_AT).filter(|at| *at != "0").and_then(millis),
        version: found.seq(meta::VERSION)?,
    };
    let mut members: Vec<_> = members
        .chunks_exact(2)
        .filter_map(|pair| {
            let member = parse_member(&UserId::parse(&pair[0]).ok()?, &pair[1])?;
            member.role?;
            let mark = |field: String| marks.seq(&field).unwrap_or_default();
            let (read_seq, delivered_seq) = (mark(read_mark(&pair[0])), mark(delivered_mark(&pair[0])));
            Some((member, Marks { read_seq, delivered_seq }))
        })
        .collect();
    members.sort_unstable_by(|(one, _), (other, _)| one.user_id.cmp(&other.user_id));
    Some(RoomSnapshot {
        room_id: room_id.clone(),
        org: OrgId::parse(found.get(meta::ORG)?).ok()?,
        facts,
        head_seq: found.seq(meta::SEQ)?,
        members,
    })
}

/// Returns the number of a room's members, also where not all are given.
pub(super) fn member_count(fields: &[String]) -> Option<usize> {
    Fields::new(fields).get(meta::MEMBERS)?.parse().ok()
}

/// Returns a field of a room's meta hash that is a seq.
pub(super) fn seq_field(fields: &[String], name: &str) -> Option<Seq> {
    Fields::new(fields).seq(name)
}

fn millis(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(Timestamp::from_millis)
}

struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn new(flat: &'a [String]) -> Self {
        Self(flat.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    fn seq(&self, name: &str) -> Option<Seq> {
        self.get(name).and_then(Seq::parse)
    }
}

/// Deserializes a list: Lua's JSON writes an empty list as an empty object.
pub(super) fn list_or_empty_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Empty {},
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::List(list) => list,
        Either::Empty {} => Vec::new(),
    })
}
