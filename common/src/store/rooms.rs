//! Reading rooms: one with all its members, the rooms of a user, names of users.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Fields, Item, facts_from_item, id, marks_from_item, membership_from_item, seq, text};
use super::schema::rooms as names;
use super::{Store, StoreError, batch};
use crate::ids::{OrgId, Person, RoomId, UserId};
use crate::room::{Marks, Membership, RoomFacts};
use crate::seq::Seq;

/// A room as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoom {
    /// The organization it belongs to.
    pub org: OrgId,
    /// The facts.
    pub facts: RoomFacts,
    /// Everyone who is or was in it, by user id: those who left have no role. Marks that overtook their membership have
    /// one without role, of version zero.
    pub members: Vec<(Membership, Marks)>,
}

/// A room in a user's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRoom {
    /// The room.
    pub room_id: RoomId,
    /// The membership's version.
    pub version: Seq,
    /// True if the user is a member; `false` is the tombstone of an ended membership.
    pub is_member: bool,
}

/// A user in the directory of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name to show.
    pub display_name: String,
    /// The time when the name was last seen.
    pub version: Seq,
}

impl Store {
    /// Returns a room with all its members; `None` if its facts are not stored.
    pub async fn room(&self, room: &RoomId) -> Result<Option<StoredRoom>, StoreError> {
        let (mut found, mut members, mut start) = (None, Vec::new(), None);
        loop {
            let reply = self
                .client
                .query()
                .table_name(&self.tables.rooms)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", names::PK)
                .expression_attribute_values(":pk", AttributeValue::S(names::room_pk(room)))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in reply.items.unwrap_or_default() {
                match part_of_room(item)? {
                    Part::Facts(org, facts) => found = Some((org, facts)),
                    Part::Member(membership, marks) => members.push((membership, marks)),
                }
            }
            start = reply.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found.map(|(org, facts)| StoredRoom { org, facts, members }));
            }
        }
    }

    /// Returns whether a user is a member of a room, without reading the room; `None` if the room is not stored.
    pub async fn membership(&self, room: &RoomId, user: &UserId) -> Result<Option<bool>, StoreError> {
        let key = |sk: String| {
            batch::key((names::PK, AttributeValue::S(names::room_pk(room))), (names::SK, AttributeValue::S(sk)))
        };
        let keys = vec![key(names::META.to_owned()), key(names::member_sk(user))];
        let (mut is_stored, mut is_member) = (false, false);
        for item in self.get_all(&self.tables.rooms, keys, &[names::SK, names::ROLE]).await? {
            let mut fields = Fields(item);
            if fields.required(names::SK, text)? == names::META {
                is_stored = true;
            } else {
                is_member = fields.optional(names::ROLE, text)?.is_some();
            }
        }
        Ok(is_stored.then_some(is_member))
    }

    /// Returns the facts of these rooms, without reading other attributes; rooms that are not stored are left out.
    pub async fn facts_of(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, RoomFacts>, StoreError> {
        // A key may occur only once in a batch.
        let distinct: BTreeSet<_> = rooms.iter().collect();
        let keys = distinct
            .into_iter()
            .map(|room| {
                batch::key(
                    (names::PK, AttributeValue::S(names::room_pk(room))),
                    (names::SK, AttributeValue::S(names::META.to_owned())),
                )
            })
            .collect();
        let items = self.get_all(&self.tables.rooms, keys, &names::FACTS).await?;
        items
            .into_iter()
            .map(|item| {
                let mut fields = Fields(item);
                let room = fields.required(names::PK, id)?;
                Ok((room, facts_from_item(fields.0)?.1))
            })
            .collect()
    }

    /// Returns the rooms a user is or was in. The index follows its table with a short delay.
    pub async fn rooms_of(&self, person: &Person) -> Result<Vec<UserRoom>, StoreError> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let reply = self
                .client
                .query()
                .table_name(&self.tables.rooms)
                .index_name(names::BY_USER)
                .key_condition_expression("#user = :user")
                .expression_attribute_names("#user", names::USER_KEY)
                .expression_attribute_values(":user", AttributeValue::S(person.key()))
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in reply.items.unwrap_or_default() {
                let mut fields = Fields(item);
                found.push(UserRoom {
                    room_id: fields.required(names::PK, id)?,
                    version: fields.required(names::VERSION, seq)?,
                    is_member: fields.optional(names::ROLE, text)?.is_some(),
                });
            }
            start = reply.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Returns the directory's profiles of these users; unknown users are left out.
    pub async fn profiles(&self, org: &OrgId, users: &[UserId]) -> Result<HashMap<UserId, Profile>, StoreError> {
        let pk = names::directory_pk(org);
        // A key may occur only once in a batch.
        let distinct: BTreeSet<_> = users.iter().collect();
        let keys = distinct
            .into_iter()
            .map(|user| {
                batch::key(
                    (names::PK, AttributeValue::S(pk.clone())),
                    (names::SK, AttributeValue::S(names::profile_sk(user))),
                )
            })
            .collect();
        let attributes = [names::SK, names::DISPLAY_NAME, names::VERSION];
        let items = self.get_all(&self.tables.rooms, keys, &attributes).await?;
        items
            .into_iter()
            .map(|item| {
                let mut fields = Fields(item);
                let user = fields.required(names::SK, |sk| names::profile_of_sk(&text(sk)?))?;
                let profile = Profile {
                    display_name: fields.required(names::DISPLAY_NAME, text)?,
                    version: fields.required(names::VERSION, seq)?,
                };
                Ok((user, profile))
            })
            .collect()
    }
}

enum Part {
    Facts(OrgId, RoomFacts),
    Member(Membership, Marks),
}

fn part_of_room(item: Item) -> Result<Part, StoreError> {
    let mut fields = Fields(item);
    let sk = fields.required(names::SK, text)?;
    if sk == names::META {
        let (org, facts) = facts_from_item(fields.0)?;
        return Ok(Part::Facts(org, facts));
    }
    let user = names::member_of_sk(&sk).ok_or(StoreError::Malformed(names::SK))?;
    let membership = membership_from_item(user, &mut fields)?;
    Ok(Part::Member(membership, marks_from_item(&mut fields)?))
}
