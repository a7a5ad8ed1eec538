//! Names of tables, indexes and attributes, and the forms of keys. No other Rust file names them;
//! `deploy/cloudformation/data.yaml` creates the tables and indexes.
//!
//! Moments are ISO-8601 texts as on the wire, seqs and versions are numbers.

use crate::config::Environment;
use crate::ids::{OrgId, RoomId, UserId};
use crate::seq::Month;

/// The names of the three tables in a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Rooms, members and the organizations' directories: `RTS_ROOMS_TABLE`, default `chat-rooms`.
    pub rooms: String,
    /// Messages: `RTS_MESSAGES_TABLE`, default `chat-messages`.
    pub messages: String,
    /// Archived rooms: `RTS_ARCHIVE_TABLE`, default `chat-archive-index`.
    pub archive: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            rooms: "chat-rooms".to_owned(),
            messages: "chat-messages".to_owned(),
            archive: "chat-archive-index".to_owned(),
        }
    }
}

impl Tables {
    /// Reads the names from the environment.
    pub fn from_environment(environment: &Environment) -> Self {
        let named = |name, default| environment.text(name).unwrap_or(default);
        let default = Self::default();
        Self {
            rooms: named("RTS_ROOMS_TABLE", default.rooms),
            messages: named("RTS_MESSAGES_TABLE", default.messages),
            archive: named("RTS_ARCHIVE_TABLE", default.archive),
        }
    }
}

/// `chat-rooms`: a room's facts and members under its id, a directory under its organization.
pub mod rooms {
    use super::{OrgId, RoomId, UserId};

    /// Partition key (S): a room id, or `ORG#<org>`. Room ids start with a letter and `_`, so no organization's name
    /// makes the two collide.
    pub const PK: &str = "pk";
    /// Sort key (S): `META` or `MEMBER#<user>` of a room, `USER#<user>` or `NAME#<text>#<user>` of an organization.
    pub const SK: &str = "sk";
    /// The sort key of a room's facts.
    pub const META: &str = "META";
    /// Global index of a user's rooms: [`USER_KEY`], then [`PK`]. It projects only [`VERSION`] and [`ROLE`], so that
    /// marks, which change all the time, are not written to it.
    pub const BY_USER: &str = "by-user";
    /// Partition key of [`BY_USER`] (S): a user's key. Only items of members have it.
    pub const USER_KEY: &str = "userKey";

    /// Version of the facts, of the membership, or of the profile (N).
    pub const VERSION: &str = "version";
    /// The organization (S).
    pub const ORG: &str = "org";
    /// `direct` or `group` (S).
    pub const KIND: &str = "kind";
    /// The room's name (S).
    pub const NAME: &str = "name";
    /// The case (S).
    pub const CASE_ID: &str = "caseId";
    /// The user who created the room (S).
    pub const CREATED_BY: &str = "createdBy";
    /// The time of its creation (S).
    pub const CREATED_AT: &str = "createdAt";
    /// The time since when it is archived (S).
    pub const ARCHIVED_AT: &str = "archivedAt";
    /// `owner` or `member` (S); absent for someone who is not, or is no longer, a member.
    pub const ROLE: &str = "role";
    /// A user's name to show (S).
    pub const DISPLAY_NAME: &str = "displayName";
    /// The room's head when the member joined (N).
    pub const JOINED_SEQ: &str = "joinedSeq";
    /// The seq up to which the member has read (N).
    pub const READ_SEQ: &str = "readSeq";
    /// The seq up to which the member has received (N).
    pub const DELIVERED_SEQ: &str = "deliveredSeq";

    /// The attributes of a `META` item that hold its room and its facts.
    pub const FACTS: [&str; 9] = [PK, ORG, KIND, NAME, CASE_ID, CREATED_BY, CREATED_AT, ARCHIVED_AT, VERSION];
    /// The previous name (S), whose texts are to be removed.
    pub const NAME_BEFORE: &str = "nameBefore";
    /// The user that a text of the directory belongs to (S).
    pub const USER_ID: &str = "userId";

    const MEMBER: &str = "MEMBER#";

    /// The partition key of a room.
    pub fn room_pk(room: &RoomId) -> String {
        room.to_string()
    }

    /// The sort key of a member.
    pub fn member_sk(user: &UserId) -> String {
        format!("{MEMBER}{user}")
    }

    /// Returns the user of a member's sort key.
    pub fn member_of_sk(sk: &str) -> Option<UserId> {
        UserId::parse(sk.strip_prefix(MEMBER)?).ok()
    }

    /// The partition key of an organization's directory.
    pub fn directory_pk(org: &OrgId) -> String {
        format!("ORG#{org}")
    }

    /// The sort key of a user in the directory.
    pub fn profile_sk(user: &UserId) -> String {
        format!("USER#{user}")
    }

    /// The sort key of a text by which a user is found. The user has no `#` there, so that no text of one user makes
    /// the key of another's.
    pub fn name_sk(text: &str, user: &UserId) -> String {
        format!("NAME#{text}#{}", without_hash(user))
    }

    fn without_hash(user: &UserId) -> String {
        user.as_str().replace('%', "%25").replace('#', "%23")
    }

    /// The prefix of the sort keys of texts with this beginning.
    pub fn name_prefix(beginning: &str) -> String {
        format!("NAME#{beginning}")
    }

    /// Returns the text of a user's [`name_sk`]. Older ones have the user as it is.
    pub fn text_of_name(sk: &str, user: &UserId) -> Option<String> {
        let both = sk.strip_prefix("NAME#")?;
        let text = both.strip_suffix(&without_hash(user)).or_else(|| both.strip_suffix(user.as_str()))?;
        Some(text.strip_suffix('#')?.to_owned())
    }

    /// Returns the user of a directory's sort key.
    pub fn profile_of_sk(sk: &str) -> Option<UserId> {
        UserId::parse(sk.strip_prefix("USER#")?).ok()
    }
}

/// `chat-messages`: one item per message, in its last version. No item collection grows forever: a partition is one
/// month of a room.
pub mod messages {
    use super::{Month, RoomId};

    /// Partition key (S): `<roomId>#<yyyymm>`, the month of the seq.
    pub const ROOM_MONTH: &str = "roomMonth";
    /// Sort key (N): the seq.
    pub const SEQ: &str = "seq";

    /// The seq of the last change (N).
    pub const VERSION: &str = "version";
    /// The organization (S).
    pub const ORG: &str = "org";
    /// The time it was sent (S), which the seq implies too; for readers that use other means.
    pub const SENT_AT: &str = "sentAt";
    /// The number of the message in its room, from 1 (N).
    pub const ORDINAL: &str = "ordinal";
    /// The user who wrote it (S).
    pub const SENDER_ID: &str = "senderId";
    /// The id that the sender's client gave it (S).
    pub const CLIENT_ID: &str = "clientId";
    /// The text (S).
    pub const BODY: &str = "body";
    /// True for a tombstone (BOOL).
    pub const DELETED: &str = "deleted";
    /// The time of the last change of the body (S).
    pub const EDITED_AT: &str = "editedAt";
    /// The message it answers (N).
    pub const REPLY_TO: &str = "replyTo";
    /// The members that its body mentions (L of S); absent if there are none.
    pub const MENTIONS: &str = "mentions";
    /// The expiry time, in seconds since the Unix epoch (N): the table's time to live; absent if the message does not
    /// expire.
    pub const EXPIRES_AT: &str = "expiresAt";
    /// The attached files (L of M).
    pub const ATTACHMENTS: &str = "attachments";
    /// In an attachment: its id (S).
    pub const ATTACHMENT_ID: &str = "attachmentId";
    /// In an attachment: its name (S).
    pub const FILE_NAME: &str = "fileName";
    /// In an attachment: its MIME type (S).
    pub const CONTENT_TYPE: &str = "contentType";
    /// In an attachment: its size (N).
    pub const SIZE_BYTES: &str = "sizeBytes";
    /// The reactions, by emoji (L of M).
    pub const REACTIONS: &str = "reactions";
    /// In a reaction: the emoji (S).
    pub const EMOJI: &str = "emoji";
    /// In a reaction: the users (L of S).
    pub const USER_IDS: &str = "userIds";

    /// The partition key of a room's fences, whose numbers are their sort keys.
    pub fn fences(room: &RoomId) -> String {
        format!("{room}#fence")
    }

    /// The partition key of a room's month.
    pub fn room_month(room: &RoomId, month: Month) -> String {
        format!("{room}#{month}")
    }
}

/// `chat-archive-index`: the archived rooms of an organization, newest last.
pub mod archive {
    use super::{OrgId, RoomId};
    use crate::ids::CaseId;
    use crate::seq::Timestamp;

    /// Partition key (S): the organization.
    pub const ORG: &str = "org";
    /// Sort key (S): `<archivedAt>#<roomId>`.
    pub const ARCHIVED_AT_ROOM: &str = "archivedAtRoom";
    /// Global index of a case's archived rooms: [`CASE_KEY`].
    pub const BY_CASE: &str = "by-case";
    /// Partition key of [`BY_CASE`] (S).
    pub const CASE_KEY: &str = "caseKey";

    /// The room (S).
    pub const ROOM_ID: &str = "roomId";
    /// The time it was closed (S).
    pub const ARCHIVED_AT: &str = "archivedAt";
    /// Version of the facts that closed it (N).
    pub const VERSION: &str = "version";
    /// The room's name (S).
    pub const TITLE: &str = "title";
    /// The case (S).
    pub const CASE_ID: &str = "caseId";
    /// The members when it was closed (L of S).
    pub const MEMBERS: &str = "members";
    /// The first message (N); 0 if there is none.
    pub const FIRST_SEQ: &str = "firstSeq";
    /// The last message (N); 0 if there is none.
    pub const LAST_SEQ: &str = "lastSeq";
    /// The number of messages it has had (N).
    pub const MESSAGE_COUNT: &str = "messageCount";

    /// Returns the sort key of a room archived at a moment.
    pub fn archived_at_room(at: Timestamp, room: &RoomId) -> String {
        format!("{at}#{room}")
    }

    /// Returns the key of a case, `org/case` with the organization escaped as in a user's key.
    pub fn case_key(org: &OrgId, case: &CaseId) -> String {
        let org = org.as_str().replace('%', "%25").replace('/', "%2F");
        format!("{org}/{case}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;

    #[test]
    fn keys_have_their_forms() {
        let room = RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let user = UserId::parse("a#b/c").unwrap();
        let seq = Seq::new(1_767_225_600_000_000).unwrap();
        assert_eq!(messages::room_month(&room, seq.month()), "g_AAAAAAAAAAAAAAAAAAAAAA#202601");
        assert_eq!(
            archive::archived_at_room(seq.timestamp(), &room),
            "2026-01-01T00:00:00.000Z#g_AAAAAAAAAAAAAAAAAAAAAA"
        );
        assert_eq!(rooms::member_sk(&user), "MEMBER#a#b/c");
        assert_eq!(rooms::member_of_sk("MEMBER#a#b/c"), Some(user.clone()));
        assert_eq!(rooms::member_of_sk(rooms::META), None);
        assert_eq!(rooms::text_of_name(&rooms::name_sk("a#b", &user), &user).as_deref(), Some("a#b"));
        assert_eq!(rooms::text_of_name("NAME#a#b#a#b/c", &user).as_deref(), Some("a#b"), "an older key");
        assert!(rooms::name_sk("a#b", &user).starts_with(&rooms::name_prefix("a#")));
        assert_eq!(rooms::profile_of_sk(&rooms::profile_sk(&user)), Some(user));
    }

    #[test]
    fn no_name_makes_the_key_of_another_user() {
        let user = |text| UserId::parse(text).unwrap();
        assert_ne!(rooms::name_sk("x#b", &user("c")), rooms::name_sk("x", &user("b#c")));
        assert_ne!(rooms::name_sk("x#b%23", &user("c")), rooms::name_sk("x#b", &user("%23#c")));
        assert_ne!(rooms::name_sk("x", &user("b#c")), rooms::name_sk("x", &user("b%23c")));
    }

    #[test]
    fn table_names_come_from_the_environment() {
        let environment = Environment::from_lookup(|name| (name == "RTS_ROOMS_TABLE").then(|| "other".to_owned()));
        let tables = Tables::from_environment(&environment);
        assert_eq!(tables, Tables { rooms: "other".to_owned(), ..Tables::default() });
    }
}
