//! Every key and channel in Redis.
//!
//! All keys of a room share one of 128 hash-tag partitions, and so do all keys of a user, so that a script works on one
//! slot. A partition owns 128 neighbouring slots of a cluster, and its tag is a number that hashes into them: if a
//! cluster splits the slots evenly, the partitions are split evenly too.

use std::sync::LazyLock;

use crate::ids::{NodeId, OrgId, Person, RoomId};

/// The number of partitions; fixed, since it decides where everything is stored.
pub const PARTITIONS: usize = 128;
const SLOTS: u16 = 16_384;
const SLOTS_PER_PARTITION: u16 = SLOTS / 128;

/// The score of the last entry of [`Partition::unstored`], after those of all others.
pub const UNSTORED_END: u64 = crate::seq::SEQ_MAX;

/// One of the 128 parts of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u8);

impl Partition {
    /// Returns all partitions.
    pub fn all() -> impl Iterator<Item = Self> {
        (0_u8..128).map(Self)
    }

    /// Returns the partition of a room.
    pub fn of_room(room: &RoomId) -> Self {
        Self::of(room.as_str())
    }

    /// Returns the partition of a user.
    pub fn of_person(person: &Person) -> Self {
        Self::of(&person.key())
    }

    fn of(text: &str) -> Self {
        let [_, low] = (slot(text.as_bytes()) / SLOTS_PER_PARTITION).to_be_bytes();
        Self(low)
    }

    /// Returns its number, 0 to 127.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Returns the cluster slot of its keys.
    pub fn slot(self) -> u16 {
        slot(self.tag().as_bytes())
    }

    fn tag(self) -> &'static str {
        &TAGS[self.index()]
    }

    /// Sorted set of the entries that are not known to be stored, by the time of their acceptance (µs): members are
    /// `m:<room>:<seq>:<version>` and `r:<room>:<version>`. One that stands for nothing, [`UNSTORED_END`], keeps it in being.
    pub fn unstored(self) -> String {
        format!("rts:{{{}}}:unstored", self.tag())
    }

    /// Sorted set of the unstored entries that are known to have been journaled; the score holds when, how often and
    /// how surely ([`super::journaled::Journaled`]).
    pub fn journaled(self) -> String {
        format!("rts:{{{}}}:journaled", self.tag())
    }

    /// Hash of the history of the server's data under which the partition was seen last (`id`), and the time of the first
    /// script that saw it (`since`, µs).
    pub fn history(self) -> String {
        format!("rts:{{{}}}:history", self.tag())
    }

    /// The lease of the node that reconciles this partition.
    pub fn reconcile_lease(self) -> String {
        format!("rts:{{{}}}:lease:reconcile", self.tag())
    }

    /// A key that a node writes to find out if the server takes writes.
    pub fn write_probe(self, node: &NodeId) -> String {
        format!("rts:{{{}}}:probe:{node}", self.tag())
    }

    /// The channel of the nodes' canaries in this partition: `<node> <number>`.
    pub fn canary_channel(self) -> String {
        format!("rts:{{{}}}:canary", self.tag())
    }

    /// Sorted set of the nodes that have users of this partition, by the time when each renewed its lease (ms).
    pub fn presence_nodes(self) -> String {
        format!("rts:{{{}}}:presence:nodes", self.tag())
    }

    /// Set of the users of this partition, by [`Person::key`], who have connections on a node.
    pub fn presence_people(self, node: &NodeId) -> String {
        format!("rts:{{{}}}:presence:people:{node}", self.tag())
    }
}

/// The base key of a room: `:meta`, `:members`, `:marks`, `:stream`, `:changed`, `:deleted`, `:late`, `:rebuild`, `:read`, `:sent:<day>` and
/// `:mentions:<user>` follow it. The first five, and the partition's [`Partition::unstored`], exist as long as the room
/// does.
pub fn room(room: &RoomId) -> String {
    format!("rts:{{{}}}:room:{room}", Partition::of_room(room).tag())
}

/// The hash of a room's facts and counters; its fields are in [`super::room_hash`].
pub fn room_meta(id: &RoomId) -> String {
    format!("{}:meta", room(id))
}

/// The token of the rebuild of a room that has begun to read DynamoDB last.
pub fn room_read(id: &RoomId) -> String {
    format!("{}:read", room(id))
}

/// The key that a script finds a room by.
pub(super) fn meta_of(room: &str) -> String {
    format!("{room}:meta")
}

/// The other keys that exist as long as rooms of one partition do. Scripts declare them on a cluster: while it moves a
/// slot, it answers `TRYAGAIN` to whoever declares keys of which it has only some, and so no script sees half of a room.
pub(super) fn standing_of(rooms: &[impl AsRef<str>]) -> Vec<String> {
    let of_room = |room: &str| STANDING.map(|name| format!("{room}:{name}"));
    let mut keys: Vec<_> = rooms.iter().flat_map(|room| of_room(room.as_ref())).collect();
    let partition = rooms.first().and_then(|room| room.as_ref().split_once('}'));
    keys.extend(partition.map(|(tag, _)| format!("{tag}}}:unstored")));
    keys
}

const STANDING: [&str; 5] = ["members", "marks", "stream", "changed", "deleted"];

/// The hash of a room's members: user → `role version joinedSeq name`.
pub fn room_members(id: &RoomId) -> String {
    format!("{}:members", room(id))
}

/// The stream of a room's events; see [`super::stream`].
pub fn room_stream(id: &RoomId) -> String {
    format!("{}:stream", room(id))
}

/// The channel of a room's events, receipts and typing.
pub fn room_channel(room_id: &RoomId) -> String {
    format!("{}:events", room(room_id))
}

/// Returns the room of a [`room_channel`].
pub fn room_of_channel(channel: &str) -> Option<RoomId> {
    let (_, tail) = channel.split_once("}:room:")?;
    RoomId::parse(tail.strip_suffix(":events")?).ok()
}

/// The base key of a user: `:rooms`, `:profile`, `:connections`, `:status`, `:made`, `:uploaded`, `:spent` and `:revoked` follow it.
pub fn person(person: &Person) -> String {
    format!("rts:{{{}}}:user:{}", Partition::of_person(person).tag(), person.key())
}

/// All keys of a user but the note that their sessions were ended.
pub fn person_keys(who: &Person) -> [String; 7] {
    let of =
        [person_rooms, person_profile, person_made, person_uploaded, person_spent, person_connections, person_status];
    of.map(|key| key(who))
}

/// Hash of a user's rooms: room → `1 version` (member) or `0 version` (left); `*`: the history under which it was loaded.
pub fn person_rooms(who: &Person) -> String {
    format!("{}:rooms", person(who))
}

/// Hash of a user's `name`, `v`, the time when it was last seen (µs), and `durable`, the name that was journaled.
pub fn person_profile(who: &Person) -> String {
    format!("{}:profile", person(who))
}

/// The moment when a user's sessions were ended (seconds since the Unix epoch), as long as that is noted.
pub fn person_revoked(who: &Person) -> String {
    format!("{}:revoked", person(who))
}

/// The rooms that a user made: hash of the `day` since the Unix epoch, and the number `n` on that day.
pub fn person_made(who: &Person) -> String {
    format!("{}:made", person(who))
}

/// The bytes of files that a user began to upload, in the same form.
pub fn person_uploaded(who: &Person) -> String {
    format!("{}:uploaded", person(who))
}

/// The bytes of files that an organization's users began to upload, in the same form.
pub fn org_uploaded(org: &OrgId) -> String {
    format!("rts:{{{}}}:org:{org}:uploaded", Partition::of(org.as_str()).tag())
}

/// Hash of a user's budgets: when each would be whole again (µs).
pub fn person_spent(who: &Person) -> String {
    format!("{}:spent", person(who))
}

/// Hash of a user's connections: id → `node status`; see the scripts of presence.
pub fn person_connections(who: &Person) -> String {
    format!("{}:connections", person(who))
}

/// Hash of a user's presence as last published: `s`tatus (`o` online, `a` away, `f` offline), `v`ersion, and the time
/// when they were last seen (`at`, ms, 0 if never).
pub fn person_status(who: &Person) -> String {
    format!("{}:status", person(who))
}

/// The channel of a user's presence, for the nodes that watch it.
pub fn presence_channel(who: &Person) -> String {
    format!("{}:presence", person(who))
}

/// Returns the user of a [`presence_channel`].
pub fn person_of_presence(channel: &str) -> Option<Person> {
    let (_, tail) = channel.split_once("}:user:")?;
    Person::from_key(tail.strip_suffix(":presence")?).ok()
}

/// The channel of what concerns one user on all their devices.
pub fn person_channel(who: &Person) -> String {
    format!("{}:events", person(who))
}

/// Returns the user of a [`person_channel`].
pub fn person_of_channel(channel: &str) -> Option<Person> {
    let (_, tail) = channel.split_once("}:user:")?;
    Person::from_key(tail.strip_suffix(":events")?).ok()
}

/// The channel of what concerns one node.
pub fn node_channel(node: &NodeId) -> String {
    let partition = Partition::of(node.as_str());
    format!("rts:{{{}}}:node:{node}:events", partition.tag())
}

/// Returns the node of a [`node_channel`].
pub fn node_of_channel(channel: &str) -> Option<NodeId> {
    let (_, tail) = channel.split_once("}:node:")?;
    NodeId::parse(tail.strip_suffix(":events")?).ok()
}

/// The pattern of all keys of ours.
pub const ALL: &str = "rts:*";

/// True for a [`Partition::canary_channel`].
pub fn is_canary_channel(channel: &str) -> bool {
    channel.ends_with("}:canary")
}

/// Hash of what each node hears of the canaries: node → `number groups`, a number that changes with each report, and the
/// groups of partitions that it hears, as the bits of a hexadecimal number.
pub fn canary_reports() -> String {
    format!("rts:{{{}}}:canary:reports", Partition::of("canary").tag())
}

/// Sorted set of spans of five seconds since the Unix epoch, by the longest wait in a queue (ms) that a function saw in
/// each.
pub fn queue_waits(queue: &str) -> String {
    format!("rts:{{{}}}:waits:{queue}", Partition::of(queue).tag())
}

/// Sorted set of the nodes and the format that each writes, `<format> <node>`, by the time when each renewed that (ms).
pub fn formats() -> String {
    format!("rts:{{{}}}:formats", Partition::of("formats").tag())
}

/// The address of the node that serves a connection, to which requests for it are forwarded; leased. The id has the
/// form that clients see.
pub fn connection(id: &str) -> String {
    format!("rts:{{{}}}:connection:{id}", Partition::of(id).tag())
}

/// Returns the cluster slot of one of our channels or keys.
pub fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    slot(tag.map_or(key, |(tag, _)| tag).as_bytes())
}

static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut tags = vec![None; PARTITIONS];
    let mut missing = PARTITIONS;
    for number in 0_u32.. {
        let tag = number.to_string();
        let place = &mut tags[usize::from(slot(tag.as_bytes()) / SLOTS_PER_PARTITION)];
        if place.is_none() {
            *place = Some(tag);
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
    }
    tags.into_iter().flatten().collect()
});

/// The slot function of Redis Cluster: CRC-16/XMODEM, modulo 16384. Every call for a room computes it.
fn slot(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |crc, byte| {
        let [high, low] = crc.to_be_bytes();
        CRC_OF_BYTE[usize::from(high ^ byte)] ^ (u16::from(low) << 8)
    }) % SLOTS
}

/// The result of eight steps of the CRC for each byte.
const CRC_OF_BYTE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u16;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{OrgId, UserId};

    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot_of("rts:{foo}:room:x"), 12_182);
    }

    #[test]
    fn each_partition_has_a_tag_of_its_own_slots() {
        assert_eq!(TAGS.len(), PARTITIONS);
        for partition in Partition::all() {
            assert_eq!(partition.slot() / SLOTS_PER_PARTITION, u16::from(partition.0));
        }
    }

    #[test]
    fn channels_name_what_they_belong_to() {
        let room = RoomId::new_group();
        assert_eq!(room_of_channel(&room_channel(&room)), Some(room.clone()));
        assert_eq!(slot_of(&room_channel(&room)), Partition::of_room(&room).slot());
        let person = Person { org: OrgId::parse("a{}/b").unwrap(), user: UserId::parse("u}:{:events").unwrap() };
        assert_eq!(person_of_channel(&person_channel(&person)), Some(person.clone()));
        assert_eq!(room_of_channel(&person_channel(&person)), None);
        let node = NodeId::random();
        assert_eq!(node_of_channel(&node_channel(&node)), Some(node));
        assert_eq!(node_of_channel(&person_channel(&person)), None);
        let canary = Partition::of_room(&room).canary_channel();
        assert!(is_canary_channel(&canary) && !is_canary_channel(&canary_reports()));
        assert_eq!(slot_of(&canary), Partition::of_room(&room).slot());
        assert!(!is_canary_channel(&room_channel(&room)) && !is_canary_channel(&person_channel(&person)));
        assert_eq!(person_of_presence(&presence_channel(&person)), Some(person.clone()));
        assert_eq!(person_of_channel(&presence_channel(&person)), None);
        assert_eq!(person_of_presence(&person_channel(&person)), None);
        assert_eq!(slot_of(&person_rooms(&person)), Partition::of_person(&person).slot());
    }
}
