//! The items to write for the records of a batch: only the highest version of each item.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rts_common::ids::{OrgId, RoomId, UserId};
use rts_common::message::MessageState;
use rts_common::record::RoomChange;
use rts_common::room::{Closing, Marks, Membership, RoomFacts};
use rts_common::seq::Seq;
use rts_common::store::StoreError;
use rts_common::store::writer::{Writer, Written};

use crate::record::Record;

/// An item to write, and the records that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The write of the item.
    pub write: Write,
    /// The indexes of the batch's records that it covers, ascending.
    pub records: Vec<usize>,
}

/// Plans the items of a batch. `None` stands for a record that could not be read.
pub fn plan<'a>(records: impl Iterator<Item = Option<&'a Record>>) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    let mut places: HashMap<ItemKey, usize> = HashMap::new();
    for (index, record) in records.enumerate() {
        for write in record.map(writes).unwrap_or_default() {
            match places.entry(write.key()) {
                Entry::Vacant(place) => {
                    place.insert(planned.len());
                    planned.push(Planned { write, records: vec![index] });
                }
                Entry::Occupied(place) => {
                    let known = &mut planned[*place.get()];
                    known.write.absorb(write);
                    if known.records.last() != Some(&index) {
                        known.records.push(index);
                    }
                }
            }
        }
    }
    planned
}

/// One conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A message.
    Message(OrgId, MessageState),
    /// A room's facts, and its content at its closing if they close it.
    Facts(OrgId, RoomId, RoomFacts, Option<Closing>),
    /// A membership.
    Membership(OrgId, RoomId, Membership),
    /// A member's marks.
    Marks(RoomId, UserId, Marks),
    /// A name in the directory: organization, user, name, version.
    Profile(OrgId, UserId, String, Seq),
}

#[derive(PartialEq, Eq, Hash)]
enum ItemKey {
    Message(RoomId, Seq),
    Facts(RoomId),
    Membership(RoomId, UserId),
    Marks(RoomId, UserId),
    Profile(OrgId, UserId),
}

impl Write {
    /// True if it waits for the other writes of its records. A room exists once its facts do, so they come last: nobody
    /// finds a room with half of its members.
    pub fn comes_last(&self) -> bool {
        matches!(self, Self::Facts(..))
    }

    /// Makes one attempt at the write.
    pub async fn apply(&self, writer: &Writer) -> Result<Written, StoreError> {
        match self {
            Self::Message(org, message) => writer.message(org, message).await,
            Self::Facts(org, room, facts, closing) => writer.facts(org, room, facts, closing.as_ref()).await,
            Self::Membership(org, room, member) => writer.membership(org, room, member).await,
            Self::Marks(room, user, marks) => writer.marks(room, user, *marks).await,
            Self::Profile(org, user, name, version) => writer.profile(org, user, name, *version).await,
        }
    }

    fn key(&self) -> ItemKey {
        match self {
            Self::Message(_, message) => ItemKey::Message(message.room_id.clone(), message.seq),
            Self::Facts(_, room, ..) => ItemKey::Facts(room.clone()),
            Self::Membership(_, room, member) => ItemKey::Membership(room.clone(), member.user_id.clone()),
            Self::Marks(room, user, _) => ItemKey::Marks(room.clone(), user.clone()),
            Self::Profile(org, user, ..) => ItemKey::Profile(org.clone(), user.clone()),
        }
    }

    fn version(&self) -> Seq {
        match self {
            Self::Message(_, message) => message.version,
            Self::Facts(_, _, facts, _) => facts.version,
            Self::Membership(_, _, member) => member.version,
            // Marks are merged, not superseded.
            Self::Marks(..) => Seq::ZERO,
            Self::Profile(_, _, _, version) => *version,
        }
    }

    /// Absorbs another write of the same item.
    fn absorb(&mut self, other: Self) {
        if let (Self::Marks(_, _, known), Self::Marks(_, _, more)) = (&mut *self, &other) {
            known.read_seq = known.read_seq.max(more.read_seq);
            known.delivered_seq = known.delivered_seq.max(more.delivered_seq);
        } else if let (Self::Message(_, known), Self::Message(_, more)) = (&*self, &other) {
            if more.supersedes(known) {
                *self = other;
            }
        } else if other.version() > self.version() {
            *self = other;
        }
    }
}

fn writes(record: &Record) -> Vec<Write> {
    match record {
        // Written by itself, once all before it is.
        Record::Fence(_) => Vec::new(),
        Record::Message(record) => vec![Write::Message(record.org.clone(), record.message.clone())],
        Record::Room(record) => {
            let org = &record.org;
            match &record.change {
                RoomChange::Room { room_id, facts, members, closing, .. } => {
                    let facts =
                        facts.clone().map(|facts| Write::Facts(org.clone(), room_id.clone(), facts, closing.clone()));
                    let members =
                        members.iter().map(|member| Write::Membership(org.clone(), room_id.clone(), member.clone()));
                    members.chain(facts).collect()
                }
                RoomChange::Marks { room_id, user_id, marks } => {
                    vec![Write::Marks(room_id.clone(), user_id.clone(), *marks)]
                }
                RoomChange::Profile { user_id, display_name, version } => {
                    vec![Write::Profile(org.clone(), user_id.clone(), display_name.clone(), *version)]
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
